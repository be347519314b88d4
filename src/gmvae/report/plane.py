"""The map: embedded rows in the plane."""

from __future__ import annotations

import importlib.util
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_POINTS = 20_000
"""Points of the map at most."""


class Plane(NamedTuple):
    """Places in the plane, (n, 2), the method, and what the axes are."""

    points: NDArray[np.float64]
    method: str
    axes: list[str]


def plane(embedding: NDArray[np.float64], *, umap: bool = True) -> Plane:
    """Embedded rows (n, D) in the plane.

    Two dimensions stay as they are; of more, UMAP makes two if it is installed and ``umap`` allows it, else they are
    projected on their first principal components.
    """
    if embedding.shape[1] == 2:
        return Plane(embedding.astype(np.float64), "the latent space", ["x1", "x2"])
    if umap and len(embedding) > 15 and importlib.util.find_spec("umap") is not None:
        return Plane(_umap(embedding), "UMAP", ["UMAP 1", "UMAP 2"])
    return principal_components(embedding)


def principal_components(embedding: NDArray[np.float64]) -> Plane:
    """The first two principal components, with the sign by which the largest weight of each is positive."""
    centred = embedding - embedding.mean(axis=0)
    centred = np.pad(centred, ((0, 0), (0, max(0, 2 - centred.shape[1]))))
    variances, directions = np.linalg.eigh(centred.T @ centred / len(centred))
    variances, directions = np.maximum(variances[::-1], 0.0), directions[:, ::-1][:, :2]
    directions *= np.sign(np.take_along_axis(directions, np.abs(directions).argmax(axis=0)[None], axis=0))
    shares = variances[:2] / max(variances.sum(), np.finfo(float).tiny)
    axes = [f"principal component {i} ({share:.0%} of the variance)" for i, share in enumerate(shares, 1)]
    return Plane(centred @ directions, "principal components", axes)


def _umap(embedding: NDArray[np.float64]) -> NDArray[np.float64]:
    module: Any = importlib.import_module("umap")
    return np.asarray(module.UMAP(random_state=0, n_jobs=1).fit_transform(embedding), dtype=np.float64)
