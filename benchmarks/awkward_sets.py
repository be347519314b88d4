"""The sets of `awkward_tables.py`: made ones with known groups, each awkward in one way, small images, real tables."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from quality_sets import existing, small_images
from sklearn.datasets import load_iris
from sklearn.metrics import silhouette_score
from sklearn.preprocessing import StandardScaler

from gmvae.metrics import ari

OURS = "gmvae"
N_SILHOUETTE = 2000
MARK = -999.0
ADULT_NUMBERS = (0, 2, 4, 10, 11, 12)
ADULT_INCOME = 14
HORSE_NUMBERS = (3, 4, 5, 15, 18, 19, 21)
HORSE_SURGICAL_LESION = 23
HORSE_LEFT_OUT = (2, 24, 25, 26, 27)
"""The hospital's number of the horse, and what tells the kind of the lesion."""


class Mixed(NamedTuple):
    """The columns of a mixed table before categories become 0/1 columns: numbers (n, p) without gaps, codes (n, q)."""

    numbers: np.ndarray
    codes: np.ndarray


class Rows(NamedTuple):
    """Rows as a user brings them, their groups, which rows are scored, and the columns of a mixed table."""

    X: np.ndarray
    y: np.ndarray
    scored: np.ndarray
    mixed: Mixed | None = None

    def standardised(self) -> np.ndarray:
        """Flat rows whose columns have mean 0 and deviation 1, as the other methods get them."""
        return StandardScaler().fit_transform(self.X.reshape(len(self.X), -1).astype(float))

    def scores(self, labels: np.ndarray, sample: np.ndarray | slice) -> dict[str, float | None]:
        """How well clusters of the rows in a sample agree with their groups, and what they look like."""
        scored, few = self.scored[sample], drawn(len(labels), N_SILHOUETTE)
        told_apart = len(np.unique(labels[few])) > 1
        return {
            "ari": ari(self.y[sample][scored], labels[scored]),
            "silhouette": float(silhouette_score(self.standardised()[sample][few], labels[few]))
            if told_apart
            else None,
            "largest_share": float(np.bincount(labels).max() / len(labels)),
            "n_clusters": len(np.unique(labels)),
        }


def drawn(n: int, most: int) -> np.ndarray:
    """Indices of at most so many of n rows, in their order."""
    return np.sort(np.random.default_rng(0).permutation(n)[:most])


class Source(NamedTuple):
    """A set's name on the page, the numbers of clusters asked for, and how it is read from the data home.

    Sets of a later stage are fitted once those of an earlier one are done; ``n_seeds`` is how many seeds at most.
    """

    title: str
    numbers: tuple[int | str, ...]
    read: Callable[[Path], Rows]
    stage: int = 0
    n_seeds: int | None = None


Maker = Callable[[np.random.Generator], tuple[np.ndarray, np.ndarray]]


