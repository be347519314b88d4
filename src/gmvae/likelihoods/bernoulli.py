"""Bernoulli likelihood: booleans, and grey levels of images as probabilities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gmvae.arrays import blocks
from gmvae.distributions import at_least_float32
from gmvae.likelihoods.likelihood import Likelihood

MIN_BLACK_OR_WHITE = 0.1
"""Share of zeros and ones from which flat rows within [0, 1] count as images; those of digits and clothes have half."""


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
        log_prob = value * self.logits - functional.softplus(self.logits)
        return log_prob.flatten(-self.event_dims).sum(-1)

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
    takes_bfloat16 = True
    precision_reason = "the data are binary"
    top_level: Tensor

    def __init__(self, top_level: float = 255.0) -> None:
        super().__init__()
        self.register_buffer("top_level", torch.tensor(top_level))

    @classmethod
    def suits(cls, rows: np.ndarray) -> bool:
        """Booleans, uint8 images and grey levels within [0, 1].

        Images within [0, 1] hold grey levels; flat rows do where a tenth or more of the values are exactly 0 or 1, as
        in images and unlike measurements that were scaled to [0, 1].
        """
        if rows.ndim == 4:
            return rows.dtype == np.uint8 or _within_unit_interval(rows)
        extremes = (int(((block == 0) | (block == 1)).sum()) for block in blocks(rows))
        return _within_unit_interval(rows) and sum(extremes) >= MIN_BLACK_OR_WHITE * rows.size

    @classmethod
    def learn(cls, rows: np.ndarray) -> Self:
        likelihood = cls(255.0 if rows.dtype == np.uint8 and rows.max() > 1 else 1.0)
        likelihood.check(rows)
        return likelihood

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        return cls()

    def check(self, rows: np.ndarray) -> None:
        if not (_within_unit_interval(rows) or (rows.dtype == np.uint8 and rows.max() <= float(self.top_level))):
            raise ValueError(
                f"X must lie in [0, 1] for a Bernoulli likelihood; got values from {rows.min()} to {rows.max()}: "
                "rescale X as in `fit`, or fit with `likelihood='gaussian'`."
            )

    def standardised(self, y: Tensor) -> Tensor:
        return y / self.top_level if y.dtype == torch.uint8 else y

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Bernoulli:
        (logits,) = outputs
        return Bernoulli(at_least_float32(logits), event_dims)


def _within_unit_interval(rows: np.ndarray) -> bool:
    return rows.dtype == np.bool_ or all(bool(block.min() >= 0 and block.max() <= 1) for block in blocks(rows))
