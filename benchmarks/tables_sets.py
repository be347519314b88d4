"""The tables of `tables.py`: real ones and made ones with known groups, and hidden entries."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from awkward_sets import (
    ADULT_INCOME,
    ADULT_NUMBERS,
    HORSE_LEFT_OUT,
    HORSE_NUMBERS,
    HORSE_SURGICAL_LESION,
    drawn,
    read_table,
)
from awkward_sets import SETS as AWKWARD
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine

from gmvae.data import DataError

N_MADE = 1500
CATEGORICAL = "categorical"


class Table(NamedTuple):
    """Rows (n, p), numbers first and then categories as numbers of their levels; NaN is a gap.

    ``y`` are the known groups, which no method sees; ``log_density`` is that of rows under the made mixture, for every
    group (n, K), its weight included.
    """

    rows: np.ndarray
    n_numbers: int
    y: np.ndarray
    log_density: Callable[[np.ndarray], np.ndarray] | None = None

    @property
    def K(self) -> int:
        return len(np.unique(self.y))

    def at_most(self, n: int) -> Table:
        """So many of the rows, drawn at random."""
        rows = drawn(len(self.rows), n)
        return self._replace(rows=self.rows[rows], y=self.y[rows])

    @property
    def kinds(self) -> list[str | None]:
        """What decides on the likelihood of every column."""
        return [None] * self.n_numbers + [CATEGORICAL] * (self.rows.shape[1] - self.n_numbers)


def hidden(rows: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Which of the known entries are hidden at random; of every row one stays."""
    rng = np.random.default_rng(seed)
    known = ~np.isnan(rows)
    hide = (rng.random(rows.shape) < share) & known
    for row in np.flatnonzero(known.any(1) & ~(known & ~hide).any(1)):
        hide[row, rng.choice(np.flatnonzero(known[row]))] = False
    return hide


def _numbers(X: np.ndarray, y: np.ndarray) -> Table:
    return Table(X.reshape(len(X), -1).astype(np.float64), X[0].size, y)


def _mixed(path: Path, numbers: tuple[int, ...], label: int, left_out: tuple[int, ...] = ()) -> Table:
    """Numbers and categories of a file in which ``?`` marks a gap; its label and the columns left out are not used."""
    columns = [np.array(column) for column in zip(*read_table(path), strict=True)]
    rest = [index for index in range(len(columns)) if index not in {*numbers, *left_out, label}]
    read = [np.where(columns[index] == "?", "nan", columns[index]).astype(float) for index in numbers]
    for index in rest:
        known = columns[index] != "?"
        codes = np.full(len(known), np.nan)
        codes[known] = np.unique(columns[index][known], return_inverse=True)[1]
        read.append(codes)
    return Table(np.column_stack(read), len(numbers), np.unique(columns[label], return_inverse=True)[1])


def _adult(home: Path) -> Table:
    return _mixed(home / "tabular" / "adult-train.csv.gz", ADULT_NUMBERS, ADULT_INCOME)


def _horse_colic(home: Path) -> Table:
    return _mixed(home / "tabular" / "horse-colic.csv", HORSE_NUMBERS, HORSE_SURGICAL_LESION, HORSE_LEFT_OUT)


def _pendigits(home: Path) -> Table:
    path = home / "tabular" / "pendigits.npz"
    if not path.is_file():
        raise DataError("tabular/pendigits.npz is not in the data home")
    with np.load(path) as arrays:
        return _numbers(arrays["X_train"], arrays["y_train"])


def _bundled(load: Callable[[], object]) -> Callable[[Path], Table]:
    def read(home: Path) -> Table:
        found = load()
        return _numbers(found.data, found.target)  # type: ignore[attr-defined]

    return read


def _easy(name: str) -> Callable[[Path], Table]:
    def read(home: Path) -> Table:
        rows = AWKWARD[name].read(home)
        return _numbers(rows.X, rows.y)

    return read


