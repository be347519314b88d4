"""The report: its numbers against others' computations, its page against what must not be in it."""

import base64
import dataclasses
import hashlib
import io
import json
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from PIL import Image
from scipy.stats import entropy
from sklearn.decomposition import PCA

from gmvae.data import Dataset
from gmvae.data.columns import Columns
from gmvae.data.dataset import Ids
from gmvae.estimator import GMVAE
from gmvae.report.answered_rows import answered_rows
from gmvae.report.clusters import ambiguous_rows, assignment, nearest_clusters, neighbours, typical_rows
from gmvae.report.contents import Provenance, cluster_names
from gmvae.report.curves import n_at_border, training_panels, unit_square
from gmvae.report.differences import MOST_DIFFERENCES, differences
from gmvae.report.distinctions import distinctions
from gmvae.report.page import report
from gmvae.report.page_data import MOST_VALUE_BYTES
from gmvae.report.pictures import MOST_THUMBNAIL_BYTES, _Scale, _thumbnails, pictures
from gmvae.report.plane import plane
from gmvae.report.problems import problems
from gmvae.report.records import Map
from gmvae.report.rows import ShownColumn, cell, rounded, shown_columns
from gmvae.report.separation import log_ratios, separation_shares
from gmvae.report.style import style_grid
from gmvae.user_warnings import TableWarning

pytestmark = pytest.mark.filterwarnings(
    "ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning"
)

SMALL = {"hidden_layer_sizes": (16,), "latent_dim": 3, "style_dim": 2, "max_iter": 8, "random_state": 0}
HOSTILE = "<script>alert(1)</script>"
_RNG = np.random.default_rng(0)


def mixed(n=240):
    """A table of three groups: numbers, categories with hostile names, yes or no, and gaps."""
    rng = np.random.default_rng(1)
    group = np.arange(n) % 3
    frame = pd.DataFrame(
        {
            "height": rng.normal(group * 4.0, 1.0).round(3),
            HOSTILE: np.array(["a&b", "</script><script>", "'\"c"])[group],
            "member": group == 1,
            "noise": rng.normal(size=n),
        }
    )
    frame.loc[::7, "height"] = np.nan
    return frame, group


@pytest.fixture(scope="module")
def of_table():
    """A fit of the mixed table, and the table as a source with ids and labels."""
    frame, group = mixed()
    table = pa.Table.from_pandas(frame)
    columns = Columns.learn(table).columns
    model = GMVAE(3, **SMALL).fit(frame)
    ids = Ids("key", np.array([f"secret-{i}-<b>" for i in range(len(frame))]))
    labels = np.array(["x", "<i>", "z"])[group]
    data = Dataset(f"{HOSTILE}.csv", columns.encode(table).y, labels, columns.names, columns, ids)
    return model.fitted_, data


@pytest.fixture(scope="module")
def of_images():
    rng = np.random.default_rng(2)
    X = (rng.random((90, 6, 8)) < np.repeat([0.1, 0.5, 0.9], 30)[:, None, None]).astype(np.uint8)
    model = GMVAE(3, **SMALL).fit(X.astype(np.float64))
    return model.fitted_, Dataset("squares", X[:, None].astype(np.float64))


@pytest.fixture(scope="module")
def of_numbers():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(150, 3)) + np.repeat([[0, 0, 0], [9, 0, 0], [0, 9, 0]], 50, axis=0)
    return GMVAE(3, **(SMALL | {"max_iter": 60})).fit(X).fitted_, Dataset("blobs", X)


# ---------------------------------------------------------------- clusters


