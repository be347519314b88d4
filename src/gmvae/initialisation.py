"""Where the components start: on clusters of the principal components of rows, or of the strokes in images.

Labels never enter.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.manifold import spectral_embedding
from sklearn.mixture import GaussianMixture
from sklearn.neighbors import NearestNeighbors

MAX_ROWS = 10_000
"""Rows that are enough to find the starting clusters."""
MAX_DIMS = 30
"""Principal components that are clustered; the rest is mostly noise."""
LEAST_IMAGE = 8
"""Pixels on the shorter side from which on images are described by their strokes, not pixel by pixel."""
_N_CELLS, _N_DIRECTIONS = 6, 8
_IMAGES_AT_ONCE = 512
N_NEIGHBOURS = 15
_MIN_ROWS_PER_CLUSTER = 5
"""A graph of fewer has no clusters to show; k-means takes its place."""
_N_CANDIDATES = 11
"""Numbers of eigenvectors that are tried, from that of the clusters to twice as many."""
_MIN_COVARIANCE = 1e-6
"""scikit-learn's own floor, for rows that are all alike."""


def kmeans_clusters(scores: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters by k-means with k-means++ restarts."""
    return KMeans(n_clusters, n_init=10, random_state=seed).fit_predict(scores)


def gmm_clusters(scores: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters by a Gaussian mixture with full covariances."""
    floor = 1e-3 * scores.var(0).mean() or _MIN_COVARIANCE
    mixture = GaussianMixture(n_clusters, n_init=3, reg_covar=floor, random_state=seed)
    return mixture.fit_predict(scores)


def neighbour_clusters(scores: np.ndarray, n_clusters: int, seed: int) -> np.ndarray:
    """Clusters of the graph of nearest neighbours, by its eigenvectors (Ng et al. 2002).

    Rows of the eigenvectors, brought to unit length, are clustered by k-means. As many eigenvectors as clusters are
    enough only where clusters hardly touch, so up to twice as many are tried, and the clusters of the highest
    modularity are taken. A graph that falls into as many parts as there are clusters needs no eigenvectors.
    """
    if n_clusters == 1 or len(scores) < _MIN_ROWS_PER_CLUSTER * n_clusters:
        return kmeans_clusters(scores, n_clusters, seed)
    graph = neighbour_graph(scores)
    n_parts, parts = csgraph.connected_components(graph, directed=False)
    if n_parts == n_clusters:
        return parts
    numbers = np.linspace(n_clusters, min(2 * n_clusters, len(scores) - 1), _N_CANDIDATES).round().astype(int)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")  # its parts are clusters themselves
        vectors = spectral_embedding(graph, n_components=numbers[-1], random_state=seed, drop_first=False)
    candidates = []
    for number in np.unique(numbers):
        lengths = np.linalg.norm(vectors[:, :number], axis=1, keepdims=True)
        candidates.append(kmeans_clusters(vectors[:, :number] / np.where(lengths == 0, 1, lengths), n_clusters, seed))
    return max(candidates, key=lambda clusters: modularity(graph, clusters))


def neighbour_graph(scores: np.ndarray) -> sparse.csr_matrix:
    """Symmetric weights (n, n) in [0, 1] between nearest neighbours (McInnes et al. 2018).

    The weight of a neighbour falls exponentially with how much farther it is than the nearest one, at a rate by which
    the weights of a row's neighbours add up to log₂ of their number. Two directions join as independent chances do.
    """
    n = len(scores)
    k = min(N_NEIGHBOURS, n - 1)
    distances, neighbours = NearestNeighbors(n_neighbors=k + 1).fit(scores).kneighbors(scores)
    excess = distances[:, 1:] - distances[:, 1:2]
    low, high = np.zeros((n, 1)), np.full((n, 1), 1e3 * excess.max() or 1.0)
    for _ in range(64):
        middle = (low + high) / 2
        too_much = np.exp(-excess / middle).sum(1, keepdims=True) > math.log2(k)
        low, high = np.where(too_much, low, middle), np.where(too_much, middle, high)
    weights = np.exp(-excess / high).ravel()
    directed = sparse.csr_matrix((weights, neighbours[:, 1:].ravel(), np.arange(n + 1) * k), shape=(n, n))
    both = directed.multiply(directed.T)
    return (directed + directed.T - both).tocsr()


def modularity(graph: sparse.csr_matrix, clusters: np.ndarray) -> float:
    """Share of the weight within clusters, less what chance would put there (Newman and Girvan 2004)."""
    members = np.eye(clusters.max() + 1)[clusters]
    total = graph.sum()
    within = (members * (graph @ members)).sum(0) / total
    volume = (np.asarray(graph.sum(1)).ravel() @ members) / total
    return float((within - volume**2).sum())


CLUSTERINGS: dict[str, Callable[[np.ndarray, int, int], np.ndarray]] = {
    "kmeans": kmeans_clusters,
    "gmm": gmm_clusters,
    "neighbours": neighbour_clusters,
}


def oriented_gradients(images: np.ndarray) -> np.ndarray:
    """Which way the strokes of images run, and where: histograms of oriented gradients (Dalal and Triggs 2005).

    The gradient of every pixel, of the channel where it is steepest, is dealt out to the nearest two of eight
    directions and to the nearest cells of a 6x6 grid. A direction and its opposite are one, so that dark strokes on
    light are as light ones on dark. Histograms of unit length do not tell the contrast; their square roots let faint
    strokes count.

    Parameters
    ----------
    images : ndarray of shape (n, C, H, W)

    Returns
    -------
    histograms : ndarray of shape (n, 288)
        Zeros for an image without gradients.
    """
    n, _, height, width = images.shape
    histograms = np.empty((n, _N_DIRECTIONS, _N_CELLS, _N_CELLS))
    directions = np.arange(_N_DIRECTIONS)[:, None, None]
    for first in range(0, n, _IMAGES_AT_ONCE):
        batch = images[first : first + _IMAGES_AT_ONCE]
        down, across = np.gradient(batch, axis=(2, 3))
        steepest = np.hypot(down, across).argmax(1)[:, None]
        down, across = (np.take_along_axis(slope, steepest, axis=1) for slope in (down, across))
        turn = _N_DIRECTIONS * (np.arctan2(down, across) / np.pi % 1.0)
        apart = np.abs(turn - directions)
        share = np.maximum(0.0, 1.0 - np.minimum(apart, _N_DIRECTIONS - apart))
        steepness = share * np.hypot(down, across)
        histograms[first : first + _IMAGES_AT_ONCE] = _cells(height) @ steepness @ _cells(width).T
    flat = histograms.reshape(n, -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.sqrt(flat / np.where(length == 0.0, 1.0, length))


def _cells(n_pixels: int) -> np.ndarray:
    """Triangular windows (cells, pixels) that overlap by half."""
    centres = (np.arange(_N_CELLS) + 0.5) * n_pixels / _N_CELLS - 0.5
    return np.maximum(0.0, 1.0 - np.abs(np.arange(n_pixels) - centres[:, None]) * _N_CELLS / n_pixels)


def starting_clusters(init: str, rows: np.ndarray, n_components: int, seed: int) -> np.ndarray | None:
    """Cluster the principal components of ``rows``; None for ``init='random'``.

    Images of at least 8x8 pixels are described by their `oriented_gradients` first: neighbours in pixels share their
    thickness, place and light more than what they show.

    Parameters
    ----------
    init : {"random", "kmeans", "gmm", "neighbours"}
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations, or a random part of them.
    n_components : int
        K; with fewer rows, or fewer distinct ones, some components get none.
    seed : int
        Seed of the clustering.

    Returns
    -------
    clusters : ndarray of int, shape (n,), or None
    """
    if init == "random":
        return None
    if rows.ndim == 4 and min(rows.shape[2:]) >= LEAST_IMAGE:
        rows = oriented_gradients(rows)
    rows = rows.reshape(len(rows), -1)
    pca = PCA(min(MAX_DIMS, *rows.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # rows that are all alike have no variance to explain
        scores = pca.fit_transform(rows)
    with warnings.catch_warnings():
        # A start need not converge, and users would take the warning for one about their own fit.
        warnings.simplefilter("ignore", ConvergenceWarning)
        return CLUSTERINGS[init](scores, min(n_components, len(rows)), seed)
