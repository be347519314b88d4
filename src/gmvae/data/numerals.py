"""Numbers in cells of text, in the forms that people write: 1250, 1.250,5, 1 250, 12%."""

from __future__ import annotations

import re
import reprlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from gmvae.data.errors import DataError
from gmvae.data.table_cells import Form, first_among

if TYPE_CHECKING:
    import pyarrow as pa

_NUMBER = r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|[+-]?([iI]nf|INF|[iI]nfinity)"
_DECIMAL_COMMA = r"[+-]?(\d+,?\d*|,\d+)([eE][+-]?\d+)?"
_BLANK = "[ \u00a0\u2009\u202f]"
_BY_BLANKS = rf"[+-]?\d{{1,3}}({_BLANK}\d{{3}})+([.,]\d+)?"
_BY_COMMAS = r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d+)?"  # 1,234,567, or 12,34,567 as in India
_BY_DOTS = r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?"
_BY_QUOTES = r"[+-]?\d{1,3}(['’]\d{3})+([.,]\d+)?"
_CURRENCIES = "$€£¥"
_AMOUNT = rf"[+-]?\s*[{_CURRENCIES}]?\s*[\d.][\d.,' ]*[{_CURRENCIES}]?"
_MONTH = r"(?i:jan|feb|mar|apr|may|jun|jul|aug|sep|oct|nov|dec)[a-z]*\.?"
_DATE = (
    r"\d{4}[-/.]\d{1,2}[-/.]\d{1,2}([T ].*)?|\d{1,2}[-/.]\d{1,2}[-/.]\d{4}( .*)?|\d{1,2}/\d{1,2}/\d{2}( .*)?"
    r"|\d{2}\.\d{2}\.\d{2}( .*)?|\d{8}T\d{4,6}.*|\d{4}年\d{1,2}月(\d{1,2}日)?"
    r"|[A-Za-z]{3,9} \d{1,2}, \d{4}|\d{1,2}:\d{2}(:\d{2}([.,]\d+)?)?(\s?[AaPp][Mm])?"
    rf"|([A-Za-z]{{3,9}},? +)?(\d{{1,2}}[-. ]+([A-Za-z]{{3,9}}[-., ]+\d{{4}}|{_MONTH}[-., ]+\d{{2}})"
    rf"|{_MONTH} +\d{{1,2}},? +\d{{4}})( .*)?"
)
_SMALL = r"[+-]?\d{1,3}([.,]\d+)?"
_LIKE_ONE = rf"({_NUMBER}|{_DECIMAL_COMMA}|{_BY_BLANKS}|{_BY_QUOTES}|{_BY_COMMAS}|{_BY_DOTS})\s*%?"
_CODE = r"0\d+|\d{20,}"
"""Digits of no number: behind a zero, as in postal codes, or more than 64 bits hold, as in ids."""


class _Reading(NamedTuple):
    """One form of numbers: the pattern that all cells match, one that some cell must, and how to make them plain."""

    pattern: str
    sign: str = ""
    groups: str = ""
    decimal: str = "."


def is_number(text: str) -> bool:
    """Whether a text is a number, with a decimal point or a decimal comma."""
    return re.fullmatch(f"{_NUMBER}|{_DECIMAL_COMMA}", text.strip()) is not None


def are_codes(cells: Collection[str]) -> bool:
    """Whether cells are digits, some with leading zeros or very many, as postal codes and ids have: no numbers."""
    return all(re.fullmatch(r"\d+", cell) for cell in cells) and any(re.fullmatch(_CODE, cell) for cell in cells)


def are_dates(cells: Collection[str]) -> bool:
    """Whether texts are dates or times of a day, in one of the usual forms."""
    return bool(cells) and all(re.fullmatch(_DATE, cell) for cell in cells)


def have_units(cells: Collection[str]) -> bool:
    """Whether texts are numbers with a unit or a sign beside each, or none."""
    return all(re.fullmatch(rf"\W*({_LIKE_ONE})\s*[^\W\d]*\W*", cell) for cell in cells)


def dots_in_doubt(cells: Collection[str]) -> bool:
    """Whether dots in numbers may be decimal marks or cut thousands."""
    grouped = all(re.fullmatch(rf"(?![+-]?0){_BY_DOTS}|[+-]?\d{{1,3}}", cell) for cell in cells)
    return grouped and any("." in cell for cell in cells)


