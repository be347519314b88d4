"""Which rows are novel: by their densities, and where these depend on how much was counted, by what remains."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from numpy.polynomial import Polynomial

from gmvae.domains import Domain, require

N_NOVELTY_SAMPLES = 16
"""As many for the rows held out of a fit as for those asked about, or their densities would not compare."""
NOVEL_BELOW = 1.0
"""Percent of the rows held out of a fit."""
_ROWS_PER_COEFFICIENT = 10
_LEAST_SPREAD = 1e-9


class Usual(NamedTuple):
    """How log p(y) of rows that are counts depends on their sizes: log(1 - log p(y)) over the log of the size.

    It falls with the number of counts, in proportion to a power of it: a deep cell has a low density for its depth
    alone. The curve, a parabola, and the spread around it, a power of the size, are those of held-out rows.
    """

    centre: Polynomial  # the curve, of the log of the size
    log_spread: Polynomial  # the log of the spread around it, likewise
    low: float  # logs of the sizes between which the spread is known
    high: float

    @classmethod
    def of(cls, of_held_out: np.ndarray, held_out_sizes: np.ndarray) -> Self:
        """The curve through log-densities (m,) of rows of sizes (m,)."""
        degree = min(2, len(of_held_out) // _ROWS_PER_COEFFICIENT)
        log_sizes = np.log(held_out_sizes)
        centre = Polynomial.fit(log_sizes, _flattened(of_held_out), degree)
        around = np.abs(_flattened(of_held_out) - centre(log_sizes))
        around = np.log(np.maximum(around, _LEAST_SPREAD))
        log_spread = Polynomial.fit(log_sizes, around, min(1, degree))
        return cls(centre, log_spread, float(log_sizes.min()), float(log_sizes.max()))

    def surprise(self, densities: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Distance of log-densities (n,) from the curve, in spreads; larger is more surprising."""
        place = np.log(sizes).clip(self.low, self.high)
        return (_flattened(densities) - self.centre(np.log(sizes))) / np.exp(self.log_spread(place))


class Novelty(NamedTuple):
    """The rule by which rows are novel: their surprise is above a threshold."""

    above: float
    usual: Usual | None = None  # None without size factors: the surprise is then -log p(y)

    @classmethod
    def of(cls, of_held_out: np.ndarray, held_out_sizes: np.ndarray | None, below: float) -> Self:
        """The rule that so many percent of held-out rows fulfil, by their log-densities (m,) and sizes (m,).

        ValueError if there are none, or ``below`` is no percentage.
        """
        require("below", Domain("a percentage from 0 to 100", low=0.0, high=100.0), below)
        if not len(of_held_out):
            raise ValueError(
                "The model must know the densities of rows that were held out of its fit; it has none, as while it is "
                "being fitted or in a file of an earlier version: fit it anew."
            )
        if held_out_sizes is None:
            return cls(-float(np.percentile(of_held_out, below)))
        usual = Usual.of(of_held_out, held_out_sizes)
        return cls(float(np.percentile(usual.surprise(of_held_out, held_out_sizes), 100.0 - below)), usual)

    def holds(self, densities: np.ndarray, sizes: np.ndarray | None) -> np.ndarray:
        """Whether rows with log-densities (n,) and sizes (n,) are novel, (n,)."""
        if self.usual is None or sizes is None:
            return -densities.astype(np.float64) > self.above
        return self.usual.surprise(densities, sizes) > self.above


def _flattened(densities: np.ndarray) -> np.ndarray:
    """log(1 - log p(y)); log-probabilities are at most 0, but for the noise of their estimates."""
    return np.log1p(np.maximum(-densities.astype(np.float64), 0.0))
