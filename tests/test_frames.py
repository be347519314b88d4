"""Frames with text, categories and gaps through the estimator: learned, asked about, and given back as frames."""

from __future__ import annotations

import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from sklearn.datasets import load_iris

from gmvae import GMVAE
from gmvae.data import Dataset, load
from gmvae.data.frames import as_table
from gmvae.data.options import TableOptions
from gmvae.estimator.inputs import fit_observations
from gmvae.user_warnings import TableWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FAST: dict[str, Any] = {"n_components": 2, "hidden_layer_sizes": (16,), "max_iter": 2, "random_state": 0}


def people(n: int = 120) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    old = rng.random(n) < 0.5
    return pd.DataFrame(
        {
            "age": np.round(np.where(old, 60, 25) + 4 * rng.normal(size=n)).astype(int),
            "job": np.where(old, rng.choice(["retired", "clerk"], n), rng.choice(["student", "clerk"], n)),
            "income": np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(7 + old, 0.3)),
            "member": np.where(rng.random(n) < 0.5, "yes", "no"),
            "size": pd.Categorical(rng.choice(["S", "M", "L"], n), categories=["S", "M", "L", "XL"]),
        }
    )


FRAMES = {
    "pandas": lambda frame: frame,
    "polars": lambda frame: pl.from_pandas(frame),
    "pyarrow": lambda frame: pa.Table.from_pandas(frame, preserve_index=False),
}


@pytest.fixture(scope="module")
def fitted() -> GMVAE:
    return GMVAE(**FAST).fit(people())


def test_columns_get_the_family_of_their_kind(fitted: GMVAE) -> None:
    assert fitted.likelihood_ == "mixed"
    assert fitted.column_likelihoods_ == {
        "age": "gaussian",
        "job": "categorical",
        "income": "gaussian",
        "member": "bernoulli",
        "size": "categorical",
    }
    levels = {name: each.tolist() for name, each in fitted.categories_.items()}
    assert levels["job"] == ["clerk", "retired", "student"]
    assert levels["member"] == ["no", "yes"]
    assert levels["size"][:3] == ["S", "M", "L"]
    assert fitted.feature_names_in_.tolist() == [*people().columns]
    assert fitted.n_features_in_ == 5


def test_samples_could_be_real(fitted: GMVAE) -> None:
    frame, labels = fitted.sample(200)
    given = people()
    assert isinstance(frame, pd.DataFrame)
    assert frame.dtypes.to_dict() | {"job": None, "member": None, "size": None} == given.dtypes.to_dict() | {
        "job": None,
        "member": None,
        "size": None,
    }
    assert set(frame["job"]) <= {"clerk", "retired", "student"}
    assert set(frame["member"]) <= {"yes", "no"}
    assert frame["size"].dtype == "category"
    for name in ("age", "income"):
        assert given[name].min() <= frame[name].min()
        assert frame[name].max() <= given[name].max()
    assert labels.shape == (200,)
    assert fitted.inverse_transform(np.zeros((3, 10))).columns.tolist() == [*given.columns]
    assert fitted.reconstruct(given).shape == given.shape


@pytest.mark.parametrize("library", FRAMES)
def test_every_library_gives_the_same_fit_and_gets_its_own_frames(library: str) -> None:
    given = people().drop(columns="size")
    frame = FRAMES[library](given)
    other = GMVAE(**FAST).fit(frame)
    assert np.array_equal(other.predict_proba(frame), GMVAE(**FAST).fit(given).predict_proba(given))
    assert type(other.sample(2)[0]) is type(frame)
    filled = other.impute(frame)
    assert type(filled) is type(frame)
    assert type(other.impute(frame, 2)[1]) is type(frame)


def test_an_array_of_objects_is_a_table_without_names() -> None:
    rows = people().astype(object).to_numpy()
    model = GMVAE(**FAST).fit(rows)
    assert [*model.column_likelihoods_.values()] == ["gaussian", "categorical", "gaussian", "bernoulli", "categorical"]
    sample, _ = model.sample(3)
    assert sample.dtype == object
    assert sample.shape == (3, 5)
    assert isinstance(sample[0, 1], str)


