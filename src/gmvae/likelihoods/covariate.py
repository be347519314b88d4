"""A covariate, such as an experimental batch: it shifts shares of counts, and is no part of what is clustered."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.likelihoods.count_rows import with_column, without_column
from gmvae.networks import Shape


class Covariate(nn.Module):
    """The batch of an observation, a column of its row, and the shift of every column's log share in every batch.

    Encoder and decoder are told it as indicators. What a batch does to all observations alike is in the shift, which
    begins where the data have it, so that the decoder need not find it; what it does to some, the decoder learns.

    Parameters
    ----------
    column : int
        Which column of a row holds the number of its batch, from 0 on.
    shares : Tensor of shape (B,), float64
        Shares of the batches among the rows of the fit.
    log_shift : Tensor of shape (B, G)
        Log of every column's share in every batch over its share in all, at first; it is learned.
    """

    shares: Tensor

    def __init__(self, column: int, shares: Tensor, log_shift: Tensor) -> None:
        super().__init__()
        self.column_number = column
        self.register_buffer("column", torch.tensor(column))
        self.register_buffer("shares", shares)
        self.log_shift = nn.Parameter(log_shift)

    @classmethod
    def learn(cls, column: int, numbers: np.ndarray, counts: Iterable[Tensor], weights: np.ndarray | None) -> Self:
        """Learn from the batches (n,) of the rows of a fit, and their counts (n, G) in parts.

        One more count a column, on average, is shared out in every batch as in all, so that no share is 0.
        """
        indicators, rest = np.eye(numbers.max() + 1), numbers
        totals = np.zeros((1, 1))
        for part in counts:
            totals = totals + indicators[:, rest[: len(part)]] @ part.numpy()
            rest = rest[len(part) :]
        frequency = np.bincount(numbers, weights, len(totals))
        overall = totals.sum(0) / totals.sum()
        smoothed = totals + totals.shape[1] * np.maximum(overall, overall[overall > 0.0].min())
        log_shift = np.log(smoothed / smoothed.sum(1, keepdims=True)) - np.log(smoothed.sum(0) / smoothed.sum())
        return cls(column, torch.from_numpy(frequency / frequency.sum()), torch.from_numpy(log_shift).float())

    @property
    def n_batches(self) -> int:
        return len(self.shares)

    @property
    def largest(self) -> Tensor:
        """Number of the batch with the most rows, shape ()."""
        return self.shares.argmax()

    def numbers(self, y: Tensor) -> Tensor:
        """Numbers of the batches (...) of observations (..., p)."""
        return y[..., self.column_number].long()

    def or_largest(self, numbers: Tensor | None, shape: Shape) -> Tensor:
        """Numbers of batches, or that of the largest one, for observations of this shape."""
        return (self.largest if numbers is None else numbers).expand(shape)

    def without(self, y: Tensor) -> Tensor:
        """Observations (..., p - 1) without the column."""
        return without_column(y, self.column_number)

    def beside(self, y: Tensor, numbers: Tensor) -> Tensor:
        """Observations (..., p) of ones without the column and their batches (...)."""
        return with_column(y, self.column_number, numbers)

    def shifted(self, log_share: Tensor, numbers: Tensor) -> Tensor:
        """Log shares (..., G) in batches (...), which sum to 1 again."""
        return (log_share + self.log_shift.to(log_share.dtype)[numbers]).log_softmax(-1)

    def draw(self, n: int, generator: torch.Generator) -> Tensor:
        """Batches (n,) drawn by their shares."""
        return torch.multinomial(self.shares, n, replacement=True, generator=generator)