class Made(NamedTuple):
    """A mixture of normal numbers and independent categories, and what is done to the numbers of every group.

    Parameters
    ----------
    weights : (K,)
    means, covariances : (K, p) and (K, p, p)
    levels : list of (K, L)
        Probabilities of the levels of every category.
    bend : function
        Of numbers (n, p) and a group; it makes the rows' numbers. ``straighten`` undoes it and gives log |dg / dy|.
    """

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    levels: list[np.ndarray]
    bend: Callable[[np.ndarray, int], np.ndarray] = lambda g, k: g
    straighten: Callable[[np.ndarray, int], tuple[np.ndarray, np.ndarray]] = lambda y, k: (y, np.zeros(len(y)))

    def draw(self, rng: np.random.Generator) -> Table:
        y = rng.choice(len(self.weights), N_MADE, p=self.weights)
        p = self.means.shape[1]
        rows = np.empty((N_MADE, p + len(self.levels)))
        for k in range(len(self.weights)):
            own = np.flatnonzero(y == k)
            rows[own, :p] = self.bend(rng.multivariate_normal(self.means[k], self.covariances[k], len(own)), k)
            for column, of_level in enumerate(self.levels):
                rows[own, p + column] = rng.choice(of_level.shape[1], len(own), p=of_level[k])
        return Table(rows, p, y, self.log_density)

    def log_density(self, rows: np.ndarray) -> np.ndarray:
        """log p(k) p(y|k) of complete rows, (n, K)."""
        p, found = self.means.shape[1], []
        for k, weight in enumerate(self.weights):
            straight, log_slope = self.straighten(rows[:, :p], k)
            apart = straight - self.means[k]
            squares = (apart @ np.linalg.inv(self.covariances[k]) * apart).sum(1)
            log_volume = np.linalg.slogdet(2 * np.pi * self.covariances[k])[1]
            of_levels = sum(np.log(each[k][rows[:, p + c].astype(int)]) for c, each in enumerate(self.levels))
            found.append(np.log(weight) - 0.5 * (squares + log_volume) + log_slope + of_levels)
        return np.stack(found, axis=1)


def levels(rng: np.random.Generator, K: int, sizes: tuple[int, ...], evenness: float) -> list[np.ndarray]:
    return [rng.dirichlet(np.full(n, evenness), K) * 0.95 + 0.05 / n for n in sizes]


def covariances(rng: np.random.Generator, K: int, p: int) -> np.ndarray:
    """Random correlations, strong ones among them, with deviations around 1."""
    axes = rng.normal(size=(K, p, 2))
    return 0.8 * axes @ axes.swapaxes(1, 2) + 0.3 * np.eye(p)


def _correlated(home: Path) -> Table:
    rng = np.random.default_rng(1)
    means = 1.5 * rng.normal(size=(3, 4))
    made = Made(np.array([0.4, 0.35, 0.25]), means, covariances(rng, 3, 4), levels(rng, 3, (2, 3, 4, 5), 1.0))
    return made.draw(rng)


def _unequal(home: Path) -> Table:
    """Four groups of 50 to 5 % of the rows; the first number is log-normal."""
    rng = np.random.default_rng(2)
    means = 1.5 * rng.normal(size=(4, 4))
    made = Made(
        np.array([0.5, 0.3, 0.15, 0.05]),
        means,
        covariances(rng, 4, 4),
        levels(rng, 4, (2, 2, 3, 6), 0.7),
        lambda g, k: np.column_stack([np.exp(g[:, 0]), g[:, 1:]]),
        lambda y, k: (np.column_stack([np.log(y[:, 0]), y[:, 1:]]), -np.log(y[:, 0])),
    )
    return made.draw(rng)


def _bent(home: Path) -> Table:
    """Three groups along parabolas: the second and third number follow the square of the first."""
    rng = np.random.default_rng(3)
    means = np.array([[0.0, 0.0, 0.0, 0.0], [0.0, 4.0, 1.5, 0.0], [3.0, 1.0, -2.0, 1.0]])
    covariances = np.stack([np.diag([2.5, 0.3, 0.3, 1.0])] * 3)
    slope = np.array([[0.7, -0.5], [-0.7, 0.5], [0.5, 0.5]])

    def shift(first: np.ndarray, k: int) -> np.ndarray:
        zero = np.zeros(len(first))
        return np.column_stack([zero, *((first - means[k, 0]) ** 2 * each for each in slope[k]), zero])

    made = Made(
        np.array([0.4, 0.3, 0.3]),
        means,
        covariances,
        levels(rng, 3, (2, 3, 4), 1.0),
        lambda g, k: g + shift(g[:, 0], k),
        lambda y, k: (y - shift(y[:, 0], k), np.zeros(len(y))),
    )
    return made.draw(rng)


SETS: dict[str, Callable[[Path], Table]] = {
    "wine": _bundled(load_wine),
    "breast cancer": _bundled(load_breast_cancer),
    "horse-colic": _horse_colic,
    "adult": _adult,
    "pendigits": _pendigits,
    "iris": _bundled(load_iris),
    "digits": _bundled(load_digits),
    "three blobs": _easy("blobs"),
    "survey": _easy("survey"),
    "twelve answers": _easy("answers"),
    "made, correlated": _correlated,
    "made, unequal": _unequal,
    "made, bent": _bent,
}
