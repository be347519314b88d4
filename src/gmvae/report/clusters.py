"""Each cluster: how large, how sure, its most typical and its most ambiguous rows, and what it is confused with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.special import entr

from gmvae.fitted.certainty import AMBIGUOUS_ABOVE
from gmvae.report.records import Cluster, Neighbour, ShownRow

N_ROWS = 5
"""Typical and ambiguous rows that are shown of each cluster."""
_MOST_NEIGHBOURS = 3
_LEAST_PROBABILITY = 0.001
"""Mean probability below which a cluster is no neighbour."""


class Assignment(NamedTuple):
    """Rows (n,) and their clusters: probabilities (n, K), the most probable and the second, entropies in nats.

    ``weight`` says how much each row counts in shares and means.
    """

    proba: NDArray[np.float64]
    first: NDArray[np.int64]
    second: NDArray[np.int64]
    entropy: NDArray[np.float64]
    weight: NDArray[np.float64]

    @property
    def K(self) -> int:
        return self.proba.shape[1]

    @property
    def ambiguous(self) -> NDArray[np.bool_]:
        return self.entropy > AMBIGUOUS_ABOVE

    @property
    def ambiguous_share(self) -> float:
        return float(np.average(self.ambiguous, weights=self.weight))

    @property
    def certainty(self) -> NDArray[np.float64]:
        """Probability of the most probable cluster."""
        return self.proba[np.arange(len(self.first)), self.first]

    def mean(self, values: NDArray[Any], rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float64] | None:
        """Weighted mean of values (n, ...) over these rows; None if none of them counts."""
        weight = self.weight[rows]
        return np.average(values[rows], axis=0, weights=weight) if weight.any() else None


def assignment(proba: NDArray[np.float64], weight: NDArray[np.float64] | None = None) -> Assignment:
    """What probabilities (n, K) say of every row, each of weight 1 by default.

    With one cluster the second is that one, too.
    """
    first = proba.argmax(axis=1)
    others = proba.copy()
    others[np.arange(len(first)), first] = -1.0
    weight = np.ones(len(first)) if weight is None else weight
    return Assignment(proba, first, others.argmax(axis=1), entr(proba).sum(axis=1), weight)


def typical_rows(embedding: NDArray[np.float64], members: NDArray[np.int64]) -> NDArray[np.int64]:
    """The ``members`` of a cluster nearest to the middle of its embedding, in units of its standard deviations."""
    own = embedding[members]
    scale = own.std(axis=0)
    distances = np.square((own - own.mean(axis=0)) / np.where(scale > 0, scale, 1.0)).sum(axis=1)
    return members[np.argsort(distances, kind="stable")[:N_ROWS]]


def ambiguous_rows(found: Assignment, members: NDArray[np.int64]) -> NDArray[np.int64]:
    """Of the ``members`` that are ambiguous those with the highest entropy."""
    own = members[found.ambiguous[members]]
    return own[np.argsort(-found.entropy[own], kind="stable")[:N_ROWS]]


def neighbours(found: Assignment, members: NDArray[np.int64], cluster: int) -> list[Neighbour]:
    """Other clusters by their mean probability among a cluster's rows."""
    mean = found.mean(found.proba, members)
    if mean is None:
        return []
    doubtful = np.bincount(found.second[members[found.ambiguous[members]]], minlength=found.K)
    order = [k for k in np.argsort(-mean, kind="stable").tolist() if k != cluster]
    return [Neighbour(k, float(mean[k]), int(doubtful[k])) for k in order]


def describe_clusters(
    found: Assignment,
    embedding: NDArray[np.float64],
    names: Sequence[str],
    show: Callable[[NDArray[np.int64]], list[ShownRow]] | None,
    samples: Sequence[list[list[Any]] | None],
) -> list[Cluster]:
    """All clusters in the order of their numbers.

    Parameters
    ----------
    embedding : ndarray of shape (n, D_x)
    show : callable, optional
        Makes records of rows; without it no single row is shown.
    samples : sequence of K
        What the model draws of each cluster.
    """
    clusters = []
    for k, name in enumerate(names):
        members = np.flatnonzero(found.first == k)
        others = neighbours(found, members, k)
        typical = typical_rows(embedding, members) if show and len(members) else members[:0]
        clusters.append(
            Cluster(
                cluster=k,
                name=name,
                size=len(members),
                share=float(found.weight[members].sum() / found.weight.sum()),
                certainty=_number(found.mean(found.certainty, members)),
                ambiguous_share=_number(found.mean(found.ambiguous, members)),
                typical=show(typical) if show else [],
                ambiguous=show(ambiguous_rows(found, members)) if show else [],
                neighbours=[each for each in others if each.probability >= _LEAST_PROBABILITY][:_MOST_NEIGHBOURS],
                samples=samples[k],
            )
        )
    return clusters


def _number(mean: NDArray[np.float64] | None) -> float | None:
    return None if mean is None else float(mean)


def nearest_clusters(found: Assignment) -> list[int | None]:
    """For every cluster the other one with the highest mean probability among its rows; None without rows or others."""
    nearest: list[int | None] = []
    for k in range(found.K):
        others = neighbours(found, np.flatnonzero(found.first == k), k)
        nearest.append(others[0].cluster if others else None)
    return nearest
