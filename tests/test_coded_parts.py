"""Tables with text and categories that are read in parts: as the same table in memory."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from pyarrow import parquet
from test_shards import SMALL, invoke, quietly, weights

from gmvae import GMVAE
from gmvae.data import DataError, load
from gmvae.shards import survey

N = 400


def people() -> pd.DataFrame:
    """Numbers, whole numbers, truth values, text with gaps, a category, and text that is different in every row."""
    rng = np.random.default_rng(0)
    group = rng.integers(0, 3, N)
    frame = pd.DataFrame(
        {
            "height": rng.normal(group * 4.0, 1.0).astype("f4"),
            "town": np.array(["Bern", "Rom", " Wien"])[np.where(rng.random(N) < 0.8, group, rng.integers(0, 3, N))],
            "visits": rng.poisson(30, N),
            "member": rng.random(N) < 0.2 + 0.3 * group,
            "size": pd.Categorical(np.array(["s", "m"])[rng.integers(0, 2, N)]),
            "name": [f"person {i}" for i in range(N)],
        }
    )
    frame.loc[::9, "town"] = None
    frame.loc[:, "town"] = frame["town"].where(frame.index != N - 1, "Zug")  # in the last row of the last file alone
    return frame


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "parts"
    folder.mkdir()
    table = pa.Table.from_pandas(people(), preserve_index=False)
    for number, (first, n) in enumerate(((0, 150), (150, 0), (150, 250))):
        parquet.write_table(table.slice(first, n), folder / f"part-{number}.parquet", row_group_size=40)
    return folder


def test_levels_and_codes_are_those_of_the_table_in_memory(folder: Path) -> None:
    in_parts = load(f"{folder}/*.parquet")
    parquet.write_table(pa.Table.from_pandas(people(), preserve_index=False), folder.parent / "whole.parquet")
    whole = load(folder.parent / "whole.parquet")
    assert in_parts.columns is not None
    assert whole.columns is not None
    assert in_parts.columns.names == whole.columns.names == ("height", "town", "visits", "member", "size")
    for found, expected in zip(in_parts.columns, whole.columns, strict=True):
        assert (found.kind, found.digits) == (expected.kind, expected.digits)
        assert [*found.levels] == sorted(expected.levels)
        assert (found.low, found.high) == pytest.approx((expected.low, expected.high))
    np.testing.assert_array_equal(in_parts.X[:, :4], whole.X[:, :4].astype("f8"))
    np.testing.assert_array_equal(in_parts.X[:, 4], (people()["size"] == "s").astype("f8"))  # m, s: as text is sorted
    assert any("nearly every row has a text of its own" in note and "'name'" in note for note in in_parts.notes)


def test_numbers_in_text_and_as_categories_are_as_in_memory(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "weight": rng.normal(size=N).astype("f4"),
            "doors": pd.Categorical(rng.choice([3, 5, 9], N)),
            "new": pd.Categorical(rng.choice([True, False], N)),
            "litres": pd.Categorical(rng.choice([0.5, 1.5, 2.5], N)),
            "grade": pd.Categorical(rng.choice(["1", "2", "3"], N)),
            "zip": rng.choice(["00012", "03400", "99999"], N),
            "mileage": (2**30 + rng.integers(0, 200, N)).astype(str),
            "price": [f"$ {value:,.2f}" for value in rng.uniform(0, 9999, N)],
            "word": rng.choice(["1", "two", "three"], N),
        }
    )
    frame.loc[3, "mileage"], frame.loc[5, "price"] = "?", None
    (tmp_path / "parts").mkdir()
    for first in range(0, N, 100):
        frame[first : first + 100].to_parquet(tmp_path / "parts" / f"{first}.parquet", index=False, row_group_size=40)
    frame.to_parquet(tmp_path / "whole.parquet", index=False)
    in_parts, whole = load(f"{tmp_path}/parts/*.parquet"), load(tmp_path / "whole.parquet")
    assert in_parts.columns is not None
    assert whole.columns is not None
    known = ("name", "kind", "dtype", "levels", "declared", "low", "high")
    for found, expected in zip(in_parts.columns, whole.columns, strict=True):
        assert [getattr(found, each) for each in known] == [getattr(expected, each) for each in known]
    np.testing.assert_array_equal(in_parts.X, whole.X)
    assert in_parts.notes[1:] == whole.notes
    odd = pd.DataFrame({"mileage": [*map(str, range(50)), "far", *map(str, range(50))]})
    odd.to_parquet(tmp_path / "odd.parquet", index=False, row_group_size=40)
    with pytest.raises(DataError, match=r"odd.parquet, from row 41 on, column 'mileage', .* got 'far' in data row 11:"):
        load(f"{tmp_path}/odd*.parquet")


def test_a_fit_knows_levels_beyond_the_sample_and_answers(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)
    run, out = folder.parent / "run", folder.parent / "out"
    small = [f"--set={name}={SMALL[name]}" for name in ("latent_dim", "batch_size", "init")]
    options = ["-k", 3, "--epochs", 2, "--device", "cpu", "-q", "--set=hidden_layer_sizes=8", *small]
    invoke("fit", f"{folder}/*.parquet", *options, "-o", run)
    model = GMVAE.load(run / "model.safetensors", device="cpu")
    assert model.categories_["town"].tolist() == ["Bern", "Rom", "Wien", "Zug"]
    assert model.column_likelihoods_ == {
        "height": "gaussian",
        "town": "categorical",
        "visits": "gaussian",
        "member": "bernoulli",
        "size": "bernoulli",
    }
    invoke("predict", run, folder, "-o", out, "--device", "cpu")
    found = [
        pa.concat_tables(map(parquet.read_table, sorted(written.iterdir()))).column("label").to_numpy()
        for written in (run / "assignments", out)
    ]
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], model.predict(people()))
    assert "cluster,name,rows" in invoke("describe", run, f"{folder}/*.parquet")
    assert (run / "report.html").stat().st_size > 0


def test_a_dataset_of_arrow_with_categories(folder: Path) -> None:
    settings: dict[str, Any] = {**SMALL, "max_iter": 2}
    model = quietly(GMVAE(**settings), ds.dataset(folder, format="parquet"))
    again = quietly(GMVAE(**settings), ds.dataset(folder, format="parquet"))
    for name, value in weights(model).items():
        np.testing.assert_array_equal(weights(again)[name], value)
    assert model.feature_names_in_.tolist() == ["height", "town", "visits", "member", "size"]
    drawn, _ = model.sample(50)
    assert set(drawn.column("town").to_pylist()) <= {"Bern", "Rom", "Wien", "Zug", None}
    assert model.predict(people()).shape == (N,)


def test_dates_decimals_and_columns_without_values_are_as_in_memory(tmp_path: Path) -> None:
    days = pa.array(range(40), pa.date32())
    table = pa.table({"v": np.arange(40) / 7, "price": [Decimal("1.25"), Decimal("2.50")] * 20, "day": days})
    parts = [
        table.append_column("town", pa.nulls(40)).append_column("n", pa.nulls(40)),
        table.append_column("town", pa.array(["Bern", "Rom"] * 20)).append_column("n", pa.array([1, 2, 3, 4] * 10)),
    ]
    (tmp_path / "parts").mkdir()
    for number, part in enumerate(parts):
        parquet.write_table(part, tmp_path / "parts" / f"{number}.parquet")
    in_parts, whole = load(f"{tmp_path}/parts/*.parquet"), load(tmp_path / "parts")
    np.testing.assert_array_equal(in_parts.X, whole.X)
    assert in_parts.columns is not None
    assert whole.columns is not None
    assert [column[:4] for column in in_parts.columns] == [column[:4] for column in whole.columns]
    assert [note[:17] for note in in_parts.notes[1:]] == ["Left out: 'day', "]
    for number, part in enumerate(parts):  # numbers alone
        parquet.write_table(part.select(["v", "price", "n"]), tmp_path / "parts" / f"{number}.parquet")
    np.testing.assert_array_equal(load(f"{tmp_path}/parts/*.parquet").X, load(tmp_path / "parts").X)


def test_decimals_and_possible_ids_are_as_in_memory(folder: Path) -> None:
    frame = people().assign(number=range(1000, 1000 + N), price=lambda frame: frame["height"].astype("f8").round(2))
    for part in folder.iterdir():
        part.unlink()
    for number in range(2):
        frame[number * 150 : N if number else 150].to_parquet(folder / f"{number}.parquet", index=False)
    in_parts, whole = load(f"{folder}/*.parquet"), load(folder)
    assert in_parts.columns is not None
    assert whole.columns is not None
    assert [column.digits for column in in_parts.columns] == [column.digits for column in whole.columns]
    (note,) = [note for note in whole.notes if note.startswith("Perhaps an id: 'number',")]
    assert note in in_parts.notes
    for number in range(2):  # numbers alone
        part = frame[number * 150 : N if number else 150][["number", "price"]]
        part.to_parquet(folder / f"{number}.parquet", index=False)
    assert note in load(f"{folder}/*.parquet").notes


def test_text_in_some_files_only_is_refused(folder: Path) -> None:
    frame = people().assign(town=np.arange(N))
    parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), folder / "part-9.parquet")
    with pytest.raises(DataError, match=r"'town' must be of one kind in all files; got text, and int64 in part-9"):
        load(f"{folder}/*.parquet")
