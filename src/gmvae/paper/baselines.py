"""Baselines from scikit-learn: k-means and Gaussian mixtures."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture


def kmeans(X: NDArray[Any], n_components: int, seed: int, n_init: int = 10) -> KMeans:
    """k-means with k-means++ starts, fitted to rows (n, p)."""
    return KMeans(n_components, n_init=n_init, random_state=seed).fit(X)


def gaussian_mixture(
    X: NDArray[Any], n_components: int, seed: int, covariance_type: str = "full", n_init: int = 5
) -> GaussianMixture:
    """Gaussian mixture with k-means starts, fitted to rows (n, p).

    Covariances are regularised by 1e-3 of the data's mean variance: with constant pixels they are singular under
    scikit-learn's absolute 1e-6.
    """
    reg_covar = 1e-3 * float(np.var(X, axis=0).mean())
    mixture = GaussianMixture(
        n_components, covariance_type=covariance_type, n_init=n_init, reg_covar=reg_covar, random_state=seed
    )
    return mixture.fit(X)