def test_rows_are_ranked_as_by_their_definitions():
    proba = _RNG.dirichlet([0.4, 0.4, 0.4], size=200)
    embedding = _RNG.normal(size=(200, 2)) * [1.0, 30.0]
    found = assignment(proba)
    np.testing.assert_allclose(found.entropy, entropy(proba, axis=1))
    np.testing.assert_array_equal(found.second, np.argsort(proba, axis=1)[:, -2])
    members = np.flatnonzero(proba.argmax(1) == 1)
    own = pd.DataFrame(embedding[members], index=members)
    distance = (((own - own.mean()) / own.std(ddof=0)) ** 2).sum(axis=1)
    assert typical_rows(embedding, members).tolist() == distance.sort_values().index[:5].tolist()
    doubt = pd.Series(entropy(proba[members], axis=1), index=members)
    expected = doubt[doubt > 0.5].sort_values(ascending=False).index[:5].tolist()
    assert ambiguous_rows(found, members).tolist() == expected
    others = neighbours(found, members, 1)
    assert [each.cluster for each in others] == (
        [0, 2] if proba[members, 0].mean() > proba[members, 2].mean() else [2, 0]
    )
    for each in others:
        assert each.probability == pytest.approx(proba[members, each.cluster].mean())
        second = np.argsort(proba[members], axis=1)[:, -2]
        assert each.ambiguous_rows == int((second[doubt.to_numpy() > 0.5] == each.cluster).sum())


def test_a_cluster_without_rows_or_without_others_has_no_nearest():
    assert nearest_clusters(assignment(np.array([[0.9, 0.1, 0.0], [0.6, 0.1, 0.3]]))) == [2, None, None]
    assert nearest_clusters(assignment(np.ones((4, 1)))) == [None]


def test_names_must_be_one_for_each_cluster():
    assert cluster_names(None, [], 2) == ["cluster 0", "cluster 1"]
    assert cluster_names(None, ["cat", None], 2) == ["cluster 0: cat", "cluster 1"]
    assert cluster_names([" a ", "b"], [], 2) == ["a", "b"]
    for wrong in (["a"], ["a", "a"], ["a", " "], ["a", "b", "c"]):
        with pytest.raises(ValueError, match="`names` must be 2 different names, one for each cluster; got"):
            cluster_names(wrong, [], 2)


# ---------------------------------------------------------------- differences


def test_differences_of_numbers_are_those_of_pandas():
    X = _RNG.normal(size=(400, 3)) + 1e6
    X[_RNG.random(X.shape) < 0.2] = np.nan
    clusters = _RNG.integers(0, 4, 400)
    columns = [ShownColumn("a", "gaussian"), ShownColumn("b", "poisson"), ShownColumn("c", "gaussian")]
    found = differences(X, clusters, 4, columns)
    frame = pd.DataFrame(X, columns=["a", "b", "c"])
    for k in range(4):
        inside, outside = frame[clusters == k], frame[clusters != k]
        spread = np.sqrt((inside.var(ddof=0) + outside.var(ddof=0)) / 2)
        effect = (inside.mean() - outside.mean()) / spread
        assert [each.column for each in found[k]] == effect.abs().sort_values(ascending=False).index.tolist()
        for each in found[k]:
            assert each.inside == pytest.approx(inside[each.column].mean(), rel=1e-5)
            assert each.outside == pytest.approx(outside[each.column].mean(), rel=1e-5)
            assert each.difference == pytest.approx(effect[each.column], rel=1e-6)
            expected = inside["b"].mean() / outside["b"].mean() if each.column == "b" else None
            assert each.ratio == (None if expected is None else pytest.approx(expected, rel=1e-5))


def test_differences_of_levels_are_those_of_a_cross_table():
    codes = _RNG.integers(0, 3, 300).astype(float)
    codes[::11] = np.nan
    clusters = _RNG.integers(0, 2, 300)
    column = ShownColumn("town", "categorical", ("Bern", "Rom", "Wien"))
    found = differences(codes[:, None], clusters, 2, [column])
    table = pd.crosstab(codes, clusters, normalize="columns")
    for k in range(2):
        assert {each.level for each in found[k]} == {"Bern", "Rom", "Wien"}
        for each in found[k]:
            p, q = (table.loc[float(column.levels.index(each.level)), side] for side in (k, 1 - k))
            assert (each.inside, each.outside) == (pytest.approx(p, rel=1e-5), pytest.approx(q, rel=1e-5))
            assert each.difference == pytest.approx((p - q) / np.sqrt((p * (1 - p) + q * (1 - q)) / 2))
            assert each.ratio == pytest.approx(p / q, rel=1e-5)


