"""How many clusters there are: against a slow reference, on data whose clusters are known, and wherever it is said."""

from __future__ import annotations

import json
import math
import re
import warnings
from collections import Counter
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from numpy.typing import NDArray
from scipy.cluster.hierarchy import cut_tree, linkage
from scipy.spatial.distance import cdist
from sklearn.base import clone
from sklearn.datasets import load_digits, make_moons
from typer.testing import CliRunner

from gmvae import GMVAE, fit_together, persistence
from gmvae.cli import app
from gmvae.config import Config
from gmvae.data import arcs
from gmvae.initialisation.features import descriptions, one_cluster, oriented_gradients, principal_scores
from gmvae.initialisation.graph import distinct_rows, neighbour_graph
from gmvae.initialisation.n_clusters import Criteria, choose, clusterings, criteria
from gmvae.initialisation.trees import tree_clusters

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)

SMALL: dict[str, Any] = {
    "latent_dim": 2,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "batch_size": 20,
    "random_state": 0,
    "device": "cpu",
}


def blobs(n_clusters: int, n: int = 160, p: int = 4, seed: int = 0) -> NDArray[Any]:
    """Clusters far apart, of the same size, on the corners of a simplex."""
    generator = np.random.default_rng(seed)
    corners = 9.0 * np.eye(n_clusters, max(n_clusters, p))
    return corners[np.arange(n) % n_clusters] + generator.normal(size=(n, corners.shape[1]))


def auto(**changed: Any) -> GMVAE:
    return GMVAE("auto", **{**SMALL, **changed})


# ---------------------------------------------------------------- the criteria


def pairs_agree(one: NDArray[Any], other: NDArray[Any]) -> float:
    """The adjusted Rand index, by counting pairs (Hubert and Arabie 1985)."""
    both = first = second = total = 0
    for i, j in combinations(range(len(one)), 2):
        both += one[i] == one[j] and other[i] == other[j]
        first += one[i] == one[j]
        second += other[i] == other[j]
        total += 1
    chance = first * second / total
    return (both - chance) / ((first + second) / 2 - chance)


def slow_density(scores: NDArray[Any]) -> NDArray[Any]:
    """Weights between neighbours that fall with the distance on one scale, the median of those between neighbours."""
    weights, distances = neighbour_graph(distinct_rows(scores)).toarray(), cdist(scores, scores)
    return weights * np.exp(-0.5 * (distances / np.median(distances[weights > 0])) ** 2)


def slow_cohesion(weights: NDArray[Any], clusters: NDArray[Any]) -> float:
    """Mean over clusters of the weight that stays within one, pair by pair of rows."""
    shares = []
    for cluster in np.unique(clusters):
        of_cluster = weights[clusters == cluster]
        shares.append(of_cluster[:, clusters == cluster].sum() / of_cluster.sum())
    return float(np.mean(shares))


