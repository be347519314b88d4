"""Weights of rows in a report, and its map by UMAP: against rows that are repeated, pandas and scikit-learn."""

import csv
import json
import sys
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from sklearn.neighbors import NearestNeighbors
from typer.testing import CliRunner

from gmvae.cli import app
from gmvae.data import Dataset
from gmvae.estimator import GMVAE
from gmvae.projection import Projection
from gmvae.report.answered_rows import answered_rows
from gmvae.report.clusters import assignment
from gmvae.report.differences import differences
from gmvae.report.distinctions import mean_images
from gmvae.report.page import report
from gmvae.report.plane import nearest_neighbours, plane
from gmvae.report.rows import ShownColumn

pytestmark = pytest.mark.filterwarnings(
    "ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)

SMALL = {"hidden_layer_sizes": (16,), "latent_dim": 3, "style_dim": 2, "max_iter": 5, "random_state": 0}
_RNG = np.random.default_rng(0)


def gmvae(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


# ---------------------------------------------------------------- weights


def test_a_row_of_weight_2_counts_as_two_and_one_of_weight_0_as_none():
    X = np.column_stack([_RNG.normal(size=90) + 4 * (np.arange(90) % 3), _RNG.integers(0, 3, 90)])
    weight = _RNG.integers(0, 3, 90)
    model = GMVAE(3, likelihood={1: "categorical"}, **SMALL).fit(X)
    weighted = model.report(X, sample_weight=weight).contents
    repeated = model.report(np.repeat(X, weight, axis=0)).contents
    for name in ("certainty", "ambiguous_share", "novel_share"):
        assert getattr(weighted.card, name) == pytest.approx(getattr(repeated.card, name)), name
    assert weighted.card.n == 90
    for one, other in zip(weighted.clusters, repeated.clusters, strict=True):
        assert one.share == pytest.approx(other.share)
        assert one.certainty == pytest.approx(other.certainty)
        assert [each.cluster for each in one.neighbours] == [each.cluster for each in other.neighbours]
    assert [cluster.size for cluster in weighted.clusters] == np.bincount(model.predict(X), minlength=3).tolist()
    for one, other in zip(weighted.distinctions, repeated.distinctions, strict=True):
        assert [(each.column, each.level) for each in one.differences] == [
            (each.column, each.level) for each in other.differences
        ]
        for a, b in zip(one.differences, other.differences, strict=True):
            assert (a.inside, a.outside, a.difference) == pytest.approx((b.inside, b.outside, b.difference), rel=1e-5)
    table = model.describe(X, sample_weight=weight)
    assert table["inside"].to_pylist() == pytest.approx(
        [each.inside for told in weighted.distinctions for each in told.differences]
    )


def test_weights_of_any_size_give_the_same_differences():
    X = _RNG.normal(size=(60, 2))
    X[::7] = np.nan
    clusters, weight = _RNG.integers(0, 3, 60), _RNG.random(60)
    columns = [ShownColumn("a", "gaussian"), ShownColumn("b", "gaussian")]
    plain, tiny = (differences(X, clusters, 3, columns, weight * factor) for factor in (1.0, 1e-6))
    for own, other in zip(plain, tiny, strict=True):
        for a, b in zip(own, other, strict=True):
            assert a.difference == pytest.approx(b.difference)
    frame = pd.DataFrame({"a": X[:, 0], "w": weight, "k": clusters}).dropna()
    inside = frame[frame.k == 1]
    told = next(each for each in plain[1] if each.column == "a")
    assert told.inside == pytest.approx(np.average(inside.a, weights=inside.w), rel=1e-5)


def test_images_of_weight_0_leave_the_mean_as_it_is():
    X = _RNG.random((40, 1, 4, 4))
    fitted = GMVAE(2, **SMALL).fit(X).fitted_
    weight = (np.arange(40) < 30).astype(float)
    seen = answered_rows(fitted, Dataset("x", X, weights=weight))
    for k in range(2):
        own = X[:30][seen.assignment.first[:30] == k]
        if len(own):
            np.testing.assert_allclose(mean_images(seen)[k], own.mean(axis=0))


def test_a_cluster_whose_rows_all_have_weight_0_has_no_means():
    found = assignment(np.array([[0.9, 0.1], [0.2, 0.8]]), np.array([1.0, 0.0]))
    assert found.mean(found.certainty, np.array([1])) is None
    assert found.mean(found.certainty, np.array([0])) == 0.9
    X = _RNG.normal(size=(20, 2))
    fitted = GMVAE(2, **SMALL).fit(X).fitted_
    proba = np.eye(2)[np.arange(20) % 2] * 0.8 + 0.1
    data = Dataset("x", X, weights=(np.arange(20) % 2 == 0).astype(float))
    found = report(fitted, data, proba=proba).contents
    assert (found.clusters[1].size, found.clusters[1].share, found.clusters[1].certainty) == (10, 0.0, None)
    assert found.distinctions[1].differences == []
    assert "Rows count by their weights" in found.making.notes[0]


def test_the_command_counts_rows_and_known_classes_as_the_fit_did(tmp_path):
    with (tmp_path / "t.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["height", "noise", "count", "some", "kind"])
        for i in range(120):
            k = i % 3
            writer.writerow([round(_RNG.normal(5 * k), 3), _RNG.random(), i % 4, "abc"[k] if i < 40 else "", "abc"[k]])
    run = tmp_path / "run"
    options = ["--weights", "count", "--partial-labels", "some", "--labels", "kind", "-k", 3, "--epochs", 3, "-q"]
    small = ["--set", "hidden_layer_sizes=16", "--set", "latent_dim=3", "--set", "style_dim=2"]
    gmvae("fit", tmp_path / "t.csv", *options, *small, "-o", run)
    written = json.loads((run / "report.json").read_text())
    gmvae("report", run)
    again = json.loads((run / "report.json").read_text())
    for told in (written, again):  # probabilities differ: within the fit those of rows whose class it knew are 0 or 1
        told["shares"] = [(cluster["size"], cluster["share"]) for cluster in told["clusters"]]
    assert again["shares"] == written["shares"]
    assert again["distinctions"] == written["distinctions"]
    assert again["agreement"] == written["agreement"]
    assert again["agreement"]["n"] == 80
    assert again["making"]["notes"] == written["making"]["notes"]
    other = tmp_path / "other.csv"
    other.write_text("height,noise\n0.1,0.5\n5.2,0.5\n9.9,0.1\n")
    gmvae("report", run, other)  # rows without weights count once


def test_labels_and_weights_that_are_missing_are_refused():
    X = _RNG.normal(size=(20, 2))
    model = GMVAE(2, **SMALL).fit(X)
    with pytest.raises(ValueError, match="Labels in `y` must not be missing; got an empty one in row 3"):
        model.report(X, ["a", "b", None, *["a"] * 17])
    with pytest.raises(ValueError, match="`sample_weight` must hold finite numbers of at least 0; got -1 in row 0"):
        model.describe(X, sample_weight=-np.ones(20))


# ---------------------------------------------------------------- the map by UMAP


def test_neighbours_are_those_of_scikit_learn():
    x = _RNG.normal(size=(1500, 6)) + 100.0
    indices, distances = nearest_neighbours(x)
    expected, own = NearestNeighbors(n_neighbors=15).fit(x).kneighbors(x)
    np.testing.assert_array_equal(indices[:, 0], np.arange(1500))
    assert (indices == own).mean() > 0.999  # equal up to rounding
    np.testing.assert_allclose(distances, expected, atol=1e-3)
    copies, gaps = nearest_neighbours(np.repeat(x[:20], 2, axis=0))
    np.testing.assert_array_equal(copies[:, 0], np.arange(40))
    np.testing.assert_allclose(gaps[:, 1], 0.0, atol=4e-3)  # the root of rounding errors of squares, 1e-5


def test_umap_draws_the_map_where_it_is_installed(monkeypatch):
    asked = {}

    class Mapper:
        def __init__(self, **options):
            asked.update(options)

        def fit_transform(self, x):
            return asked["init"] + 1

    x = _RNG.normal(size=(40, 4))
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace(UMAP=Mapper))
    drawn = plane(x)
    start = Projection.principal(x).points(x)
    assert (drawn.method, drawn.axes) == ("UMAP", ["UMAP 1", "UMAP 2"])
    np.testing.assert_allclose(drawn.points, 10 * start / np.abs(start).max() + 1, rtol=1e-5, atol=1e-5)
    np.testing.assert_array_equal(asked["precomputed_knn"][0], nearest_neighbours(x)[0])
    assert plane(x, umap=False).method == plane(x[:15]).method == plane(np.ones((40, 4))).method
    assert plane(x[:, :1]).method == "principal components"  # of rows on a line UMAP makes NaN
    monkeypatch.setitem(sys.modules, "umap", SimpleNamespace())  # a folder of this name
    assert plane(x).method == "principal components"


def test_umap_may_warn_when_it_is_imported(monkeypatch, tmp_path):
    (tmp_path / "umap.py").write_text("import warnings\n\nwarnings.warn('no TensorFlow', ImportWarning)\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "umap", raising=False)
    assert plane(_RNG.normal(size=(40, 4))).method == "principal components"  # this module has no UMAP
    assert sys.modules.pop("umap").__file__ == str(tmp_path / "umap.py")


def test_umap_itself_keeps_groups_together():
    pytest.importorskip("umap", reason="umap-learn is not installed")
    k = np.arange(200) % 4
    x = 8 * _RNG.normal(size=(4, 5))[k] + _RNG.normal(size=(200, 5))
    drawn = plane(x)
    assert drawn.method == "UMAP"
    _, nearest = NearestNeighbors(n_neighbors=2).fit(drawn.points).kneighbors(drawn.points)
    assert (k[nearest[:, 1]] == k).mean() > 0.95
