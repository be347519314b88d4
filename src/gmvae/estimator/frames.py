"""Frames with text, categories or gaps: to numbers for a fit, by its columns for a query, and answers as frames."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np

from gmvae.data.columns import Columns
from gmvae.data.frames import as_frame, as_table, is_frame
from gmvae.fitted.gaps import without_values

KINDS = {"number": None, "yes/no": "bernoulli", "category": "categorical"}
"""The likelihood that the kind of a column decides."""


class TableWarning(UserWarning):
    """Something in a table was left out or counts as missing."""


class Encoded(NamedTuple):
    """A table as numbers, with NaN for missing cells, and what its columns hold."""

    rows: np.ndarray
    columns: Columns
    names: list[str]


def needs_columns(X: Any) -> bool:
    """Whether X is a table that holds more than numbers: text, categories, dates, decimals."""
    if is_frame(X):
        from pyarrow import types

        plain = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)
        return not all(any(is_kind(column.type) for is_kind in plain) for column in as_table(X).columns)
    return (
        isinstance(X, np.ndarray)
        and X.dtype == object
        and X.ndim == 2
        and any(isinstance(cell, str) for cell in X.flat)
    )


def learned(X: Any) -> Encoded:
    """Find the kinds of the columns of a table, and encode it; what is left out is warned of."""
    table = as_table(X)
    columns, notes = Columns.learn(table)
    _warn(notes)
    return Encoded(columns.encode(table).y, columns, table.column_names)


def encoded(X: Any, columns: Columns) -> np.ndarray:
    """Encode a table by the columns of the fit; levels that it did not have count as missing, and are warned of."""
    rows, notes = columns.encode(as_table(X))
    _warn(notes)
    return rows


def decoded(rows: np.ndarray, columns: Columns, like: Any, observed: np.ndarray | None = None) -> Any:
    """Rows (n, D) as a frame of the library that ``like`` is of, an array of objects where that is one.

    Numbers that were ``observed``, (n, D), stay as they are.
    """
    table = columns.decode(rows, observed)
    if isinstance(like, np.ndarray):
        return np.column_stack([np.array(column.to_pylist(), dtype=object) for column in table.columns])
    return as_frame(table, like)


def warn_of_empty(rows: np.ndarray) -> None:
    """Warn of rows (n, *event) without any value: what is answered of them is what holds for any row."""
    empty = np.flatnonzero(without_values(rows))
    if len(empty):
        n = f"{len(empty):,} row{'s' * (len(empty) > 1)}, the first of them row {empty[0]}"
        _warn([f"Without any value: {n}; what is answered of them is what holds for any row."])


def _warn(notes: list[str]) -> None:
    for note in notes:
        warnings.warn(note, TableWarning, stacklevel=5)