def slow_evidence(rows: NDArray[Any], numbers: list[int], index: int, seed: int) -> tuple[float, float, float]:
    """The best of the ways to find clusters, by loops over rows, for continuous rows without repetition."""
    ((_, scores),) = descriptions(rows, seed)
    uncut = []
    for draw in (seed, seed + 1):
        one = one_cluster(rows, scores, len(rows) // 2, draw)
        graph = slow_density(one)
        uncut.append(max(slow_cohesion(graph, found[index]) for found in clusterings(one, numbers, draw).values()))
    generator = np.random.default_rng(seed)
    ways = ("kmeans", "ward", "average", "neighbours")
    agreements: dict[str, list[float]] = {way: [] for way in ways}
    within: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(4):
        order = generator.permutation(len(rows))
        halves = order[: (len(rows) + 1) // 2], order[(len(rows) + 1) // 2 :]
        found = [clusterings(scores[half], numbers, seed) for half in halves]
        for way in agreements:
            both = []
            for here, there in ((0, 1), (1, 0)):
                nearest = cdist(scores[halves[here]], scores[halves[there]]).argsort(axis=1)[:, :5]
                own, theirs = found[here][way][index], found[there][way][index]
                votes = [Counter(sorted(theirs[five].tolist())).most_common(1)[0][0] for five in nearest]
                both.append(pairs_agree(own, np.array(votes)))
                within[way].append(slow_cohesion(slow_density(scores[halves[here]]), own))
            smallest = min(min(Counter(each[way][index].tolist()).values()) for each in found)
            agreements[way].append(sum(both) / 2 if smallest >= 6 else 0.0)
    results = []
    for way, each in agreements.items():
        mean = sum(each) / 4
        error = math.sqrt(sum((value - mean) ** 2 for value in each) / 3 / 4)
        separation = min(max(1 - (1 - sum(within[way]) / 8) / (1 - sum(uncut) / 2), 0.0), 1.0)
        results.append((mean * separation, (mean, error, separation)))
    assert set(found[0]) == set(ways)
    return max(results, key=lambda each: each[0])[1]


def test_evidence_against_a_slow_reference() -> None:
    rows = np.random.default_rng(1).normal(size=(121, 3))
    rows += 2.0 * np.eye(3)[np.arange(121) % 3]
    numbers = [2, 5, 3]
    for index, each in enumerate(criteria(rows, numbers, seed=7)):
        np.testing.assert_allclose(each[1:], slow_evidence(rows, numbers, index, 7), atol=1e-9)
        assert each.score == each.stability * each.separation * (1 - 1 / each.n_components)
        assert each.score_error == each.stability_error * each.separation * (1 - 1 / each.n_components)


@pytest.mark.parametrize("number", [2, 3, 4, 6])
def test_separated_clusters_are_counted(number: int) -> None:
    found = criteria(blobs(number), range(2, 9), 0)
    assert choose(found) == number
    best = next(each for each in found if each.n_components == number)
    assert (best.stability, best.stability_error) == (1.0, 0.0)
    assert best.separation == pytest.approx(1.0, abs=0.02), "clusters keep all of their weight"


@pytest.mark.parametrize("method", ["ward", "average"])
def test_trees_are_cut_as_scipy_cuts_them(method: Any) -> None:
    generator, numbers = np.random.default_rng(0), [2, 3, 5, 20]
    for rows in (generator.normal(size=(300, 4)), np.round(2.0 * generator.normal(size=(200, 2)))):
        tree = linkage(rows, method)
        for ours, theirs in zip(tree_clusters(tree, numbers), cut_tree(tree, numbers).T, strict=True):
            assert len(np.unique(ours)) == len(np.unique(theirs)) == len(np.unique(np.stack([ours, theirs]), axis=1).T)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_clusters_of_few_rows_beside_one_of_nearly_all_are_counted(seed: int) -> None:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(1000, 3)) + 8.0 * np.eye(3)[np.repeat([0, 1, 2], [950, 30, 20])]
    assert choose(criteria((rows - rows.mean(0)) / rows.std(0), range(2, 8), 0)) == 3


def test_clusters_of_fewer_than_six_rows_of_a_half_are_not_counted() -> None:
    generator = np.random.default_rng(0)
    rows = generator.normal(size=(200, 3)) + 30.0 * np.eye(4, 3)[np.repeat([0, 1, 2, 3], [96, 96, 4, 4])]
    assert choose(criteria((rows - rows.mean(0)) / rows.std(0), range(2, 8), 0)) == 2


def test_arcs_are_counted() -> None:
    assert choose(criteria(arcs(1000, 0)[0], range(2, 8), 0)) == 5


def test_noise_has_little_to_show() -> None:
    found = criteria(np.random.default_rng(0).normal(size=(400, 5)), range(2, 10), 0)
    assert max(each.stability for each in found) < 0.35


def test_images_are_counted_by_their_strokes() -> None:
    images = np.kron(load_digits().images[:150, None], np.ones((2, 2)))
    scores = principal_scores(oriented_gradients(images), 0)
    halves = [scores[half] for half in np.array_split(np.random.default_rng(0).permutation(150), 2)]
    found = clusterings(halves[0], [2, 5], 0)
    assert criteria(images, [2, 5], 0)[0].stability > 0.0
    assert found["kmeans"][0].shape == (75,)


def test_one_entry_for_each_number_that_halves_have_rows_for() -> None:
    rows = blobs(3, n=100)
    assert [each.n_components for each in criteria(rows, [7, 2, 5, 6], 0)] == [2, 5]
    assert criteria(rows[:39], range(2, 21), 0) == []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert [each.n_components for each in criteria(rows[:40], range(2, 21), 0)] == [2]


@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.zeros((80, 3)), id="all alike"),
        pytest.param(np.repeat([[0.0, 2.0], [1.0, 3.0]], 40, axis=0), id="two distinct rows"),
        pytest.param(np.arange(80.0)[:, None], id="one feature"),
    ],
)
def test_poor_rows_give_finite_evidence_without_a_warning(rows: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert np.isfinite(np.array(criteria(rows, range(2, 5), 0))).all()


def test_the_seed_decides_and_the_global_generator_stays() -> None:
    rows = np.random.default_rng(3).normal(size=(120, 3))
    before = np.random.get_state()[1:]  # noqa: NPY002 -- the global generator is what is watched
    once = criteria(rows, range(2, 5), 1)
    after = np.random.get_state()[1:]  # noqa: NPY002
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))
    assert criteria(rows, range(2, 5), 1) == once
    assert criteria(rows, range(2, 5), 2) != once


