"""Which rows are ambiguous, and which are novel: by their densities, compared at their size where rows are counts."""

from __future__ import annotations

import numpy as np

from gmvae.domains import Domain, require

AMBIGUOUS_ABOVE = 0.5
"""Nats of entropy: 80 to 20 between two clusters."""
NOVEL_BELOW = 1.0
"""Percent of the rows held out of a fit."""
_ROWS_PER_COEFFICIENT = 10


def is_ambiguous(proba: np.ndarray, above: float = AMBIGUOUS_ABOVE) -> np.ndarray:
    """Whether the entropy of probabilities (n, K) is above so many nats, (n,)."""
    require("above", Domain("a number of nats of at least 0", low=0.0), above)
    return -(proba * np.log(np.maximum(proba, np.finfo(proba.dtype).tiny))).sum(1) > above


def is_novel(
    densities: np.ndarray,
    sizes: np.ndarray | None,
    of_held_out: np.ndarray,
    held_out_sizes: np.ndarray | None,
    below: float,
) -> np.ndarray:
    """Whether log-densities (n,) are below a percentile of those of held-out rows (m,), at their size if there is one.

    ``sizes`` and ``held_out_sizes``, (n,) and (m,), are size factors of counts; None without them.
    """
    if sizes is None or held_out_sizes is None:
        return densities < np.percentile(of_held_out, below)
    usual = surprise(of_held_out, held_out_sizes, of_held_out, held_out_sizes)
    return surprise(densities, sizes, of_held_out, held_out_sizes) > np.percentile(usual, 100.0 - below)


def surprise(
    densities: np.ndarray, sizes: np.ndarray, of_held_out: np.ndarray, held_out_sizes: np.ndarray
) -> np.ndarray:
    """How surprising rows with log-densities (n,) are; larger is more.

    Of rows that are counts log p(y) falls with the number of counts, in proportion to a power of it: a deep cell has a
    low density for its depth alone. The curve of log(1 - log p(y)) over the log of the size, a parabola, and the spread
    around it, a power of the size, are those of held-out rows; the answer is the distance from the curve in spreads.

    Parameters
    ----------
    densities, of_held_out : ndarray of shape (n,), (m,)
        Estimates of log p(y).
    sizes, held_out_sizes : ndarray of shape (n,), (m,)
        Size factors.
    """
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
