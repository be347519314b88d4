"""Gaussian likelihood: real numbers, standardised; columns with heavy tails are bent first, rounding adds variance."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import FARTHEST, tensors_of
from gmvae.distributions import Normal
from gmvae.domains import LARGEST
from gmvae.likelihoods.columns import filled_in_turn, looked_at, moments, rounding_noise, scale_of
from gmvae.likelihoods.heavy_tails import HeavyTails, heavy_tails
from gmvae.likelihoods.likelihood import ColumnMoments, Likelihood, Observation
from gmvae.sparse_rows import AnyRows

_MOST_ROUNDING = 1.0 / math.sqrt(3.0)


class GaussianLikelihood(Likelihood):
    """A diagonal normal of features at mean 0 and scale 1. The decoder gives means and raw log-scales.

    Parameters
    ----------
    shift, scale : Tensor of shape event, float64
        Mean and standard deviation of every feature, of bent values where a column is bent.
    rounding : Tensor of shape event, float64, optional
        Standard deviation in scales that rounding adds to what is recorded: a step of 1 adds 1/√12 (Sheppard 1898).
    tails : HeavyTails, optional
        Columns that are bent first.
    """

    name = "gaussian"
    n_outputs = 2
    continuous = True
    takes_bfloat16 = False
    precision_reason = "means of Gaussian data need more than the 8 bits of bfloat16"
    requirement = f"lie within {FARTHEST:g} standard deviations of the mean in `fit`"
    remedy = "replace it or drop its row"
    shift: Tensor
    scale: Tensor
    rounding: Tensor | None

    def __init__(
        self, shift: Tensor, scale: Tensor, rounding: Tensor | None = None, tails: HeavyTails | None = None
    ) -> None:
        super().__init__()
        self.register_buffer("shift", shift)
        self.register_buffer("scale", scale)
        self.register_buffer("rounding", rounding)
        self.tails = tails

    @classmethod
    def suits(cls, rows: AnyRows) -> bool:
        return True

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        """Learn mean and scale of every feature, and of a table which columns were rounded or have heavy tails.

        Of what rounding adds, at most 1/√3 of a feature's own deviation is taken, as of a yes and a no that are equally
        frequent, so that a rare yes keeps its density.
        """
        rounding, tails = None, None
        if rows.ndim == 2:
            sample = filled_in_turn(looked_at(rows))
            tails = heavy_tails(sample, tensors_of(rows))
            if tails is not None:
                sample[:, tails.columns.numpy()] = 0.0  # bent values lie on no grid
            rounding = rounding_noise(sample)
        parts = (part.double() if tails is None else tails(part) for part in tensors_of(rows))
        mean, scale = moments(parts, weights)
        return cls(mean, scale, None if rounding is None else (rounding / scale).clamp(max=_MOST_ROUNDING), tails)

    def refine(self, columns: ColumnMoments) -> None:
        """Take mean and scale of all columns but the bent ones, which have no outliers, and the range of these."""
        shift, scale = columns.mean.clone(), scale_of(columns.mean, columns.deviation)
        if self.tails is not None:
            bent = self.tails.columns
            shift[bent], scale[bent] = self.shift[bent], self.scale[bent]
            self.tails.widen(columns.low[bent], columns.high[bent])
        if self.rounding is not None:
            self.rounding = (self.rounding * self.scale / scale).clamp(max=_MOST_ROUNDING)
        self.shift, self.scale = shift, scale

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        shift, scale, rounding = torch.ones(3, *event_shape).double()
        tails = None
        if "tails.columns" in weights:
            n_bent = len(weights["tails.columns"])
            tails = HeavyTails(torch.arange(n_bent), *torch.ones(4, n_bent).double())
        return cls(shift, scale, rounding if "rounding" in weights else None, tails)

    def within(self, y: Tensor) -> Tensor:
        low, high = self.limits()
        return (y >= low) & (y <= high)

    def limits(self) -> tuple[Tensor, Tensor]:
        """Smallest and largest value of every feature: `FARTHEST` scales from the mean; `LARGEST` of a bent column."""
        reach = FARTHEST * self.scale
        low, high = self.shift - reach, self.shift + reach
        if self.tails is not None:
            low[self.tails.columns], high[self.tails.columns] = -LARGEST, LARGEST
        return low, high

    def standardised(self, y: Tensor) -> Tensor:
        return ((y if self.tails is None else self.tails(y)) - self.shift) / self.scale

    def to_data_units(self, value: Tensor) -> Tensor:
        y = value * self.scale + self.shift
        return y if self.tails is None else self.tails.inverse(y)

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Normal:
        """Normal variables as they are recorded: rounding adds its variance to that of the outputs."""
        mean, raw_log_scale = outputs
        exact = Normal.from_network(mean, raw_log_scale, event_dims)
        if self.rounding is None:
            return exact
        noise = self.rounding.to(exact.log_scale.dtype).log()
        return Normal(exact.mean, 0.5 * torch.logaddexp(2.0 * exact.log_scale, 2.0 * noise), event_dims)

    def log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return observation.log_prob(seen) - self.log_volume(seen)

    def log_volume(self, seen: Tensor) -> Tensor:
        """log |dy / d seen| in nats, shape () or (B,)."""
        volume = self.scale.log().sum()
        return volume if self.tails is None else volume + self._log_slope(seen).sum(-1)

    def entry_log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        volume = self.scale.log()
        if self.tails is not None:
            where = self.tails.columns.expand(*seen.shape[:-1], -1)
            volume = volume.expand(seen.shape).scatter_add(-1, where, self._log_slope(seen).to(volume.dtype))
        return observation.entry_log_prob(seen) - volume

    def _log_slope(self, seen: Tensor) -> Tensor:
        assert self.tails is not None
        return self.tails.log_slope(seen * self.scale + self.shift)

    def notes(self, names: Sequence[str] | None) -> list[str]:
        if self.tails is None:
            return []
        columns = [str(index) if names is None else names[index] for index in self.tails.columns.tolist()]
        numbered = "" if names is not None else " (numbered from 0)"
        return [f"skewed or heavy tails, seen as asinh((y - centre) / scale): columns {', '.join(columns)}{numbered}"]