def test_another_month_may_have_gaps_levels_order_and_columns_of_its_own(fitted: GMVAE) -> None:
    month = people().iloc[:20].copy()
    expected = fitted.predict_proba(month)
    shuffled = month[month.columns[::-1]].assign(extra=1)
    with pytest.warns(TableWarning, match=r"Left out, as the fit did not have them: 'extra'"):
        assert np.array_equal(fitted.predict_proba(shuffled), expected)
    strange, missing = month.copy(), month.copy()
    strange.loc[0, "job"] = "pilot"
    missing.loc[0, "job"] = None
    with pytest.warns(TableWarning, match=r"Counted as missing: 1 cell of 'job' .* 'pilot'"):
        assert np.array_equal(fitted.predict_proba(strange), fitted.predict_proba(missing))
    with pytest.raises(
        ValueError, match=r"must have the columns of the training; it lacks age: add what is missing, with empty cells"
    ):
        fitted.predict(month.drop(columns="age"))


def test_impute_fills_cells_by_their_kind(fitted: GMVAE) -> None:
    frame = people()
    frame.loc[:9, "job"] = None
    frame.loc[:9, "age"] = np.nan
    filled = fitted.impute(frame)
    assert not filled.isna().any().any()
    assert set(filled["job"][:10]) <= {"clerk", "retired", "student"}
    assert filled["job"][10:].tolist() == frame["job"][10:].tolist()
    assert (filled["age"] == filled["age"].round()).all()
    rich = people().iloc[:5].assign(income=[1e6, np.nan, 2.5, 3.0, 4.0])
    assert fitted.impute(rich)["income"].tolist()[::2] == [1e6, 2.5, 4.0]  # beyond the range of the fit, but observed
    draws = fitted.impute(frame, 3)
    assert len(draws) == 3
    assert not draws[0]["age"].equals(draws[1]["age"])


def test_a_model_of_a_table_is_saved_loaded_and_copied(fitted: GMVAE, tmp_path: Path) -> None:
    fitted.save(tmp_path / "model.safetensors")
    loaded = GMVAE.load(tmp_path / "model.safetensors", device="cpu")
    assert np.array_equal(loaded.score_samples(people()), fitted.score_samples(people()))
    assert isinstance(loaded.sample(2)[0], pa.Table)
    assert np.array_equal(pickle.loads(pickle.dumps(fitted)).predict(people()), fitted.predict(people()))


def test_text_of_its_own_in_every_row_is_kept_where_the_likelihood_names_it() -> None:
    frame = pd.DataFrame({"name": [f"n{i}" for i in range(30)], "v": np.arange(30) / 7})
    with pytest.warns(TableWarning, match="to keep them as categories, name them in `likelihood` as 'categorical'\\.$"):
        GMVAE(**FAST).fit(frame)
    model = GMVAE(**FAST, likelihood={"name": "categorical"})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert model.fit(frame).column_likelihoods_ == {"name": "categorical", "v": "gaussian"}


@pytest.mark.parametrize(
    ("cells", "values"),
    [
        (pa.RunEndEncodedArray.from_arrays([2, 3], ["u", "v"]), ["u", "u", "v"]),
        (pa.RunEndEncodedArray.from_arrays([2, 3], [1.5, 2.5]), [1.5, 1.5, 2.5]),
        (pd.Categorical([(1, 2), (3, 4), (1, 2)]), [[1, 2], [3, 4], [1, 2]]),
        (np.array([10**30, None, 2], dtype=object), [str(10**30), None, "2"]),
    ],
)
def test_codes_that_arrow_does_not_compute_with(cells: Any, values: list[Any]) -> None:
    frame = pd.DataFrame({"a": cells}) if not isinstance(cells, pa.Array) else pa.table({"a": cells})
    assert as_table(frame).column("a").to_pylist() == values


@pytest.mark.parametrize("library", FRAMES)
def test_frames_of_numbers_come_back_with_types_and_ranges(library: str) -> None:
    rng = np.random.default_rng(0)
    plain = pd.DataFrame(
        {
            "age": rng.integers(18, 90, 200),
            "income": rng.lognormal(3, 1, 200).round(2),
            "height": rng.normal(size=200).astype("f4"),
            "member": rng.random(200) < 0.5,
        }
    )
    frame = FRAMES[library](plain)
    model = GMVAE(**FAST).fit(frame)
    assert np.array_equal(model.labels_, GMVAE(**FAST).fit(plain.to_numpy(dtype=float)).labels_)
    for made in (model.sample(300)[0], model.reconstruct(frame), model.inverse_transform(model.transform(frame))):
        assert type(made) is type(frame)
        table = as_table(made)
        assert table.schema.equals(as_table(frame).schema)
        for name in ("age", "income", "height"):
            made_values, values = (each.column(name).to_numpy() for each in (table, as_table(frame)))
            assert values.min() <= made_values.min()
            assert made_values.max() <= values.max()
    holes = np.array([[np.nan, 12.0, 0.0, 1.0]])
    with pytest.warns(UserWarning, match="feature names"):
        assert isinstance(model.impute(holes), np.ndarray)
    assert isinstance(GMVAE(**FAST).fit(plain.to_numpy(dtype=float)).sample(2)[0], np.ndarray)