def numbers(column: pa.ChunkedArray, where: str, form: Form, *, certain: bool = False) -> pa.ChunkedArray | None:
    """A cleaned column of text as numbers; None where it is text.

    DataError if half of the cells or more are numbers and some are not, or it is in doubt what a comma means.

    Parameters
    ----------
    where : str
        The file and the column, for messages.
    certain : bool
        Whether it must hold numbers, as it did in the fit.
    """
    from pyarrow import compute

    column = compute.replace_substring_regex(column, r"^−([\d.])", r"-\1")
    levels = compute.unique(column.drop_null())
    if not certain and _any(levels, f"^({_CODE})$") and _all(levels, r"\d+"):
        return None
    signs = [sign for sign in _CURRENCIES if _any(levels, re.escape(sign))]
    if len(signs) > 1 and _all(levels, _AMOUNT):
        cells = (first_among(column, _those(levels, rf".*{re.escape(sign)}.*"))[1] for sign in signs[:2])
        raise DataError(
            f"{where}, must hold amounts of one currency; got {' and '.join(map(reprlib.repr, cells))}: convert them, "
            "or leave the column out (`--drop`)."
        )
    for sign in map(re.escape, signs):
        ahead, behind = rf"^([+-]?)\s*{sign}\s*([\d.])", rf"(\d)\s*{sign}$"
        if _any(levels, f"{ahead}|{behind}"):
            bare = compute.replace_substring_regex(column, ahead, r"\1\2")
            return numbers(compute.replace_substring_regex(bare, behind, r"\1"), where, form, certain=certain)
    if not certain and not any(re.fullmatch(_LIKE_ONE, level) for level in levels.slice(0, 1000).to_pylist()):
        return None
    if len(levels) and _all(levels, r".*\d\s*%"):
        bare = compute.replace_substring_regex(column, r"\s*%$", "")
        return numbers(bare, where, form, certain=certain)
    for reading in _readings(form):
        if _all(levels, reading.pattern) and _any(levels, reading.sign):
            if reading.groups:
                column = compute.replace_substring_regex(column, reading.groups, "")
            return _cast(compute.replace_substring(column, reading.decimal, "."))
    if _all(levels, f"{_BY_COMMAS}|{_NUMBER}") and form.decimal != ",":
        row, value = first_among(column, _those(levels, _BY_COMMAS))
        raise DataError(
            f"{where}, must hold numbers of one meaning; got {reprlib.repr(value)} in data row {row + 1}, which may be "
            f"{value.replace(',', '')} or {value.replace(',', '.')}: write plain numbers (`--decimal` names the "
            "decimal mark)."
        )
    fits = _DECIMAL_COMMA if form.decimal == "," else f"{_NUMBER}|{_DECIMAL_COMMA}" if form.comma else _NUMBER
    wrong = _those(levels, fits, match=False)
    n_other = compute.sum(compute.is_in(column, value_set=_those(levels, _LIKE_ONE, match=False))).as_py()
    if not certain and 2 * n_other > len(column) - column.null_count:
        return None
    row, value = first_among(column, wrong)
    remedy = "correct it, or empty it if it marks missing cells (`--missing`)"
    if not certain:
        remedy = "correct it, empty it if it marks missing cells (`--missing`), or leave the column out (`--drop`)"
    raise DataError(f"{where}, must hold numbers; got {reprlib.repr(value)} in data row {row + 1}: {remedy}.")


def _readings(form: Form) -> Iterator[_Reading]:
    point = form.decimal != ","
    comma = form.decimal == "," or (form.decimal is None and form.comma)
    if point:
        yield _Reading(_NUMBER)
    if form.decimal != ".":
        # Elsewhere, some cell must have another number of digits than three behind its comma, or a leading zero.
        proof = "" if comma else r"^[+-]?(0|\d{4,})?,|,(\d{1,2}|\d{4,})([eE]|$)"
        yield _Reading(_DECIMAL_COMMA, proof, decimal=",")
    yield _Reading(f"{_BY_BLANKS}|{_SMALL}", _BLANK, groups=_BLANK, decimal=",")
    yield _Reading(f"{_BY_QUOTES}|{_SMALL}", "['’]", groups="['’]", decimal=",")
    if point:
        proof = "," if form.decimal == "." else r",\d{2,3}[,.]"
        yield _Reading(rf"{_BY_COMMAS}|{_SMALL}", proof, groups=",")
    if form.decimal != ".":
        proof = r"\." if form.decimal == "," else r"\.\d{3}[.,]"
        yield _Reading(rf"{_BY_DOTS}|{_SMALL}", proof, groups=r"\.", decimal=",")


def _matches(levels: pa.Array, pattern: str) -> pa.Array:
    from pyarrow import compute

    return compute.match_substring_regex(levels, f"^({pattern})$")


def _those(levels: pa.Array, pattern: str, *, match: bool = True) -> pa.Array:
    from pyarrow import compute

    matches = _matches(levels, pattern)
    return compute.filter(levels, matches if match else compute.invert(matches))


def _all(levels: pa.Array, pattern: str) -> bool:
    from pyarrow import compute

    return bool(compute.all(_matches(levels, pattern), min_count=0).as_py())


def _any(levels: pa.Array, sign: str) -> bool:
    from pyarrow import compute

    return not sign or bool(compute.any(compute.match_substring_regex(levels, sign), min_count=0).as_py())


def _cast(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Text of plain numbers as int64 where all are whole, else as float64."""
    import pyarrow as pa
    from pyarrow import compute

    column = compute.replace_substring_regex(column, r"^\+", "")
    try:
        return column.cast(pa.int64())
    except pa.ArrowInvalid:
        return column.cast(pa.float64())
