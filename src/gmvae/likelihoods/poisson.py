"""Poisson likelihood: whole numbers of events, such as words, visits or reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import batches
from gmvae.distributions import at_least_float32, smoothly_bounded
from gmvae.likelihoods.columns import moments
from gmvae.likelihoods.likelihood import Likelihood, Observation

LARGEST_COUNT = 2**53
"""Beyond it float64 does not hold every whole number."""
LOG_RATE_BOUNDS = (-10.0, 10.0)
"""Smooth bounds on the log of a rate over the mean of its column: rates of a 22,000th to 22,000 times the mean."""


@dataclass(frozen=True)
class Poisson:
    """Independent Poisson variables over the last ``event_dims`` axes.

    Parameters
    ----------
    log_rate : Tensor of shape (..., *event)
        Log of the expected counts.
    event_dims : int
        Number of trailing axes that form one observation.
    """

    log_rate: Tensor
    event_dims: int = 1

    @property
    def mean(self) -> Tensor:
        """Expected counts."""
        return self.log_rate.exp()

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of counts ``value`` (..., *event) in nats; shape (...)."""
        return self.entry_log_prob(value).flatten(-self.event_dims).sum(-1).to(self.log_rate.dtype)

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every entry, (..., *event).

        Computed in float64: of a large count the terms are millions of times their sum.
        """
        count, log_rate = value.double(), self.log_rate.double()
        return count * log_rate - log_rate.exp() - torch.lgamma(count + 1.0)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One count for each entry of ``log_rate``."""
        return torch.poisson(self.mean, generator=generator)


class PoissonLikelihood(Likelihood):
    """Counts, of which the encoder sees log(1 + y), standardised. The decoder gives log(rate / mean of the column).

    Parameters
    ----------
    shift, scale : Tensor of shape event, float64
        Mean and standard deviation of log(1 + y).
    log_mean : Tensor of shape event, float64
        Log of every column's mean count.
    """

    name = "poisson"
    n_outputs = 1
    continuous = False
    takes_bfloat16 = False
    precision_reason = "rates of counts need more than the 8 bits of bfloat16"
    requirement = "hold whole numbers from 0 to 2**53 for a Poisson likelihood"
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
    def learn(cls, rows: np.ndarray, weights: np.ndarray | None = None) -> Self:
        """Learn the means of y, and mean and scale of log(1 + y); a column of zeros is taken to hold one event."""
        shift, scale = moments((part.double().log1p() for part in batches(rows)), weights)
        mean, _ = moments((part.double() for part in batches(rows)), weights)
        likelihood = cls(shift, scale, mean.clamp(min=1.0 / len(rows)).log())
        likelihood.check(rows)
        return likelihood

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        return cls(*torch.ones(3, *event_shape).double())

    def valid(self, rows: np.ndarray) -> np.ndarray:
        return (rows >= 0) & (rows <= LARGEST_COUNT) & (rows == np.floor(rows))

    def standardised(self, y: Tensor) -> Tensor:
        return (y.to(self.shift.dtype).log1p() - self.shift) / self.scale

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Poisson:
        (raw,) = outputs
        relative = smoothly_bounded(at_least_float32(raw), *LOG_RATE_BOUNDS)
        return Poisson(relative + self.log_mean.to(relative.dtype), event_dims)

    def log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return observation.log_prob(y)
