"""What rows say of their columns: mean and standard deviation, marks of missing cells, the steps of rounded values.

NaN is a gap.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import random_rows
from gmvae.distributions import LOG_SCALE_BOUNDS
from gmvae.sparse_rows import AnyRows

_OFF_GRID = 1e-3
"""Share of a step by which values may miss a grid: decimals are not exact."""
_MIN_SHARE_OF_MARK, _MIN_COUNT_OF_MARK, _MIN_OTHERS = 0.005, 3, 4
"""A number that may mark missing cells stands in so large a share of a column, and so often, beside so many values."""

_USUAL_MARKS = (-1.0, *(sign * (10.0**digits - 1.0) for digits in range(1, 6) for sign in (-1.0, 1.0)))
"""Numbers that people take for marks: -1, 9 and -9 to 99999 and -99999."""
_GAPS_OF_MARK = 3.0
"""How many times the largest gap between other values a usual mark must lie away from them."""

N_LOOKED_AT = 10_000
"""Rows of a table, drawn at random, that tell which of its columns were rounded, have heavy tails or repeat a value."""


def looked_at(rows: AnyRows) -> np.ndarray:
    """Random rows of a table in their order, in float64: at most 10,000, the same each time."""
    return np.asarray(rows[random_rows(len(rows), N_LOOKED_AT)], dtype=np.float64)


def moments(parts: Iterable[Tensor], weights: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of every feature in one pass (Chan et al. 1983); constant features have scale 1.

    Parameters
    ----------
    parts : iterable of Tensor (b, *event), float64
        The rows, in parts.
    weights : ndarray of shape (n,), optional
        How much every row counts, above 0.
    """
    count, mean, squares = torch.zeros((), dtype=torch.float64), torch.zeros(()), torch.zeros(())
    least, begin = 1.0 if weights is None else torch.finfo(torch.float64).tiny, 0
    for part in parts:
        v: Tensor | float = 1.0
        if weights is not None:
            v = torch.from_numpy(weights[begin : begin + len(part)]).double().view(-1, *[1] * (part.dim() - 1))
            begin += len(part)
        n = (~part.isnan()).sum(0).double() if weights is None else (v * ~part.isnan()).sum(0)
        part_mean = (v * part).nansum(0) / n.clamp(min=least)
        shift, total = part_mean - mean, (count + n).clamp(min=least)
        squares = squares + (v * (part - part_mean).square()).nansum(0) + shift.square() * (count * n / total)
        mean = mean + shift * (n / total)
        count = count + n
    return mean, scale_of(mean, (squares / count).sqrt())


def scale_of(mean: Tensor, deviation: Tensor) -> Tensor:
    """Standard deviations; 1 for features that are constant but for rounding."""
    negligible = deviation <= 10.0 * torch.finfo(deviation.dtype).eps * mean.abs()
    return torch.where(negligible, torch.ones_like(deviation), deviation)


def filled_in_turn(sample: np.ndarray) -> np.ndarray:
    """The rows (n, p) with every column's gaps filled by its observed values in turn: quantiles and steps stay."""
    gaps = np.isnan(sample)
    if not gaps.any():
        return sample
    filled = sample.copy()
    for column, missing in zip(filled.T, gaps.T, strict=True):
        if not missing.all():
            column[missing] = np.resize(column[~missing], missing.sum())
    return filled


class Mark(NamedTuple):
    """A number that may mark missing cells of a column."""

    column: int
    value: float


def marks(sample: np.ndarray) -> list[Mark]:
    """Repeated numbers, such as -999, that lie farther from all others of their column than these from one another.

    Of numbers that are usual marks, as -1, a distance of several times the largest gap between others is enough.

    Parameters
    ----------
    sample : ndarray of shape (n, p)
    """
    found = []
    for index, column in enumerate(sample.T):
        values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
        if len(values) < _MIN_OTHERS + 1:
            continue
        shares = counts / counts.sum()
        repeated = (counts >= _MIN_COUNT_OF_MARK) & (shares >= _MIN_SHARE_OF_MARK) & (shares < 0.5)
        others = values[int(repeated[0]) : len(values) - int(repeated[-1])]
        if len(others) < _MIN_OTHERS:
            continue
        width, gap = others[-1] - others[0], _GAPS_OF_MARK * np.diff(others).max()
        for end in (0, -1):
            away = abs(values[end] - others[end])
            if away > width or (repeated[end] and values[end] in _USUAL_MARKS and away > gap):
                found.append(Mark(index, float(values[end])))
    return found


def rounding_noise(sample: np.ndarray) -> Tensor | None:
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
