"""Missing entries of the rows that are clustered: filled by what their principal components say."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

_MAX_COMPONENTS = 10
_N_ITERATIONS = 50
_TOLERANCE = 1e-3
"""Root mean square change of filled entries, in standard deviations, from which on they are taken as found."""
_LEAST_NOISE = 1e-3


class PrincipalComponents(NamedTuple):
    """Rows y = W t + m + noise with t ~ N(0, I): probabilistic principal components (Tipping and Bishop 1999)."""

    axes: np.ndarray  # W, (p, k)
    mean: np.ndarray  # m, (p,)
    noise: float  # variance


def completed(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Standardised rows with their missing entries filled by probabilistic principal components of the observed ones.

    Expectation and maximisation take turns (Ilin and Raiko 2010, with a normal prior on the axes). Of a row with few
    observed entries the components are uncertain and near 0, so that its missing entries are near the mean. Principal
    components of filled rows do not know that: of half-hidden rows they say less than the mean. Images get the mean, 0.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        NaN is a missing entry.
    weights : ndarray of shape (n,), optional
        How much every row counts: a weight of 2 is a row that occurs twice.
    """
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    known = np.where(missing, 0.0, rows)
    if rows.ndim > 2 or rows.shape[1] < 2:
        return known
    counts = ~missing * (1.0 if weights is None else weights[:, None])
    model, filled = _begun(known, counts), known
    for _ in range(_N_ITERATIONS):
        model, found = _improved(model, known, counts)
        of_missing = None if weights is None else np.broadcast_to(weights[:, None], rows.shape)[missing]
        change = np.sqrt(np.average((found - filled)[missing] ** 2, weights=of_missing))
        filled = np.where(missing, found, rows)
        if change < _TOLERANCE:
            break
    return filled


def _begun(known: np.ndarray, counts: np.ndarray) -> PrincipalComponents:
    """Principal components of rows whose missing entries are their columns' means.

    ``counts`` (n, p) says how much every entry counts: 0 where it is missing, else the weight of its row.
    """
    n, p = known.shape
    k = max(1, min(_MAX_COMPONENTS, p // 2, n - 1))
    mean = (counts * known).sum(0) / np.maximum(counts.sum(0), np.finfo(float).tiny)
    centred = np.where(counts > 0.0, known - mean, 0.0)
    values, vectors = np.linalg.eigh(centred.T @ (counts * centred) / counts.max(1).sum())
    noise = max(float(values[:-k].mean()), _LEAST_NOISE)
    return PrincipalComponents(vectors[:, -k:] * np.sqrt(np.maximum(values[-k:] - noise, _LEAST_NOISE)), mean, noise)


def _improved(
    model: PrincipalComponents, known: np.ndarray, counts: np.ndarray
) -> tuple[PrincipalComponents, np.ndarray]:
    """One turn of expectation and maximisation, and what the new model says of all entries, (n, p)."""
    (n, p), (axes, mean, noise) = known.shape, model
    observed = counts > 0.0
    k = axes.shape[1]
    squares = (axes[:, :, None] * axes[:, None, :]).reshape(p, -1)
    covariances = noise * np.linalg.inv((observed @ squares).reshape(n, k, k) + noise * np.eye(k))
    centred = np.where(observed, known - mean, 0.0)
    scores = np.einsum("nij,nj->ni", covariances, centred @ axes) / noise
    beside = np.column_stack([scores, np.ones(n)])  # the mean is the axis of a score that is always 1
    moments = beside[:, :, None] * beside[:, None, :]
    moments[:, :k, :k] += covariances
    of_columns = (counts.T @ moments.reshape(n, -1)).reshape(p, k + 1, k + 1)
    prior = noise * np.diag([*np.ones(k), _LEAST_NOISE])
    solved = np.linalg.solve(of_columns + prior, ((counts * known).T @ beside)[:, :, None])[:, :, 0]
    axes, mean = solved[:, :k], solved[:, k]
    found = mean + scores @ axes.T
    squares = (axes[:, :, None] * axes[:, None, :]).reshape(p, -1)
    spread = ((counts.T @ covariances.reshape(n, -1)) * squares).sum()
    left = (counts * (known - found) ** 2).sum() + spread
    return PrincipalComponents(axes, mean, max(float(left / counts.sum()), _LEAST_NOISE)), found
