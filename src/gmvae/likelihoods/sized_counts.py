"""Counts as shares of an observation's size, which its row gives, as it may its batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from gmvae.likelihoods.covariate import Covariate
from gmvae.likelihoods.likelihood import Observation
from gmvae.likelihoods.size_factors import SizeFactors


@dataclass(frozen=True)
class SizedCounts:
    """Counts whose expectation is the observation's size factor times a share of each column.

    Densities are given the size factor, and the batch. Means are those of an observation of median size in the largest
    batch; samples draw their own from the fit's.

    Parameters
    ----------
    family : callable
        Gives the distribution of counts for the log of their expectation.
    log_share : Tensor of shape (..., G)
        Log of the shares, which sum to 1.
    size_factors : SizeFactors
    covariate : Covariate, optional
    """

    family: Callable[[Tensor], Observation]
    log_share: Tensor
    size_factors: SizeFactors
    covariate: Covariate | None = None

    @property
    def mean(self) -> Tensor:
        """Expected counts of an observation of median size in the largest batch."""
        median = self.size_factors.median
        batch = None if self.covariate is None else self.covariate.largest.expand(self.log_share.shape[:-1])
        return self._beside(self._at(median, batch).mean, median, batch)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of the counts in ``value`` (..., p) given size and batch, in nats; shape (...)."""
        sizes, batch, counts = self._parts(value)
        return self._at(sizes, batch).log_prob(counts)

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every column, (..., p); 0 for those of sizes and batches, which are given."""
        sizes, batch, counts = self._parts(value)
        each = self._at(sizes, batch).entry_log_prob(counts)
        return self._beside(each, torch.zeros_like(sizes), None if batch is None else torch.zeros_like(batch))

    def sample(self, generator: torch.Generator) -> Tensor:
        """Counts for each of the shares, of sizes and batches that are drawn from the fit's."""
        shape = self.log_share.shape[:-1]
        sizes = self.size_factors.draw(tuple(shape), generator)
        batch = None if self.covariate is None else self.covariate.draw(shape.numel(), generator).view(shape)
        return self._beside(self._at(sizes, batch).sample(generator), sizes, batch)

    def _parts(self, value: Tensor) -> tuple[Tensor, Tensor | None, Tensor]:
        batch, own = None, value
        if self.covariate is not None:
            batch, own = self.covariate.numbers(value), self.covariate.without(value)
        return self.size_factors.sizes(own), batch, self.size_factors.counts(own)

    def _beside(self, counts: Tensor, sizes: Tensor, batch: Tensor | None) -> Tensor:
        own = self.size_factors.beside(counts, sizes)
        return own if self.covariate is None or batch is None else self.covariate.beside(own, batch)

    def _at(self, sizes: Tensor, batch: Tensor | None) -> Observation:
        shares = self.log_share
        if self.covariate is not None and batch is not None:
            shares = self.covariate.shifted(shares, batch)
        return self.family(shares + sizes.log().to(shares.dtype))
