"""Data that people bring: repeated, rounded, discrete, unbalanced, marked and heavy-tailed rows.

On each, k-means or a Gaussian mixture finds the known groups in a second; a default fit must find them too, and say so
where it does not.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any, NamedTuple

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.datasets import load_iris
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from gmvae import GMVAE, CollapseWarning, TableWarning
from gmvae.data.options import with_options
from gmvae.fitting.starts import TrainingData
from gmvae.fitting.warn import warn_of_marks
from gmvae.initialisation.n_clusters import count
from gmvae.initialisation.starts import starting_clusters
from gmvae.likelihoods import likelihood_for
from gmvae.likelihoods.columns import Mark, marks
from gmvae.metrics import ari
from gmvae.observations import Observations

MARK = -999.0


class Case(NamedTuple):
    """Rows with known groups; rows that hold a mark are not scored."""

    name: str
    X: NDArray[Any]
    y: NDArray[np.int64]
    K: int

    @property
    def scored(self) -> NDArray[np.bool_]:
        return (self.X.reshape(len(self.X), -1) != MARK).all(1)


def blobs(rng: np.random.Generator, n: int, p: int, apart: float) -> tuple[NDArray[Any], NDArray[np.int64]]:
    y = rng.integers(0, 3, n)
    return rng.normal(size=(n, p)) + apart * np.eye(3, p)[y], y


def cases() -> Iterator[Case]:
    rng = np.random.default_rng(10)
    X, y = blobs(rng, 600, 2, 5.0)
    yield Case("rounded to whole numbers", np.round(X), y, 3)
    yield Case("every row four times", X[:200].repeat(4, 0), y[:200].repeat(4), 3)
    y = rng.integers(0, 2, 1000)
    yield Case("ages in whole years", np.round(np.where(y, 58, 27) + 5 * rng.normal(size=1000))[:, None], y, 2)
    y = rng.integers(0, 3, 1000)
    mean = np.array([[1.5, 1.5, 4.5, 4.5], [4.5, 4.5, 1.5, 1.5], [4.5, 4.5, 4.5, 4.5]])
    yield Case("survey answers", np.clip(np.round(mean[y] + 0.7 * rng.normal(size=(1000, 4))), 1, 5), y, 3)
    y = rng.integers(0, 3, 1000)
    yield Case("counts", rng.poisson(np.where(np.eye(3, dtype=bool), 6.0, 0.3)[y]).astype(float), y, 3)
    iris = load_iris()
    yield Case("iris in whole centimetres", np.round(iris.data), iris.target, 3)
    y = np.repeat([0, 1], [700, 300])
    yield Case("one column", np.r_[rng.normal(0, 0.5, 700), rng.normal(5, 1, 300)][:, None], y, 2)
    y = np.repeat([0, 1, 2], [950, 30, 20])
    yield Case("very unequal", np.array([[0, 0, 0], [8, 0, 0], [0, 8, 0]])[y] + rng.normal(size=(1000, 3)), y, 3)
    X, y = blobs(rng, 600, 3, 6.0)
    marked = X.copy()
    marked[rng.random(600) < 0.05, 0] = MARK
    yield Case("a mark for missing values", marked, y, 4)
    outlier = X.copy()
    outlier[0, 1] = 1e4
    yield Case("one row far away", outlier, y, 3)
    tails = np.random.default_rng(8)
    y = tails.integers(0, 3, 900)
    yield Case("heavy tails in every column", tails.standard_t(2, size=(900, 3)) + 8 * np.eye(3)[y], y, 3)
    y = np.repeat([0, 1, 2], [900, 90, 10])
    yield Case("90, 9 and 1 %", tails.normal(size=(1000, 2)) + np.array([[0, 0], [7, 0], [0, 7]])[y], y, 3)
    X, y = blobs(rng, 900, 3, 5.0)
    yield Case("log-normal columns", np.exp(1.2 * X), y, 3)
    X, y = blobs(rng, 900, 4, 3.5)
    yield Case("slightly log-normal columns", np.exp(0.6 * X), y, 3)
    X, y = blobs(rng, 900, 3, 6.0)
    income = np.where(rng.random(900) < 0.9, 0.0, np.exp(rng.normal(9.0, 1.0, 900)))
    yield Case("incomes, mostly zeros", np.column_stack([X, income]), y, 3)
    X, y = blobs(rng, 900, 2, 6.0)
    yield Case("a Cauchy column", np.column_stack([X, rng.standard_cauchy(900)]), y, 3)
    y = rng.integers(0, 3, 240)
    colour = np.where(np.eye(3, dtype=bool), 200, 60)[y][:, :, None, None]
    yield Case("three colours", np.clip(colour + 20 * rng.normal(size=(240, 3, 24, 24)), 0, 255).astype("u1"), y, 3)
    light = np.array([60, 120, 190])[y][:, None, None]
    yield Case("three grey levels", np.clip(light + 15 * rng.normal(size=(240, 20, 20)), 0, 255).astype("u1"), y, 3)


CASES = {case.name: case for case in cases()}


def seen(case: Case) -> NDArray[np.float64]:
    rows = case.X[:, None] if case.X.ndim == 3 else case.X
    return TrainingData(Observations(rows), likelihood_for("auto", rows)).completed(np.arange(len(rows)))


def best_of_simple_methods(case: Case) -> float:
    """ARI of k-means or a Gaussian mixture on standardised columns, the better of the two."""
    flat = StandardScaler().fit_transform(case.X.reshape(len(case.X), -1).astype(float))
    found = [KMeans(case.K, n_init=5, random_state=0).fit_predict(flat)]
    if flat.shape[1] < 100:
        mixture = GaussianMixture(case.K, n_init=3, reg_covar=1e-3, random_state=0)
        found.append(mixture.fit_predict(flat))
    return max(ari(case.y[case.scored], clusters[case.scored]) for clusters in found)


@pytest.mark.parametrize("name", CASES)
def test_starts_are_as_good_as_simple_methods(name: str) -> None:
    case = CASES[name]
    least = best_of_simple_methods(case) - 0.02
    for seed in (0, 1, 2):
        start = starting_clusters("auto", seen(case), case.K, seed)
        assert ari(case.y[case.scored], start.clusters[case.scored]) >= least, start.reason


@pytest.mark.parametrize("weighted", [False, True])
def test_small_clusters_beside_a_large_one_are_found(weighted: bool) -> None:
    y = np.repeat(range(5), [1400, 400, 120, 60, 20])
    X = StandardScaler().fit_transform(7.0 * np.eye(5, 8)[y] + np.random.default_rng(2).normal(size=(2000, 8)))
    divided = KMeans(5, n_init=5, random_state=0).fit_predict(X)
    start = starting_clusters("auto", X, 5, 0, np.ones(2000) if weighted else None)
    assert ari(y, divided) < 0.6
    assert ari(y, start.clusters) > 0.95, start.reason


def rings(rng: np.random.Generator, y: NDArray[np.int64]) -> NDArray[Any]:
    angle = rng.uniform(0.0, 2.0 * np.pi, len(y))
    return (1.0 + 2.0 * y)[:, None] * np.column_stack([np.cos(angle), np.sin(angle)])


def spirals(rng: np.random.Generator, y: NDArray[np.int64]) -> NDArray[Any]:
    angle = rng.uniform(0.5, 3.0, len(y)) * np.pi
    return angle[:, None] * np.column_stack([np.cos(angle + np.pi * y), np.sin(angle + np.pi * y)])


@pytest.mark.parametrize(("shape", "K"), [(rings, 2), (rings, 3), (spirals, 2)])
def test_starts_follow_connected_shapes(shape: Callable[..., NDArray[Any]], K: int) -> None:
    """Of which neither k-means nor a Gaussian mixture finds anything."""
    for seed in (0, 1, 2):
        rng = np.random.default_rng(seed)
        y = rng.integers(0, K, 1000)
        case = Case("", shape(rng, y) + 0.15 * rng.normal(size=(1000, 2)), y, K)
        start = starting_clusters("auto", seen(case), K, seed)
        assert ari(y, start.clusters) > 0.95, start.reason


@pytest.mark.parametrize("name", ["very unequal", "a mark for missing values"])
def test_fits_keep_what_their_starts_have_found(name: str) -> None:
    """A short training, with nothing else changed; full ones are below."""
    case = CASES[name]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", CollapseWarning)
        model = GMVAE(case.K, max_iter=50, batch_size=32, hidden_layer_sizes=(64, 64), random_state=0).fit(case.X)
    assert ari(case.y[case.scored], model.labels_[case.scored]) >= best_of_simple_methods(case) - 0.02
    assert model.history_["agreement"][-1] > 0.95
    shares = np.bincount(model.labels_) / len(case.X)
    entropy = -(shares * np.log(shares)).sum()
    assert 0.5 * entropy < model.history_["information"][-1] < entropy + 0.05


@pytest.mark.slow  # five minutes: complete defaults, three seeds of each
@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.TableWarning")
def test_default_fits_are_as_good_as_simple_methods(name: str, seed: int) -> None:
    case = CASES[name]
    model = GMVAE(case.K, random_state=seed).fit(case.X)
    assert ari(case.y[case.scored], model.labels_[case.scored]) >= best_of_simple_methods(case) - 0.02
    assert model.history_.best.agreement >= 0.95, "draws of the latents see other clusters than `predict`"


@pytest.mark.parametrize(
    "name",
    ["rounded to whole numbers", "ages in whole years", "survey answers", "counts", "one column", "three colours"],
)
def test_groups_are_counted(name: str) -> None:
    case = CASES[name]
    assert count(seen(case), len(case.X), 0)[0] == case.K


@pytest.mark.parametrize(
    ("usual", "mark"),
    [
        (np.random.default_rng(0).normal(size=300), -999.0),
        (np.random.default_rng(0).normal(40.0, 12.0, 300).round(), 9999.0),
        (np.random.default_rng(0).integers(1, 6, 300).astype(float), 99.0),
        (np.random.default_rng(0).integers(1, 6, 300).astype(float), 9.0),
    ],
)
def test_marks_of_missing_cells_are_seen(usual: NDArray[Any], mark: float) -> None:
    column = usual.copy()
    column[::15] = mark
    assert marks(np.column_stack([usual, column])) == [Mark(1, mark)]
    column[1::15] = -mark
    assert {found.value for found in marks(column[:, None])} == {mark, -mark}
    column[:3] = np.nan
    assert len(marks(column[:, None])) == 2


def test_a_usual_mark_is_seen_though_it_is_not_far() -> None:
    column = np.random.default_rng(0).normal(13.0, 2.0, 300)
    column[::5] = -1.0
    assert marks(column[:, None]) == [Mark(0, -1.0)]
    assert marks(np.where(column == -1.0, 1.0, column)[:, None]) == [], "1 is a number"
    assert marks(np.round(column - 14.0)[:, None]) == [], "-15 is one, too"


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case.X.ndim == 2 and "mark" not in name])
def test_usual_columns_have_no_marks(name: str) -> None:
    assert marks(CASES[name].X) == []


def test_marks_of_missing_cells_are_warned_of() -> None:
    case = CASES["a mark for missing values"]
    with pytest.warns(TableWarning, match=r"-999 in column 0; if it is one, put NaN in its place, else") as caught:
        warn_of_marks(Observations(case.X))
    assert "if it is one, name it by `--missing`, else" in with_options(str(caught[0].message))
    with pytest.warns(TableWarning, match=r"-999 in column 'age'; "):
        warn_of_marks(Observations(case.X, names=["age", "height", "weight"]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warn_of_marks(Observations(np.where(case.X == MARK, np.nan, case.X)))
        warn_of_marks(Observations(case.X[:, :2], columns=SimpleNamespace(families=["categorical", None])))


def test_the_ceiling_is_said_and_passed() -> None:
    """Thirty groups: more than the numbers that are looked at one by one."""
    rng = np.random.default_rng(0)
    y = np.arange(1800) % 30
    X = 12.0 * rng.normal(size=(30, 5))[y] + rng.normal(size=(1800, 5))
    standardised = TrainingData(Observations(X), likelihood_for("auto", X)).completed(np.arange(1800))
    number, reason = count(standardised, 3000, 0)
    assert number == 30
    assert "there may be more" not in reason
    _, reason = count(standardised, 999, 0)
    assert "numbers near 20, the largest that was looked at, are as good: there may be more" in reason


def test_clusters_that_tell_nothing_are_told() -> None:
    noise = np.random.default_rng(0).normal(size=(300, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GMVAE(6, max_iter=10, init="random", random_state=0, hidden_layer_sizes=(16,)).fit(noise)
    assert model.history_["information"][-1] < 0.3 * math.log(6)


@pytest.mark.parametrize("seed", [*range(5), 1791095845])
def test_the_start_of_a_small_rounded_table_does_not_hang_on_the_seed(seed: int) -> None:
    """Iris in whole centimetres: two of its three mixtures' optima are nearly level with k-means."""
    case = CASES["iris in whole centimetres"]
    start = starting_clusters("auto", seen(case), case.K, seed)
    assert ari(case.y, start.clusters) > 0.65, start.reason
