"""Text files with a separator between columns: which one, and whether names stand in the first row."""

from __future__ import annotations

import csv
import gzip
import io
from collections import Counter
from collections.abc import Collection
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from gmvae.data.cells import MARKS, Form
from gmvae.data.columns import UNNAMED
from gmvae.data.errors import DataError
from gmvae.data.numerals import is_number
from gmvae.data.options import TableOptions
from gmvae.data.zipped import unzipped

if TYPE_CHECKING:
    import pyarrow as pa

_SEPARATORS = ",;\t|"
_HEAD_BYTES = 2**18
_HEAD_ROWS = 200

Rows = list[list[str]]


def read_separated(path: Path, options: TableOptions, known: Collection[str] = ()) -> tuple[pa.Table, Form]:
    """Read a file as it is: names without blanks around them, cells that pyarrow cannot read as numbers as text.

    DataError if it is in doubt whether its first row holds names, or two are the same.

    Parameters
    ----------
    known : collection of str
        Names of columns; a first row that has them all is a header.
    """
    from pyarrow import csv as arrow

    if path.suffix.lower() == ".gz":
        for _ in unzipped(path):
            pass
    head = _head(path)
    separator = options.separator or ("\t" if ".tsv" in path.name.lower() else separator_of(head))
    rows = _rows(head, separator)
    header = options.header
    if header is None:
        header = bool(known) and bool(rows) and {*known} <= {cell.strip() for cell in rows[0]}
        if not header and rows:
            _check_header(rows, path.name)
            header = True
    # With one thread, a parse error names its row.
    reading = arrow.ReadOptions(use_threads=False, autogenerate_column_names=not header)
    parsing = arrow.ParseOptions(delimiter=separator, ignore_empty_lines=not rows or len(rows[0]) > 1)
    converting = arrow.ConvertOptions(
        null_values=[*MARKS, *options.missing],
        strings_can_be_null=True,
        decimal_point=options.decimal or ".",
    )
    try:
        table = arrow.read_csv(path, reading, parsing, converting)
    except ValueError as error:
        if '"' not in head:
            raise
        parsing.newlines_in_values = True
        try:
            table = arrow.read_csv(path, reading, parsing, converting)
        except ValueError:
            raise error from None
    names = [name.strip() for name in table.column_names]
    if not header:
        names = [f"{UNNAMED}{i + 1}" for i in range(table.num_columns)]
    _check_names(names, path.name)
    form = Form(options.missing, options.decimal, comma=separator == ";")
    return table.rename_columns(names), form


def separator_of(head: str) -> str:
    """The separator that cuts every row alike, into cells of which most are numbers; a comma if there is none."""

    def cells_alike(separator: str) -> float:
        rows = _rows(head, separator)
        if not rows or len(rows[0]) < 2 or len({len(row) for row in rows}) > 1:
            return -1.0
        cells = [cell.strip() for row in rows[1:] or rows for cell in row]
        return sum(is_number(cell) or cell in MARKS for cell in cells) / len(cells)

    shares = {separator: cells_alike(separator) for separator in _SEPARATORS}
    return max(_SEPARATORS, key=lambda separator: shares[separator])


def _head(path: Path) -> str:
    opened = gzip.open if path.suffix.lower() == ".gz" else open
    with opened(path, "rb") as file:
        content = file.read(_HEAD_BYTES + 1)
    text = content[:_HEAD_BYTES].decode("utf-8-sig", errors="replace")
    # The last line may be cut.
    return text.rpartition("\n")[0] if len(content) > _HEAD_BYTES and "\n" in text else text


def _rows(head: str, separator: str) -> Rows:
    """The first rows but empty ones; none where they cannot be told apart."""
    try:
        found = csv.reader(io.StringIO(head, newline=""), delimiter=separator, skipinitialspace=True)
        return list(islice((row for row in found if row), _HEAD_ROWS))
    except csv.Error:
        return []


def _check_header(rows: Rows, where: str) -> None:
    """Raise DataError if the first row may be data."""
    first = [cell.strip() for cell in rows[0]]
    below = [[cell.strip() for cell in row] for row in rows[1:] if len(row) == len(first)]
    # pandas numbers columns from 0. No row of data is 0, 1, 2, … where all columns hold fractions.
    numbered = len(first) > 2 and first == [str(i) for i in range(len(first))]
    if numbered and all(any("." in row[i] for row in below) for i in range(len(first))):
        return
    seen = [{row[i] for row in below} for i in range(len(first))]
    doubtful = [
        cell
        for cell, cells in zip(first, seen, strict=True)
        if is_number(cell) or (cell in MARKS and cell) or (cell and cell in cells)
    ]
    if doubtful:
        few = (" ".join(cell.split()) for cell in first[:6])
        shown = ", ".join(cell if len(cell) <= 24 else f"{cell[:24]}…" for cell in few)
        raise DataError(
            f"{where} must start with the names of its columns; got {shown}{', …' * (len(first) > 6)}, which may be "
            "data: `--no-header` reads the first row as data, `--header` as names."
        )


def _check_names(names: list[str], where: str) -> None:
    # The first may lack a name: pandas and R write the names of rows so.
    if "" in names[1:] or names == [""]:
        raise DataError(
            f"{where} must name every column; got no name for number {names.index('', len(names) > 1) + 1}: name it, "
            "or drop the column."
        )
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise DataError(
            f"{where} must have different column names in its first row; got {name!r} {times} times: rename one, or "
            "read a file without a header by `--no-header`."
        )
