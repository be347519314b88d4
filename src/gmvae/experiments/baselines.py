"""What users would otherwise run, from scikit-learn."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture


class Baseline(NamedTuple):
    """Clusters of the rows that were fitted, and the held-out log-likelihood where there is a density.

    Attributes
    ----------
    clusters : ndarray of shape (n,)
    held_out : float or None
        Mean log density of the held-out rows in nats.
    model : estimator
        The fitted model.
    """

    clusters: NDArray[Any]
    held_out: float | None
    model: Any


def kmeans(X: NDArray[Any], n_components: int, seed: int) -> Baseline:
    """k-means with ten k-means++ starts, on rows (n, p)."""
    model = KMeans(n_components, n_init=10, random_state=seed)
    return Baseline(model.fit_predict(X), None, model)


def gaussian_mixture(X: NDArray[Any], n_components: int, seed: int, held_out: NDArray[Any] | None = None) -> Baseline:
    """Gaussian mixture with full covariances from five k-means starts, on rows (n, p).

    Covariances are regularised by 1e-3 of the data's mean variance: pixels that never change make
    scikit-learn's absolute 1e-6 singular.
    """
    reg_covar = 1e-3 * float(np.var(X, axis=0).mean())
    model = GaussianMixture(n_components, n_init=5, reg_covar=reg_covar, random_state=seed).fit(X)
    return Baseline(model.predict(X), None if held_out is None else float(model.score(held_out)), model)
