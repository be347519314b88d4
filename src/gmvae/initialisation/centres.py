"""Clusters around centres: k-means and Gaussian mixtures."""

from __future__ import annotations

import numpy as np
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture

_MIN_COVARIANCE = 1e-6
"""scikit-learn's own floor, for rows that are all alike."""


def kmeans_clusters(scores: np.ndarray, n_clusters: int, seed: int, n_init: int = 10) -> np.ndarray:
    """Clusters by k-means with k-means++ restarts."""
    return KMeans(n_clusters, n_init=n_init, random_state=seed).fit_predict(scores)


def gmm_clusters(scores: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters by a Gaussian mixture with full covariances."""
    floor = 1e-3 * scores.var(0).mean() or _MIN_COVARIANCE
    mixture = GaussianMixture(n_clusters, n_init=3, reg_covar=floor, random_state=seed)
    return mixture.fit_predict(scores)
