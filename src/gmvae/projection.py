"""Points projected onto a plane: that of their first two principal components."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray


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
