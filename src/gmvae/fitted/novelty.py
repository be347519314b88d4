"""Which rows are novel: by their densities, and where these depend on how much was counted, by what remains."""

from __future__ import annotations

import numpy as np
from numpy.polynomial import Polynomial

from gmvae.domains import Domain, require

NOVEL_BELOW = 1.0
"""Percent of the rows held out of a fit."""
_ROWS_PER_COEFFICIENT = 10
_LEAST_SPREAD = 1e-9
_PERCENTAGE = Domain("a percentage from 0 to 100", low=0.0, high=100.0)


class Novelty:
    """How surprising densities are, by those of rows that were held out of a fit.

    Of rows that are counts log p(y) falls with the number of counts, about as a power of it: a deep cell has a low
    density for its depth alone. There the surprise is the distance of log(1 - log p(y)) from a parabola over the log of
    the size, in spreads around it that are a power of the size, all as for held-out rows.

    Parameters
    ----------
    densities : ndarray of shape (m,)
        Estimates of log p(y) of held-out rows.
    sizes : ndarray of shape (m,), optional
        Their size factors, where they have such.

    Raises
    ------
    ValueError
        If there are no densities.
    """

    def __init__(self, densities: np.ndarray, sizes: np.ndarray | None) -> None:
        if not len(densities):
            raise ValueError(
                "The model must know the densities of rows that were held out of its fit; it has none, as while it is "
                "being fitted or in a file of an earlier version: fit it anew."
            )
        self.densities, self.sizes = densities, sizes
        if sizes is not None:
            places, degree = np.log(sizes), min(2, len(densities) // _ROWS_PER_COEFFICIENT)
            self.range = (places.min(), places.max())
            self.usual = Polynomial.fit(places, _flattened(densities), degree)
            around = np.abs(_flattened(densities) - self.usual(places))
            self.log_spread = Polynomial.fit(places, np.log(np.maximum(around, _LEAST_SPREAD)), min(1, degree))

    def surprise(self, densities: np.ndarray, sizes: np.ndarray | None) -> np.ndarray:
        """How surprising rows with log-densities and sizes (n,) are; larger is more."""
        if self.sizes is None or sizes is None:
            return -densities
        places = np.log(sizes)
        return (_flattened(densities) - self.usual(places)) / np.exp(self.log_spread(places.clip(*self.range)))

    def threshold(self, below: float) -> float:
        """Above it are ``below`` percent of the held-out rows."""
        require("below", _PERCENTAGE, below)
        if self.sizes is None:
            return -float(np.percentile(self.densities, below))
        return float(np.percentile(self.surprise(self.densities, self.sizes), 100.0 - below))


def _flattened(densities: np.ndarray) -> np.ndarray:
    """log(1 - log p(y)); log-probabilities are at most 0, but for the noise of their estimates."""
    return np.log1p(np.maximum(-densities.astype(np.float64), 0.0))
