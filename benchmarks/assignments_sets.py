"""The data sets of `assignments.py`: made ones with known groups, small tables, mixed tables and images."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from quality_sets import SETS as QUALITY_SETS
from sklearn import datasets

from gmvae.data import load

N_MNIST = 6000
N_ADULT = 8000
FEW_VALUES = 6
"""Distinct values up to which a column of the horse colic table is a category."""


class Rows(NamedTuple):
    """Rows to fit and rows to score with their labels; the same where the set defines no others.

    Attributes
    ----------
    X : ndarray of shape (n, *event)
    X_scored : ndarray of shape (n_scored, *event)
    y_scored : ndarray of shape (n_scored,) or None
        None where there are more clusters than classes.
    """

    X: np.ndarray
    X_scored: np.ndarray
    y_scored: np.ndarray | None


class Source(NamedTuple):
    """What a set is, its number of clusters, and how it is read from the folder of the data sets."""

    words: str
    K: int
    read: Callable[[Path], Rows]


def _all(X: np.ndarray, y: np.ndarray | None) -> Rows:
    return Rows(X, X, y)


def _made(make: Callable[[np.random.Generator], Rows]) -> Callable[[Path], Rows]:
    return lambda data: make(np.random.default_rng(0))


def _groups(random: np.random.Generator, n_rows: int, n_columns: int, apart: float) -> tuple[np.ndarray, np.ndarray]:
    """Three round groups of unit variance, each moved along an axis of its own."""
    y = random.integers(0, 3, n_rows)
    return random.normal(size=(n_rows, n_columns)) + apart * np.eye(3, n_columns)[y], y


def _blobs(random: np.random.Generator) -> Rows:
    return _all(*_groups(random, 900, 2, 5.0))


def _rounded_blobs(random: np.random.Generator) -> Rows:
    X, y = _groups(random, 900, 2, 5.0)
    return _all(np.round(X), y)


def _repeated_blobs(random: np.random.Generator) -> Rows:
    X, y = _groups(random, 200, 2, 5.0)
    return _all(np.repeat(X, 5, axis=0), np.repeat(y, 5))


def _marked_blobs(random: np.random.Generator) -> Rows:
    """Rows with -999 in a column are a group of their own."""
    X, y = _groups(random, 600, 3, 6.0)
    marked = random.random(600) < 0.05
    X[marked, 0] = -999
    return _all(X, np.where(marked, 3, y))


def _ages(random: np.random.Generator) -> Rows:
    y = random.integers(0, 2, 1500)
    return _all(np.round(np.where(y, 60, 25) + 5 * random.normal(size=1500))[:, None], y)


def _survey(random: np.random.Generator) -> Rows:
    y = random.integers(0, 3, 1500)
    mean = np.array([[1.6, 1.6, 4.4, 4.4], [4.4, 4.4, 1.6, 1.6], [4.4, 4.4, 4.4, 4.4]])
    return _all(np.clip(np.round(mean[y] + 0.7 * random.normal(size=(1500, 4))), 1, 5), y)


def _counts(random: np.random.Generator) -> Rows:
    y = random.integers(0, 3, 1500)
    return _all(random.poisson(np.where(np.eye(3, dtype=bool), 6.0, 0.3)[y]).astype(float), y)


def _two_sizes(random: np.random.Generator) -> Rows:
    X = np.concatenate([random.normal(0, 0.5, 700), random.normal(5, 1, 300)])
    return _all(X[:, None], np.repeat([0, 1], [700, 300]))


def _colours(random: np.random.Generator) -> Rows:
    y = random.integers(0, 3, 240)
    colour = np.where(np.eye(3, dtype=bool), 200, 60)[y][:, :, None, None]
    return _all(np.clip(colour + 20 * random.normal(size=(240, 3, 24, 24)), 0, 255).astype(np.uint8), y)


def _rounded_iris(data: Path) -> Rows:
    iris = datasets.load_iris()
    return _all(np.round(iris.data), iris.target)


def _table(read: Callable[[], Any]) -> Callable[[Path], Rows]:
    def rows(data: Path) -> Rows:
        table = read()
        return _all(table.data, table.target)

    return rows


def _digits(data: Path) -> Rows:
    digits = datasets.load_digits()
    return _all(digits.images[:, None] / 16, digits.target)


def _pendigits(data: Path) -> Rows:
    split = QUALITY_SETS["pendigits"].read(data)
    return Rows(split.X_train, split.X_test, split.y_test)


def _mnist(data: Path) -> Rows:
    images = load("mnist", data_home=data)
    assert images.labels is not None
    return _all(images.X[:N_MNIST, None], images.labels[:N_MNIST])


def _horse_colic(data: Path, *, with_labels: bool) -> Rows:
    """Without the hospital's number and the outcome's columns; the label is whether a lesion was surgical."""
    table = pd.read_csv(data / "tabular" / "horse-colic.csv", header=None, na_values="?")
    y = table[23].to_numpy()
    table = table.drop(columns=[2, 23, 24, 25, 26, 27])
    categories = [column for column in table if table[column].nunique() <= FEW_VALUES]
    return _all(_one_hot(table.astype(dict.fromkeys(categories, object))), y if with_labels else None)


def _adult(data: Path) -> Rows:
    table = pd.read_csv(data / "tabular" / "adult-train.csv.gz", header=None, skipinitialspace=True, nrows=N_ADULT)
    return _all(_one_hot(table.drop(columns=14)), None)


def _one_hot(table: pd.DataFrame) -> np.ndarray:
    """Numbers with their medians where they are missing, then a column for every level of every category."""
    numbers = table.select_dtypes("number")
    levels = pd.get_dummies(table.drop(columns=numbers.columns).astype(str))
    return pd.concat([numbers.fillna(numbers.median()), levels], axis=1).to_numpy(float)


SETS = {
    "blobs": Source("three round groups, two columns", 3, _made(_blobs)),
    "rounded-blobs": Source("the same in whole numbers", 3, _made(_rounded_blobs)),
    "repeated-blobs": Source("200 of such rows, each five times", 3, _made(_repeated_blobs)),
    "marked-blobs": Source("three groups, -999 in a twentieth of one column", 4, _made(_marked_blobs)),
    "ages": Source("one column of whole years, two groups", 2, _made(_ages)),
    "survey": Source("four answers of 1 to 5, three groups", 3, _made(_survey)),
    "counts": Source("counts of three genes, three groups", 3, _made(_counts)),
    "two-sizes": Source("one column, groups of 700 and 300 rows", 2, _made(_two_sizes)),
    "rounded-iris": Source("iris in whole centimetres", 3, _rounded_iris),
    "colours": Source("240 pictures of 24×24 in three colours", 3, _made(_colours)),
    "iris": Source("150 flowers, 4 columns", 3, _table(datasets.load_iris)),
    "wine": Source("178 wines, 13 columns", 3, _table(datasets.load_wine)),
    "breast-cancer": Source("569 tumours, 30 columns", 2, _table(datasets.load_breast_cancer)),
    "horse-colic-2": Source("300 horses, categories one-hot", 2, partial(_horse_colic, with_labels=True)),
    "horse-colic-5": Source("the same, more clusters than classes", 5, partial(_horse_colic, with_labels=False)),
    "digits": Source("1,797 digits of 8×8 grey levels", 10, _digits),
    "pendigits": Source("7,494 digits drawn with a pen; 3,498 others scored", 10, _pendigits),
    "adult": Source("8,000 rows of the census, categories one-hot", 5, _adult),
    "mnist": Source("6,000 digits of 28×28 pixels", 10, _mnist),
}
"""From cheap to dear."""
