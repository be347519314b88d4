"""The clusters on which a fit starts: one way to find them, or several that compete."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from scipy.stats import mode
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score
from sklearn.neighbors import NearestNeighbors

from gmvae.initialisation.centres import gaussian_gain, gmm_clusters, kmeans_clusters
from gmvae.initialisation.features import views
from gmvae.initialisation.graph import cohesion, distinct_rows, neighbour_clusters, neighbour_graph

MAX_ROWS = 10_000
"""Rows that are enough to find the starting clusters."""

Clustering = Callable[[np.ndarray, int, int], np.ndarray]

CLUSTERINGS: Mapping[str, Clustering] = {
    "neighbours": neighbour_clusters,
    "kmeans": kmeans_clusters,
    "gmm": gmm_clusters,
}

_GAIN_WEIGHT = 1.25
_LEAST_CUT = 0.005
"""Share of cut weight below which cuts count as equal; it is that of a few rows in thousands."""
_LEAST_GAIN = 1e-3
"""Share of the best gain below which gains count as equal."""
_MAX_MIXTURE = 2e9
"""Rows times clusters times squared dimensions up to which a Gaussian mixture is tried: half a minute."""
_ROWS_PER_PARAMETER = 2
"""Rows per cluster and dimension below which a Gaussian mixture fits noise."""
_CLEARER = 0.25
"""By how much more halves of the data must agree on pixels or colours for them to take the place of strokes."""
_MAX_ROWS_COMPARED = 4000
_N_VOTES = 5


class Start(NamedTuple):
    """Starting clusters and how they were chosen.

    Attributes
    ----------
    clusters : ndarray of int, shape (n,)
    init : str
        The way they were found: "neighbours", "kmeans" or "gmm".
    reason : str
        A sentence for the log.
    """

    clusters: np.ndarray
    init: str
    reason: str


class Support(NamedTuple):
    """How far the data support clusters.

    Attributes
    ----------
    cohesion : float
        Mean share of the weight in the graph of nearest neighbours that stays within a cluster.
    gain : float
        Nats per held-out row by which normal clusters describe the data better than a single one.
    """

    cohesion: float
    gain: float

    def score(self, best_gain: float) -> float:
        """Rises by 0.7 where half as much is cut, or where the gain is 1.7 times as high."""
        gain = max(self.gain / best_gain, _LEAST_GAIN) if best_gain > 0.0 else 1.0
        return _GAIN_WEIGHT * math.log(gain) - math.log(1.0 - self.cohesion + _LEAST_CUT)


def starting_clusters(init: str, rows: np.ndarray, n_components: int, seed: int) -> Start:
    """Cluster ``rows``.

    Under ``init='auto'`` clusters of the graph of nearest neighbours, k-means' and a Gaussian mixture's compete. The
    first follow clusters of any shape but ask for similar sizes, the others know sizes but only round or elliptic
    shapes. Two criteria that need no labels are weighed: how little of the graph is cut, and how much better than one
    normal distribution one for each cluster describes rows that it has not seen (see `Support.score`). Of images,
    strokes are clustered, or pixels or colours where halves of the data agree far more on their clusters.

    Parameters
    ----------
    init : {"auto", "neighbours", "kmeans", "gmm"}
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations, or a random part of them.
    n_components : int
        K; with fewer rows, or fewer distinct ones, some components get none.
    seed : int
        Seed of the clustering.

    Returns
    -------
    start : Start
    """
    n_clusters = min(n_components, len(rows))
    with warnings.catch_warnings():
        # A start need not converge, and users would take the warning for one about their own fit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        if init != "auto":
            view, scores = next(views(rows, seed))
            return Start(CLUSTERINGS[init](scores, n_clusters, seed), init, f"clusters of {view}")
        seen = dict(views(rows, seed))
        view, of_view = clearest_view(seen, n_clusters, seed)
        found = candidates(seen[view], n_clusters, seed)
    if len(found) == 1:
        ((name, clusters),) = found.items()
        return Start(clusters, name, f"clusters of {view} by {name}{of_view}")
    support = supported(seen[view], found)
    best_gain = max(each.gain for each in support.values())
    best = max(support, key=lambda name: support[name].score(best_gain))
    compared = "; ".join(
        f"{name} cuts {1.0 - each.cohesion:.1%} of the neighbours and gains {each.gain:.2f} nats"
        for name, each in support.items()
    )
    return Start(found[best], best, f"clusters of {view} by {best}: {compared}{of_view}")


def candidates(scores: np.ndarray, n_clusters: int, seed: int) -> dict[str, np.ndarray]:
    """Clusters by every way that the rows are enough for."""
    names = ["neighbours", "kmeans"] if n_clusters > 1 else ["kmeans"]
    n, p = scores.shape
    if n_clusters > 1 and n >= _ROWS_PER_PARAMETER * n_clusters * p and n * n_clusters * p**2 <= _MAX_MIXTURE:
        names.append("gmm")
    return {name: CLUSTERINGS[name](scores, n_clusters, seed) for name in names}


def supported(scores: np.ndarray, found: Mapping[str, np.ndarray]) -> dict[str, Support]:
    """How far the data support each of several clusterings."""
    distinct = distinct_rows(scores)
    if len(distinct.scores) < 2:
        return {name: Support(1.0, 0.0) for name in found}
    graph = neighbour_graph(distinct.scores, distinct.counts)
    return {
        name: Support(cohesion(graph, clusters[distinct.first]), gaussian_gain(scores, clusters))
        for name, clusters in found.items()
    }


def clearest_view(seen: Mapping[str, np.ndarray], n_clusters: int, seed: int) -> tuple[str, str]:
    """The first view, or one on whose clusters halves of the data agree far more, and words for the log."""
    first, *others = seen
    if not others or n_clusters == 1:
        return first, ""
    agreement = {name: halves_agree(scores, n_clusters, seed) for name, scores in seen.items()}
    return clearest(agreement), "; halves agree on " + ", ".join(
        f"{name} by {each:.2f}" for name, each in agreement.items()
    )


def clearest(agreement: Mapping[str, float]) -> str:
    """The first view, or the one on which halves of the data agree most, if it is by far more."""
    first, best = next(iter(agreement)), max(agreement, key=lambda name: agreement[name])
    return best if agreement[best] > agreement[first] + _CLEARER else first


def halves_agree(scores: np.ndarray, n_clusters: int, seed: int) -> float:
    """Adjusted Rand index between clusters of one half of the rows and what the other half's give to it."""
    order = np.random.default_rng(seed).permutation(len(scores))[:_MAX_ROWS_COMPARED]
    halves = np.array_split(order, 2)
    found = [neighbour_clusters(scores[half], min(n_clusters, len(half)), seed) for half in halves]
    return float(
        np.mean(
            [
                adjusted_rand_score(found[here], told_by(scores[halves[there]], found[there], scores[halves[here]]))
                for here, there in ((0, 1), (1, 0))
            ]
        )
    )


def told_by(known: np.ndarray, clusters: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """Clusters of rows by a vote of their nearest neighbours among rows whose clusters are known."""
    neighbours = NearestNeighbors(n_neighbors=min(_N_VOTES, len(known))).fit(known)
    return mode(clusters[neighbours.kneighbors(asked, return_distance=False)], axis=1).mode
