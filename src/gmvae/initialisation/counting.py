"""How many clusters there are: as many as halves of the data agree on. Labels never enter."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import adjusted_rand_score

from gmvae.initialisation.centres import kmeans_clusters
from gmvae.initialisation.features import one_cluster, views
from gmvae.initialisation.graph import (
    clusters_of,
    cohesion,
    denser_where_close,
    distinct_rows,
    eigenvectors,
    neighbour_graph,
)
from gmvae.initialisation.starts import clearest, halves_agree, told_by

MAX_COMPONENTS = 20
"""Clusters up to which ``n_components="auto"`` looks at every number."""
LARGER_NUMBERS = (25, 30, 40, 50, 70, 100)
"""Numbers that it looks at next, one after the other, as long as the largest is as good as the best."""
_MIN_ROWS_PER_NUMBER = 50
"""Rows for each cluster that larger numbers need."""
_MAX_ROWS = 6000
_MIN_ROWS_PER_CLUSTER = 10
"""Of a half; fewer say little about whether a cluster is there."""
_N_SPLITS = 4
_N_REFERENCES = 2
"""Draws of a single normal cluster."""
_LEAST_CUT = 1e-3
"""Share of weight that a boundary through a single cluster cuts at least: some row is always next to it."""
_NUMBERS_OF_VIEWS = (2, 3, 5, 10)
"""Numbers of clusters at which views of images are compared."""


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
    separation : float
        1 less the share of weight in the graph of nearest neighbours that boundaries cut, as a share of what they cut
        when one normal distribution with the same covariance is divided in the same way: 1 where nothing is cut, 0
        where boundaries are no emptier than those through a single cluster. Large and small clusters count alike.
    """

    n_components: int
    stability: float
    stability_error: float
    separation: float

    @property
    def score(self) -> float:
        """Stability times separation times 1 - 1/K²: clusters that are found again, apart, and as many as are.

        The last factor lets separate clusters win over the same ones merged, which are found again as well.
        """
        return self.stability * self.separation * (1.0 - 1.0 / self.n_components**2)

    @property
    def score_error(self) -> float:
        """Standard error of the score, from that of the stability."""
        return self.stability_error * self.separation * (1.0 - 1.0 / self.n_components**2)


