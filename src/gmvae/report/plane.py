"""The map: embedded rows in the plane."""

from __future__ import annotations

import importlib
import warnings
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.projection import Projection

MOST_POINTS = 20_000
"""Points of the map at most."""
_N_NEIGHBOURS = 15
_EPOCHS = 200
_AT_ONCE = 1024


class Plane(NamedTuple):
    """Places in the plane, (n, 2), the method, and what the axes are."""

    points: NDArray[np.float64]
    method: str
    axes: list[str]


def plane(embedding: NDArray[np.float64], *, umap: bool = True) -> Plane:
    """Embedded rows (n, D) in the plane.

    Two dimensions stay as they are; of more, UMAP makes two if it is installed and ``umap`` allows it, unless the rows
    lie on a line; else they are projected on their first principal components.
    """
    if embedding.shape[1] == 2:
        return Plane(embedding.astype(np.float64), "the latent space", ["x₁", "x₂"])
    projection = Projection.principal(embedding)
    projected = Plane(projection.points(embedding), "principal components", list(projection.axes))
    if umap and len(embedding) > _N_NEIGHBOURS and (np.ptp(projected.points, axis=0) > 0).all():  # else UMAP gives NaN
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that TensorFlow is not installed, which nothing here needs
                mapper = importlib.import_module("umap").UMAP
        except (ImportError, AttributeError):  # a folder named umap can be imported, too
            return projected
        return Plane(_umap(mapper, embedding, projected.points), "UMAP", ["UMAP 1", "UMAP 2"])
    return projected


def _umap(mapper: Any, embedding: NDArray[np.float64], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """From principal components and exact neighbours: UMAP's own search for these takes a minute to compile."""
    indices, distances = nearest_neighbours(embedding)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that new rows cannot be placed, and that one seed allows one thread only
        drawn = mapper(
            n_neighbors=indices.shape[1],
            n_epochs=_EPOCHS,
            init=(10 * start / np.abs(start).max()).astype(np.float32),
            precomputed_knn=(indices, distances),
            force_approximation_algorithm=True,  # else few rows have no use for neighbours that are given
            random_state=0,
            n_jobs=1,
        ).fit_transform(embedding.astype(np.float32))
    return np.asarray(drawn, dtype=np.float64)


def nearest_neighbours(x: NDArray[np.float64]) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """The 15 nearest rows of every row of x (n, D), itself the first, and their distances; (n, 15) each."""
    x = (x - x.mean(axis=0)).astype(np.float32)
    squares = np.square(x).sum(axis=1)
    indices, distances = [], []
    for first in range(0, len(x), _AT_ONCE):
        own = slice(first, first + _AT_ONCE)
        gaps = squares[own, None] + squares - 2 * x[own] @ x.T
        gaps[np.arange(len(gaps)), first + np.arange(len(gaps))] = -1.0
        nearest = np.argpartition(gaps, _N_NEIGHBOURS - 1, axis=1)[:, :_N_NEIGHBOURS]
        order = np.argsort(np.take_along_axis(gaps, nearest, axis=1), axis=1, kind="stable")
        indices.append(np.take_along_axis(nearest, order, axis=1))
        distances.append(np.sqrt(np.maximum(np.take_along_axis(gaps, indices[-1], axis=1), 0.0)))
    return np.concatenate(indices), np.concatenate(distances)
