"""How well clusters agree with known classes, and how many clusters are in use.

Clusters have no names, so every accuracy first lends them classes: by the surest observation of
each, by the best one-to-one matching, or by the most frequent class.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import linear_sum_assignment
from scipy.special import entr, expit
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

_ROW_SUM_TOLERANCE = 1e-2
"""Wide enough for probabilities rounded to bfloat16, narrow enough to catch logits."""


class Scores(NamedTuple):
    """Agreement of a soft clustering with known classes; accuracies are shares in [0, 1]."""

    accuracy_exemplar: float
    accuracy_hungarian: float
    accuracy_majority: float
    nmi: float
    ari: float
    n_classes: int
    n_components_used: int


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
    """Accuracy when each cluster is named by its surest observation (Makhzani et al., 2015).

    For every cluster the observation with the highest probability of it lends its true label to
    all observations whose most probable cluster it is. Of equal ones the first counts.

    Parameters
    ----------
    labels : array-like of shape (N,)
        True classes, strings or numbers.
    proba : array-like of shape (N, K)
        Probability of each cluster given the observation.
    log_odds : array-like of shape (N, K), optional
        The same as log [p / (1 - p)]: they find the surest of many observations whose probabilities round to 1.

    Returns
    -------
    float
        Share of observations labelled right, in [0, 1].

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is missing, or a row of `proba` is no distribution.
    """
    truth = _encode("labels", labels).codes
    chances = _distribution(proba, len(truth))
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

    When their numbers differ, the observations of whatever stays unmatched count as wrong.

    Parameters
    ----------
    labels, clusters : array-like of shape (N,)
        True classes and assigned clusters, strings or numbers.

    Returns
    -------
    float
        Share of observations labelled right, in [0, 1].

    Raises
    ------
    ValueError
        If the lengths differ or an entry is missing.
    """
    matrix = _contingency(labels, clusters).matrix
    rows, columns = linear_sum_assignment(matrix, maximize=True)
    return float(matrix[rows, columns].sum() / matrix.sum())


def accuracy_majority(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Accuracy when each cluster is named by its most frequent class, also called purity.

    It never falls when a cluster is split: compare it only between equal numbers of clusters.
    Parameters, result and errors are those of `accuracy_hungarian`.
    """
    matrix = _contingency(labels, clusters).matrix
    return float(matrix.max(axis=0).sum() / matrix.sum())


def nmi(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Mutual information of classes and clusters over the mean of their entropies, in [0, 1].

    Parameters and errors are those of `accuracy_hungarian`.
    """
    truth, found = _pair(labels, clusters)
    return float(normalized_mutual_info_score(truth.codes, found.codes))


def ari(labels: ArrayLike, clusters: ArrayLike) -> float:
    """Return the adjusted Rand index: 1 for equal partitions, near 0 for random ones, at least -0.5.

    Parameters and errors are those of `accuracy_hungarian`.
    """
    truth, found = _pair(labels, clusters)
    return float(adjusted_rand_score(truth.codes, found.codes))


def match(labels: ArrayLike, clusters: ArrayLike) -> Confusion:
    """Confusion matrix whose columns follow the best one-to-one matching with the classes.

    Parameters and errors are those of `accuracy_hungarian`.

    Returns
    -------
    Confusion
        With as many clusters as classes, the matched pairs lie on the diagonal.
    """
    matrix, classes, names = _contingency(labels, clusters)
    _, matched = linear_sum_assignment(matrix, maximize=True)
    rest = np.setdiff1d(np.arange(len(names)), matched)
    rest = rest[np.argsort(matrix[:, rest].argmax(axis=0), kind="stable")]
    order = np.concatenate([matched, rest])
    return Confusion(matrix[:, order], classes, names[order])


def effective_components(usage: ArrayLike) -> float:
    """Effective number of clusters: the exponential of the entropy of their shares.

    Parameters
    ----------
    usage : array-like of shape (K,)
        Counts or shares of the clusters; only their proportions matter.

    Returns
    -------
    float
        1 when one cluster takes everything, K when all are used alike.

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


def evaluate(labels: ArrayLike, proba: ArrayLike, log_odds: ArrayLike | None = None) -> Scores:
    """Every score of a soft clustering at once; hard measures use the most probable cluster.

    Parameters and errors are those of `accuracy_exemplar`.
    """
    exemplar = accuracy_exemplar(labels, proba, log_odds)
    clusters = np.asarray(proba).argmax(axis=1)
    return Scores(
        accuracy_exemplar=exemplar,
        accuracy_hungarian=accuracy_hungarian(labels, clusters),
        accuracy_majority=accuracy_majority(labels, clusters),
        nmi=nmi(labels, clusters),
        ari=ari(labels, clusters),
        n_classes=len(np.unique(np.asarray(labels))),
        n_components_used=len(np.unique(clusters)),
    )


def evaluate_log_odds(labels: ArrayLike, log_odds: ArrayLike) -> Scores:
    """Return every score from the log-odds of each cluster, shape (N, K), of which probabilities follow."""
    return evaluate(labels, expit(np.asarray(log_odds, dtype=np.float64)), log_odds)


class _Coded(NamedTuple):
    """Sorted distinct names and, for each entry, the position of its name among them."""

    names: NDArray[Any]
    codes: NDArray[np.int64]


def _encode(name: str, values: ArrayLike) -> _Coded:
    array = np.asarray(values)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"`{name}` must be one-dimensional with at least one entry; got shape {array.shape}; "
            "pass one name or number per observation."
        )
    sentence = f"`{name}` must hold only strings or only numbers, none missing; got {{}}; drop the rows without one."
    try:
        names, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        types = sorted({type(value).__name__ for value in array.tolist()})
        raise ValueError(sentence.format(", ".join(types))) from error
    if (names != names).any():
        raise ValueError(sentence.format("NaN"))
    return _Coded(names, codes)


def _pair(labels: ArrayLike, clusters: ArrayLike) -> tuple[_Coded, _Coded]:
    truth, found = _encode("labels", labels), _encode("clusters", clusters)
    if len(truth.codes) != len(found.codes):
        raise ValueError(
            "`labels` and `clusters` must have one entry per observation; "
            f"got {len(truth.codes)} and {len(found.codes)}; pass both for the same observations."
        )
    return truth, found


def _contingency(labels: ArrayLike, clusters: ArrayLike) -> Confusion:
    truth, found = _pair(labels, clusters)
    counts = np.zeros((len(truth.names), len(found.names)), dtype=np.int64)
    np.add.at(counts, (truth.codes, found.codes), 1)
    return Confusion(counts, truth.names, found.names)


def _distribution(proba: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    chances = np.asarray(proba, dtype=np.float64)
    problem = ""
    if chances.ndim != 2 or not chances.size or len(chances) != n_samples:
        problem = f"shape {chances.shape} for {n_samples} labels"
    elif not np.isfinite(chances).all():
        problem = f"NaN or infinity in {int((~np.isfinite(chances)).any(axis=1).sum())} of {n_samples} rows"
    elif chances.min() < 0 or np.abs(chances.sum(axis=1) - 1).max() > _ROW_SUM_TOLERANCE:
        low, high = chances.sum(axis=1).min(), chances.sum(axis=1).max()
        problem = f"a least entry of {chances.min():.3g} and row sums in [{low:.3g}, {high:.3g}]"
    if problem:
        raise ValueError(
            "`proba` must have shape (n_samples, n_components) and finite, non-negative rows that sum to 1; "
            f"got {problem}; pass the result of `predict_proba` for the labelled observations."
        )
    return chances
