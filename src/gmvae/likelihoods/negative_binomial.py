"""Negative binomial likelihood: counts that vary more than Poisson's, such as reads of genes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

import torch
from torch import Tensor, nn
from torch.nn import functional

from gmvae.distributions import at_least_float32, smoothly_bounded
from gmvae.likelihoods.count_distribution import CountDistribution
from gmvae.likelihoods.count_likelihood import CountLikelihood
from gmvae.likelihoods.count_rows import are_counts
from gmvae.likelihoods.sized_count_likelihood import SizedCountLikelihood
from gmvae.sparse_rows import AnyRows, SparseRows

LOG_DISPERSION_BOUNDS = (-7.0, 10.0)
"""Smooth bounds on log θ: from 0.001, where nearly all counts are 0 or huge, to 22,000, a Poisson variable but for
counts of thousands."""
_PACE = 5.0
"""Steps of log θ over those of Adam: from what the moments of all rows say, which hold the differences between
clusters too, it is farther to θ within them than a weight moves in a fit."""


class _LogWays(torch.autograd.Function):
    """log Γ(y + θ) / (Γ(θ) y!) where counts y (..., *event) are not 0, as few are, and 0 elsewhere; θ is (*event).

    With nine of ten counts 0 that takes a fourth of the time, and a step of a fit a fifth less.
    """

    generate_vmap_rule = False

    @staticmethod
    def forward(count: Tensor, theta: Tensor) -> Tensor:
        places = count.nonzero(as_tuple=True)
        return torch.zeros_like(count).index_put(places, _log_ways(count[places], theta.expand_as(count)[places]))

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Tensor, Tensor], output: Tensor) -> None:
        ctx.save_for_backward(*inputs)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[None, Tensor]:
        count, theta = ctx.saved_tensors
        places = count.nonzero(as_tuple=True)
        own = theta.expand_as(count)[places]
        slope = torch.digamma(count[places] + own) - torch.digamma(own)
        return None, torch.zeros_like(count).index_put(places, gradients[0][places] * slope).sum_to_size(theta.shape)

    @staticmethod
    def vmap(info: Any, in_dims: tuple[int | None, int | None], count: Tensor, theta: Tensor) -> tuple[Tensor, int]:
        """Of several models at once: a leading axis of both."""
        count, theta = (
            each.expand(info.batch_size, *each.shape) if axis is None else each.movedim(axis, 0)
            for each, axis in zip((count, theta), in_dims, strict=True)
        )
        aligned = theta.reshape(len(theta), *[1] * (count.dim() - theta.dim()), *theta.shape[1:])
        return _LogWays.apply(count, aligned), 0


def _log_ways(count: Tensor, theta: Tensor) -> Tensor:
    return torch.lgamma(count + theta) - torch.lgamma(theta) - torch.lgamma(count + 1.0)


@dataclass(frozen=True)
class NegativeBinomial(CountDistribution):
    """Independent negative binomial variables over the last ``event_dims`` axes: variance μ + μ²/θ.

    Parameters
    ----------
    log_rate : Tensor of shape (..., *event)
        Log of the expected counts, μ.
    log_dispersion : Tensor of shape event
        Log of the inverse dispersion, θ; Poisson is θ → ∞.
    event_dims : int
        Number of trailing axes that form one observation.
    """

    log_rate: Tensor
    log_dispersion: Tensor
    event_dims: int = 1

    def entry_log_prob(self, value: Tensor) -> Tensor:
        # With the odds μ/θ in log space.
        count, log_theta = value.double(), self.log_dispersion.double()
        theta, log_odds = log_theta.exp(), self.log_rate.double() - log_theta
        # How many counts are not 0 is known only at run time: graphs cannot hold it, and a GPU would be waited for.
        at_run_time = count.is_cpu and not torch.compiler.is_compiling()
        ways = _LogWays.apply(count, theta) if at_run_time else _log_ways(count, theta)
        return ways + (count + theta) * functional.logsigmoid(log_odds) - theta * log_odds

    def sample(self, generator: torch.Generator) -> Tensor:
        """One count for each entry of ``log_rate``: Poisson, of a rate that is drawn from a gamma distribution."""
        theta = self.log_dispersion.exp().expand_as(self.log_rate)
        # The public `torch.distributions.Gamma` takes no generator.
        drawn = torch._standard_gamma(theta, generator=generator)
        return torch.poisson(drawn * (self.log_rate - self.log_dispersion).exp(), generator=generator)


class NegativeBinomialLikelihood(CountLikelihood):
    """Counts with one learned inverse dispersion θ for every column; see `CountLikelihood`.

    Parameters
    ----------
    raw_dispersion : Tensor of shape event
        Raw log θ at first, over `_PACE`; the others are those of `CountLikelihood`.
    """

    name = "negative-binomial"
    requirement = "hold whole numbers from 0 to 2**53 for a negative binomial likelihood"

    @classmethod
    def suits(cls, rows: AnyRows) -> bool:
        """Sparse whole numbers from 0 on."""
        return isinstance(rows, SparseRows) and bool(are_counts(rows.values).all())

    def __init__(self, shift: Tensor, scale: Tensor, log_mean: Tensor, raw_dispersion: Tensor) -> None:
        super().__init__(shift, scale, log_mean)
        self.raw_dispersion = nn.Parameter(raw_dispersion)

    @classmethod
    def _of(cls, shift: Tensor, scale: Tensor, mean: Tensor, deviation: Tensor) -> Self:
        """θ begins where the moments of the columns have it, between 0.1 and 100: mean² / (variance - mean)."""
        excess = (deviation.square() - mean).clamp(min=mean.square() / 100.0)
        log_theta = (mean.square() / excess).clamp(0.1, 100.0).log()
        return cls(shift, scale, mean.log(), (log_theta / _PACE).float())

    @property
    def log_dispersion(self) -> Tensor:
        """log θ of every column."""
        return smoothly_bounded(_PACE * at_least_float32(self.raw_dispersion), *LOG_DISPERSION_BOUNDS)

    def counts(self, log_rate: Tensor, event_dims: int) -> NegativeBinomial:
        return NegativeBinomial(log_rate, self.log_dispersion, event_dims)


class SizedNegativeBinomialLikelihood(SizedCountLikelihood, NegativeBinomialLikelihood):
    """The same with size factors; see `SizedCountLikelihood`."""