def test_constant_columns_and_columns_of_one_cluster_alone_say_no_nonsense():
    X = np.array([[1.0, 5.0, np.nan], [1.0, 5.0, np.nan], [1.0, 7.0, 2.0], [1.0, 7.0, 3.0]])
    columns = [ShownColumn(name, "gaussian") for name in "abc"]
    first, second = differences(X, np.array([0, 0, 1, 1]), 2, columns)
    told = {each.column: each for each in first}
    assert told.keys() == {"a", "b"}  # c has no value in one of the clusters
    assert told["a"].difference == 0.0
    assert told["b"].difference == pytest.approx(-2.0 / X[:, 1].std())
    assert {each.column for each in second} == {"a", "b"}


def test_only_so_many_differences_are_kept():
    columns = [ShownColumn(str(d), "gaussian") for d in range(MOST_DIFFERENCES + 30)]
    X = _RNG.normal(size=(20, len(columns)))
    assert len(differences(X, np.arange(20) % 2, 2, columns)[0]) == MOST_DIFFERENCES


def test_separation_is_the_log_ratio_of_the_models_own_densities(of_numbers):
    fitted, data = of_numbers
    rows, model = data.X[:20], fitted.model
    with torch.no_grad():
        y = torch.from_numpy(rows)
        w = model.recognition(model.standardised(y)).w.mean
        means = model.generative.mixture(w).components.mean
        densities = []
        for k in (0, 1):
            p = model.observation(means[:, k])
            normal = torch.distributions.Normal(p.mean.double(), p.log_scale.double().exp())
            densities.append(normal.log_prob(model.likelihood.standardised(y)) - model.likelihood.scale.log())
    np.testing.assert_allclose(log_ratios(fitted, rows, 0, 1), densities[0] - densities[1], rtol=1e-3, atol=1e-3)
    shares = separation_shares(fitted, rows, 0, 1)
    assert shares.sum() == pytest.approx(1.0)
    carried = np.maximum(log_ratios(fitted, rows, 0, 1).mean(0), 0)
    np.testing.assert_allclose(shares, carried / carried.sum(), rtol=1e-5)
    assert separation_shares(fitted, rows, 0, None) is None
    assert separation_shares(fitted, rows[:0], 0, 1) is None


def test_the_column_that_separates_two_clusters_carries_the_separation(of_numbers):
    fitted, data = of_numbers
    labels = fitted.labels(data.X)
    at = [int(np.bincount(labels[start : start + 50]).argmax()) for start in (0, 50, 100)]
    assert sorted(at) == [0, 1, 2]
    shares = separation_shares(fitted, data.X[labels == at[1]], at[1], at[0])
    assert shares.argmax() == 0  # they differ in the first column alone
    assert shares[0] > 0.8
    seen = answered_rows(fitted, data)
    for k, nearest, told, _ in distinctions(seen):
        shares = separation_shares(fitted, data.X[labels == k], k, nearest)
        assert {each.column: each.separation for each in told} == {
            column.name: pytest.approx(share) for column, share in zip(seen.columns, shares, strict=True)
        }


def test_columns_of_mixed_tables_come_in_their_order(of_table):
    fitted, data = of_table
    ratios = log_ratios(fitted, data.X[:30], 0, 1)
    assert ratios.shape == (30, 4)
    np.testing.assert_array_equal(ratios[np.isnan(data.X[:30])], 0.0)  # gaps separate nothing
    likelihoods = [column.likelihood for column in shown_columns(fitted, data)]
    assert likelihoods == ["gaussian", "categorical", "bernoulli", "gaussian"]


