"""The first rows of a text file: their encoding, and which separator stands between its columns."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import reprlib
from itertools import islice
from pathlib import Path
from typing import Any

from gmvae.data.errors import DataError
from gmvae.data.numerals import is_number
from gmvae.data.table_cells import MARKS

_SEPARATORS = ",;\t|"
_HEAD_BYTES = 2**18
_HEAD_ROWS = 200

TextRows = list[list[str]]


def opener(path: Path) -> Any:
    """The function that opens a file, packed by gzip or not."""
    return gzip.open if path.suffix.lower() == ".gz" else open


def head_of(path: Path) -> tuple[str, str]:
    """The begin of a file, and its encoding: UTF-16 where it says so, as Excel's "Unicode text" does, else UTF-8."""
    with opener(path)(path, "rb") as file:
        content = file.read(_HEAD_BYTES + 1)
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8"
    text = content[:_HEAD_BYTES].decode(encoding, errors="replace").removeprefix("\ufeff")
    # The last line may be cut.
    return (text.rpartition("\n")[0] if len(content) > _HEAD_BYTES and "\n" in text else text), encoding


def rows_of(head: str, separator: str) -> TextRows:
    """The first rows but empty ones; none where they cannot be told apart."""
    try:
        lines, escape = io.StringIO(head, newline=""), escape_in(head)
        found = csv.reader(lines, delimiter=separator, escapechar=escape, skipinitialspace=True)
        return list(islice((row for row in found if row), _HEAD_ROWS))
    except csv.Error:
        return []


def escape_in(head: str) -> str | None:
    """The character that stands before a quote within a cell; None where none does."""
    return "\\" if re.search(r'\\" ?\w', head) else None


def separator_of(head: str) -> str:
    """The separator that cuts every row alike, into cells of which most are numbers; a comma if there is none."""

    def cells_alike(separator: str) -> float:
        rows = rows_of(head, separator)
        if not rows or len(rows[0]) < 2 or len({len(row) for row in rows}) > 1:
            return -1.0
        cells = [cell.strip() for row in rows[1:] or rows for cell in row]
        return sum(is_number(cell) or cell in MARKS for cell in cells) / len(cells)

    shares = {separator: cells_alike(separator) for separator in _SEPARATORS}
    return max(_SEPARATORS, key=lambda separator: shares[separator])


def check_separated(rows: TextRows, head: str, separator: str, where: str) -> None:
    """Raise DataError if rows of one cell seem to have columns between other characters, which must be named."""
    if len(rows) < 2 or any(len(row) > 1 for row in rows):
        return
    for other in (" ", ":", *"^~,;|\t"):
        cut = rows_of(head, other)
        alike = bool(cut) and len({len(row) for row in cut}) == 1 < len(cut[0])
        if alike and (other not in " :" or any(all(map(is_number, each)) for each in zip(*cut[1:], strict=True))):
            raise DataError(
                f"{where} must have commas, semicolons, tabs or | between its columns; got rows such as "
                f"{reprlib.repr(rows[1][0])}: `--separator {_typed(other)}` cuts them, `--separator "
                f"{_typed(separator)}` takes them as one column."
            )


def _typed(separator: str) -> str:
    return {" ": "space", "\t": "tab", "|": "'|'", ";": "';'", "~": "'~'"}.get(separator, separator)
