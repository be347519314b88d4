"""Known labels: which starting cluster is which class."""

from __future__ import annotations

import numpy as np
from scipy.optimize import linear_sum_assignment


def named_clusters(
    clusters: np.ndarray, label: np.ndarray, n_components: int, weights: np.ndarray | None = None
) -> np.ndarray:
    """Starting clusters (n,) in which class c is component c, and labelled rows are in the cluster of their class.

    Clusters are matched to classes one to one, so that as much weight as possible of the labelled rows is in the
    cluster of its class; clusters without a class take the other numbers in their order.

    Parameters
    ----------
    clusters : ndarray of shape (n,), int
    label : ndarray of shape (n,), int
        Classes, fewer than ``n_components``; -1 where there is none.
    n_components : int
    weights : ndarray of shape (n,), optional
    """
    known = label >= 0
    together = np.zeros((n_components, label.max() + 1))
    np.add.at(together, (clusters[known], label[known]), 1.0 if weights is None else weights[known])
    matched, classes = linear_sum_assignment(together, maximize=True)
    number = np.full(n_components, -1)
    number[matched] = classes
    number[number < 0] = np.setdiff1d(np.arange(n_components), classes)
    return np.where(known, label, number[clusters])
