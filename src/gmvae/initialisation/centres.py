"""Clusters around centres: k-means and Gaussian mixtures. Rows may count by weights (n,) above 0."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

from gmvae.initialisation.weighted import Beginning, mean_and_variance, mixture_clusters

_MIN_COVARIANCE = 1e-6
"""scikit-learn's own regularisation, for rows that are all equal."""
_BEGINNINGS: Sequence[Beginning] = ("kmeans", "k-means++")
"""Of mixtures; the likeliest one is taken. Small clusters beside a large one are seldom found from k-means' clusters,
which divide the large one, but often from single rows that lie far apart."""
_N_INIT, _N_INIT_SMALL = 3, 15
_SMALL, _MEDIUM = 1e5, 1e7
"""Restarts from each of them. The likelihood of few rows has many local maxima: where rows times clusters times squared
dimensions are at most `_SMALL`, 15 restarts take about half a second. Above `_MEDIUM` only the first is affordable."""
_FLOOR = 1e-3
"""Regularisation of a mixture's covariances, as a share of the mean variance."""
_GAIN_FLOOR = 1e-2
"""The same where gains are compared. A smaller one lets rows that share a value, such as an income of 0, dominate the
gain."""
_T_ITERATIONS = 10
"""Of expectation maximisation for a Student t."""


def kmeans_clusters(
    scores: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None = None, n_init: int = 10
) -> np.ndarray:
    """Clusters by k-means with k-means++ restarts."""
    return KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(scores, sample_weight=weights)


def gmm_clusters(scores: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None = None) -> np.ndarray:
    """Clusters by a Gaussian mixture with full covariances."""
    floor = _FLOOR * mean_and_variance(scores, weights)[1].mean() or _MIN_COVARIANCE
    size = scores.shape[0] * scores.shape[1] ** 2 * n_clusters
    n_init = _N_INIT_SMALL if size <= _SMALL else _N_INIT
    beginnings = _BEGINNINGS if size <= _MEDIUM else _BEGINNINGS[:1]
    if weights is not None:
        return mixture_clusters(scores, weights, n_clusters, beginnings, n_init, floor, seed)
    found = [
        GaussianMixture(n_clusters, n_init=n_init, init_params=beginning, reg_covar=floor, random_state=seed)
        for beginning in beginnings
    ]
    return max((each.fit(scores) for each in found), key=lambda each: each.lower_bound_).predict(scores)


class HeldOutLikelihood(NamedTuple):
    """Log-likelihoods of unseen rows in nats per row: a mixture's gain over a single component, and its own."""

    gain: float
    of_mixture: float


def held_out(
    scores: np.ndarray, clusters: np.ndarray, weights: np.ndarray | None = None, freedom: float | None = None
) -> HeldOutLikelihood:
    """What a mixture says of rows that its components have not seen (2-fold).

    The mixture has a component for each of the clusters (n,) of the scores (n, p): a normal, or a Student t of so many
    degrees of freedom, of which a few rows far away do not own the covariance. Covariances of small clusters are shrunk
    towards their diagonals.
    """
    floor = _GAIN_FLOOR * mean_and_variance(scores, weights)[1].mean() or _MIN_COVARIANCE
    counts = np.ones(len(scores)) if weights is None else weights

    def log_density(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        return _log_density(scores[seen], counts[seen], scores[unseen], floor, freedom)

    return held_out_gain(log_density, clusters, counts)


def held_out_gain(
    log_density: Callable[[np.ndarray, np.ndarray], np.ndarray], clusters: np.ndarray, weights: np.ndarray
) -> HeldOutLikelihood:
    """The same for components of any family: ``log_density`` of rows (m,) under one that is fitted to others (l,)."""
    order = np.random.default_rng(0).permutation(len(clusters))
    halves = order[::2], order[1::2]
    gain = own = 0.0
    for seen, unseen in (halves, halves[::-1]):
        counts = np.bincount(clusters[seen], weights[seen])
        members = [seen[clusters[seen] == k] for k in range(len(counts))]
        densities = [
            log_density(rows, unseen) + np.log(count / counts.sum())
            for rows, count in zip(members, counts, strict=True)
            if len(rows) > 1
        ]
        single = log_density(seen, unseen)
        together = np.logaddexp.reduce(densities, axis=0) if densities else single
        gain += (weights[unseen] * (together - single)).sum()
        own += (weights[unseen] * together).sum()
    return HeldOutLikelihood(float(gain / weights.sum()), float(own / weights.sum()))


def _log_density(
    rows: np.ndarray, weights: np.ndarray, asked: np.ndarray, floor: float, freedom: float | None
) -> np.ndarray:
    """Log density at ``asked`` of a normal, or of a Student t (Liu and Rubin 1995), fitted to ``rows``."""
    p, n = rows.shape[1], float(weights.sum())
    mean, factor = _mean_and_factor(rows, weights, n, floor)
    if freedom is not None:
        for _ in range(_T_ITERATIONS):
            of_rows = weights * (freedom + p) / (freedom + _distances(rows, mean, factor))
            mean, factor = _mean_and_factor(rows, of_rows, n, floor)
    distances, log_determinant = _distances(asked, mean, factor), np.log(np.diag(factor)).sum()
    if freedom is None:
        return -0.5 * (distances + p * math.log(2.0 * math.pi)) - log_determinant
    constant = math.lgamma((freedom + p) / 2) - math.lgamma(freedom / 2) - 0.5 * p * math.log(freedom * math.pi)
    return constant - 0.5 * (freedom + p) * np.log1p(distances / freedom) - log_determinant


def _mean_and_factor(rows: np.ndarray, weights: np.ndarray, n: float, floor: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean (p,) of rows that count by weights, and the Cholesky factor (p, p) of their covariance."""
    p = rows.shape[1]
    even = (weights == 1.0).all()
    mean = rows.mean(0) if even else weights @ rows / weights.sum()
    deviations = rows - mean
    covariance = deviations.T @ (deviations if even else weights[:, None] * deviations) / n
    shrunk = p / (p + n)
    covariance = (1.0 - shrunk) * covariance + shrunk * np.diag(np.diag(covariance)) + floor * np.eye(p)
    return mean, np.linalg.cholesky(covariance)


def _distances(rows: np.ndarray, mean: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Squared Mahalanobis distances (n,)."""
    return (np.linalg.solve(factor, (rows - mean).T) ** 2).sum(0)
