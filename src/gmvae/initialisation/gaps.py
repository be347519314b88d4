"""Missing entries of the rows that are clustered: filled by their principal components."""

from __future__ import annotations

import numpy as np

from gmvae.initialisation.weighted import mean_and_variance

_MAX_COMPONENTS = 10
_N_ITERATIONS = 100
_TOLERANCE = 1e-4
"""Root mean square change of filled entries, in standard deviations, from which on they are taken as found."""


def completed(rows: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """Standardised rows with their missing entries filled by regularised iterative PCA (Josse and Husson 2012).

    In turn the principal components of the filled rows are found, shrunken by the noise in the others, and the missing
    entries are replaced by what the components say. Images get the mean, 0.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        NaN is a missing entry.
    weights : ndarray of shape (n,), optional
        How much every row counts.
    """
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    filled = np.where(missing, 0.0, rows)
    n, p = len(rows), rows.shape[1]
    if rows.ndim > 2 or p < 2:
        return filled
    n_components = max(1, min(_MAX_COMPONENTS, p // 2, n - 1))
    of_missing = None if weights is None else np.broadcast_to(weights[:, None], rows.shape)[missing]
    for _ in range(_N_ITERATIONS):
        mean, _ = mean_and_variance(filled, weights)
        centred = filled - mean
        counted = centred if weights is None else weights[:, None] * centred
        values, vectors = np.linalg.eigh(centred.T @ counted / (n if weights is None else weights.sum()))
        noise = values[:-n_components].mean()
        values, vectors = values[-n_components:], vectors[:, -n_components:]
        shrunken = vectors * (np.maximum(values - noise, 0.0) / np.maximum(values, np.finfo(float).tiny))
        found = (mean + centred @ shrunken @ vectors.T)[missing]
        change = np.sqrt(np.average((found - filled[missing]) ** 2, weights=of_missing))
        filled[missing] = found
        if change < _TOLERANCE:
            break
    return filled
