"""Agreement of clusters with known classes, and the number of clusters in use.

Every accuracy first assigns a class to each cluster: that of its most probable observation, by the best
one-to-one matching, or the most frequent one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score
from sklearn.metrics.cluster import contingency_matrix

from gmvae.metrics.validation import distribution, encode, pair


class Confusion(NamedTuple):
    """Counts of classes (rows) against clusters (columns), clusters in matched order.

    Attributes
    ----------
    matrix : ndarray of shape (n_classes, n_clusters)
        How many observations of a class fell into a cluster.
    classes : ndarray of shape (n_classes,)
        Sorted class names.
    clusters : ndarray of shape (n_clusters,)
        First the clusters matched to a class, in the order of their classes, then the others,
        in the order of their most frequent class.
    """

    matrix: NDArray[np.int64]
    classes: NDArray[Any]
    clusters: NDArray[Any]


def accuracy_exemplar(labels: ArrayLike, proba: ArrayLike, log_odds: ArrayLike | None = None) -> float:
    """Accuracy when each cluster gets the class of its most probable observation (Makhzani et al., 2015).

    For every cluster, the observation with the highest probability of it gives its true label to all observations
    whose most probable cluster it is. Of equal probabilities the first counts.

    Parameters
    ----------
    labels : array-like of shape (N,)
        True classes, strings or numbers.
    proba : array-like of shape (N, K)
        Probability of each cluster given the observation.
    log_odds : array-like of shape (N, K), optional
        The same as log [p / (1 - p)]: they rank observations whose probabilities round to 1.

    Returns
    -------
    float
        Share of observations with the right label, in [0, 1].

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is missing, or a row of `proba` is no distribution.
    """
    truth = encode("labels", labels).codes
    chances = distribution(proba, len(truth))
    sureness = chances if log_odds is None else np.asarray(log_odds, dtype=np.float64)
    if sureness.shape != chances.shape or np.isnan(sureness).any():
        raise ValueError(
            f"`log_odds` must have the shape of `proba`, {chances.shape}, and no NaN; got shape {sureness.shape}; pass "
            "the result of `predict_log_odds` for the same observations."
        )
    exemplar = sureness.argmax(axis=0)
    lent = truth[exemplar[chances.argmax(axis=1)]]
    return float(np.mean(lent == truth))


def accuracy_hungarian(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Accuracy under the best one-to-one matching of clusters and classes.

    When their numbers differ, observations of unmatched classes or clusters count as wrong.

    Parameters
    ----------
    labels, clusters : array-like of shape (N,)
        True classes and assigned clusters, strings or numbers.

    Returns
    -------
    float
        Share of observations with the right label, in [0, 1].

    Raises
    ------
    ValueError
        If the lengths differ or an entry is missing.
    """
    return float(matched(labels, clusters).mean())


def matched(labels: ArrayLike, clusters: ArrayLike) -> NDArray[np.bool_]:
    """Mask (N,) of the observations in the cluster matched to their class.

    Parameters and errors are those of `accuracy_hungarian`.
    """
    truth, found = pair(labels, clusters)
    rows, columns = linear_sum_assignment(contingency_matrix(truth.codes, found.codes), maximize=True)
    lent = np.full(len(found.names), -1)
    lent[columns] = rows
    return lent[found.codes] == truth.codes


def accuracy_majority(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Accuracy when each cluster gets its most frequent class, also called purity.

    Splitting a cluster never lowers it: compare it only between equal numbers of clusters.
    Parameters, result and errors are those of `accuracy_hungarian`.
    """
    truth, found = pair(labels, clusters)
    matrix = contingency_matrix(truth.codes, found.codes)
    return float(matrix.max(axis=0).sum() / matrix.sum())


def nmi(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Mutual information of classes and clusters over the mean of their entropies, in [0, 1].

    Parameters and errors are those of `accuracy_hungarian`.
    """
    truth, found = pair(labels, clusters)
    return float(normalized_mutual_info_score(truth.codes, found.codes))


def ari(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Return the adjusted Rand index: 1 for equal partitions, near 0 for random ones, at least -0.5.

    Parameters and errors are those of `accuracy_hungarian`.
    """
    truth, found = pair(labels, clusters)
    return float(adjusted_rand_score(truth.codes, found.codes))


def match(labels: ArrayLike, clusters: ArrayLike) -> Confusion:
    """Confusion matrix whose columns follow the best one-to-one matching with the classes.

    Parameters and errors are those of `accuracy_hungarian`.

    Returns
    -------
    Confusion
        With as many clusters as classes, the matched pairs lie on the diagonal.
    """
    truth, found = pair(labels, clusters)
    matrix = contingency_matrix(truth.codes, found.codes)
    _, matched = linear_sum_assignment(matrix, maximize=True)
    rest = np.setdiff1d(np.arange(len(found.names)), matched)
    rest = rest[np.argsort(matrix[:, rest].argmax(axis=0), kind="stable")]
    order = np.concatenate([matched, rest])
    return Confusion(matrix[:, order], truth.names, found.names[order])


def stability(clusterings: Sequence[ArrayLike]) -> float:
    """Mean adjusted Rand index over all pairs of clusterings of the same rows: 1 if all are equal, about 0 by chance.

    Parameters
    ----------
    clusterings : sequence of array-like of shape (N,)

    Returns
    -------
    float
        NaN with fewer than two clusterings.
    """
    agreements = [ari(one, other) for one, other in combinations(clusterings, 2)]
    return float(np.mean(agreements)) if agreements else math.nan


def effective_components(usage: ArrayLike) -> float:
    """Effective number of clusters: the exponential of the entropy of their shares.

    Parameters
    ----------
    usage : array-like of shape (K,)
        Counts or shares of the clusters; only their proportions matter.

    Returns
    -------
    float
        1 when one cluster has all observations, K when all have the same share.

    Raises
    ------
    ValueError
        If `usage` is not one-dimensional, not finite, somewhere negative, or all 0.
    """
    weight = np.asarray(usage, dtype=np.float64)
    if weight.ndim != 1 or not np.isfinite(weight).all() or (weight < 0).any() or not weight.sum() > 0:
        raise ValueError(
            "`usage` must be a one-dimensional array of finite, non-negative numbers, not all 0; "
            f"got {np.array2string(weight, threshold=10)}; pass the count or share of every cluster."
        )
    return float(np.exp(entr(weight / weight.sum()).sum()))
