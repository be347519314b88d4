"""How many clusters there are: as many as halves of the data agree on. Labels never enter."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.sparse import csr_matrix
from scipy.stats import mode
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from gmvae.initialisation.features import principal_scores
from gmvae.initialisation.graph import clusters_of, eigenvectors, modularity, neighbour_graph

MAX_COMPONENTS = 20
"""Most clusters that ``n_components="auto"`` looks for."""
_MAX_ROWS = 6000
_MIN_ROWS_PER_CLUSTER = 10
"""Of a half; fewer say little about whether a cluster is there."""
_N_SPLITS = 4
_N_VOTES = 5


class Evidence(NamedTuple):
    """What the data say for a number of clusters.

    Attributes
    ----------
    n_components : int
    stability : float
        Adjusted Rand index between clusters of one half of the rows and those that the other half's clusters give to
        it by its nearest neighbours: 1 where both halves find the same. The mean over splits into halves.
    stability_error : float
        Standard error of that mean.
    modularity : float
        Of the clusters in the graph of nearest neighbours: the more clusters are told apart, the closer to 1.
    """

    n_components: int
    stability: float
    stability_error: float
    modularity: float

    @property
    def score(self) -> float:
        """Stability times modularity: clusters that are found again, and as many as hang together."""
        return self.stability * self.modularity


def evidence(rows: np.ndarray, numbers: Sequence[int], seed: int) -> list[Evidence]:
    """What the data say for each number of clusters, by the clusters on which a fit would start.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations; at most 6,000 of them, drawn at random, are looked at.
    numbers : sequence of int
        From 2 on; those for which halves of the rows are too small are left out.
    seed : int

    Returns
    -------
    evidence : list of Evidence
        Empty with fewer than 40 rows.
    """
    generator = np.random.default_rng(seed)
    scores = principal_scores(rows[np.sort(generator.permutation(len(rows))[:_MAX_ROWS])], seed)
    numbers = [number for number in numbers if 2 * _MIN_ROWS_PER_CLUSTER * number <= len(scores)]
    if not numbers:
        return []
    agreements = np.zeros((_N_SPLITS, 2, len(numbers)))
    modularities = np.zeros_like(agreements)
    for split in range(_N_SPLITS):
        halves = np.array_split(generator.permutation(len(scores)), 2)
        found = [_clusters(scores[half], numbers, seed) for half in halves]
        for here, there in ((0, 1), (1, 0)):
            graph, own = found[here]
            others = NearestNeighbors(n_neighbors=_N_VOTES).fit(scores[halves[there]])
            nearest = others.kneighbors(scores[halves[here]], return_distance=False)
            told = [mode(clusters[nearest], axis=1).mode for clusters in found[there][1]]
            agreements[split, here] = [adjusted_rand_score(*pair) for pair in zip(own, told, strict=True)]
            modularities[split, here] = [modularity(graph, clusters) for clusters in own]
    by_split = agreements.mean(axis=1)
    error = by_split.std(axis=0, ddof=1) / math.sqrt(_N_SPLITS)
    columns = (by_split.mean(axis=0), error, modularities.mean(axis=(0, 1)))
    return [Evidence(*each) for each in zip(numbers, *(column.tolist() for column in columns), strict=True)]


def choose(found: Sequence[Evidence]) -> int:
    """The smallest number of clusters whose score is within a standard error of the highest; 2 without evidence."""
    if not found:
        return 2
    best = max(found, key=lambda each: each.score)
    enough = best.score - best.stability_error * best.modularity
    return min(each.n_components for each in found if each.score >= enough)


def _clusters(scores: np.ndarray, numbers: Sequence[int], seed: int) -> tuple[csr_matrix, list[np.ndarray]]:
    """The graph of nearest neighbours and its clusters for every number."""
    graph = neighbour_graph(scores)
    vectors = eigenvectors(graph, 2 * max(numbers), seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return graph, [clusters_of(graph, vectors, number, seed, n_candidates=4, n_init=3) for number in numbers]