def test_a_pandas_index_identifies_rows_of_answers(fitted: GMVAE) -> None:
    frame = people()[:9].set_index(pd.Index([f"row {i}" for i in range(9)], name="who"))
    for made in (fitted.impute(frame), fitted.reconstruct(frame), *fitted.impute(frame, 2)):
        pd.testing.assert_index_equal(made.index, frame.index)


def test_names_that_are_numbers_come_back_and_ids_are_noted() -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(40, 2))).assign(**{"id": range(40)})
    frame.columns = range(3)
    with pytest.warns(TableWarning, match=r"Perhaps an id: '2', a different .*; if it is one, leave it out\.$"):
        model = GMVAE(**FAST).fit(frame)
    assert model.sample(2)[0].columns.tolist() == [0, 1, 2]


def test_levels_of_rows_of_weight_0_alone_are_none_of_the_fit(tmp_path: Path) -> None:
    frame = people().assign(weight=1.0)
    frame.loc[3, "job"], frame.loc[3, "weight"] = "umpire", 0.0
    said = "Counted as missing: 1 cell of 'job' whose value the fit did not have: 'umpire'"
    with pytest.warns(TableWarning, match=said):
        model = GMVAE(**FAST).fit(frame.drop(columns="weight"), sample_weight=frame["weight"])
    assert model.categories_["job"].tolist() == ["clerk", "retired", "student"]
    assert len(model.labels_) == len(frame)
    frame.to_csv(tmp_path / "people.csv", index=False)
    read = load(tmp_path / "people.csv", table=TableOptions(weights="weight"))
    assert read.columns is not None
    assert [column.levels for column in read.columns if column.name == "job"] == [("clerk", "retired", "student")]
    assert any(said in note for note in read.notes)


def test_dates_and_ids_are_left_out_with_a_word() -> None:
    frame = people().assign(name=[f"person {i}" for i in range(120)], day=pd.date_range("2020", periods=120))
    with pytest.warns(TableWarning) as caught:
        model = GMVAE(**FAST).fit(frame)
    said = " ".join(str(each.message) for each in caught)
    assert "Left out: 'name'" in said
    assert "Left out: 'day'" in said
    assert [*model.column_likelihoods_] == [*people().columns]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("rows.csv", "got the text 'rows.csv': read the file"),
        ({"a": [1, 2]}, "got dictionaries: give `pandas.DataFrame"),
        ([{"a": 1}, {"a": 2}], "got dictionaries: give `pandas.DataFrame"),
        (np.zeros(3, dtype=[("a", "f8"), ("b", "f8")]), "got a structured array: give `pandas.DataFrame"),
        (pl.LazyFrame({"a": [1, 2]}), "give `X.collect"),
        (Dataset("rows", np.eye(3)), "got the data set that `load` returns: give its `X`"),
        (load_iris(), "got a Bunch of scikit-learn: give its `data`"),
        (type("AnnData", (), {})(), "got AnnData: call `gmvae.fit_anndata`"),
        (pd.DataFrame([[1, 2]], columns=["a", "a"]), "different column names; got 'a' 2 times"),
        (pd.DataFrame(), "X must have columns"),
    ],
)
def test_what_is_no_table_of_rows_is_named(rows: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GMVAE(2).fit(rows)


def test_errors_name_no_options_of_the_command_line() -> None:
    frame = people()[["age"]].astype(object)
    frame.loc[7, "age"] = "far"
    with pytest.raises(
        ValueError, match=r"got 'far' in data row 8: .* marks missing cells, or leave the column out\.$"
    ):
        GMVAE(2).fit(frame)


def test_lists_and_masked_objects_may_hold_text_and_gaps() -> None:
    rows = [[1.0, "x", None], [2.0, None, 5], [None, "y", 6]]
    for given in (rows, np.ma.masked_equal(np.array(rows, dtype=object), 2.0)):
        found = fit_observations(GMVAE(2), given, 2)
        assert found.kinds == [None, "bernoulli", None]
    assert np.isnan(np.asarray(found.y)).sum() == 4
