"""Rows of counts, with columns of size factors and of a covariate beside them; columns taken out and put back."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import tensors_of
from gmvae.sparse_rows import AnyRows

LARGEST_COUNT = 2**53
"""Beyond it float64 does not hold every whole number."""


def are_counts(values: np.ndarray) -> np.ndarray:
    """Which of the values are whole numbers from 0 to 2**53."""
    return (values >= 0) & (values <= LARGEST_COUNT) & (values == np.floor(values))


class ColumnsBeside(NamedTuple):
    """Columns of a row that are no counts: that of its size factor, above 0, and that of the number of its batch."""

    sizes: int | None = None
    covariate: int | None = None
    n_batches: int = 0

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """Which values of rows (n, p) are counts or, in these columns, a size and a batch."""
        valid = are_counts(rows)
        if self.sizes is not None:
            valid[:, self.sizes] = (rows[:, self.sizes] > 0) & (rows[:, self.sizes] <= LARGEST_COUNT)
        if self.covariate is not None:
            valid[:, self.covariate] &= rows[:, self.covariate] < self.n_batches
        return valid

    def law(self, column: int, requirement: str, remedy: str) -> tuple[str, str]:
        """What values of a column must do, and what to do about others: of counts as given."""
        if column == self.sizes:
            return "be above 0 in the column of size factors", "drop its row, or set `size_factors='total'`"
        if column == self.covariate:
            n = self.n_batches
            requirement = f"hold the number of a batch of the fit, 0 to {n - 1}, in the column of the covariate"
            return requirement, "fit with rows of this batch, too"
        return requirement, remedy


def without_column(y: Tensor, column: int | None) -> Tensor:
    """Observations (..., p) without a column, where there is one."""
    return y if column is None else torch.cat([y[..., :column], y[..., column + 1 :]], -1)


def with_column(y: Tensor, column: int, values: Tensor) -> Tensor:
    """Observations (..., p) with one column (...) more, at this place."""
    own = values.to(y.dtype).expand(y.shape[:-1]).unsqueeze(-1)
    return torch.cat([y[..., :column], own, y[..., column:]], -1)


def without(rows: AnyRows, column: int | None) -> Iterator[Tensor]:
    """Rows in parts, without a column."""
    return (without_column(part, column) for part in tensors_of(rows))


def column_of(rows: AnyRows, column: int) -> np.ndarray:
    """A column of whole numbers, (n,)."""
    return np.concatenate([part[:, column].numpy() for part in tensors_of(rows)]).astype(np.int64)