@pytest.mark.parametrize(
    ("found", "number"),
    [
        ([], 2),
        ([Criteria(4, 0.9, 0.1, 0.5)], 4),
        ([Criteria(2, 0.5, 0.0, 0.5), Criteria(3, 0.9, 0.0, 0.6), Criteria(4, 0.8, 0.0, 0.7)], 4),
        # The best, 0.9 x 0.8 x 4/5, is uncertain by 0.1 x 0.8 x 4/5: 0.70 x 3/4 is within, 0.63 x 2/3 is not.
        ([Criteria(3, 0.9, 0.5, 0.70), Criteria(4, 1.0, 0.5, 0.70), Criteria(5, 0.9, 0.1, 0.8)], 4),
        ([Criteria(5, 0.9, 0.1, 0.8), Criteria(4, 1.0, 0.5, 0.70), Criteria(3, 0.9, 0.5, 0.70)], 4),
        ([Criteria(2, 0.0, 0.0, 0.0), Criteria(3, -0.1, 0.0, 0.5)], 2),
    ],
)
def test_the_smallest_number_within_a_standard_error_of_the_best(found: list[Criteria], number: int) -> None:
    assert choose(found) == number


# ---------------------------------------------------------------- the estimator


def test_levels_that_tell_nothing_divide_no_clusters() -> None:
    """Each of two moons falls into twelve combinations of levels, and halves agree on them."""
    X, rng = make_moons(900, noise=0.06, random_state=0)[0], np.random.default_rng(0)
    X = np.c_[X, X @ rng.normal(size=(2, 4))] + 0.03 * rng.normal(size=(900, 6))
    frame = pd.DataFrame(X, columns=[*"uvwxyz"]).assign(a=rng.choice([*"pqr"], 900), b=rng.choice([*"stuv"], 900))
    assert auto(max_iter=1).fit(frame).n_components_ == 2


def test_auto_takes_what_it_finds() -> None:
    X = blobs(4)
    model = auto().fit(X)
    assert model.n_components_ == 4
    assert model.n_components == model.get_params()["n_components"] == "auto"
    assert model.predict_proba(X).shape == (160, 4)
    given = GMVAE(4, **SMALL).fit(X)
    np.testing.assert_array_equal(model.predict_proba(X), given.predict_proba(X))
    again = clone(model)
    assert again.n_components == "auto"
    assert not hasattr(again, "n_components_")


def test_few_rows_give_two() -> None:
    assert auto(max_iter=1).fit(blobs(3, n=39)).n_components_ == 2
    assert auto(max_iter=1, validation_fraction=0.0).fit(blobs(2, n=2)).n_components_ == 2


