"""Counts as shares of an observation's size, which its row gives, as it may its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from gmvae.likelihoods.covariate import Covariate
from gmvae.likelihoods.likelihood import Observation
from gmvae.likelihoods.size_factors import SizeFactors


class Batches(NamedTuple):
    """A covariate, and the numbers (...) of the batches that observations are in."""

    covariate: Covariate
    numbers: Tensor


@dataclass(frozen=True)
class SizedCounts:
    """Counts whose expectation is the observation's size factor times a share of each column.

    Densities are given the size factor, and the batch. Means are those of an observation of median size; samples draw
    their own size from the fit's.

    Parameters
    ----------
    family : callable
        Gives the distribution of counts for the log of their expectation.
    log_share : Tensor of shape (..., G)
        Log of the shares, which sum to 1, in the batch of the observation.
    size_factors : SizeFactors
    batches : Batches, optional
    """

    family: Callable[[Tensor], Observation]
    log_share: Tensor
    size_factors: SizeFactors
    batches: Batches | None = None

    @property
    def mean(self) -> Tensor:
        """Expected counts of an observation of median size."""
        median = self.size_factors.median
        return self._beside(self._at(median).mean, median)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of the counts in ``value`` (..., p) given size and batch, in nats; shape (...)."""
        sizes, counts = self._parts(value)
        return self._at(sizes).log_prob(counts)

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every column, (..., p); 0 for those of sizes and batches, which are given."""
        sizes, counts = self._parts(value)
        own = self.size_factors.beside(self._at(sizes).entry_log_prob(counts), torch.zeros_like(sizes))
        if self.batches is None:
            return own
        return self.batches.covariate.beside(own, torch.zeros_like(self.batches.numbers))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Counts for each of the shares, of sizes that are drawn from the fit's."""
        sizes = self.size_factors.draw(tuple(self.log_share.shape[:-1]), generator)
        return self._beside(self._at(sizes).sample(generator), sizes)

    def _parts(self, value: Tensor) -> tuple[Tensor, Tensor]:
        """Sizes (..., 1), and counts (..., G)."""
        own = value if self.batches is None else self.batches.covariate.without(value)
        return self.size_factors.sizes(own), self.size_factors.counts(own)

    def _beside(self, counts: Tensor, sizes: Tensor) -> Tensor:
        own = self.size_factors.beside(counts, sizes)
        return own if self.batches is None else self.batches.covariate.beside(own, self.batches.numbers)

    def _at(self, sizes: Tensor) -> Observation:
        return self.family(self.log_share + sizes.log().to(self.log_share.dtype))
