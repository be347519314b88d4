"""Bernoulli likelihood: booleans, and grey levels of images as probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gmvae.arrays import blocks, first_unlike, missing
from gmvae.distributions import at_least_float32
from gmvae.likelihoods.likelihood import Likelihood, Observation, place_in_x
from gmvae.sparse_rows import AnyRows

MIN_BLACK_OR_WHITE = 0.1
"""Share of zeros and ones in most columns from which flat rows within [0, 1] count as images."""
_OUTSIDE = 0.5
"""How far outside [0, 1] rows of a query may lie, as where new rows exceed the range that a scaler was fitted to."""


@dataclass(frozen=True)
class Bernoulli:
    """Independent Bernoulli variables over the last ``event_dims`` axes.

    Values in (0, 1) are taken as probabilities of a one, as is usual for grey images.
    """

    logits: Tensor
    event_dims: int = 1

    @property
    def mean(self) -> Tensor:
        """Probability of a one."""
        return torch.sigmoid(self.logits)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of ``value`` (..., *event) in nats; shape (...)."""
        return self.entry_log_prob(value).flatten(-self.event_dims).sum(-1)

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every entry, (..., *event)."""
        return value * self.logits - functional.softplus(self.logits)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One binary sample for each entry of ``logits``."""
        return torch.bernoulli(self.mean, generator=generator)


class BernoulliLikelihood(Likelihood):
    """Values in [0, 1] stay; whole numbers of uint8 images are divided by their top level. The decoder gives logits.

    Parameters
    ----------
    top_level : float
        What a uint8 value is divided by: 255 for grey levels, 1 for zeros and ones.
    """

    name = "bernoulli"
    n_outputs = 1
    continuous = False
    binary = True
    takes_bfloat16 = True
    precision_reason = "the data are binary"
    requirement = "lie in [0, 1] for a Bernoulli likelihood"
    remedy = "rescale X as in `fit`, or fit with `likelihood='gaussian'`"
    top_level: Tensor

    def __init__(self, top_level: float = 255.0) -> None:
        super().__init__()
        self.register_buffer("top_level", torch.tensor(top_level))

    @classmethod
    def suits(cls, rows: AnyRows) -> bool:
        """Booleans, uint8 images and grey levels within [0, 1].

        Images within [0, 1] hold grey levels. Flat rows do where in most columns a tenth or more of the values are
        exactly 0 or 1, as in images and unlike measurements that were scaled to [0, 1]; columns of nothing else are
        answers of yes and no and do not count, and shares, which sum to 1 in every row, are no grey levels.
        """
        if rows.ndim == 4:
            return rows.dtype == np.uint8 or _within_unit_interval(rows)
        if not _within_unit_interval(rows):
            return False
        extremes = sum(((block == 0) | (block == 1)).sum(0) for block in blocks(rows))
        n = np.maximum(len(rows) - sum(missing(block).sum(0) for block in blocks(rows)), 1)
        grey = ~two_valued(rows)
        if (extremes == n).all():
            return True
        return bool(np.median((extremes / n)[grey]) >= MIN_BLACK_OR_WHITE) and not _are_shares(rows)

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        likelihood = cls(255.0 if rows.dtype == np.uint8 and rows.max() > 1 else 1.0)
        highest = float(likelihood.top_level) if rows.dtype == np.uint8 else 1.0
        first = first_unlike(rows, lambda block: (block >= 0) & (block <= highest) | missing(block))
        if first is not None:
            raise likelihood.refusal(rows[first], place_in_x(first, columns))
        return likelihood

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        return cls()

    def within(self, y: Tensor) -> Tensor:
        if y.dtype == torch.uint8:
            return y <= self.top_level
        return (y >= -_OUTSIDE) & (y <= 1.0 + _OUTSIDE)

    @property
    def row_type(self) -> torch.dtype:
        return torch.uint8 if self.top_level > 1.0 else torch.float32

    def unit(self, dtype: np.dtype[Any]) -> float:
        return self.top_level.item() if dtype == np.uint8 else 1.0

    @property
    def takes_gaps(self) -> bool:
        return self.row_type.is_floating_point

    def standardised(self, y: Tensor) -> Tensor:
        return y / self.top_level if y.dtype == torch.uint8 else y.clamp(0.0, 1.0)

    def log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return observation.log_prob(seen)

    def entry_log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return observation.entry_log_prob(self.standardised(y))

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Bernoulli:
        (logits,) = outputs
        return Bernoulli(at_least_float32(logits), event_dims)


def two_valued(rows: AnyRows) -> np.ndarray:
    """Which columns of rows (n, p) hold both 0 and 1, and nothing else but gaps, (p,)."""
    zero, one, other = np.zeros((3, rows.shape[1]), dtype=bool)
    for block in blocks(rows):
        zero |= (block == 0).any(0)
        one |= (block == 1).any(0)
        other |= ~((block == 0) | (block == 1) | missing(block)).all(0)
    return zero & one & ~other


def _within_unit_interval(rows: AnyRows) -> bool:
    return all(bool(((block >= 0) & (block <= 1) | missing(block)).all()) for block in blocks(rows))


def _are_shares(rows: AnyRows) -> bool:
    """Whether every row without gaps, of which there are some, sums to 1."""
    sums = np.concatenate([block.sum(1, dtype=np.float64) for block in blocks(rows)])
    sums = sums[~np.isnan(sums)]
    return len(sums) > 0 and bool((np.abs(sums - 1.0) < 1e-3).all())
