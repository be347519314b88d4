"""The number of clusters: the one on which clusterings of halves of the data agree. Classes are never used."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from scipy.cluster.hierarchy import linkage
from scipy.spatial.distance import pdist

from gmvae.arrays import random_rows
from gmvae.initialisation.centres import kmeans_clusters
from gmvae.initialisation.features import descriptions, one_cluster, spread_within_steps
from gmvae.initialisation.graph import (
    cohesion,
    distinct_rows,
    eigenvectors,
    neighbour_graph,
    spectral_clusters,
    weighted_by_distance,
)
from gmvae.initialisation.halves import agreements, choose_description
from gmvae.initialisation.starts import quick_and_quiet
from gmvae.initialisation.trees import tree_clusters

MAX_COMPONENTS = 20
"""Largest number up to which ``n_components="auto"`` compares every one."""
LARGER_NUMBERS = (25, 30, 40, 50, 70, 100)
"""Numbers that it tries next, in turn, as long as one of the upper quarter scores as high as the best."""
_UPPER_QUARTER = 0.75
_MIN_ROWS_PER_NUMBER = 50
"""Rows that a number above 20 needs for each cluster."""
_MAX_ROWS = 6000
_MIN_ROWS_PER_CLUSTER = 10
"""Of a half; with fewer, agreement is mostly noise."""
_LEAST_ROWS, _LEAST_SHARE, _LEAST_OF_MEAN = 6, 0.005, 0.25
"""Rows in every cluster of a half, and their share of it, or of an even share where there are many clusters: that both
halves find a smaller one says little. Of 600 rows with -999 in a twentieth of one column, ten rows of each of three
groups lie far from the others, and were counted as clusters; of adult, those with the largest capital gain."""
_N_SPLITS = 4
_N_REFERENCES = 2
"""Draws from the null model of a single normal cluster."""
_LEAST_CUT = 1e-3
"""Floor of the share of weight that is cut under the null model, which separation is divided by."""
_NUMBERS_COMPARED = (2, 3, 5, 10)
"""Numbers of clusters at which descriptions of images are compared."""


class Criteria(NamedTuple):
    """Criteria for a number of clusters.

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
        when one normal distribution with the same covariance is divided by the same method: 1 where nothing is cut, 0
        where boundaries cut as much as those through a single cluster. Large and small clusters have equal weight.
    """

    n_components: int
    stability: float
    stability_error: float
    separation: float

    @property
    def score(self) -> float:
        """Stability times separation times 1 - 1/K, which prefers clusters to the same ones merged, as stable."""
        return self.stability * self.separation * (1.0 - 1.0 / self.n_components)

    @property
    def score_error(self) -> float:
        """Standard error of the score, from that of the stability."""
        return self.stability_error * self.separation * (1.0 - 1.0 / self.n_components)


class Subsample(NamedTuple):
    """At most 6,000 rows that stand for all, and the principal components (n, d) that are clustered."""

    rows: np.ndarray
    scores: np.ndarray
    seed: int

    @classmethod
    def draw(cls, rows: np.ndarray, seed: int) -> Subsample:
        """Draw rows at random and choose a description: the first, of rows too few to compare."""
        drawn = rows[random_rows(len(rows), _MAX_ROWS, seed)]
        if drawn.ndim == 2:
            drawn = spread_within_steps(drawn, seed)
        every = dict(descriptions(drawn, seed))
        enough = len(drawn) >= 2 * _MIN_ROWS_PER_CLUSTER * max(_NUMBERS_COMPARED)
        chosen, _ = choose_description(every, _NUMBERS_COMPARED if enough else [1], seed)
        return cls(drawn, every[chosen], seed)

    def criteria(self, numbers: Sequence[int]) -> list[Criteria]:
        """Criteria for each number of clusters; see `criteria`."""
        numbers = [number for number in numbers if 2 * _MIN_ROWS_PER_CLUSTER * number <= len(self.rows)]
        if not numbers:
            return []
        generator = np.random.default_rng(self.seed)
        agreed: dict[str, list[np.ndarray]] = {}
        within: dict[str, list[np.ndarray]] = {}
        with quick_and_quiet():
            for _ in range(_N_SPLITS):
                halves = [self.scores[half] for half in np.array_split(generator.permutation(len(self.scores)), 2)]
                found = [clusterings(half, numbers, self.seed) for half in halves]
                cohesive = [cohesions(half, each) for half, each in zip(halves, found, strict=True)]
                for method in (each for each in found[0] if each in found[1]):
                    pairs = list(zip(found[0][method], found[1][method], strict=True))
                    large = [all(map(_are_large, pair)) for pair in pairs]
                    agreed.setdefault(method, []).append(np.where(large, agreements(halves, pairs), 0.0))
                    within.setdefault(method, []).append(np.mean([each[method] for each in cohesive], axis=0))
            of_draws = [self._null_cohesion(numbers, self.seed + draw) for draw in range(_N_REFERENCES)]
        null_cohesion = np.mean(of_draws, axis=0)
        of_methods = (
            _summaries(numbers, np.array(agreed[method]), np.mean(within[method], axis=0), null_cohesion)
            for method in agreed
        )
        return [max(of_number, key=lambda each: each.score) for of_number in zip(*of_methods, strict=True)]

    def _null_cohesion(self, numbers: Sequence[int], seed: int) -> np.ndarray:
        """Highest cohesion of the clusterings of a single normal cluster, for each number."""
        one = one_cluster(self.rows, self.scores, len(self.scores) // 2, seed)
        return np.max(list(cohesions(one, clusterings(one, numbers, seed)).values()), axis=0)


def criteria(rows: np.ndarray, numbers: Sequence[int], seed: int) -> list[Criteria]:
    """Stability and separation for each number of clusters.

    For every number the graph of nearest neighbours, k-means and trees give clusters; the highest score counts.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations; at most 6,000 of them, drawn at random, are used.
    numbers : sequence of int
        From 2 on; those for which halves of the rows are too small are left out.

    Returns
    -------
    criteria : list of Criteria
        Empty with fewer than 40 rows.
    """
    return Subsample.draw(rows, seed).criteria(numbers)


def choose(found: Sequence[Criteria]) -> int:
    """The smallest number of clusters whose score is within a standard error of the highest; 2 without any criteria."""
    if not found:
        return 2
    return min(each.n_components for each in found if each.score >= _least_score(found))


def _least_score(found: Sequence[Criteria]) -> float:
    """The highest score less its standard error."""
    best = max(found, key=lambda each: each.score)
    return best.score - best.score_error


def _may_be_more(found: Sequence[Criteria]) -> bool:
    """Whether one of the upper quarter of the numbers scores as high as the best."""
    least, lower = _least_score(found), _UPPER_QUARTER * found[-1].n_components
    return any(each.score >= least for each in found if each.n_components > lower)


def count(rows: np.ndarray, n_rows: int, seed: int) -> tuple[int, str]:
    """Estimate the number of clusters from some of ``n_rows`` standardised rows, with a sentence that gives the reason.

    Every number up to 20 is tried, and larger ones in steps, up to 100 or a fiftieth of the rows, as long as there may
    be more.
    """
    subsample = Subsample.draw(rows, seed)
    found = subsample.criteria(range(2, MAX_COMPONENTS + 1))
    for number in LARGER_NUMBERS:
        if not found or not _may_be_more(found) or number > n_rows // _MIN_ROWS_PER_NUMBER:
            break
        found += subsample.criteria([number])
    number = choose(found)
    if not found:
        return number, f"n_components={number}: {len(rows)} rows are too few to tell"
    chosen = next(each for each in found if each.n_components == number)
    reason = f"n_components={number}: halves of the observations agree on so many clusters by {chosen.stability:.2f}"
    if _may_be_more(found):
        reason += (
            f"; numbers near {found[-1].n_components}, the largest that was looked at, are as good: there may be more"
        )
    return number, reason


def clusterings(scores: np.ndarray, numbers: Sequence[int], seed: int) -> dict[str, list[np.ndarray]]:
    """Clusters of every number, by k-means, trees and, with enough rows, the graph of nearest neighbours.

    Trees, Ward's and that of average distances, find small clusters beside large ones, which k-means divides instead;
    where one cluster has nearly all rows, Ward's divides it too. That of average distances is left out in one
    dimension, where it takes the rows of a tail for a cluster, as both halves do.
    """
    found = {"kmeans": [kmeans_clusters(scores, number, seed, n_init=2) for number in numbers]}
    distances = pdist(scores)
    for method in ("ward", "average") if scores.shape[1] > 1 else ("ward",):
        found[method] = tree_clusters(linkage(distances, method), numbers)
    distinct = distinct_rows(scores)
    if len(distinct.scores) >= _MIN_ROWS_PER_CLUSTER * max(numbers):
        graph = neighbour_graph(distinct)
        vectors = eigenvectors(graph, 2 * max(numbers), seed)
        found["neighbours"] = [
            spectral_clusters(graph, distinct, vectors, number, seed, n_candidates=3, n_init=3) for number in numbers
        ]
    return found


def cohesions(scores: np.ndarray, found: Mapping[str, Sequence[np.ndarray]]) -> dict[str, np.ndarray]:
    """Cohesion of clusterings of the same rows by several methods, in a graph whose weights depend on distance."""
    distinct = distinct_rows(scores)
    if len(distinct.scores) < 2:
        return {method: np.ones(len(each)) for method, each in found.items()}
    graph = weighted_by_distance(neighbour_graph(distinct), distinct.scores)
    return {
        method: np.array([cohesion(graph, clusters[distinct.first]) for clusters in each])
        for method, each in found.items()
    }


def _are_large(clusters: np.ndarray) -> bool:
    """Whether every cluster of a half has enough rows to be counted."""
    counts = np.bincount(clusters)
    return bool(counts.min() >= max(_LEAST_ROWS, min(_LEAST_SHARE, _LEAST_OF_MEAN / len(counts)) * len(clusters)))


def _summaries(
    numbers: Sequence[int], agreed: np.ndarray, cohesion: np.ndarray, null_cohesion: np.ndarray
) -> list[Criteria]:
    """Criteria for each number from agreements (splits, numbers) and mean cohesions of one method, and of the null."""
    separation = np.clip(1.0 - (1.0 - cohesion) / np.maximum(1.0 - null_cohesion, _LEAST_CUT), 0.0, 1.0)
    errors = agreed.std(0, ddof=1) / math.sqrt(len(agreed))
    columns = numbers, agreed.mean(0).tolist(), errors.tolist(), separation.tolist()
    return [Criteria(*each) for each in zip(*columns, strict=True)]
