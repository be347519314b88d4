"""Agreement between the clusters of two halves of the rows, which tells what the data determine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import mode
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from gmvae.initialisation.graph import neighbour_clusters

_LEAST_MARGIN = 0.25
"""How much higher the agreement of halves must be on pixels or colours for them to replace strokes."""
_MAX_ROWS_COMPARED = 4000
_N_VOTES = 5


def choose_description(
    every: Mapping[str, np.ndarray], numbers: Sequence[int], seed: int, weights: np.ndarray | None = None
) -> tuple[str, str]:
    """The description on which halves of the data agree most for some number of clusters, and a reason for the log.

    It is the first if there is no other, if there is nothing to divide, or if none is better by a margin.
    """
    first, *others = every
    if not others or max(numbers) == 1:
        return first, ""
    agreed = {name: max(_half_agreement(scores, n, seed, weights) for n in numbers) for name, scores in every.items()}
    best = max(agreed, key=lambda name: agreed[name])
    words = ", ".join(f"{name} by {each:.2f}" for name, each in agreed.items())
    return best if agreed[best] > agreed[first] + _LEAST_MARGIN else first, f"; halves agree on {words}"


def _half_agreement(scores: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None = None) -> float:
    """Agreement of the graph's clusters of two random halves of the rows; see `agreements`."""
    order = np.random.default_rng(seed).permutation(len(scores))[:_MAX_ROWS_COMPARED]
    parts = np.array_split(order, 2)
    halves = [scores[part] for part in parts]
    of_halves = [None if weights is None else weights[part] for part in parts]
    found = [
        neighbour_clusters(half, min(n_clusters, len(half)), seed, v) for half, v in zip(halves, of_halves, strict=True)
    ]
    return float(agreements(halves, [found])[0])


def agreements(halves: Sequence[np.ndarray], found: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Adjusted Rand index between one half's clusters and the other's transferred to it, averaged over both ways.

    Parameters
    ----------
    halves : pair of ndarray of shape (n, p)
    found : sequence of pairs of ndarray of shape (n,)
        Clusters of both halves, for each of several ways to cluster them.

    Returns
    -------
    agreements : ndarray of shape (n_ways,)
    """
    here, there = halves
    to_here, to_there = _nearest(there, here), _nearest(here, there)
    return np.array(
        [
            (adjusted_rand_score(own, _votes(other, to_here)) + adjusted_rand_score(other, _votes(own, to_there))) / 2
            for own, other in found
        ]
    )


def _nearest(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    neighbours = NearestNeighbors(n_neighbors=min(_N_VOTES, len(known))).fit(known)
    return neighbours.kneighbors(asked, return_distance=False)


def _votes(clusters: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    return mode(clusters[nearest], axis=1).mode