# ---------------------------------------------------------------- the map, the style, rows


def test_the_map_is_that_of_principal_components():
    X = _RNG.normal(size=(200, 5)) * [5, 3, 1, 1, 1]
    found, expected = plane(X, umap=False), PCA(2).fit(X)
    np.testing.assert_allclose(np.abs(found.points), np.abs(expected.transform(X)), rtol=1e-9, atol=1e-9)
    assert found.axes[0] == f"principal component 1 ({expected.explained_variance_ratio_[0]:.0%} of the variance)"
    assert plane(X[:, :1], umap=False).points[:, 1].tolist() == [0.0] * 200


def test_a_sample_stands_for_many_rows(of_numbers, monkeypatch):
    fitted, data = of_numbers
    monkeypatch.setattr("gmvae.report.answered_rows.MOST_ROWS", 40)
    monkeypatch.setattr("gmvae.report.answered_rows.MOST_POINTS", 10)
    seen = answered_rows(fitted, data)
    assert len(seen.kept) == 40
    assert sorted(set(seen.kept)) == seen.kept.tolist()
    np.testing.assert_array_equal(seen.rows, data.X[seen.kept])
    np.testing.assert_allclose(seen.assignment.proba, fitted.proba(data.X)[seen.kept], rtol=1e-4)
    assert len(seen.mapped) == len(seen.plane.points) == 10
    known = ~np.isnan(seen.novel)
    assert known.sum() == 10
    np.testing.assert_array_equal(seen.novel[known].astype(bool), fitted.novel(seen.rows[known]))


def test_the_grid_of_the_style_holds_decoded_means(of_images):
    fitted, data = of_images
    grid = style_grid(answered_rows(fitted, data))
    first, second = grid.directions
    w = np.zeros(fitted.config.D_w)
    w[first], w[second] = -1.0, 2.0
    expected = fitted.decode(fitted.components(w).means)
    np.testing.assert_allclose(grid.means[:, 4, 1], expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_allclose(grid.deviations, np.sort(fitted.style(data.X).std(0))[::-1][:2])


def test_grey_levels_of_the_model_are_those_of_the_data():
    X = np.repeat([40, 200], 30)[:, None, None, None].astype(np.uint8) + np.zeros((60, 1, 5, 4), np.uint8)
    fitted = GMVAE(2, **(SMALL | {"max_iter": 40})).fit(X).fitted_
    decoded = fitted.decode(fitted.components().means).mean(axis=(1, 2, 3))  # within 0 and 1
    for data, unit in ((Dataset("grey", X), 255), (Dataset("grey", X / 255), 1)):
        seen = answered_rows(fitted, data)
        grid = style_grid(seen)
        drawn = pictures(seen, report(fitted, data).contents, grid)
        for k in range(2):
            assert grid.means[k, 2, 2].mean() == pytest.approx(unit * decoded[k], rel=1e-4)
            middle = pixels(drawn.styles[k])[10:15, 8:12]  # the third tile of 5 by 4 pixels across and down
            assert middle.mean() == pytest.approx(255 * decoded[k], abs=9)  # one of 16 shades
            own = seen.rows[seen.assignment.first == k].mean()
            assert pixels(drawn.clusters[k].mean).mean() == pytest.approx(255 / unit * own, abs=1)
            assert pixels(drawn.clusters[k].samples[0]).mean() > 20


def pixels(uri):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))).convert("L"))


def test_cells_are_in_the_datas_own_names():
    column = ShownColumn("c", "categorical", ("no", "yes"))
    assert [cell(column, value) for value in (1.0, 0.0, float("nan"), 7.0)] == ["yes", "no", None, "7.0"]
    assert [rounded(value) for value in (3.0, 1234567.25, 1e300)] == [3, 1234570.0, 1e300]


