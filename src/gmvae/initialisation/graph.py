"""The graph of nearest neighbours and the clusters in it."""

from __future__ import annotations

import math
import warnings

import numpy as np
from scipy import sparse
from scipy.sparse import csgraph
from sklearn.manifold import spectral_embedding
from sklearn.neighbors import NearestNeighbors

from gmvae.initialisation.centres import kmeans_clusters

N_NEIGHBOURS = 15
_MIN_ROWS_PER_CLUSTER = 5
"""A graph of fewer has no clusters to show; k-means takes its place."""
_N_CANDIDATES = 11
"""Numbers of eigenvectors that are tried, from that of the clusters to twice as many."""


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
    return clusters_of(graph, eigenvectors(graph, 2 * n_clusters, seed), n_clusters, seed)


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


def eigenvectors(graph: sparse.csr_matrix, number: int, seed: int) -> np.ndarray:
    """Leading eigenvectors (n, number) of a graph's normalised weights; at most n - 1 of them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Graph is not fully connected")  # its parts are clusters themselves
        warnings.filterwarnings("ignore", "ARPACK has failed")  # the method that takes its place does not
        number = min(number, graph.shape[0] - 1)
        return spectral_embedding(graph, n_components=number, random_state=seed, drop_first=False)


def clusters_of(
    graph: sparse.csr_matrix,
    vectors: np.ndarray,
    n_clusters: int,
    seed: int,
    n_candidates: int = _N_CANDIDATES,
    n_init: int = 10,
) -> np.ndarray:
    """Clusters of rows of the eigenvectors: those of the highest modularity among several numbers of eigenvectors."""
    most = min(2 * n_clusters, vectors.shape[1])
    candidates = []
    for number in np.unique(np.linspace(n_clusters, most, n_candidates).round().astype(int)):
        lengths = np.linalg.norm(vectors[:, :number], axis=1, keepdims=True)
        rows = vectors[:, :number] / np.where(lengths == 0, 1, lengths)
        candidates.append(kmeans_clusters(rows, n_clusters, seed, n_init))
    return max(candidates, key=lambda clusters: modularity(graph, clusters))


def modularity(graph: sparse.csr_matrix, clusters: np.ndarray) -> float:
    """Share of the weight within clusters, less what chance would put there (Newman and Girvan 2004)."""
    members = np.eye(clusters.max() + 1)[clusters]
    total = graph.sum()
    within = (members * (graph @ members)).sum(0) / total
    volume = (np.asarray(graph.sum(1)).ravel() @ members) / total
    return float((within - volume**2).sum())
