"""Moments, principal components and mixtures of rows (n, p) that count by weights (n,).

A weight of 2 is a row that occurs twice. scikit-learn's own PCA and Gaussian mixture take no weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.linalg import solve_triangular
from scipy.special import logsumexp
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.utils.extmath import randomized_svd

Beginning = Literal["kmeans", "k-means++"]
"""Of expectation maximisation, by scikit-learn's names: the clusters of k-means, or single rows that lie far apart."""
_MAX_ITERATIONS, _TOLERANCE = 100, 1e-3
"""Of expectation maximisation, as in scikit-learn; the gain in nats per row that ends it."""
_MAX_COVARIANCE = 1000
"""Columns up to which principal components are eigenvectors of the covariance, as in scikit-learn."""


def mean_and_variance(rows: np.ndarray, weights: np.ndarray | None) -> tuple[np.ndarray, np.ndarray]:
    """Of every column, each (p,)."""
    if weights is None:
        return rows.mean(0), rows.var(0)
    mean = weights @ rows / weights.sum()
    return mean, weights @ (rows - mean) ** 2 / weights.sum()


def principal_axes(centred: np.ndarray, weights: np.ndarray, number: int, seed: int) -> np.ndarray:
    """Leading principal axes (number, p) of centred rows; of each the entry that is farthest from 0 is positive."""
    scaled = np.sqrt(weights)[:, None] * centred
    if centred.shape[1] <= _MAX_COVARIANCE:
        axes = np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1][:, :number].T
    else:
        axes = randomized_svd(scaled, number, random_state=seed)[2]
    farthest = np.abs(axes).argmax(1)
    return axes * np.sign(axes[np.arange(len(axes)), farthest])[:, None]


def mixture_clusters(
    rows: np.ndarray,
    weights: np.ndarray,
    n_clusters: int,
    beginnings: Sequence[Beginning],
    n_init: int,
    floor: float,
    seed: int,
) -> np.ndarray:
    """Clusters by a mixture of normals with full covariances: the best of ``n_init`` a beginning by its likelihood.

    As scikit-learn's: expectation maximisation with ``floor`` on the covariances' diagonals.
    """
    random = np.random.RandomState(seed)
    best, clusters = -np.inf, np.zeros(len(rows), dtype=int)
    for beginning in np.repeat(beginnings, n_init):
        posterior, before, bound = _first(beginning, rows, weights, n_clusters, random), -np.inf, -np.inf
        log_joint = posterior
        for _ in range(_MAX_ITERATIONS):
            log_joint = _log_joint(rows, weights[:, None] * posterior, floor)
            log_density = logsumexp(log_joint, axis=1)
            posterior = np.exp(log_joint - log_density[:, None])
            bound = float(weights @ log_density / weights.sum())
            if abs(bound - before) < _TOLERANCE:
                break
            before = bound
        if bound > best:
            best, clusters = bound, log_joint.argmax(1)
    return clusters


def _first(
    beginning: Beginning, rows: np.ndarray, weights: np.ndarray, n_clusters: int, random: np.random.RandomState
) -> np.ndarray:
    """The shares (n, K) by which rows belong to the components at first."""
    if beginning == "kmeans":
        found = KMeans(n_clusters, n_init=1, random_state=random).fit_predict(rows, sample_weight=weights)
        return np.eye(n_clusters)[found]
    _, chosen = kmeans_plusplus(rows, n_clusters, sample_weight=weights, random_state=random)
    shares = np.zeros((len(rows), n_clusters))
    shares[chosen, np.arange(n_clusters)] = 1.0
    return shares


def _log_joint(rows: np.ndarray, shares: np.ndarray, floor: float) -> np.ndarray:
    """log π_k N(y | μ_k, Σ_k), up to a constant, (n, K), of the mixture to which rows belong by shares (n, K)."""
    counts = shares.sum(0) + 10.0 * np.finfo(float).eps
    log_joint = np.empty(shares.shape)
    for k, count in enumerate(counts):
        mean = shares[:, k] @ rows / count
        deviations = rows - mean
        covariance = deviations.T @ (shares[:, k, None] * deviations) / count + floor * np.eye(rows.shape[1])
        factor = np.linalg.cholesky(covariance)
        standardised = solve_triangular(factor, deviations.T, lower=True)
        log_joint[:, k] = -0.5 * (standardised**2).sum(0) - np.log(np.diag(factor)).sum() + np.log(count)
    return log_joint - np.log(counts.sum())