def people(n=200):
    """Three groups: a name that is left out, an id, codes, a skewed column and whole numbers of six digits."""
    rng = np.random.default_rng(5)
    group = np.arange(n) % 3
    return pd.DataFrame(
        {
            "height": rng.normal(4.0 * group, 1.0),
            "name": [f"person {i}" for i in range(n)],
            "id": np.arange(n) + 123456,
            "code": np.array(["007", "010", "011"])[group],
            "pay": np.exp(rng.normal(8.0, 1.5, n)),
        }
    )


@pytest.mark.filterwarnings("ignore::gmvae.TableWarning")
def test_in_python_a_report_says_what_was_warned_of():
    frame = people()
    model = GMVAE(3, **SMALL).fit(frame)
    notes = model.report(frame).contents.making.notes
    for said in (
        "Left out: 'name', where",
        "Perhaps an id: 'id', a different",
        "Taken as text: 'code'",
        "Skewed or heavy",
    ):
        assert any(note.startswith(said) for note in notes), notes
    assert not any("`--" in note for note in notes)
    with pytest.warns(TableWarning, match="Counted as missing: 200 cells of 'code'"):
        later = model.report(frame.assign(code="x", extra=1)).contents.making.notes
    assert "Left out, as the fit did not have them: 'extra'." in later
    assert any(note.startswith("Counted as missing: 200 cells of 'code'") for note in later)
    bare = model.report(frame, with_rows=False).contents.making.notes
    assert not any("'name'" in note or "'id'" in note for note in bare)
    assert {*model.describe(frame)["column"]} == {"height", "id", "code", "pay"}
    numbers = frame[["height", "id"]]
    notes = GMVAE(3, **SMALL).fit(numbers).report(numbers).contents.making.notes
    assert any(note.startswith("Perhaps an id: 'id'") for note in notes)


@pytest.mark.filterwarnings("ignore::gmvae.TableWarning")
def test_beside_the_map_whole_numbers_are_those_of_the_data():
    frame = people()
    page = GMVAE(3, **SMALL).fit(frame).report(frame).html
    data = json.loads(re.search(r'id="data"[^>]*>(.*?)</script>', page)[1])
    shown = {column["name"]: column["values"] for column in data["columns"]}
    assert shown["id"] == frame["id"].tolist()
    large = frame["pay"] >= 1000
    assert np.array(shown["pay"])[large].tolist() == frame["pay"][large].round().astype(int).tolist()


def test_the_page_explains_what_it_shows_alone(of_numbers, of_table, of_images):
    fitted, data = of_numbers
    page = report(fitted, data).html
    assert "share of a category" not in page
    assert ">Ratio<" not in page
    assert "most probable category" not in page
    labelled = dataclasses.replace(data, labels=np.repeat([0, 1, 1], 50))
    assert "There are more clusters than classes: one to one, 1 cluster has no class" in report(fitted, labelled).html
    page = report(*of_table).html
    assert "or share of a category," in page
    assert ">Ratio<" in page
    assert "all its categories together" in page
    assert "most probable category" in page
    assert "There are more clusters than classes" not in page
    page = report(*of_images).html
    assert "Log-probability of one image, given its embedding" in page
    assert "Log-probability of one row" not in page


# ---------------------------------------------------------------- problems


def test_problems_name_their_remedies(of_numbers):
    fitted, data = of_numbers
    far = Dataset("far", data.X + 40.0)
    said = [problem.what for problem in problems(answered_rows(fitted, far))]
    assert any("100% of rows are novel" in what for what in said)
    mixed_up = answered_rows(fitted, data, np.full((150, 3), 1 / 3))
    said = {problem.what: problem.remedy for problem in problems(mixed_up)}
    assert any("100% of rows are ambiguous" in what for what in said)
    assert any(what == "No row is in clusters 1, 2." for what in said)
    assert all(remedy.endswith(".") for remedy in said.values())
    marked = np.array(data.X, dtype=float)
    marked[::10, 1] = -999.0
    found = problems(answered_rows(fitted, Dataset("marked", marked)))
    assert sum("-999 in column" in problem.what for problem in found) == 1