def _blobs(rng: np.random.Generator, n: int, p: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Three round groups of deviation 1, each moved along one axis by ``apart``, or not at all."""
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, p)) + apart * np.eye(3, p)[y], y


def _sized(rng: np.random.Generator, sizes: Sequence[int], centres: Sequence[Sequence[float]]) -> tuple:
    y = np.repeat(np.arange(len(sizes)), sizes)
    means = np.array(centres, dtype=float)[y]
    return means + rng.normal(size=means.shape), y


def _beside(rng: np.random.Generator, columns: Callable[[int], Iterable[np.ndarray]]) -> tuple:
    """900 rows of blobs in three columns, with others beside them that tell nothing."""
    X, y = _blobs(rng, 900, 3, 6)
    return np.column_stack([X, *columns(900)]), y


def _three_blobs(rng: np.random.Generator) -> tuple:
    return _blobs(rng, 900, 2, 5)


def _rounded(rng: np.random.Generator) -> tuple:
    X, y = _blobs(rng, 900, 2, 5)
    return X.round(), y


def _repeated(rng: np.random.Generator) -> tuple:
    X, y = _blobs(rng, 200, 2, 5)
    return X.repeat(5, axis=0), y.repeat(5)


def _ages(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 2, 1500)
    return (np.array([25, 60])[y] + 5 * rng.normal(size=1500)).round()[:, None], y


def _survey(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 3, 1500)
    means = np.array([[1.6, 1.6, 4.4, 4.4], [4.4, 4.4, 1.6, 1.6], [4.4, 4.4, 4.4, 4.4]])[y]
    return (means + 0.7 * rng.normal(size=means.shape)).round().clip(1, 5), y


def _clipped(top: int, K: int, p: int) -> Maker:
    """Answers from 0 to ``top`` of groups that answer low or high, many of them the lowest or highest."""

    def make(rng: np.random.Generator) -> tuple:
        y = rng.integers(0, K, 1200)
        means = np.where(rng.random((K, p)) < 0.3, 0.8, 0.12)[y]
        return (top * (means + 0.17 * rng.normal(size=means.shape))).round().clip(0, top), y

    return make


def _purchases(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 4, 1200)
    means = rng.gamma(1.0, 8.0, (4, 8))[y]
    return rng.poisson(rng.gamma(1.0, means)).astype(float), y


def _with_zeros(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 4, 1200)
    counts = rng.poisson(rng.gamma(1.0, 8.0, (4, 8))[y]).astype(float)
    return np.where(rng.random(counts.shape) < 0.3, 0.0, counts), y


def _counts(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 3, 1500)
    return rng.poisson(np.where(np.eye(3, dtype=bool), 6.0, 0.3)[y]).astype(float), y


def _iris(rng: np.random.Generator) -> tuple:
    iris = load_iris()
    return iris.data.round(), iris.target


def _one_column(rng: np.random.Generator) -> tuple:
    X = np.concatenate([rng.normal(0, 0.5, 700), rng.normal(5, 1, 300)])
    return X[:, None], np.repeat([0, 1], [700, 300])


def _marked(rng: np.random.Generator) -> tuple:
    X, y = _blobs(rng, 600, 3, 6)
    X[rng.random(600) < 0.05, 0] = MARK
    return X, y


def _colours(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 3, 240)
    flat = np.where(np.eye(3, dtype=bool), 200, 60)[y][:, :, None, None]
    return (flat + 20 * rng.normal(size=(240, 3, 24, 24))).clip(0, 255).astype(np.uint8), y


def _rare(rng: np.random.Generator) -> tuple:
    return _sized(rng, (950, 30, 20), ((0, 0, 0), (8, 0, 0), (0, 8, 0)))


def _unequal(rng: np.random.Generator) -> tuple:
    return _sized(rng, (600, 400, 60, 40), ((0, 0), (7, 0), (0, 7), (7, 7)))


def _far_row(rng: np.random.Generator) -> tuple:
    X, y = _blobs(rng, 600, 3, 6)
    X[0, 1] = 1e4
    return X, y


def _log_normal(factor: float) -> Maker:
    def make(rng: np.random.Generator) -> tuple:
        X, y = _blobs(rng, 900, 4, 3)
        return np.exp(factor * X), y

    return make


def _incomes(rng: np.random.Generator) -> tuple:
    return _beside(rng, lambda n: [np.where(rng.random(n) < 0.9, 0.0, np.exp(rng.normal(9, 1, n)))])


def _tails(rng: np.random.Generator) -> tuple:
    return _beside(rng, lambda n: [rng.standard_cauchy(n), rng.pareto(1.5, n)])


def _answers(rng: np.random.Generator) -> tuple:
    """Twelve questions; to three of them a group says yes in 9 of 10 cases, to the others in 1 of 10."""
    y = rng.integers(0, 4, 1200)
    return (rng.random((1200, 12)) < np.where(np.arange(12) % 4 == y[:, None], 0.9, 0.1)).astype(float), y


def _moons(rng: np.random.Generator) -> tuple:
    y = np.repeat([0, 1], 500)
    angle = rng.uniform(0, np.pi, 1000)
    upper, lower = (np.cos(angle), np.sin(angle)), (1 - np.cos(angle), 0.5 - np.sin(angle))
    return np.where(y, lower, upper).T + 0.05 * rng.normal(size=(1000, 2)), y


def _rings(rng: np.random.Generator) -> tuple:
    y = rng.integers(0, 3, 1000)
    angle, radius = rng.uniform(0, 2 * np.pi, 1000), 1.0 + 2.0 * y
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)]) + 0.15 * rng.normal(size=(1000, 2)), y


def _identified(rng: np.random.Generator) -> tuple:
    return _beside(rng, lambda n: [np.arange(n, dtype=float), np.ones(n)])


def _made(title: str, K: int, make: Maker) -> Source:
    """A made set, always of the same seed; rows with a mark in the place of a number have no group to be found."""

    def read(home: Path) -> Rows:
        X, y = make(np.random.default_rng(0))
        return Rows(X, y, (X.reshape(len(X), -1) != MARK).all(1))

    return Source(title, (K,), read)


def _mixed(table: list[list[str]], numbers: Sequence[int], label: int, left_out: Sequence[int] = ()) -> Rows:
    """Numbers as they are, gaps filled by the column's median; of every category, a gap among them, a 0/1 column."""
    columns = [np.array(column) for column in zip(*table, strict=True)]
    rest = [index for index in range(len(columns)) if index not in {*numbers, *left_out, label}]
    read = np.column_stack([np.where(columns[index] == "?", "nan", columns[index]).astype(float) for index in numbers])
    filled = np.where(np.isnan(read), np.nanmedian(read, axis=0), read)
    codes = np.column_stack([np.unique(columns[index], return_inverse=True)[1] for index in rest])
    indicators = [column[:, None] == np.unique(column) for column in codes.T]
    y = np.unique(columns[label], return_inverse=True)[1]
    return Rows(np.hstack([filled, *indicators]), y, np.ones(len(y), dtype=bool), Mixed(filled, codes))


def read_table(path: Path) -> list[list[str]]:
    with (gzip.open if path.suffix == ".gz" else open)(existing(path), "rt", encoding="utf-8", newline="") as file:
        return [line for line in csv.reader(file, skipinitialspace=True) if line]


def _horse_colic(home: Path) -> Rows:
    path = home / "tabular" / "horse-colic.csv"
    return _mixed(read_table(path), HORSE_NUMBERS, HORSE_SURGICAL_LESION, HORSE_LEFT_OUT)


def _adult(home: Path) -> Rows:
    return _mixed(read_table(home / "tabular" / "adult-train.csv.gz"), ADULT_NUMBERS, ADULT_INCOME)


def _small_images(name: str, home: Path) -> Rows:
    X, y = small_images(name, home)
    return Rows(X, y, np.ones(len(y), dtype=bool))


SETS = {
    "blobs": _made("three blobs", 3, _three_blobs),
    "rounded": _made("three blobs, rounded to whole numbers", 3, _rounded),
    "repeated": _made("three blobs, every row five times", 3, _repeated),
    "ages": _made("ages in whole years, one column", 2, _ages),
    "survey": _made("survey, four answers of 1 to 5", 3, _survey),
    "clipped-4": _made("four answers of 0 to 4", 3, _clipped(4, 3, 4)),
    "clipped-6": _made("six answers of 0 to 6", 4, _clipped(6, 4, 6)),
    "counts": _made("counts of three genes", 3, _counts),
    "purchases": _made("eight purchases, negative binomial of θ = 1", 4, _purchases),
    "with-zeros": _made("eight counts, 30 % of them set to 0", 4, _with_zeros),
    "iris": _made("iris in whole centimetres", 3, _iris),
    "one-column": _made("one column, 700 and 300 rows", 2, _one_column),
    "marked": _made("three blobs, -999 in a twentieth of one column", 4, _marked),
    "colours": _made("pictures in three colours", 3, _colours),
    "rare": _made("three blobs of 95, 3 and 2 % of the rows", 3, _rare),
    "unequal": _made("four blobs of 600, 400, 60 and 40 rows", 4, _unequal),
    "far-row": _made("three blobs, 1e4 in one row", 3, _far_row),
    "log-normal": _made("exp(0.8 x) of three blobs", 3, _log_normal(0.8)),
    "very-log-normal": _made("exp(1.5 x) of three blobs", 3, _log_normal(1.5)),
    "incomes": _made("three blobs beside incomes, 90 % zeros", 3, _incomes),
    "tails": _made("three blobs beside a Cauchy and a Pareto column", 3, _tails),
    "answers": _made("twelve yes/no answers", 4, _answers),
    "moons": _made("two moons", 2, _moons),
    "rings": _made("three rings", 3, _rings),
    "identified": _made("three blobs beside an id and a constant", 3, _identified),
    "mnist-16": Source("3,000 of MNIST, 16×16 pixels", (10,), partial(_small_images, "mnist")),
    "fashion-16": Source("3,000 of Fashion, 16×16 pixels", (10,), partial(_small_images, "fashion-mnist")),
    "horse-colic": Source("horse-colic", (2, 5, "auto"), _horse_colic, stage=1),
    "adult": Source("adult", (2, 5, "auto"), _adult, stage=2, n_seeds=1),
}
"""Small ones first."""


class Case(NamedTuple):
    """One method on one set with one seed; K is a number or "auto", for the others the number that gmvae found."""

    set: str
    K: int | str
    method: str
    seed: int

    @property
    def file(self) -> str:
        """Name of the file that keeps what came out."""
        return f"{self.set}-{self.K}-{self.method}-{self.seed}.json"


def cases(names: Sequence[str], seeds: Sequence[int], k_prototypes: bool) -> Iterator[Case]:
    """Cases in the order of their worth: stage after stage, in each gmvae with every seed, then the others."""
    for stage in sorted({SETS[name].stage for name in names}):
        asked = [(name, K) for name in names if SETS[name].stage == stage for K in SETS[name].numbers]
        for index, seed in enumerate(seeds):
            yield from (Case(name, K, OURS, seed) for name, K in asked if index < (SETS[name].n_seeds or len(seeds)))
        for method in ("k-means", "mixture", *["k-prototypes"] * (k_prototypes and stage > 0)):
            yield from (Case(name, K, method, 0) for name, K in asked)
