"""Poisson likelihood: whole numbers of events, such as words, visits or reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from gmvae.likelihoods.count_distribution import CountDistribution
from gmvae.likelihoods.count_likelihood import CountLikelihood
from gmvae.likelihoods.sized_count_likelihood import SizedCountLikelihood


@dataclass(frozen=True)
class Poisson(CountDistribution):
    """Independent Poisson variables; see `CountDistribution`."""

    log_rate: Tensor
    event_dims: int = 1

    def entry_log_prob(self, value: Tensor) -> Tensor:
        count, log_rate = value.double(), self.log_rate.double()
        return count * log_rate - log_rate.exp() - torch.lgamma(count + 1.0)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One count for each entry of ``log_rate``."""
        return torch.poisson(self.mean, generator=generator)


class PoissonLikelihood(CountLikelihood):
    """Counts whose variance is their mean; see `CountLikelihood`."""

    name = "poisson"
    requirement = "hold whole numbers from 0 to 2**53 for a Poisson likelihood"

    @classmethod
    def _of(cls, shift: Tensor, scale: Tensor, mean: Tensor, deviation: Tensor) -> Self:
        return cls(shift, scale, mean.log())

    def counts(self, log_rate: Tensor, event_dims: int) -> Poisson:
        return Poisson(log_rate, event_dims)


class SizedPoissonLikelihood(SizedCountLikelihood, PoissonLikelihood):
    """The same with size factors; see `SizedCountLikelihood`."""
