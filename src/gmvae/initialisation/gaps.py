"""Missing entries of the rows that are clustered: filled by their principal components."""

from __future__ import annotations

import numpy as np

_MAX_COMPONENTS = 10
_N_ITERATIONS = 100
_TOLERANCE = 1e-4
"""Root mean square change of filled entries, in standard deviations, from which on they are taken as found."""


def completed(rows: np.ndarray) -> np.ndarray:
    """Standardised rows with their missing entries filled by regularised iterative PCA (Josse and Husson 2012).

    In turn the principal components of the filled rows are found, shrunken by the noise in the others, and the missing
    entries are replaced by what the components say. Images get the mean, 0.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        NaN is a missing entry.
    """
    missing = np.isnan(rows)
    if not missing.any():
        return rows
    filled = np.where(missing, 0.0, rows)
    n, p = len(rows), rows.shape[1]
    if rows.ndim > 2 or p < 2:
        return filled
    n_components = max(1, min(_MAX_COMPONENTS, p // 2, n - 1))
    for _ in range(_N_ITERATIONS):
        mean = filled.mean(0)
        centred = filled - mean
        values, vectors = np.linalg.eigh(centred.T @ centred / n)
        noise = values[:-n_components].mean()
        values, vectors = values[-n_components:], vectors[:, -n_components:]
        shrunken = vectors * (np.maximum(values - noise, 0.0) / np.maximum(values, np.finfo(float).tiny))
        found = (mean + centred @ shrunken @ vectors.T)[missing]
        change = np.sqrt(np.mean((found - filled[missing]) ** 2))
        filled[missing] = found
        if change < _TOLERANCE:
            break
    return filled
