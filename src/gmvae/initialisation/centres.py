"""Clusters around centres: k-means and Gaussian mixtures. Rows may count by weights (n,) above 0."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from gmvae.initialisation.weighted import mean_and_variance, mixture_clusters

_MIN_COVARIANCE = 1e-6
"""scikit-learn's own regularisation, for rows that are all equal."""
_N_INIT, _N_INIT_SMALL = 3, 30
_SMALL = 1e5
"""Restarts of a mixture. The likelihood of few rows has many local maxima: where rows times clusters times squared
dimensions are at most `_SMALL`, 30 restarts take about a second."""
_FLOOR = 1e-3
"""Regularisation of a mixture's covariances, as a share of the mean variance."""
_GAIN_FLOOR = 1e-2
"""The same where gains are compared. A smaller one lets rows that share a value, such as an income of 0, dominate the
gain."""


def kmeans_clusters(
    scores: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None = None, n_init: int = 10
) -> np.ndarray:
    """Clusters by k-means with k-means++ restarts."""
    return KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(scores, sample_weight=weights)


def gmm_clusters(scores: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Clusters by a Gaussian mixture with full covariances."""
    floor = _FLOOR * mean_and_variance(scores, weights)[1].mean() or _MIN_COVARIANCE
    n_init = _N_INIT_SMALL if scores.shape[0] * scores.shape[1] ** 2 * n_clusters <= _SMALL else _N_INIT
    if weights is not None:
        return mixture_clusters(scores, weights, n_clusters, n_init, floor, seed)
    mixture = GaussianMixture(n_clusters, n_init=n_init, reg_covar=floor, random_state=seed)
    return mixture.fit_predict(scores)


def gaussian_gain(scores: np.ndarray, clusters: np.ndarray, weights: np.ndarray | None = None) -> float:
    """Held-out log-likelihood of a mixture of normals less that of a single normal, in nats per row (2-fold).

    The mixture has a component for each of the clusters (n,) of the scores (n, p). Covariances of small clusters are
    shrunk towards their diagonals.
    """
    order = np.random.default_rng(0).permutation(len(scores))
    halves = order[::2], order[1::2]
    floor = _GAIN_FLOOR * mean_and_variance(scores, weights)[1].mean() or _MIN_COVARIANCE
    weights = np.ones(len(scores)) if weights is None else weights
    total = 0.0
    for seen, unseen in (halves, halves[::-1]):
        counts = np.bincount(clusters[seen], weights[seen])
        members = [seen[clusters[seen] == k] for k in range(len(counts))]
        densities = [
            _log_density(scores[rows], weights[rows], scores[unseen], floor) + np.log(count / counts.sum())
            for rows, count in zip(members, counts, strict=True)
            if len(rows) > 1
        ]
        alone = _log_density(scores[seen], weights[seen], scores[unseen], floor)
        gains = np.logaddexp.reduce(densities, axis=0) - alone if densities else np.zeros(len(unseen))
        total += (weights[unseen] * gains).sum()
    return float(total / weights.sum())


def _log_density(rows: np.ndarray, weights: np.ndarray, asked: np.ndarray, floor: float) -> np.ndarray:
    """Log density, up to a constant, of a normal distribution fitted to ``rows``, at ``asked``."""
    n, p = weights.sum(), rows.shape[1]
    even = (weights == 1.0).all()
    mean = rows.mean(0) if even else weights @ rows / n
    deviations = rows - mean
    covariance = deviations.T @ (deviations if even else weights[:, None] * deviations) / n
    shrunk = p / (p + n)
    covariance = (1.0 - shrunk) * covariance + shrunk * np.diag(np.diag(covariance)) + floor * np.eye(p)
    factor = np.linalg.cholesky(covariance)
    standardised = np.linalg.solve(factor, (asked - mean).T)
    return -0.5 * (standardised**2).sum(0) - np.log(np.diag(factor)).sum()
