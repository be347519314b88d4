"""Columns of a table with heavy tails or log-normal values: which they are, and the map that they are seen through."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor, nn

_HEAVY = 3.0
"""Standard deviation over robust scale from which tails are heavy: 1 for a normal column, 1.3 for an exponential one,
2 for a log-normal one with σ = 1, 5 with σ = 1.5. A tenth of the rows ten deviations away, a cluster, have less."""
_NORMAL_QUARTILES = 1.349
"""Distance between the quartiles of a standard normal."""
_SKEW = 1.0
"""Skewness from which positive values are tried on the scale of logarithms; that of an exponential column is 2."""
_STRAIGHT = 4.0
"""Lower quartile over the value from which a bent column is logarithmic: asinh(4) is log(8) but for 0.015."""


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

    def widen(self, low: Tensor, high: Tensor) -> None:
        """Take the range of the columns, (m,): lowest and highest values of some rows."""
        lowest, highest = (torch.asinh((each - self.centre) / self.spread) for each in (low, high))
        self.low, self.high = lowest - 1.0, highest + 1.0

    def log_slope(self, bent: Tensor) -> Tensor:
        """log |dy / d bent y| of the columns, shape (..., m)."""
        within = bent.gather(-1, self.columns.expand(*bent.shape[:-1], -1))
        return self.spread.log() + within.abs() + torch.log1p(torch.exp(-2.0 * within.abs())) - math.log(2.0)


def heavy_tails(sample: np.ndarray, parts: Iterable[Tensor]) -> HeavyTails | None:
    """Columns whose standard deviation is more than three times what their quartiles say, or that are log-normal.

    Log-normal are positive columns whose logarithms are less than half as skewed; for them the bend is a logarithm.
    Where the quartiles are equal, as with mostly zeros, the distinct values take their place; two-valued columns have
    no tails.

    Parameters
    ----------
    sample : ndarray of shape (n, p)
        Decides which columns have heavy tails, and gives the median and scale.
    parts : iterable of Tensor (b, p)
        All rows, for their range, with NaN for gaps; gone through only where there are such columns.
    """
    columns = np.ascontiguousarray(sample.astype(np.float64).T)
    many_valued = (np.diff(np.sort(columns, axis=1), axis=1) > 0.0).sum(1) > 1
    quartiles = np.quantile(columns, (0.25, 0.5, 0.75), axis=1)
    low, centre, high = quartiles.copy()
    for index in np.flatnonzero(many_valued & (low == high)):
        low[index], high[index] = np.quantile(np.unique(columns[index]), (0.25, 0.75))
    spread = (high - low) / _NORMAL_QUARTILES
    log_normal = many_valued & _are_log_normal(columns)
    centre[log_normal], spread[log_normal] = 0.0, quartiles[0, log_normal] / _STRAIGHT
    bent = np.flatnonzero(log_normal | (many_valued & (columns.std(1) > _HEAVY * spread)))
    if not len(bent):
        return None
    where, centres, spreads = (torch.from_numpy(each) for each in (bent, centre[bent], spread[bent]))
    own = (part[:, where].double() for part in parts)
    ranges = torch.stack([torch.stack(torch.where(each.isnan(), centres, each).aminmax(dim=0)) for each in own])
    tails = HeavyTails(where, centres, spreads, *torch.zeros(2, len(where)).double())
    tails.widen(ranges[:, 0].amin(0), ranges[:, 1].amax(0))
    return tails


def _are_log_normal(columns: np.ndarray) -> np.ndarray:
    """Whether values of columns (p, n) are positive, skewed to the right, and far less so as logarithms; (p,)."""
    found = columns.min(1) > 0.0
    skewness, of_logs = _skewness(columns[found]), _skewness(np.log(columns[found]))
    found[found] = (skewness > _SKEW) & (np.abs(of_logs) < 0.5 * skewness)
    return found


def _skewness(columns: np.ndarray) -> np.ndarray:
    """Third standardised moment of columns (p, n); NaN of constant ones."""
    centred = columns - columns.mean(1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        return ((centred / centred.std(1, keepdims=True)) ** 3).mean(1)
