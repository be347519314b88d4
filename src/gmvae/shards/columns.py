"""Columns of files of rows: which of them are taken, what type they have, and their cells as numbers."""

from __future__ import annotations

from collections.abc import Sequence, Set
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.arrays import FLOAT32_IS_EXACT
from gmvae.arrow import becomes_numbers
from gmvae.domains import first_of
from gmvae.shards.files import Shard

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_TURNED = 4096
"""Rows of which columns become rows at once, as many as caches hold: it takes less than half the time."""


def numbers_of(table: pa.Table, dtype: np.dtype[Any]) -> np.ndarray:
    """Columns of numbers as an array (n, p); NaN where one is missing."""
    from pyarrow import types

    def values(column: pa.ChunkedArray) -> np.ndarray:
        if types.is_null(column.type):
            return np.full(len(column), np.nan)
        if types.is_decimal(column.type):
            return column.cast("double").to_numpy()
        return (column.cast("uint8") if types.is_boolean(column.type) else column).to_numpy()

    columns = [values(column) for column in table.columns]
    rows = np.empty((table.num_rows, table.num_columns), dtype)
    for first in range(0, len(rows), _ROWS_TURNED):
        part = slice(first, first + _ROWS_TURNED)
        for place, column in enumerate(columns):
            rows[part, place] = column[part]
    return rows


def type_that_holds(kinds: Set[str]) -> np.dtype[Any]:
    """float32 where it holds numbers of all types, by their names in numpy or Arrow, exactly, else float64."""
    of_arrow = ("halffloat", "float", "null")
    return np.dtype(np.float32 if kinds <= {*FLOAT32_IS_EXACT, *of_arrow} else np.float64)


def names_of(files: Sequence[Shard], columns: Sequence[str], drop: Sequence[str], name: str) -> list[str] | None:
    """The columns to take, which all files have; None where they have no names."""
    first = files[0]
    for file in files[1:]:
        if file.types.keys() != first.types.keys() or file.n_columns != first.n_columns:
            other = next((each for each in file.types.keys() ^ first.types.keys() if each is not None), None)
            what = f"{file.n_columns} and {first.n_columns} of them" if other is None else f"{other!r} in one of them"
            raise ValueError(
                f"All files of {name} must have the same columns; got {what}, {first.path.name} and {file.path.name}: "
                "take out the others."
            )
    if None in first.types:
        if columns or drop:
            raise ValueError(f"Columns of {name} must have names to be chosen; .npy files have none: choose none.")
        return None
    known = [str(each) for each in first.types]
    for each in (*columns, *drop):
        if each not in known:
            raise ValueError(
                f"{name} must have the columns that are named, of {first_of(known)}; got {each!r}: name another."
            )
    taken = [each for each in columns or known if each not in drop]
    if not taken:
        raise ValueError(f"{name} must have at least one column to learn from; got none: leave fewer out.")
    return taken


def kind_of(file: Shard, column: str | None, name: str) -> str:
    """Name of the type of a column; ValueError unless it is one of numbers."""
    kind = file.types[column]
    if column is None:
        if kind.kind not in "biuf":
            raise ValueError(f"{file.path} must hold numbers; got values of type {kind}: encode them as numbers.")
        return str(kind.name)
    if not becomes_numbers(kind):
        raise ValueError(
            f"{name} must have columns of numbers, truth values or text where it is read in parts; got {column!r} "
            f"of type {kind} in {file.path.name}: leave it out (`--drop`), or encode it as numbers."
        )
    return str(kind)
