"""`Dataset`, what every reader returns, and labels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.data.errors import DataError

if TYPE_CHECKING:
    from gmvae.data.columns import Columns
    from gmvae.shards import Shards

_FILL = "fill it in, or drop the row"


class Ids(NamedTuple):
    """What identifies rows: the name of the column, or ``file``, and the values (n,), whole numbers or text."""

    name: str
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Dataset:
    """Observations with their name, labels, feature names and what identifies rows.

    Parameters
    ----------
    name : str
        Origin of the data, for titles and messages.
    X : numpy.ndarray, shape (n, p), (n, H, W) or (n, C, H, W), or SparseRows, shape (n, p)
        The observations, in the units of the source (images usually ``uint8``); may be a ``numpy.memmap``. Of a table,
        what `columns` encode: NaN where a cell is missing.
    labels : numpy.ndarray of int or str, shape (n,), optional
        True classes, for evaluation only: nothing is ever trained on them.
    feature_names : tuple of str, optional
        Names of the p columns.
    columns : Columns, optional
        What the columns of a table hold.
    ids : Ids, optional
        What identifies rows beside their number: a column of a table, or the files of images.
    weights, partial_labels : numpy.ndarray of object, shape (n,), optional
        How much every row counts, and the class of some rows, as a table has them.
    batches : list of str, optional
        Names of the experimental batches of cells, whose numbers are a column.
    shards : Shards, optional
        The source that is read in parts, of which `X` is a sample.
    notes : tuple of str
        What readers should know of how the source was read, a sentence each.

    Raises
    ------
    DataError
        If `X` is not a non-empty numeric array of 2 to 4 dimensions, or the lengths disagree.
    """

    name: str
    X: np.ndarray | Any  # or SparseRows, which only the reader of sparse files gives
    labels: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None
    columns: Columns | None = None
    ids: Ids | None = None
    weights: np.ndarray | None = None
    partial_labels: np.ndarray | None = None
    notes: tuple[str, ...] = ()
    batches: list[str] | None = None
    shards: Shards | None = None

    @property
    def shape(self) -> tuple[int, ...]:
        """That of all observations."""
        return self.X.shape if self.shards is None else self.shards.shape

    @property
    def row_ids(self) -> Ids:
        """What identifies rows: the id column, the files of images, or row numbers from 1."""
        return self.ids or Ids("row", np.arange(1, len(self.X) + 1))

    def __post_init__(self) -> None:
        shape = self.X.shape
        if self.X.dtype.kind not in "uif":
            raise DataError(f"{self.name} must hold real numbers; got an array of type {self.X.dtype}: convert it.")
        if self.X.ndim not in (2, 3, 4) or 0 in shape:
            raise DataError(
                f"{self.name} must be a non-empty array of shape (n, p), (n, height, width) or "
                f"(n, channels, height, width); got shape {shape}: reshape it."
            )
        if self.labels is not None and self.labels.shape != shape[:1]:
            hint = " (the first row of a CSV file is its header)" if self.labels.shape == (shape[0] - 1,) else ""
            raise DataError(
                f"{self.name} has {shape[0]} observations and must have as many labels; "
                f"got labels of shape {self.labels.shape}{hint}: give one label per observation."
            )
        if self.feature_names is not None and (len(self.feature_names),) != shape[1:]:
            raise DataError(
                f"{self.name} must have one feature name per column, {shape[1:]}; got {len(self.feature_names)}: "
                "give as many."
            )


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,) or (n, 1) as an array (n,) of int64 or str.

    DataError if one is missing, or neither a whole number nor text; ``where`` tells their origin.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(
            f"Labels in {where} must be one per observation; got an array of shape {values.shape}: take one column."
        )
    if values.dtype.kind == "U":
        missing = np.flatnonzero(values == "")
        if len(missing):
            raise DataError(
                f"Labels in {where} must not be missing; got an empty one in row {missing[0] + 1}: {_FILL}."
            )
        return values
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~(np.abs(values) < 2.0**63) | (values != np.floor(values)))  # NaN compares false
        if len(odd):
            raise DataError(
                f"Labels in {where} must be whole numbers or text; got {values[odd[0]]} in row {odd[0] + 1}: {_FILL}."
            )
    elif values.dtype.kind not in "bui":
        raise DataError(
            f"Labels in {where} must be whole numbers or text; got values of type {values.dtype}: convert them."
        )
    return values.astype(np.int64)
