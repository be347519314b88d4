"""Units: how the data's own values relate to what the networks see and the likelihood scores."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor, nn

from gmvae.distributions import Normal, Observation


class UnitInterval(nn.Module):
    """Units of Bernoulli data: values in [0, 1] stay, whole numbers of a uint8 image are divided by its top level.

    Parameters
    ----------
    top_level : float
        What a uint8 value is divided by: 255 for grey levels, 1 for zeros and ones.
    """

    top_level: Tensor

    def __init__(self, top_level: float = 255.0) -> None:
        super().__init__()
        self.register_buffer("top_level", torch.tensor(top_level))

    def forward(self, y: Tensor) -> Tensor:
        """Bring ``y`` to [0, 1]."""
        return y / self.top_level if y.dtype == torch.uint8 else y

    def inverse(self, value: Tensor) -> Tensor:
        """Probabilities are reported as they are."""
        return value

    def recorded(self, observation: Observation) -> Observation:
        """The distribution of values as they are written down: as it is."""
        return observation

    def log_volume(self, value: Tensor) -> Tensor:
        """Nats per observation that a log density in the data's units pays: none."""
        return value.new_zeros(())


class HeavyTails(nn.Module):
    """Columns with heavy tails, bent by asinh: linear around the centre, logarithmic far from it.

    Without it a sentinel such as -999 or a few large incomes own the standard deviation of a column, and all other
    values become one. The density in the data's own units stays a density: `log_slope` pays for the bend.

    Parameters
    ----------
    columns : Tensor of int, shape (m,)
        Which columns.
    centre, spread : Tensor of shape (m,), float64
        Where each is linear, and how far around: median and robust scale; or 0 and a quarter of the lower quartile, so
        that the bend of a log-normal column is a logarithm.
    low, high : Tensor of shape (m,), float64
        Bent values beyond which `inverse` does not go: the range of the fit, a factor of e farther.
    """

    columns: Tensor
    centre: Tensor
    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, columns: Tensor, centre: Tensor, spread: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__()
        self.register_buffer("columns", columns)
        self.register_buffer("centre", centre)
        self.register_buffer("spread", spread)
        self.register_buffer("low", low)
        self.register_buffer("high", high)

    def forward(self, y: Tensor) -> Tensor:
        """Bend the columns of ``y`` (..., p)."""
        y = y.to(self.centre.dtype)
        where = self.columns.expand(*y.shape[:-1], -1)
        return y.scatter(-1, where, torch.asinh((y.gather(-1, where) - self.centre) / self.spread))

    def inverse(self, bent: Tensor) -> Tensor:
        """Undo the bend of values (..., p), within the range of the fit."""
        where = self.columns.expand(*bent.shape[:-1], -1)
        straight = torch.sinh(bent.gather(-1, where).clamp(self.low, self.high)) * self.spread + self.centre
        return bent.scatter(-1, where, straight.to(bent.dtype))

    def log_slope(self, bent: Tensor) -> Tensor:
        """Sum of log |dy / d bent y| over the columns, shape (...)."""
        within = bent.gather(-1, self.columns.expand(*bent.shape[:-1], -1))
        return (self.spread.log() + within.abs() + torch.log1p(torch.exp(-2.0 * within.abs())) - math.log(2.0)).sum(-1)


class Standardise(nn.Module):
    """Units of Gaussian data: every feature to mean 0 and scale 1.

    Parameters
    ----------
    shift, scale : Tensor of shape event, float64
        Mean and standard deviation of every feature, of bent values where a column is bent.
    rounding : Tensor of shape event, float64, optional
        Standard deviation in scales that rounding adds to what is recorded: a step of 1 adds 1/√12 (Sheppard 1898).
    tails : HeavyTails, optional
        Columns that are bent first.
    """

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

    def limits(self, n_scales: float, largest: float) -> tuple[Tensor, Tensor]:
        """Values of each feature within ``n_scales`` of the mean; of a bent column those up to ``largest``."""
        reach = n_scales * self.scale
        low, high = self.shift - reach, self.shift + reach
        if self.tails is not None:
            low[self.tails.columns], high[self.tails.columns] = -largest, largest
        return low, high

    def forward(self, y: Tensor) -> Tensor:
        """Standardise ``y`` (..., *event)."""
        return ((y if self.tails is None else self.tails(y)) - self.shift) / self.scale

    def inverse(self, value: Tensor) -> Tensor:
        """Return standardised values to the data's units."""
        y = value * self.scale + self.shift
        return y if self.tails is None else self.tails.inverse(y)

    def recorded(self, observation: Observation) -> Observation:
        """The distribution of values as they are written down: rounding adds its variance to a normal's."""
        if self.rounding is None:
            return observation
        assert isinstance(observation, Normal)
        noise = self.rounding.to(observation.log_scale.dtype).log()
        log_scale = 0.5 * torch.logaddexp(2.0 * observation.log_scale, 2.0 * noise)
        return Normal(observation.mean, log_scale, observation.event_dims)

    def log_volume(self, value: Tensor) -> Tensor:
        """log |dy / d standardised y| in nats, which a log density in the data's units pays; shape () or (B,)."""
        volume = self.scale.log().sum()
        return volume if self.tails is None else volume + self.tails.log_slope(value * self.scale + self.shift)


def standardisation(
    batches: Iterable[Tensor], rounding: Tensor | None = None, tails: HeavyTails | None = None
) -> Standardise:
    """Mean and standard deviation of every feature in one pass (Chan et al. 1983); constant features keep scale 1.

    Parameters
    ----------
    batches : iterable of Tensor (b, *event)
        The rows, in parts.
    rounding : Tensor of shape event, float64, optional
        Standard deviation that rounding adds, in the data's units; at most 1/√3 of a feature's own is taken, as of a
        yes and a no that are equally frequent, so that a rare yes keeps its density.
    tails : HeavyTails, optional
        Columns that are bent first.
    """
    count, mean, squares = 0, torch.zeros(()), torch.zeros(())
    for batch in batches:
        part = batch.double() if tails is None else tails(batch)
        n, part_mean = len(part), part.mean(0)
        shift = part_mean - mean
        squares = squares + (part - part_mean).square().sum(0) + shift.square() * (count * n / (count + n))
        mean = mean + shift * (n / (count + n))
        count += n
    scale = (squares / count).sqrt()
    negligible = scale <= 10.0 * torch.finfo(scale.dtype).eps * mean.abs()
    scale = torch.where(negligible, torch.ones_like(scale), scale)
    if rounding is not None:
        rounding = (rounding / scale).clamp(max=1.0 / math.sqrt(3.0))
    return Standardise(mean, scale, rounding, tails)
