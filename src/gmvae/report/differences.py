"""What tells a cluster from the other rows, column by column: means, shares and standardised differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.arrays import blocks
from gmvae.config import COUNTS
from gmvae.report.records import Difference
from gmvae.report.rows import ShownColumn, rounded

MOST_DIFFERENCES = 50
"""Columns and levels that are kept of each cluster."""
_MOST_LEVELS = 3
"""Levels that are kept of a column: those that differ most."""


class Moments(NamedTuple):
    """Of the observed values in each cluster and column, (K, D): how many (their weights), mean and variance."""

    n: NDArray[np.float64]
    mean: NDArray[np.float64]
    variance: NDArray[np.float64]


def differences(
    rows: NDArray[Any],
    clusters: NDArray[np.int64],
    K: int,
    columns: Sequence[ShownColumn],
    weight: NDArray[np.float64] | None = None,
) -> list[list[Difference]]:
    """What tells every cluster from the rows outside it, the largest standardised difference first.

    Parameters
    ----------
    rows : ndarray of shape (n, D)
        NaN is a missing cell and does not count.
    clusters : ndarray of shape (n,)
    weight : ndarray of shape (n,), optional
        How much every row counts, by default 1.
    """
    found: list[list[Difference]] = [[] for _ in range(K)]
    numbers = [d for d, column in enumerate(columns) if not column.levels]
    if numbers:
        inside = moments(rows[:, numbers], clusters, K, weight)
        outside = _outside(inside)
        effect = standardised(inside, outside)
        for k in range(K):
            for i, d in enumerate(numbers):
                means = (inside.mean[k, i], outside.mean[k, i])
                if np.isnan(means).any():
                    continue
                counts = columns[d].likelihood in COUNTS
                found[k].append(_difference(columns[d].name, None, means, effect[k, i], has_ratio=counts))
    for d, column in enumerate(columns):
        if column.levels:
            for k, own in enumerate(_levels(rows[:, d], clusters, K, column, weight)):
                found[k] += own
    return [sorted(own, key=lambda each: -abs(each.difference or 0.0))[:MOST_DIFFERENCES] for own in found]


def moments(
    rows: NDArray[Any], clusters: NDArray[np.int64], K: int, weight: NDArray[np.float64] | None = None
) -> Moments:
    """Moments of every cluster and column in two passes, NaN left out; (K, D) each."""
    weight = np.ones(len(rows)) if weight is None else weight
    n, total, squares = (np.zeros((K, rows.shape[1])) for _ in range(3))
    for centred in (False, True):
        mean = total / np.where(n > 0, n, 1.0)
        start = 0
        for block in blocks(rows):
            part = slice(start, start + len(block))
            start += len(block)
            own = clusters[part]
            member = (own == np.arange(K)[:, None]) * weight[part]
            y = block.astype(np.float64)
            seen = ~np.isnan(y)
            if centred:
                squares += member @ np.where(seen, np.square(y - mean[own]), 0.0)
            else:
                n += member @ seen
                total += member @ np.where(seen, y, 0.0)
    with np.errstate(invalid="ignore"):
        return Moments(n, total / n, squares / n)


def standardised(inside: Moments, outside: Moments) -> NDArray[np.float64]:
    """(mean inside − mean outside) / √((variance inside + variance outside) / 2), (K, D); 0 where both means are equal.

    Where neither side varies but the means differ, the deviation of all rows together takes the place of the root.
    """
    gap = inside.mean - outside.mean
    spread = np.sqrt((inside.variance + outside.variance) / 2)
    n = inside.n + outside.n
    share = inside.n / np.where(n > 0, n, 1.0)
    overall = np.abs(gap) * np.sqrt(share * (1 - share))
    divisor = np.where(spread > 0, spread, overall)
    return np.divide(gap, divisor, out=np.zeros_like(gap), where=divisor > 0)


def _outside(inside: Moments) -> Moments:
    """Moments of all rows but those of each cluster: the others' merged, so that nothing cancels."""
    n = inside.n.sum(axis=0) - inside.n
    mean, variance = np.full_like(n, np.nan), np.full_like(n, np.nan)
    for k in range(len(n)):
        others = np.arange(len(n)) != k
        weight = inside.n[others]
        with np.errstate(invalid="ignore"):
            mean[k] = (weight * np.nan_to_num(inside.mean[others])).sum(axis=0) / n[k]
            spread = np.nan_to_num(inside.variance[others] + np.square(inside.mean[others] - mean[k]))
            variance[k] = (weight * spread).sum(axis=0) / n[k]
    return Moments(n, mean, variance)


def _levels(
    codes: NDArray[Any],
    clusters: NDArray[np.int64],
    K: int,
    column: ShownColumn,
    weight: NDArray[np.float64] | None,
) -> list[list[Difference]]:
    """Levels of one column whose shares differ most, for every cluster; of two levels the second only."""
    seen = ~np.isnan(codes) if codes.dtype.kind == "f" else np.ones(len(codes), dtype=bool)
    L = len(column.levels)
    flat = clusters[seen] * L + codes[seen].astype(np.int64)
    own = None if weight is None else weight[seen]
    counts = np.bincount(flat, own, minlength=K * L).reshape(K, L).astype(np.float64)
    n = np.repeat(counts.sum(axis=1, keepdims=True), L, axis=1)
    with np.errstate(invalid="ignore"):
        share = counts / n
        inside = Moments(n, share, share * (1 - share))
        rest, others = counts.sum(axis=0) - counts, n.sum(axis=0) - n
        outer = rest / others
    effect = standardised(inside, Moments(others, outer, outer * (1 - outer)))
    shown = range(1, 2) if L == 2 else range(L)
    found = []
    for k in range(K):
        order = [level for level in sorted(shown, key=lambda level: -abs(effect[k, level])) if effect[k, level]]
        means = {level: (share[k, level], outer[k, level]) for level in order[:_MOST_LEVELS]}
        found.append(
            [
                _difference(column.name, column.levels[level], both, effect[k, level], has_ratio=True)
                for level, both in means.items()
                if not np.isnan(both).any()
            ]
        )
    return found


def _difference(
    name: str, level: str | None, means: tuple[float, float], effect: float, *, has_ratio: bool
) -> Difference:
    inside, outside = map(float, means)
    ratio = rounded(inside / outside) if has_ratio and outside > 0 else None
    return Difference(name, level, rounded(inside), rounded(outside), float(effect), ratio)