# ---------------------------------------------------------------- the page


class Page(HTMLParser):
    """What elements a page has, and where they lead."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.references, self.text = [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        self.references += [value for name, value in attributes if name in ("src", "href", "action", "data", "srcset")]
        assert not any(name.startswith("on") for name, _ in attributes)

    def handle_data(self, text):
        self.text.append(text)


PROVENANCE = Provenance(f"gmvae fit '{HOSTILE}'", True, 7, {"python": "3", "torch": HOSTILE})


@pytest.fixture(scope="module")
def made(of_table):
    return report(*of_table, provenance=PROVENANCE, names=[HOSTILE, "b", "c"])


def test_what_comes_from_data_is_escaped(made):
    page = Page(made.html)
    scripts = [attributes for tag, attributes in page.elements if tag == "script"]
    assert scripts == [{"type": "application/json", "id": "data"}, {}]
    assert not {"b", "i"} & {tag for tag, _ in page.elements}
    text = "".join(page.text)
    for shown in (HOSTILE, "a&b", "</script><script>", "'\"c", "secret-0-<b>", "<i>"):
        assert shown in text or shown in json.dumps(json.loads(made.json()), ensure_ascii=False)
    assert f"3 clusters of {HOSTILE}.csv" in text


def test_the_page_asks_for_nothing_and_its_policy_forbids_it(made, of_images):
    for html in (made.html, report(*of_images).html):
        page = Page(html)
        assert all(reference.startswith(("#", "data:image/")) for reference in page.references)
        policy = next(a["content"] for tag, a in page.elements if a.get("http-equiv") == "Content-Security-Policy")
        assert policy.startswith("default-src 'none'; img-src data:;")
        script = re.search(r"<script>(.*?)</script>", html, re.DOTALL)[1]
        digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
        assert f"script-src 'sha256-{digest}'" in policy
        assert "url(" not in html
        assert "@import" not in html


def test_the_page_can_be_read_by_ear(made, of_images):
    for html in (made.html, report(*of_images).html):
        page = Page(html)
        ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
        assert len(ids) == len(set(ids))
        for tag, attributes in page.elements:
            if tag == "img":
                assert attributes["alt"].strip()
            if attributes.get("role") == "img":
                assert attributes["aria-label"].strip()
            if tag == "th":
                assert attributes["scope"] in ("col", "row")
            if tag == "a":
                assert attributes["href"].removeprefix("#") in ids
        assert next(tag for tag, _ in page.elements if tag in ("h1", "h2", "h3")) == "h1"


def test_the_json_has_every_number_and_no_nan(made, of_table):
    fitted, data = of_table

    def refuse(constant):
        raise AssertionError(constant)

    found = json.loads(made.json(), parse_constant=refuse)
    proba = fitted.proba(data.X)
    clusters = proba.argmax(1)
    assert found["card"]["n"] == len(data.X)
    assert found["card"]["certainty"] == pytest.approx(proba.max(1).mean())
    assert [cluster["size"] for cluster in found["clusters"]] == np.bincount(clusters, minlength=3).tolist()
    assert found["map"]["cluster"] == clusters.tolist()
    assert found["map"]["id"] == data.ids.values.tolist()
    assert found["making"]["command"] == PROVENANCE.command
    assert found["card"]["found"] is True
    assert found["training"]["lower_bound"] == pytest.approx(fitted.history["lower_bound"].tolist())
    matrix = np.array(found["agreement"]["matrix"])
    assert matrix.sum() == len(data.X)
    for row, name in zip(matrix, found["agreement"]["classes"], strict=True):
        counts = np.bincount(clusters[data.labels == name], minlength=3)
        assert row.tolist() == counts[found["agreement"]["clusters"]].tolist()
    for cluster in found["clusters"]:
        for shown in cluster["typical"]:
            assert shown["id"] == data.ids.values[shown["row"]]
            assert shown["values"][1] in ("a&b", "</script><script>", "'\"c")
            assert shown["probability"] == pytest.approx(proba[shown["row"], cluster["cluster"]])


def test_without_rows_no_row_can_be_found(of_table, of_images):
    fitted, data = of_table
    noted = dataclasses.replace(data, notes=("Counted as missing: 'secret-cell'.",))
    assert "secret-cell" in report(fitted, noted).html
    bare = report(fitted, noted, with_rows=False)
    for text in (bare.html, bare.json()):
        assert "secret-" not in text
    assert bare.contents.map is None
    assert all(not cluster.typical and not cluster.ambiguous for cluster in bare.contents.clusters)
    assert json.loads(re.search(r'id="data">(.*?)</script>', bare.html)[1])["columns"] == []
    alone = answered_rows(fitted, Dataset("few", data.X[:7], columns=data.columns, feature_names=data.feature_names))
    few = report(fitted, alone.data, with_rows=False).contents
    sizes = np.bincount(alone.assignment.first, minlength=3)
    for told in few.distinctions:
        assert bool(told.differences) == (sizes[told.cluster] >= 5 and 7 - sizes[told.cluster] >= 5)
    pictures = report(*of_images, with_rows=False)
    assert "Typical:" not in pictures.html
    assert pictures.contents.map is None


def test_labels_that_the_fit_knew_do_not_count(of_table):
    fitted, data = of_table
    known = np.where(np.arange(len(data.X)) < 200, data.labels, None).astype(object)
    partly = Dataset("t", data.X, data.labels, data.feature_names, data.columns, partial_labels=known)
    found = report(fitted, partly).contents
    assert found.agreement.n == np.array(found.agreement.matrix).sum() == len(data.X) - 200
    assert "The fit knew the class of 200 of these rows." in found.making.notes
    share = f"{np.isnan(data.X).mean():.1%} of cells are missing"
    assert sum(note.startswith(share) for note in found.making.notes) == 1
    everything = Dataset("t", data.X, data.labels, data.feature_names, data.columns, partial_labels=data.labels)
    assert report(fitted, everything).contents.agreement is None


def test_a_report_is_written_with_its_numbers_beside(made, tmp_path):
    path = made.write_html(tmp_path / "out" / "page.html")
    assert path.read_text(encoding="utf-8") == made.html
    assert (tmp_path / "out" / "page.json").read_text(encoding="utf-8") == made.json()
    with pytest.raises(ValueError, match=r"`path` must end in \.html; got '.*page\.txt'"):
        made.write_html(tmp_path / "page.txt")


def test_in_a_notebook_it_is_a_frame_that_holds_the_page(made):
    frame = Page(made._repr_html_())
    ((tag, attributes),) = frame.elements
    assert tag == "iframe"
    assert attributes["srcdoc"].replace('<base href="about:srcdoc">', "") == made.html
    assert attributes["sandbox"] == "allow-scripts"


def test_one_cluster_one_column_and_one_style_are_reported():
    X = _RNG.normal(size=(40, 1))
    fitted = GMVAE(1, **(SMALL | {"style_dim": 1, "latent_dim": 1, "max_iter": 2})).fit(X).fitted_
    made = report(fitted, Dataset("line", X))
    found = made.contents
    assert "All rows are in one cluster" in made.html
    assert [told.nearest for told in found.distinctions] == [None]
    assert np.shape(found.style.cells) == (1, 1, 5, 1)
    assert found.map.y == [0.0] * 40


def test_thumbnails_get_smaller_then_fewer():
    noise = _RNG.integers(0, 256, (5000, 1, 28, 28), dtype=np.uint8)
    large = _thumbnails(noise[:100], _Scale.of(noise))
    assert large.side == (28, 28)
    assert len(large.points) == 100
    small = _thumbnails(np.concatenate([noise] * 4), _Scale.of(noise))
    assert small.side == (14, 14)
    assert 5000 < len(small.points) < 20_000
    assert len(small.picture) < 1.1 * MOST_THUMBNAIL_BYTES * 4 / 3 + 100


def test_wide_tables_show_the_columns_that_tell_clusters_apart(of_numbers):
    fitted, data = of_numbers
    n = len(data.X)
    repeated = Dataset("many", np.repeat(data.X, 20_000 // n, axis=0))
    html = report(fitted, repeated).html
    held = json.loads(re.search(r'id="data">(.*?)</script>', html)[1])
    assert len(held["columns"]) == 3
    assert len(json.dumps([column["values"] for column in held["columns"]])) < MOST_VALUE_BYTES * 1.3


def test_curves_are_cropped_where_the_beginning_would_flatten_them():
    epochs = list(range(1, 41))
    terms = ("reconstruction", "conditional_prior", "w_prior", "z_prior", "effective_components")
    training = {"epoch": epochs, **{name: [1.0] * 40 for name in terms}}
    training["lower_bound"] = [-1e6, *np.linspace(-2, -1, 39).tolist()]
    training["lower_bound_held_out"] = [float("nan")] * 40
    bound = training_panels(training)[0]
    assert (bound.up[0].text, bound.up[-1].text) == ("-1.92", "-1.00")
    assert len(bound.lines) == 1
    heights = [float(point.split(",")[1]) for point in bound.lines[0].points.split()]
    assert heights[0] == bound.up[0].place
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 37  # 36 epochs and where the line enters: no part of it lies flat at the edge


def test_a_curve_begins_where_it_enters_the_range():
    terms = ("lower_bound", "lower_bound_held_out", "conditional_prior", "w_prior", "z_prior", "effective_components")
    training = {"epoch": list(range(1, 21)), **{name: [1.0] * 20 for name in terms}}
    training["reconstruction"] = [-9.0, 3.0, *np.linspace(-1, 0, 18).tolist()]
    training["conditional_prior"] = [-9.0, -0.5, *np.linspace(-1, 0, 18).tolist()]
    left, right = (panel.lines[0].points.split()[0] for panel in training_panels(training)[1:3])
    assert left == f"{56 + 256 * (1 + 3 / 4) / 19:.1f},10.0"  # three quarters of the way from 3 to -1 it comes to 0
    assert right == f"{56 + 256 * (8 / 8.5) / 19:.1f},146.0"


def test_clusters_in_use_are_drawn_from_zero():
    terms = ("reconstruction", "lower_bound", "lower_bound_held_out", "conditional_prior", "w_prior", "z_prior")
    training = {"epoch": [1, 2, 3], **{name: [1.0, 2.0, 3.0] for name in terms}}
    panel = training_panels(training | {"effective_components": [4.99, 5.0, 4.98]})[-1]
    assert [tick.text for tick in panel.up] == ["0.0", "2.5", "5.0"]


def test_a_point_far_out_does_not_squeeze_the_map():
    x = np.random.default_rng(0).normal(size=(1000, 2))
    far = np.array([[-400.0, -400.0]])

    def of(points):
        n = len(points)
        marks = {"cluster": [0] * n, "probability": [1.0] * n, "ambiguous": [False] * n, "novel": [False] * n}
        columns = {"x": points[:, 0].tolist(), "y": points[:, 1].tolist(), "row": [*range(n)], "id": ["1"] * n}
        return Map(method="", axes=["", ""], n=n, **columns, **marks)

    near, both = of(x), of(np.concatenate([x, far]))
    assert n_at_border(near) == 0
    assert unit_square(near).min() == pytest.approx(0)
    assert n_at_border(both) == 1
    places = unit_square(both)
    assert places.min() >= 0
    assert places.max() <= 1
    assert np.ptp(places[:-1], axis=0).max() > 0.8
    assert places[-1].min() == pytest.approx(0, abs=0.05)