def test_a_saved_model_keeps_the_number(tmp_path: Path) -> None:
    X = blobs(3)
    model = auto().fit(X)
    model.save(tmp_path / "model")
    loaded = GMVAE.load(tmp_path / "model")
    assert (loaded.n_components_, loaded.n_components) == (3, 3)
    np.testing.assert_array_equal(loaded.predict_proba(X), model.predict_proba(X))


def test_a_warm_start_keeps_the_number(capsys: pytest.CaptureFixture[str]) -> None:
    model = auto(warm_start=True, verbose=1).fit(blobs(3))
    assert "n_components=3: halves of the observations agree" in capsys.readouterr().err
    model.fit(blobs(4))
    assert model.n_components_ == 3
    assert "halves of the" not in capsys.readouterr().err
    assert model.set_params(warm_start=False).fit(blobs(4)).n_components_ == 4


def interrupt_after(patch: pytest.MonkeyPatch, count: int) -> None:
    write, written = persistence.write, []

    def stopping(path: Any, kind: str, *rest: Any) -> None:
        write(path, kind, *rest)
        written.append(kind)
        if len(written) == count:
            raise KeyboardInterrupt

    patch.setattr(persistence, "write", stopping)


def test_an_interrupted_run_goes_on_bit_for_bit(tmp_path: Path) -> None:
    X = blobs(3)
    whole = auto().fit(X)
    with pytest.MonkeyPatch.context() as patch:
        interrupt_after(patch, 2)
        with pytest.raises(KeyboardInterrupt):
            auto().fit(X, run_dir=tmp_path)
    resumed = auto().fit(X, run_dir=tmp_path, resume=True)
    assert resumed.n_components_ == 3
    assert resumed.lower_bounds_ == whole.lower_bounds_
    np.testing.assert_array_equal(resumed.predict_proba(X), whole.predict_proba(X))
    with pytest.raises(ValueError, match="`n_components` must be as in the run to resume, 'auto'; got 3"):
        GMVAE(3, **SMALL).fit(X, run_dir=tmp_path, resume=True)


def test_fits_together_share_the_number() -> None:
    X = blobs(4)
    models = fit_together([auto(random_state=seed) for seed in (0, 1)], X)
    assert [model.n_components_ for model in models] == [4, 4]
    assert {model.n_components for model in models} == {"auto"}


def test_auto_is_the_only_word() -> None:
    assert Config("auto").n_components == "auto"
    for wrong in ("Auto", "many", "3", None, 2.0):
        sentence = f"`n_components` must be an integer of at least 1 or 'auto'; got {wrong!r}."
        with pytest.raises(ValueError, match=re.escape(sentence)):
            Config(wrong)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the command line


def gmvae(*arguments: Any) -> Any:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == 0, (result.stdout, result.stderr, result.exception)
    return result


def test_the_command_line_says_the_number_it_found(tmp_path: Path) -> None:
    source, run = tmp_path / "X.npy", tmp_path / "run"
    np.save(source, blobs(3))
    small = ["--epochs", 2, "--set", "hidden_layer_sizes=8", "--set", "latent_dim=2"]
    said = gmvae("fit", source, "-k", "auto", "-o", run, *small)
    assert re.search(r"^clusters found +3$", said.stdout, re.MULTILINE)
    assert re.search(r"^effective clusters +\d\.\d of 3$", said.stdout, re.MULTILINE)
    assert "n_components=3: halves of the observations agree" in said.stderr
    assert pq.read_table(run / "assignments.parquet").column_names == ["row", "label", "p_0", "p_1", "p_2"]
    assert gmvae("predict", run, source, "--proba").stdout.splitlines()[0] == "row,label,p_0,p_1,p_2"
    document = json.loads(gmvae("info", run, "--json").stdout)
    assert (document["n_components"], len(document["cluster_sizes"])) == (3, 3)
    as_json = gmvae("fit", source, "-k", "auto", "-o", tmp_path / "json", *small, "--json", "-q")
    assert json.loads(as_json.stdout)["n_components"] == 3