class Looked(NamedTuple):
    """Rows that are looked at, at most 6,000.

    Attributes
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations.
    scores : ndarray of shape (n, d)
        Principal components of the view of them that is clustered.
    seed : int
    """

    rows: np.ndarray
    scores: np.ndarray
    seed: int

    @classmethod
    def at(cls, rows: np.ndarray, seed: int) -> Looked:
        """Draw rows at random and choose a view."""
        drawn = np.sort(np.random.default_rng(seed).permutation(len(rows))[:_MAX_ROWS])
        return cls(rows[drawn], _clearest(dict(views(rows[drawn], seed)), seed), seed)

    def evidence(self, numbers: Sequence[int]) -> list[Evidence]:
        """What the rows say for each number of clusters; see `evidence`."""
        numbers = [number for number in numbers if 2 * _MIN_ROWS_PER_CLUSTER * number <= len(self.rows)]
        if not numbers:
            return []
        generator = np.random.default_rng(self.seed)
        by_way: dict[str, list[Measured]] = {}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            for _ in range(_N_SPLITS):
                halves = [self.scores[half] for half in np.array_split(generator.permutation(len(self.scores)), 2)]
                found = [clusterings(half, numbers, self.seed) for half in halves]
                for way in (each for each in found[0] if each in found[1]):
                    by_way.setdefault(way, []).append(_measured(halves, [each[way] for each in found]))
            uncut = [self._uncut_of_one(numbers, self.seed + draw) for draw in range(_N_REFERENCES)]
        within_one = np.mean(uncut, axis=0)
        return [
            max(
                (_summary(measured, within_one[index], number, index) for measured in by_way.values()),
                key=lambda each: each.score,
            )
            for index, number in enumerate(numbers)
        ]

    def _uncut_of_one(self, numbers: Sequence[int], seed: int) -> np.ndarray:
        """Highest cohesion with which a single normal cluster can be divided, for each number."""
        one = one_cluster(self.rows, self.scores, len(self.scores) // 2, seed)
        return np.max([cohesions(one, clusters) for clusters in clusterings(one, numbers, seed).values()], axis=0)


def evidence(rows: np.ndarray, numbers: Sequence[int], seed: int) -> list[Evidence]:
    """What the data say for each number of clusters.

    For every number, clusters of the graph of nearest neighbours and k-means' are compared; those of the higher score
    count.

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
    return Looked.at(rows, seed).evidence(numbers)


def choose(found: Sequence[Evidence]) -> int:
    """The smallest number of clusters whose score is within a standard error of the highest; 2 without evidence."""
    if not found:
        return 2
    return min(each.n_components for each in found if each.score >= _enough(found))


def _enough(found: Sequence[Evidence]) -> float:
    """A standard error below the highest score."""
    best = max(found, key=lambda each: each.score)
    return best.score - best.score_error


def count(rows: np.ndarray, n_rows: int, seed: int) -> tuple[int, str]:
    """How many clusters the rows support, and a sentence that says so.

    Every number up to 20 is looked at, and larger ones in steps, up to 100 or a fiftieth of the rows, as long as the
    largest is as good as the best.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations, or a random part of them.
    n_rows : int
        How many there are in all.
    seed : int
    """
    looked = Looked.at(rows, seed)
    found = looked.evidence(range(2, MAX_COMPONENTS + 1))
    for number in LARGER_NUMBERS:
        if not found or found[-1].score < _enough(found) or number > n_rows // _MIN_ROWS_PER_NUMBER:
            break
        found += looked.evidence([number])
    number = choose(found)
    if not found:
        return number, f"n_components={number}: {len(rows)} rows are too few to tell"
    chosen = next(each for each in found if each.n_components == number)
    reason = f"n_components={number}: halves of the observations agree on so many clusters by {chosen.stability:.2f}"
    if found[-1].score >= _enough(found):
        largest = found[-1].n_components
        reason += f"; {largest}, the largest number that was looked at, is as good: there may be more"
    return number, reason


class Measured(NamedTuple):
    """Agreement of two halves, and the mean cohesion of their clusters, for each number of clusters."""

    agreement: np.ndarray
    cohesion: np.ndarray


def clusterings(scores: np.ndarray, numbers: Sequence[int], seed: int) -> dict[str, list[np.ndarray]]:
    """Clusters of every number, by k-means and by the graph of nearest neighbours, where there are rows enough."""
    found = {"kmeans": [kmeans_clusters(scores, number, seed, n_init=2) for number in numbers]}
    distinct = distinct_rows(scores)
    if len(distinct.scores) >= _MIN_ROWS_PER_CLUSTER * max(numbers):
        graph = neighbour_graph(distinct.scores, distinct.counts)
        vectors = eigenvectors(graph, 2 * max(numbers), seed)
        found["neighbours"] = [
            clusters_of(graph, vectors, number, seed, n_candidates=3, n_init=3, counts=distinct.counts)[
                distinct.inverse
            ]
            for number in numbers
        ]
    return found


def cohesions(scores: np.ndarray, found: Sequence[np.ndarray]) -> np.ndarray:
    """Cohesion of each of several clusterings of the same rows, in a graph that tells how far neighbours are."""
    distinct = distinct_rows(scores)
    if len(distinct.scores) < 2:
        return np.ones(len(found))
    graph = denser_where_close(neighbour_graph(distinct.scores, distinct.counts), distinct.scores)
    return np.array([cohesion(graph, clusters[distinct.first]) for clusters in found])


def _measured(halves: Sequence[np.ndarray], found: Sequence[Sequence[np.ndarray]]) -> Measured:
    """Compare the clusters of two halves, for each number."""
    told = [
        [told_by(halves[there], clusters, halves[here]) for clusters in found[there]]
        for here, there in ((0, 1), (1, 0))
    ]
    agreement = [
        [adjusted_rand_score(own, theirs) for own, theirs in zip(found[here], told[here], strict=True)]
        for here in (0, 1)
    ]
    within = [cohesions(half, clusters) for half, clusters in zip(halves, found, strict=True)]
    return Measured(np.mean(agreement, axis=0), np.mean(within, axis=0))


def _summary(measured: Sequence[Measured], within_one: float, number: int, index: int) -> Evidence:
    """Means over splits and the standard error of the agreement, for one number."""
    agreement = np.array([each.agreement[index] for each in measured])
    cut = 1.0 - np.mean([each.cohesion[index] for each in measured])
    separation = np.clip(1.0 - cut / max(1.0 - within_one, _LEAST_CUT), 0.0, 1.0)
    error = agreement.std(ddof=1) / math.sqrt(len(agreement))
    return Evidence(number, float(agreement.mean()), float(error), float(separation))


def _clearest(seen: Mapping[str, np.ndarray], seed: int) -> np.ndarray:
    """The first view, or one whose halves agree far more on clusters of some number."""
    first = next(iter(seen.values()))
    if len(seen) == 1 or len(first) < 2 * _MIN_ROWS_PER_CLUSTER * max(_NUMBERS_OF_VIEWS):
        return first
    agreement = {name: max(halves_agree(scores, n, seed) for n in _NUMBERS_OF_VIEWS) for name, scores in seen.items()}
    return seen[clearest(agreement)]
