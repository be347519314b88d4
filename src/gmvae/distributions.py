"""Distributions of the latents: diagonal normal, and the mixture with its exact posterior.

Shapes follow the order sample, batch, component, event: S, B, K, D. ``scale`` is always a
standard deviation. Everything stays in log space.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from torch.nn import functional

LOG_SCALE_BOUNDS = (-5.0, 3.0)
"""Smooth bounds on every log standard deviation that a network gives. Data are standardised and
latents have unit priors, so scales outside [0.007, 20] only serve singular components and overflow."""

_HALF_LOG_2PI = 0.5 * math.log(2.0 * math.pi)


def at_least_float32(value: Tensor) -> Tensor:
    """Cast half precision up to float32 and leave float32 and float64 alone."""
    return value.to(torch.promote_types(value.dtype, torch.float32))


def smoothly_bounded(raw: Tensor, low: float, high: float) -> Tensor:
    """Map a network's output smoothly into bounds; nearly the identity inside."""
    return low + functional.softplus(high - functional.softplus(high - raw) - low)


def bounded_log_scale(raw: Tensor) -> Tensor:
    """Map a network's output smoothly into `LOG_SCALE_BOUNDS`."""
    return smoothly_bounded(raw, *LOG_SCALE_BOUNDS)


def reparameterise(q: Normal, noise: Tensor) -> Tensor:
    """Samples of ``q`` as a differentiable function of standard normal ``noise`` (S, B, D)."""
    return q.mean + q.log_scale.exp() * noise


@dataclass(frozen=True)
class Normal:
    """Diagonal normal over the last ``event_dims`` axes.

    Parameters
    ----------
    mean, log_scale : Tensor of shape (..., *event)
        Mean and log standard deviation.
    event_dims : int
        Number of trailing axes that form one observation.
    """

    mean: Tensor
    log_scale: Tensor
    event_dims: int = 1

    @classmethod
    def from_network(cls, mean: Tensor, raw_log_scale: Tensor, event_dims: int = 1) -> Normal:
        """Build from a network's two output streams: cast to float32, bound the log-scale."""
        return cls(at_least_float32(mean), bounded_log_scale(at_least_float32(raw_log_scale)), event_dims)

    def of(self, rows: slice) -> Normal:
        """That of some of the rows, the first axis."""
        return Normal(self.mean[rows], self.log_scale[rows], self.event_dims)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log density of ``value`` (..., *event) in nats; shape (...)."""
        standardised = (value - self.mean) * self._inverse_scale
        return -0.5 * self._sum(standardised.square()) - self._sum(self.log_scale) - _HALF_LOG_2PI * self._size

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every entry, (..., *event)."""
        return -0.5 * ((value - self.mean) * self._inverse_scale).square() - self.log_scale - _HALF_LOG_2PI

    def kl(self, other: Normal) -> Tensor:
        """KL(self ‖ other) in closed form, broadcasting; shape (...)."""
        ratio = self.log_scale.exp() * other._inverse_scale
        shift = (self.mean - other.mean) * other._inverse_scale
        log_ratio = self._sum(self.log_scale) - self._sum(other.log_scale)
        return 0.5 * (self._sum(ratio.square()) + self._sum(shift.square()) - self._size) - log_ratio

    def kl_to_standard(self) -> Tensor:
        """KL(self ‖ N(0, I)) in closed form; shape (...)."""
        return self._sum(0.5 * (torch.exp(2.0 * self.log_scale) + self.mean.square() - 1.0) - self.log_scale)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One sample for each entry of ``mean``."""
        noise = torch.randn(self.mean.shape, generator=generator, dtype=self.mean.dtype, device=self.mean.device)
        return reparameterise(self, noise)

    # Sums over the event come before all else that is linear, so that few passes go over its axes; the inverse scale
    # of K·D·S components serves their densities and their divergences.

    @cached_property
    def _inverse_scale(self) -> Tensor:
        return torch.exp(-self.log_scale)

    @property
    def _size(self) -> int:
        return math.prod(self.mean.shape[-self.event_dims :])

    def _sum(self, terms: Tensor) -> Tensor:
        return terms.flatten(-self.event_dims).sum(-1)


@dataclass(frozen=True)
class Mixture:
    """Mixture of K diagonal normals, Σ_k π_k N(x | μ_k, diag σ²_k).

    Parameters
    ----------
    log_weights : Tensor of shape (K,)
        log π.
    components : Normal over (..., K, D)
        The components; their leading axes broadcast against those of x.
    """

    log_weights: Tensor
    components: Normal

    def log_joint(self, x: Tensor) -> Tensor:
        """log π_k N(x | μ_k, σ²_k) for x (..., D); shape (..., K)."""
        return self.log_weights + self.components.log_prob(x.unsqueeze(-2))

    def log_prob(self, x: Tensor) -> Tensor:
        """log Σ_k π_k N(x | μ_k, σ²_k); shape (...)."""
        return torch.logsumexp(self.log_joint(x), -1)

    def log_posterior(self, x: Tensor) -> Tensor:
        """log p(z = k | x) by Bayes' rule (section 3 of the paper); shape (..., K)."""
        return torch.log_softmax(self.log_joint(x), -1)
