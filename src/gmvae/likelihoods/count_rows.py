"""Rows of counts, with columns of size factors and of a covariate beside them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import batches, named
from gmvae.sparse_rows import AnyRows

LARGEST_COUNT = 2**53
"""Beyond it float64 does not hold every whole number."""


def are_counts(values: np.ndarray) -> np.ndarray:
    """Which of the values are whole numbers from 0 to 2**53."""
    return (values >= 0) & (values <= LARGEST_COUNT) & (values == np.floor(values))


def are_counts_beside(rows: np.ndarray, sizes: int | None, covariate: int | None, n_batches: int) -> np.ndarray:
    """The same of rows (n, p), beside a column of sizes above 0 and one of numbers of batches."""
    valid = are_counts(rows)
    if sizes is not None:
        valid[:, sizes] = (rows[:, sizes] > 0) & (rows[:, sizes] <= LARGEST_COUNT)
    if covariate is not None:
        valid[:, covariate] &= rows[:, covariate] < n_batches
    return valid


def without(rows: AnyRows, column: int | None) -> Iterator[Tensor]:
    """Rows in parts, without a column."""
    for part in batches(rows):
        yield part if column is None else torch.cat([part[:, :column], part[:, column + 1 :]], 1)


def column_of(rows: AnyRows, column: int) -> np.ndarray:
    """A column of whole numbers, (n,)."""
    return np.concatenate([part[:, column].numpy() for part in batches(rows)]).astype(np.int64)


def refused(
    value: np.generic,
    place: Sequence[int],
    sizes: int | None,
    covariate: int | None,
    n_batches: int,
    requirement: str,
    remedy: str,
) -> ValueError:
    """The error for a value that is none of `are_counts_beside`, and its place in X; the last two are of counts."""
    if place[1:] == (sizes,):
        requirement, remedy = "be above 0 in the column of size factors", "drop its row, or set `size_factors='total'`"
    if place[1:] == (covariate,):
        requirement = f"hold the number of a batch of the fit, 0 to {n_batches - 1}, in the column of the covariate"
        remedy = "fit with rows of this batch, too"
    return ValueError(f"X must {requirement}; got {named(value)} at X{[*place]}: {remedy}.")
