"""Calibration: confidence of the most probable clusters against their accuracy."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from gmvae.domains import integer, require
from gmvae.metrics.agreement import matched
from gmvae.metrics.validation import distribution, encode

N_BINS = 15
"""As in Guo et al. (2017)."""


class Reliability(NamedTuple):
    """Confidence against accuracy in bins of confidence, (m/M, (m+1)/M] for m = 0, …, M-1.

    Attributes
    ----------
    confidence, accuracy : ndarray of shape (n_bins,)
        Mean confidence, and share of observations in the cluster matched to their class; NaN in an empty bin.
    counts : ndarray of shape (n_bins,)
        Observations in the bin.
    """

    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]
    counts: NDArray[np.int64]

    @property
    def error(self) -> float:
        """Expected calibration error: |accuracy − confidence|, averaged over the observations."""
        return float(np.nansum(self.counts * np.abs(self.accuracy - self.confidence)) / self.counts.sum())


def reliability(labels: ArrayLike, proba: ArrayLike, n_bins: int = N_BINS) -> Reliability:
    """Compare the confidence of the most probable clusters with their accuracy (Guo et al. 2017).

    An observation's confidence is the probability of its most probable cluster; it is right if that is the cluster
    matched to its class, as in `accuracy_hungarian`; unmatched classes and clusters count as wrong.

    Parameters
    ----------
    labels : array-like of shape (N,)
        True classes, strings or numbers.
    proba : array-like of shape (N, K)
        Probability of each cluster given the observation.
    n_bins : int
        Bins of equal width.

    Returns
    -------
    Reliability

    Raises
    ------
    ValueError
        If the shapes do not fit, a label is missing, a row of `proba` is no distribution, or there is no bin.

    References
    ----------
    Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv:1706.04599.

    Examples
    --------
    >>> found = reliability(["a", "a", "b", "b"], [[0.9, 0.1], [0.9, 0.1], [0.8, 0.2], [0.3, 0.7]], n_bins=2)
    >>> found.counts.tolist(), found.accuracy[1].item(), round(found.confidence[1].item(), 3)
    ([0, 4], 0.75, 0.825)
    """
    require("n_bins", integer(1), n_bins)
    chances = distribution(proba, len(encode("labels", labels).codes))
    right = matched(labels, chances.argmax(axis=1))
    confidence = chances.max(axis=1)
    bins = np.clip(np.ceil(confidence * n_bins).astype(np.int64) - 1, 0, n_bins - 1)
    counts, certain, correct = (np.bincount(bins, weight, n_bins) for weight in (None, confidence, right))
    filled = np.where(counts > 0, counts, np.nan)
    return Reliability(certain / filled, correct / filled, counts)


def calibration_error(labels: ArrayLike, proba: ArrayLike, n_bins: int = N_BINS) -> float:
    """Expected calibration error in bins of equal width (Guo et al. 2017): 0 if confidence equals accuracy, at most 1.

    Parameters and errors are those of `reliability`.
    """
    return reliability(labels, proba, n_bins).error
