"""The clusters on which a fit starts."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from gmvae.initialisation.centres import gmm_clusters, kmeans_clusters
from gmvae.initialisation.features import principal_scores
from gmvae.initialisation.graph import neighbour_clusters

MAX_ROWS = 10_000
"""Rows that are enough to find the starting clusters."""

CLUSTERINGS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "kmeans": kmeans_clusters,
    "gmm": gmm_clusters,
    "neighbours": neighbour_clusters,
}


def starting_clusters(init: str, rows: np.ndarray, n_components: int, seed: int) -> np.ndarray | None:
    """Cluster the principal components of ``rows``; None for ``init='random'``.

    Images of at least 16x16 pixels are described by their `oriented_gradients` first: neighbours in pixels share their
    thickness, place and light more than what they show.

    Parameters
    ----------
    init : {"random", "kmeans", "gmm", "neighbours"}
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations, or a random part of them.
    n_components : int
        K; with fewer rows, or fewer distinct ones, some components get none.
    seed : int
        Seed of the clustering.

    Returns
    -------
    clusters : ndarray of int, shape (n,), or None
    """
    if init == "random":
        return None
    scores = principal_scores(rows, seed)
    with warnings.catch_warnings():
        # A start need not converge, and users would take the warning for one about their own fit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return CLUSTERINGS[init](scores, min(n_components, len(rows)), seed)
