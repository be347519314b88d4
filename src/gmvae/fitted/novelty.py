"""Which rows are novel: by their densities, and where these depend on how much was counted, by what remains."""

from __future__ import annotations

import numpy as np

_ROWS_PER_COEFFICIENT = 10


def surprise(
    densities: np.ndarray, sizes: np.ndarray | None, of_held_out: np.ndarray, held_out_sizes: np.ndarray | None
) -> np.ndarray:
    """How surprising rows with log-densities (n,) are; larger is more.

    Of rows that are counts log p(y) falls with the number of counts, in proportion to a power of it: a deep cell has a
    low density for its depth alone. The curve of log(1 - log p(y)) over the log of the size, a parabola, and the spread
    around it, a power of the size, are those of held-out rows; the answer is the distance from the curve in spreads.

    Parameters
    ----------
    densities, of_held_out : ndarray of shape (n,), (m,)
        Estimates of log p(y).
    sizes, held_out_sizes : ndarray of shape (n,), (m,), optional
        Size factors; None without them.
    """
    if sizes is None or held_out_sizes is None:
        return -densities
    degree = min(2, len(of_held_out) // _ROWS_PER_COEFFICIENT)
    usual = np.polynomial.Polynomial.fit(np.log(held_out_sizes), _flattened(of_held_out), degree)
    around = np.abs(_flattened(of_held_out) - usual(np.log(held_out_sizes)))
    around = np.log(np.maximum(around, np.finfo(float).tiny ** 0.01))
    spread = np.polynomial.Polynomial.fit(np.log(held_out_sizes), around, min(1, degree))
    low, high = np.log(held_out_sizes).min(), np.log(held_out_sizes).max()
    place = np.log(sizes).clip(low, high)
    return (_flattened(densities) - usual(np.log(sizes))) / np.exp(spread(place))


def _flattened(densities: np.ndarray) -> np.ndarray:
    """log(1 - log p(y)); log-probabilities are at most 0, but for the noise of their estimates."""
    return np.log1p(np.maximum(-densities.astype(np.float64), 0.0))
