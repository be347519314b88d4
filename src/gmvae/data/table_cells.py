"""Cells of text: blanks around them and marks of missing ones; infinite numbers; names in messages."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvae.arrow import holds_text
from gmvae.data.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

MARKS = (
    *("", "NA", "N/A", "n/a", "nan", "NaN", "NAN", "-NaN", "-nan", "null", "NULL", "Null", "?", "<NA>"),
    *("#N/A", "#NA", "#N/A N/A", "1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"),
)
"""Cells that stand for a missing value in any table."""


class Form(NamedTuple):
    """How cells are written."""

    missing: tuple[str, ...] = ()  # marks of missing cells beside `MARKS`
    decimal: str | None = None  # the decimal mark, "." or ",", where it is named
    comma: bool = False  # whether commas between digits are decimal marks where none is named, as in files with ";"


def cleaned(column: pa.ChunkedArray, form: Form) -> pa.ChunkedArray:
    """Trim blanks of text, and make what marks a missing value missing, in text and in numbers."""
    import pyarrow as pa
    from pyarrow import compute, types

    if holds_text(column.type):
        column = compute.utf8_trim_whitespace(column)
        marks = pa.array([*MARKS, *map(str.strip, form.missing)], column.type)
        return compute.if_else(compute.is_in(column, value_set=marks), pa.scalar(None, column.type), column)
    if types.is_integer(column.type) or types.is_floating(column.type):
        for value in map(_value, form.missing):
            if value is not None:
                marked = compute.equal(column.cast(pa.float64(), safe=False), value)
                column = compute.if_else(marked, pa.scalar(None, column.type), column)
    return column


def first_among(column: pa.ChunkedArray, values: pa.Array) -> tuple[int, str]:
    """The first of the values in a column: its row, from 0, and the value."""
    from pyarrow import compute

    row = compute.is_in(column, value_set=values).index(True).as_py()
    return row, column[row].as_py()


def check_finite(values: np.ndarray, where: str) -> None:
    """Raise DataError at the first infinite value; missing ones pass."""
    odd = np.flatnonzero(np.isinf(values))
    if len(odd):
        raise DataError(
            f"{where}, must hold finite numbers; got {values[odd[0]]} in data row {odd[0] + 1}: replace it."
        )


def listed(values: Sequence[Any], most: int = 8) -> str:
    """Values in quotes, and how many more there are."""
    text = ", ".join(reprlib.repr(value) for value in values[:most])
    return text + (f" and {len(values) - most:,} more" if len(values) > most else "")


def _value(mark: str) -> float | None:
    try:
        return float(mark)
    except ValueError:
        return None
