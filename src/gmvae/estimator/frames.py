"""Frames with text, categories or gaps: to numbers for a fit, by its columns for a query, and answers as frames."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.arrays import without_values
from gmvae.arrow import holds_numbers
from gmvae.data.columns import Columns
from gmvae.data.frames import as_frame, as_table, check_names, is_frame
from gmvae.data.options import without_options
from gmvae.observations import Observations
from gmvae.sparse_rows import AnyRows
from gmvae.user_warnings import TableWarning, warn_user
from gmvae.weights_and_labels import checked_weights

if TYPE_CHECKING:
    import pyarrow as pa


def warn_of_table(sentence: str) -> None:
    """Warn of a remark on a table, in the words of Python."""
    warn_user(without_options(sentence), TableWarning)


def table_of(X: Any) -> pa.Table | None:
    """X as a table if it holds more than numbers: text, categories, dates, decimals; else None."""
    if is_frame(X):
        check_names(X)
        if all(getattr(kind, "kind", "O") in "biuf" for kind in getattr(X, "dtypes", [None])):
            return None  # columns of pandas that say so themselves
        table = as_table(X)
        return None if all(holds_numbers(column.type) for column in table.columns) else table
    texts = isinstance(X, np.ndarray) and X.dtype == object and X.ndim == 2
    return as_table(X) if texts and any(isinstance(cell, str) for cell in X.flat) else None


def learned(table: pa.Table, likelihood: Any = "auto", sample_weight: Any = None) -> Observations:
    """Find the kinds of the columns of a table, and encode it; what is left out is warned of.

    Columns that the likelihood names as categorical are kept even if nearly every row has its own text.
    """
    families = likelihood if isinstance(likelihood, Mapping) else {}
    columns = columns_of(table, [name for name, each in families.items() if each == "categorical"], sample_weight)
    return Observations(encoded(table, columns), columns.names, columns=columns)


def columns_of(table: pa.Table, wanted: Collection[str] = (), sample_weight: Any = None) -> Columns:
    """Find the kinds of the columns of a table; what is left out, or may be an id, is warned of."""
    present = None if sample_weight is None else checked_weights(sample_weight, table.num_rows) > 0.0
    columns, notes = Columns.learn(table, wanted=wanted, present=present)
    for each in notes:
        warn_of_table(each)
    return columns


def encoded(table: pa.Table, columns: Columns, note: Callable[[str], object] = warn_of_table) -> np.ndarray:
    """Encode a table by the columns of the fit; levels that it did not have count as missing, and are noted."""
    rows, notes = columns.encode(table)
    for each in notes:
        note(each)
    return rows


def decoded(rows: np.ndarray, columns: Columns, template: Any, observed: np.ndarray | None = None) -> Any:
    """Rows (n, D) as a frame of the library that ``template`` is of, an array of objects where that is one.

    Numbers that were ``observed``, (n, D), stay as they are, and so does a pandas index of as many rows.
    """
    table = columns.decode(rows, observed)
    if isinstance(template, np.ndarray):
        return np.column_stack([np.array(column.to_pylist(), dtype=object) for column in table.columns])
    frame = as_frame(table, template)
    if hasattr(template, "iloc") and len(template) == len(frame):
        frame.index = template.index
    return frame


def note_empty(rows: AnyRows, note: Callable[[str], object]) -> None:
    """Note rows (n, *event) without any value: what is answered of them is what holds for any row."""
    empty = np.flatnonzero(without_values(rows))
    if len(empty):
        n = f"{len(empty):,} row{'s' * (len(empty) > 1)}, the first of them row {empty[0]}"
        note(f"Without any value: {n}; what is answered of them is what holds for any row.")
