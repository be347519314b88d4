"""Where the components start: on clusters of the data's principal components.

The start is a linear encoder (principal component scores, scaled to unit variance) and one place
per component in it. Labels never enter.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

MAX_ROWS = 20_000
"""Rows that are enough to find the starting clusters."""
MAX_CLUSTERED_DIMS = 20
"""Principal components that are clustered; a full covariance needs far more rows than dimensions."""
MIN_SCALE = 0.1
"""Least starting scale of a component, as a share of the data's spread."""
_MIN_COVARIANCE = 1e-6
"""scikit-learn's own floor, for rows that are all alike."""


class Start(NamedTuple):
    """A linear encoder and a place for every component.

    Attributes
    ----------
    mean : Tensor of shape (p,)
    projection : Tensor of shape (p, D_x)
        Principal axes over their standard deviations; axes beyond the data's rank are 0.
    means, scales : Tensor of shape (K, D_x)
        Where the components start.
    """

    mean: Tensor
    projection: Tensor
    means: Tensor
    scales: Tensor

    def target(self, y: Tensor) -> Tensor:
        """Starting place (B, D_x) of the embedding of standardised observations (B, *event)."""
        return (y.flatten(1) - self.mean) @ self.projection

    def to(self, like: Tensor) -> Start:
        """The same on another tensor's device and type."""
        return Start(*(tensor.to(like) for tensor in self))


def kmeans_labels(scores: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """Clusters by k-means with k-means++ restarts."""
    return KMeans(n_components, n_init=10, random_state=seed).fit_predict(scores)


def gmm_labels(scores: np.ndarray, n_components: int, seed: int) -> np.ndarray:
    """Clusters by a Gaussian mixture with full covariances."""
    floor = 1e-3 * scores.var(0).mean() or _MIN_COVARIANCE
    mixture = GaussianMixture(n_components, n_init=3, reg_covar=floor, random_state=seed)
    return mixture.fit_predict(scores)


CLUSTERINGS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {"kmeans": kmeans_labels, "gmm": gmm_labels}


def find_start(init: str, rows: np.ndarray, n_components: int, latent_dim: int, seed: int) -> Start | None:
    """Cluster the principal components of ``rows``; None for ``init='random'``.

    Parameters
    ----------
    init : {"random", "kmeans", "gmm"}
    rows : ndarray of shape (n, p)
        Standardised observations, or a random part of them.
    n_components, latent_dim : int
        K and D_x.
    seed : int
        Seed of the clustering.

    Notes
    -----
    Components beyond the rows, or beyond their distinct values, start at the centre with unit scale.
    """
    if init == "random":
        return None
    pca = PCA(min(max(latent_dim, MAX_CLUSTERED_DIMS), *rows.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # rows that are all alike have no variance to explain
        scores = pca.fit_transform(rows)
    with warnings.catch_warnings():
        # A start need not converge, and users would take the warning for one about their own fit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        labels = CLUSTERINGS[init](scores[:, :MAX_CLUSTERED_DIMS], min(n_components, len(rows)), seed)
    spread = scores[:, :latent_dim].std(0)
    present = spread > 1e-6 * spread.max(initial=0.0)
    inverse = np.divide(1.0, spread, out=np.zeros_like(spread), where=present)
    projection = np.zeros((rows.shape[1], latent_dim))
    projection[:, : len(spread)] = pca.components_[: len(spread)].T * inverse
    places = (rows - pca.mean_) @ projection
    means, scales = np.zeros((n_components, latent_dim)), np.ones((n_components, latent_dim))
    for k in range(n_components):
        members = places[labels == k]
        if len(members):
            means[k] = members.mean(0)
            scales[k] = np.maximum(members.std(0), MIN_SCALE)
    scales[:, ~projection.any(0)] = 1.0
    return Start(*(torch.from_numpy(np.ascontiguousarray(a)) for a in (pca.mean_, projection, means, scales)))
