"""Known labels: which starting cluster is which class, and which clusters the labels divide."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.neighbors import NearestNeighbors


def named_clusters(
    clusters: np.ndarray,
    label: np.ndarray,
    n_components: int,
    scores: np.ndarray,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Starting clusters (n,) in which class c is component c, and labelled rows are in the cluster of their class.

    Clusters are matched to classes one to one, so that as much weight as possible of the labelled rows is in the
    cluster of its class; clusters without a class take the other numbers in their order. Where clusters merge classes,
    the labels divide them: the rows of a matched cluster take the class of the nearest labelled row in it, if this,
    leaving out one labelled row at a time, finds more of the labels than the matching does.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
    label : ndarray of shape (n,), int
        Classes, no more than ``n_components``; -1 where there is none.
    scores : ndarray of shape (n, d)
        What the clusters are of, for distances between rows.
    weights : ndarray of shape (n,), optional
    """
    known = label >= 0
    if not known.any():
        return clusters
    weights = np.ones(len(label)) if weights is None else weights
    together = np.zeros((n_components, label.max() + 1))
    np.add.at(together, (clusters[known], label[known]), weights[known])
    matched, classes = linear_sum_assignment(together, maximize=True)
    number = np.full(n_components, -1)
    number[matched] = classes
    number[number < 0] = np.setdiff1d(np.arange(n_components), classes)
    named = number[clusters]
    divided, without_one = _divided(named, label, scores)
    if weights[known] @ (without_one[known] == label[known]) > weights[known] @ (named[known] == label[known]):
        named = divided
    return np.where(known, label, named)


def _divided(named: np.ndarray, label: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The class of the nearest labelled row in the same matched cluster, (n,); and, of labelled rows, of the next."""
    divided, without_one = named.copy(), np.full(len(named), -1)
    for each in range(label.max() + 1):
        rows = np.flatnonzero(named == each)
        labelled = rows[label[rows] >= 0]
        if len(labelled) < 2:
            continue
        neighbours = NearestNeighbors(n_neighbors=1).fit(scores[labelled])
        divided[rows] = label[labelled[neighbours.kneighbors(scores[rows], return_distance=False)[:, 0]]]
        without_one[labelled] = label[labelled[neighbours.kneighbors(return_distance=False)[:, 0]]]
    return divided, without_one
