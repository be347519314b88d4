"""Means and squared deviations of columns, by blocks of rows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Moments(NamedTuple):
    """Of every column the weight of its entries, mean, squared deviations, and how many there are.

    They merge (Chan et al. 1983).
    """

    total: np.ndarray
    mean: np.ndarray
    squares: np.ndarray
    n: np.ndarray

    def merge(self, other: Moments) -> Moments:
        total = self.total + other.total
        share = other.total / np.where(total > 0, total, 1)
        shift = other.mean - self.mean
        squares = self.squares + other.squares + shift**2 * self.total * share
        return Moments(total, self.mean + shift * share, squares, self.n + other.n)

    @classmethod
    def none(cls, p: int) -> Moments:
        """Those of no rows."""
        return cls(np.zeros(p, dtype=np.int64), np.zeros(p), np.zeros(p), np.zeros(p, dtype=np.int64))

    @classmethod
    def of(cls, part: np.ndarray, gaps: np.ndarray | None, weight: np.ndarray | None) -> Moments:
        """Those of rows (b, p), of which gaps (b, p) are missing, and which count by weights (b,)."""
        if weight is not None:
            observed = np.ones(part.shape, dtype=bool) if gaps is None else ~gaps
            total = weight @ observed
            mean = weight @ np.where(observed, part, 0.0) / np.where(total > 0, total, 1)
            return cls(total, mean, weight @ np.where(observed, part - mean, 0.0) ** 2, observed.sum(0))
        if gaps is None:
            mean = part.mean(0)
            centred = part - mean
            n = np.full(part.shape[1], len(part))
            return cls(n, mean, np.einsum("ij,ij->j", centred, centred), n)
        n = len(part) - gaps.sum(0)
        mean = np.where(gaps, 0.0, part).sum(0) / np.maximum(n, 1)
        return cls(n, mean, (np.where(gaps, 0.0, part - mean) ** 2).sum(0), n)
