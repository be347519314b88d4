"""Points projected onto a plane, that of their first two principal components, and the part of it that is drawn."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

_FEW = 0.005
"""Share of the points at each end of an axis that may be drawn at the border."""


class Projection(NamedTuple):
    """An orthogonal projection onto a plane."""

    centre: NDArray[np.float64]  # (D,), the point that is mapped to the origin
    directions: NDArray[np.float64]  # (2, D), orthonormal rows; the second is 0 where D = 1
    axes: tuple[str, str]  # what they are

    @classmethod
    def principal(cls, x: NDArray[np.float64]) -> Self:
        """On the first two principal components of points (N, D); the largest weight of each is positive."""
        centre = x.mean(axis=0)
        centred = x - centre
        variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
        variances, directions = np.maximum(variances[::-1], 0.0), directions[:, ::-1][:, :2]
        directions *= np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0))
        shares = np.append(variances, 0.0)[:2] / max(variances.sum(), np.finfo(float).tiny)
        first, second = (f"principal component {i} ({share:.0%} of the variance)" for i, share in enumerate(shares, 1))
        return cls(centre, np.pad(directions, ((0, 0), (0, 2 - directions.shape[1]))).T, (first, second))

    def points(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project points (N, D) to (N, 2)."""
        return (x - self.centre) @ self.directions.T

    def covariances(self, scales: NDArray[np.float64]) -> NDArray[np.float64]:
        """Project diagonal covariances, given as standard deviations (K, D), to (K, 2, 2)."""
        return np.einsum("id,kd,jd->kij", self.directions, np.square(scales), self.directions)


class View(NamedTuple):
    """Points as they are drawn, (N, 2), between the lowest and highest places, (2,) each."""

    points: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    n_at_border: int  # points that lie further out, and are moved there

    @classmethod
    def of(cls, points: NDArray[np.float64]) -> Self:
        """All points where they are, unless a few far out would leave the others less than half of the picture."""
        low, high = points.min(axis=0), points.max(axis=0)
        first, last = np.quantile(points, [_FEW, 1 - _FEW], axis=0)
        span = (last - first).max()
        if span < (high - low).max() / 2:
            low, high = np.maximum(low, first - span / 4), np.minimum(high, last + span / 4)
        beyond = ((points < low) | (points > high)).any(axis=1)
        return cls(np.clip(points, low, high), low, high, int(beyond.sum()))
