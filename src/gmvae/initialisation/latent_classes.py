"""Starting clusters of tables with categories: latent classes, which take numbers, categories and gaps as they are."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from scipy.special import softmax

_N_STARTS = 8
"""Random ones, beside that of k-means."""
_N_ITERATIONS = 100
_TOLERANCE = 1e-4
"""Gain of the mean log-likelihood in nats from which on classes are taken as found."""
_LEAST_VARIANCE = 0.01
"""Of a standardised number within a class, so that equal values do not make one."""
_RAREST = 1e-6
"""Share that a level without rows is taken to have, as one that only the type of the column names."""


class _Columns(NamedTuple):
    """Numbers and indicators of levels, 0 for gaps, and which are known; of shapes (n, p) and (n, L)."""

    numbers: np.ndarray
    known: np.ndarray
    levels: np.ndarray
    known_levels: np.ndarray


def latent_classes(
    rows: np.ndarray,
    filled: np.ndarray,
    n_indicators: int,
    first: np.ndarray,
    seed: int,
    weights: np.ndarray | None = None,
) -> np.ndarray:
    """Most probable class of every row, (n,), in a mixture whose columns are independent given the class.

    Numbers are normal and categories have a probability for every level; gaps drop out, so that nothing is filled in.
    Of nine starts of expectation and maximisation the one with the highest likelihood is kept. Each class has one row
    more, with the moments of all rows, so that none is empty and no level impossible.

    Parameters
    ----------
    rows : ndarray of shape (n, p + L)
        Standardised numbers, then indicators of levels, centred and scaled so that they are positive where the level
        is present; NaN is a gap.
    n_indicators : int
        L.
    filled : ndarray of shape (n, p + L)
        The same without gaps.
    first : ndarray of int, shape (n,)
        Clusters of one start. In the others equal rows get equal probabilities.
    seed : int
        Of the others.
    weights : ndarray of shape (n,), optional
        How often each row counts.
    """
    n_numbers, n_classes = rows.shape[1] - n_indicators, int(first.max()) + 1
    known = ~np.isnan(rows)
    present = np.where(known, rows, 0.0)
    levels = (present[:, n_numbers:] > 0.0).astype(np.float64)
    observed = known.astype(np.float64)
    columns = _Columns(present[:, :n_numbers], observed[:, :n_numbers], levels, observed[:, n_numbers:])
    counts = np.ones(len(rows)) if weights is None else weights
    rng = np.random.default_rng(seed)
    directions = rng.normal(size=(_N_STARTS, rows.shape[1], n_classes))
    starts = [np.eye(n_classes)[first], *(softmax(filled @ each, axis=1) for each in directions)]
    found = [_classes(columns, start, counts) for start in starts]
    return max(found, key=lambda each: each[1])[0]


def _classes(columns: _Columns, proba: np.ndarray, counts: np.ndarray) -> tuple[np.ndarray, float]:
    """Classes (n,) from probabilities (n, K) of a start, and the mean log-likelihood of the rows."""
    mean = before = -np.inf
    for _ in range(_N_ITERATIONS):
        joint = _log_joint(columns, counts[:, None] * proba)
        top = joint.max(1, keepdims=True)
        evidence = top + np.log(np.exp(joint - top).sum(1, keepdims=True))
        proba = np.exp(joint - evidence)
        mean = float(counts @ evidence[:, 0] / counts.sum())
        if mean - before < _TOLERANCE:
            break
        before = mean
    return proba.argmax(1), mean


def _log_joint(columns: _Columns, proba: np.ndarray) -> np.ndarray:
    """log p(y, z), (n, K), for the columns' parameters under counts of the rows in classes (n, K)."""
    y, known, levels, known_levels = columns
    count = known.T @ proba
    total, squares = y.T @ proba, y.T**2 @ proba
    mean = total / (count + 1.0)
    variance = (squares - 2.0 * mean * total + mean**2 * count + 1.0) / (count + 1.0)
    precision = 1.0 / np.maximum(variance, _LEAST_VARIANCE)
    share = np.maximum(levels.mean(0) / np.maximum(known_levels.mean(0), _RAREST), _RAREST)
    log_levels = np.log((levels.T @ proba + share[:, None]) / (known_levels.T @ proba + 1.0))
    weights = (proba.sum(0) + 1.0) / (proba.sum() + proba.shape[1])
    normal = y**2 @ precision - 2.0 * y @ (mean * precision)
    normal += known @ (mean**2 * precision + np.log(2.0 * np.pi / precision))
    return -0.5 * normal + levels @ log_levels + np.log(weights)
