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


def completed(rows: np.ndarray) -> np.ndarray:
    """Standardised rows with their missing entries filled by probabilistic principal components of the observed ones.

    Expectation and maximisation take turns (Ilin and Raiko 2010, with a normal prior on the axes). Of a row with few
    observed entries the components are uncertain and near 0, so that its missing entries are near the mean. Principal
    components of filled rows do not know that: of half-hidden rows they say less than the mean. Images get the mean, 0.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        NaN is a missing entry.
    """
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    known = np.where(missing, 0.0, rows)
    if rows.ndim > 2 or rows.shape[1] < 2:
        return known
    model, filled = _begun(known, missing), known
    for _ in range(_N_ITERATIONS):
        model, found = _improved(model, known, ~missing)
        change = np.sqrt(np.mean((found - filled)[missing] ** 2))
        filled = np.where(missing, found, rows)
        if change < _TOLERANCE:
            break
    return filled


def _begun(known: np.ndarray, missing: np.ndarray) -> PrincipalComponents:
    """Principal components of rows whose missing entries are their columns' means."""
    n, p = known.shape
    k = max(1, min(_MAX_COMPONENTS, p // 2, n - 1))
    mean = known.sum(0) / np.maximum((~missing).sum(0), 1)
    centred = np.where(missing, 0.0, known - mean)
    values, vectors = np.linalg.eigh(centred.T @ centred / n)
    noise = max(float(values[:-k].mean()), _LEAST_NOISE)
    return PrincipalComponents(vectors[:, -k:] * np.sqrt(np.maximum(values[-k:] - noise, _LEAST_NOISE)), mean, noise)


def _improved(
    model: PrincipalComponents, known: np.ndarray, observed: np.ndarray
) -> tuple[PrincipalComponents, np.ndarray]:
    """One turn of expectation and maximisation, and what the new model says of all entries, (n, p)."""
    (n, p), (axes, mean, noise) = known.shape, model
    k = axes.shape[1]
    squares = (axes[:, :, None] * axes[:, None, :]).reshape(p, -1)
    covariances = noise * np.linalg.inv((observed @ squares).reshape(n, k, k) + noise * np.eye(k))
    centred = np.where(observed, known - mean, 0.0)
    scores = np.einsum("nij,nj->ni", covariances, centred @ axes) / noise
    beside = np.column_stack([scores, np.ones(n)])  # the mean is the axis of a score that is always 1
    moments = beside[:, :, None] * beside[:, None, :]
    moments[:, :k, :k] += covariances
    of_columns = (observed.T @ moments.reshape(n, -1)).reshape(p, k + 1, k + 1)
    prior = noise * np.diag([*np.ones(k), _LEAST_NOISE])
    solved = np.linalg.solve(of_columns + prior, (known.T @ beside)[:, :, None])[:, :, 0]
    axes, mean = solved[:, :k], solved[:, k]
    found = mean + scores @ axes.T
    squares = (axes[:, :, None] * axes[:, None, :]).reshape(p, -1)
    spread = ((observed.T @ covariances.reshape(n, -1)) * squares).sum()
    left = (np.where(observed, known - found, 0.0) ** 2).sum() + spread
    return PrincipalComponents(axes, mean, max(float(left / observed.sum()), _LEAST_NOISE)), found
