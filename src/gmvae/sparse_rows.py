"""Rows of a sparse matrix, where an array is wanted: they stay sparse, and the rows asked for come densely."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np

_FLOAT32_HOLDS = 2**24
"""Whole numbers up to it."""


class SparseRows:
    """Rows (n, p) of a sparse matrix; indexing by rows gives dense arrays, as from an array on disk.

    Parameters
    ----------
    matrix : sparse matrix or array of real numbers
        It stays as it is; values that float32 holds exactly are kept in float32.
    names : sequence of str, optional
        Of the columns.

    Attributes
    ----------
    matrix : scipy.sparse.csr_array
    """

    ndim = 2

    def __init__(self, matrix: Any, names: Sequence[str] | None = None) -> None:
        from scipy import sparse  # heavy, and few rows are sparse

        self.names = None if names is None else list(names)
        rows = sparse.csr_array(matrix)
        data = rows.data
        if data.dtype.kind == "b":
            data = data.astype(np.uint8)
        elif data.dtype.kind in "iu" and data.dtype != np.uint8:
            exact = not data.size or max(abs(int(data.min())), abs(int(data.max()))) <= _FLOAT32_HOLDS
            data = data.astype(np.float32 if exact else np.float64)
        elif data.dtype == np.float64:
            with np.errstate(over="ignore"):
                single = data.astype(np.float32)
            data = single if np.array_equal(single, data, equal_nan=True) else data
        self.matrix = sparse.csr_array((data, rows.indices, rows.indptr), shape=rows.shape)
        if not self.matrix.has_canonical_format:
            self.matrix = self.matrix.copy() if data is rows.data else self.matrix
            self.matrix.sum_duplicates()

    @property
    def shape(self) -> tuple[int, int]:
        return self.matrix.shape

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.matrix.dtype

    @property
    def size(self) -> int:
        """Entries, zeros and all."""
        return self.shape[0] * self.shape[1]

    @property
    def values(self) -> np.ndarray:
        """The entries that are stored: all that are not 0."""
        return self.matrix.data

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        """Dense rows; sparse rows of ``[:, columns]``, the values of ``[rows, column]``, one of ``[row, column]``."""
        if isinstance(key, tuple):
            row, column = key
            if isinstance(row, slice) and row == slice(None):
                return SparseRows(self.matrix[:, column])
            if isinstance(row, int | np.integer):
                return self[row][column]
            return self.matrix[row][:, [column]].toarray()[:, 0]
        if isinstance(key, int | np.integer):
            return self[key : key + 1 or None][0]
        return self.matrix[key].toarray()

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        dense = self.matrix.toarray()
        return dense if dtype is None else dense.astype(dtype)

    def max(self) -> Any:
        """The largest entry."""
        return self.matrix.max()

    def reshape(self, *shape: int) -> Self | np.ndarray:
        """Rows of this shape: these, where it is theirs, else dense ones."""
        return self if shape == self.shape else np.asarray(self).reshape(shape)

    def select(self, rows: Any) -> Self:
        """Some of the rows, by their numbers or by a mask, still sparse."""
        return type(self)(self.matrix[rows], self.names)


AnyRows = np.ndarray | SparseRows
"""Rows (n, *event): an array, in memory or on disk, or a sparse matrix."""


def select(rows: AnyRows, which: np.ndarray) -> AnyRows:
    """Some of the rows, by their numbers or by a mask; sparse ones stay sparse."""
    return rows.select(which) if isinstance(rows, SparseRows) else rows[which]
