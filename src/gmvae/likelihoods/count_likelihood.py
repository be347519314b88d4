"""What likelihoods of counts share: a rate for every column, and what the encoder sees of them."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import first_unlike, missing, tensors_of
from gmvae.distributions import at_least_float32, smoothly_bounded
from gmvae.likelihoods.columns import moments
from gmvae.likelihoods.count_rows import LARGEST_COUNT, are_counts
from gmvae.likelihoods.likelihood import Likelihood, Observation, place_in_x, refused
from gmvae.sparse_rows import AnyRows

LOG_RATE_BOUNDS = (-10.0, 10.0)
"""Smooth bounds on the log of a rate over the mean of its column: rates of a 22,000th to 22,000 times the mean."""


class CountLikelihood(Likelihood):
    """Counts, of which the encoder sees log(1 + y), standardised. The decoder gives log(rate / mean of the column).

    Parameters
    ----------
    shift, scale : Tensor of shape event, float64
        Mean and standard deviation of what the encoder sees.
    log_mean : Tensor of shape event, float64
        Log of every column's mean count.
    """

    n_outputs = 1
    continuous = False
    takes_bfloat16 = False
    precision_reason = "rates of counts need more than the 8 bits of bfloat16"
    remedy = "count events, or fit with `likelihood='gaussian'`"
    shift: Tensor
    scale: Tensor
    log_mean: Tensor

    def __init__(self, shift: Tensor, scale: Tensor, log_mean: Tensor) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("log_mean", log_mean)

    @classmethod
    @abstractmethod
    def _of(cls, shift: Tensor, scale: Tensor, mean: Tensor, deviation: Tensor) -> Self:
        """A likelihood for columns of such a mean and standard deviation of counts, at one size where they have any."""

    @abstractmethod
    def counts(self, log_rate: Tensor, event_dims: int) -> Observation:
        """The distribution of counts with logs of their expectations (..., *event)."""

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        """Learn the means of y, and mean and scale of log(1 + y); a column of zeros is taken to hold one event."""
        first = first_unlike(rows, lambda block: are_counts(block) | missing(block))
        if first is not None:
            raise refused(cls.requirement, rows[first], place_in_x(first, columns), cls.remedy)
        shift, scale = moments((part.double().log1p() for part in tensors_of(rows)), weights)
        mean, deviation = moments((part.double() for part in tensors_of(rows)), weights)
        return cls._of(shift, scale, mean.clamp(min=1.0 / len(rows)), deviation)

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        return cls._of(*torch.ones(4, *event_shape).double())

    def within(self, y: Tensor) -> Tensor:
        return (y >= 0) & (y <= LARGEST_COUNT) & (y == y.floor())

    def valid(self, rows: np.ndarray) -> np.ndarray:
        return are_counts(rows)

    def standardised(self, y: Tensor) -> Tensor:
        return (y.to(self.shift.dtype).log1p() - self.shift) / self.scale

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Observation:
        return self.counts(self._log_rate(outputs), event_dims)

    def _log_rate(self, outputs: Sequence[Tensor]) -> Tensor:
        (raw,) = outputs
        relative = smoothly_bounded(at_least_float32(raw), *LOG_RATE_BOUNDS)
        return relative + self.log_mean.to(relative.dtype)
