"""Starting clusters of tables with categories or answers: latent classes, which take all kinds and gaps as they are."""

from __future__ import annotations

from typing import NamedTuple, Self

import numpy as np
from scipy.special import softmax

from gmvae.likelihoods import Discrete
from gmvae.likelihoods.hurdle import MIN_REPEATED

_N_STARTS = 8
"""Random ones, beside that of k-means."""
_N_ITERATIONS = 100
_TOLERANCE = 1e-4
"""Gain of the mean log-likelihood in nats from which on classes are taken as found."""
_LEAST_VARIANCE = 0.01
"""Of a standardised number within a class."""
_RAREST = 1e-6
"""Share of a level that no row has."""


class Kinds(NamedTuple):
    """Numbers and levels of rows, 0 for gaps; which are known; and how much every row counts.

    Numbers and levels are (n, p) and (n, L): yes and no of an answer are two levels. Numbers have a least variance
    within a class (p,), and may mostly repeat a value, (p,).
    """

    numbers: np.ndarray
    known: np.ndarray
    least: np.ndarray
    mostly_repeated: np.ndarray
    levels: np.ndarray
    known_levels: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray, discrete: Discrete, weights: np.ndarray | None = None) -> Self:
        """Of rows (n, E): answers of yes and no, then numbers, then indicators of levels; NaN is a gap.

        All are centred, so that answers and indicators are positive where they hold.
        """
        numbers = slice(discrete.n_answers, rows.shape[1] - discrete.n_indicators)
        answers, indicators = rows[:, : numbers.start], rows[:, numbers.stop :]
        levels = np.column_stack([answers, -answers, indicators])  # no is a level like yes
        known, known_levels = (~np.isnan(each) * 1.0 for each in (rows[:, numbers], levels))
        steps = [_steps(column[~np.isnan(column)]) for column in rows[:, numbers].T]
        return cls(
            np.where(known > 0.0, rows[:, numbers], 0.0),
            known,
            np.array([least for least, _ in steps]),
            np.array([repeated for _, repeated in steps], dtype=bool),
            (np.where(known_levels > 0.0, levels, 0.0) > 0.0) * 1.0,
            known_levels,
            np.ones(len(rows)) if weights is None else weights,
        )

    def take(self, rows: np.ndarray) -> Self:
        """Some of the rows."""
        of_rows = {
            name: getattr(self, name)[rows] for name in ("numbers", "known", "levels", "known_levels", "weights")
        }
        return self._replace(**of_rows)

    def shares(self, counted: np.ndarray) -> np.ndarray:
        """Shares of the levels in clusters (L, K), from how much every row counts for every cluster (n, K).

        Every cluster has one row more, with the shares of all.
        """
        of_all = counted.sum(1)
        share = np.maximum(of_all @ self.levels / np.maximum(of_all @ self.known_levels, _RAREST), _RAREST)
        return (self.levels.T @ counted + share[:, None]) / (self.known_levels.T @ counted + 1.0)

    def log_levels(self, counted: np.ndarray) -> np.ndarray:
        """Log-probability of each row's levels in every cluster, (n, K), by `shares`."""
        return self.levels @ np.log(self.shares(counted))


def latent_classes(kinds: Kinds, filled: np.ndarray, n_classes: int, first: np.ndarray, seed: int) -> np.ndarray:
    """Most probable class of every row, (n,), in a mixture whose columns are independent given the class.

    Numbers are normal and categories have a probability for every level; gaps drop out, so that nothing is filled in.
    Of nine starts of expectation and maximisation the one with the highest likelihood is kept. Each class has one row
    more, with the moments of all rows, so that none is empty and no level impossible.

    Parameters
    ----------
    kinds : Kinds
    filled : ndarray of shape (n, E)
        The rows without gaps.
    first : ndarray of int, shape (n,)
        Clusters of one start. In the others equal rows get equal probabilities.
    seed : int
        Of the others.
    """
    directions = np.random.default_rng(seed).normal(size=(_N_STARTS, filled.shape[1], n_classes))
    starts = [np.eye(n_classes)[first], *(softmax(filled @ each, axis=1) for each in directions)]
    found = [_classes(kinds, start) for start in starts]
    return max(found, key=lambda each: each[1])[0]


def _steps(values: np.ndarray) -> tuple[float, bool]:
    """The least variance of a column within a class, and whether it mostly repeats a value.

    The variance is that of a deviation of half a step between the values, so that equal ones do not make a class. With
    a twelfth of the squared step, the variance of rounding, columns of few values still do: three blobs beside an
    answer and a column of four values were found by 0.46 of ARI, with a quarter by 0.99. Of a column that mostly
    repeats one value, as 0 in incomes, it is that of the whole column: otherwise the rows with this value are a class,
    whatever the other columns say.
    """
    distinct, counts = np.unique(values, return_counts=True)
    if len(distinct) < 2 or counts.max() > MIN_REPEATED * len(values):
        return 1.0, True
    return max(_LEAST_VARIANCE, float(np.diff(distinct).min()) ** 2 / 4.0), False


def _classes(kinds: Kinds, proba: np.ndarray) -> tuple[np.ndarray, float]:
    """Classes (n,) from probabilities (n, K) of a start, and the mean log-likelihood of the rows."""
    mean = before = -np.inf
    for _ in range(_N_ITERATIONS):
        joint = _log_joint(kinds, proba)
        top = joint.max(1, keepdims=True)
        log_density = top + np.log(np.exp(joint - top).sum(1, keepdims=True))
        proba = np.exp(joint - log_density)
        mean = float(np.average(log_density[:, 0], weights=kinds.weights))
        if mean - before < _TOLERANCE:
            break
        before = mean
    return proba.argmax(1), mean


def _log_joint(kinds: Kinds, proba: np.ndarray) -> np.ndarray:
    """log p(y, z), (n, K), for the columns' parameters under probabilities of the classes (n, K)."""
    y, known, least, weights = kinds.numbers, kinds.known, kinds.least, kinds.weights
    proba = weights[:, None] * proba
    count = known.T @ proba
    total, squares = y.T @ proba, y.T**2 @ proba
    mean = total / (count + 1.0)
    variance = (squares - 2.0 * mean * total + mean**2 * count + 1.0) / (count + 1.0)
    precision = 1.0 / np.maximum(variance, least[:, None])
    of_classes = (proba.sum(0) + 1.0) / (weights.sum() + proba.shape[1])
    normal = y**2 @ precision - 2.0 * y @ (mean * precision)
    normal += known @ (mean**2 * precision + np.log(2.0 * np.pi / precision))
    return -0.5 * normal + kinds.log_levels(proba) + np.log(of_classes)
