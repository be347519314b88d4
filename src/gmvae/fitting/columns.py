"""What a sample says of the columns of a table: in which steps they were rounded, and whether their tails are heavy."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
import torch
from scipy.stats import skew
from torch import Tensor

from gmvae.distributions import LOG_SCALE_BOUNDS
from gmvae.units import HeavyTails

_OFF_GRID = 1e-3
"""Share of a step by which values may miss a grid: decimals are not exact."""
_HEAVY = 3.0
"""Standard deviation over robust scale from which tails are heavy: 1 for a normal column, 1.3 for an exponential one,
2 for a log-normal one with σ = 1, 5 with σ = 1.5. A tenth of the rows ten deviations away, a cluster, have less."""
_NORMAL_QUARTILES = 1.349
"""Distance between the quartiles of a standard normal."""
_SKEW = 1.0
"""Skewness from which positive values are tried on the scale of logarithms; that of an exponential column is 2."""
_STRAIGHT = 4.0
"""Lower quartile over the value from which a bent column is logarithmic: asinh(4) is log(8) but for 0.015."""


def rounding(sample: np.ndarray) -> Tensor | None:
    """Standard deviation that rounding adds to every column, step/√12; 0 where values lie on no grid.

    Parameters
    ----------
    sample : ndarray of shape (n, p)

    Returns
    -------
    rounding : Tensor of shape (p,), float64, or None
        None where steps are too fine to matter beside a column's deviation in all columns.
    """
    ordered = np.sort(sample.astype(np.float64), axis=0)
    gaps = np.diff(ordered, axis=0)
    gaps[gaps <= 0.0] = np.inf
    steps = gaps.min(axis=0, initial=np.inf)
    gaps[~np.isfinite(gaps)] = 0.0
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        multiples = gaps / steps
        on_grid = np.isfinite(steps) & (np.abs(multiples - multiples.round()) < _OFF_GRID).all(0)
    added = np.where(on_grid, steps, 0.0) / math.sqrt(12.0)
    if (added <= math.exp(LOG_SCALE_BOUNDS[0]) * ordered.std(axis=0)).all():
        return None
    return torch.from_numpy(added)


def heavy_tails(sample: np.ndarray, batches: Iterable[Tensor]) -> HeavyTails | None:
    """Columns whose standard deviation is more than three times what their quartiles say, or that are log-normal.

    Log-normal are positive columns whose logarithms are less than half as skewed; for them the bend is a logarithm.
    Where the quartiles are equal, as with mostly zeros, the distinct values take their place; two-valued columns have
    no tails.

    Parameters
    ----------
    sample : ndarray of shape (n, p)
        Decides which columns have heavy tails, and gives the median and scale.
    batches : iterable of Tensor (b, p)
        All rows, for their range; gone through only where there are such columns.
    """
    columns, centres, spreads = [], [], []
    for index, column in enumerate(sample.astype(np.float64).T):
        if _is_log_normal(column):
            columns.append(index)
            centres.append(0.0)
            spreads.append(np.quantile(column, 0.25) / _STRAIGHT)
            continue
        low, centre, high = np.quantile(column, (0.25, 0.5, 0.75))
        if low == high:
            distinct = np.unique(column)
            if len(distinct) <= 2:
                continue
            low, high = np.quantile(distinct, (0.25, 0.75))
        spread = (high - low) / _NORMAL_QUARTILES
        if column.std() > _HEAVY * spread:
            columns.append(index)
            centres.append(centre)
            spreads.append(spread)
    if not columns:
        return None
    where = torch.tensor(columns)
    centre, spread = (torch.tensor(each, dtype=torch.float64) for each in (centres, spreads))
    ranges = torch.stack([torch.stack(torch.aminmax(batch[:, where].double(), dim=0)) for batch in batches])
    low, high = (torch.asinh((each - centre) / spread) for each in (ranges[:, 0].amin(0), ranges[:, 1].amax(0)))
    return HeavyTails(where, centre, spread, low - 1.0, high + 1.0)


def _is_log_normal(column: np.ndarray) -> bool:
    """Whether values are positive, skewed to the right, and far less so on the scale of logarithms."""
    if column.min() <= 0.0 or len(np.unique(column)) <= 2:
        return False
    skewness = skew(column)
    return bool(skewness > _SKEW and abs(skew(np.log(column))) < 0.5 * skewness)
