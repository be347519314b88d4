"""Columns beside the rows of a source in parts: how much every row counts, and what identifies it."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from numpy.typing import NDArray
from pyarrow import parquet
from pyarrow.dataset import dataset
from test_shards import SIZES, SMALL, blobs, in_the_order_of, invoke, quietly, shards

from gmvae import GMVAE
from gmvae.data import DataError, load
from gmvae.data.options import TableOptions
from gmvae.observations import Rows, sampled
from gmvae.shards import Shards, survey


def weighted(folder: Path, *, gaps: bool = False) -> tuple[Path, NDArray[Any], NDArray[Any]]:
    """Rows as files with weights and names beside them; and both."""
    X, much = blobs(), np.random.default_rng(1).uniform(0.5, 4.0, 400)
    if gaps:
        X[::7, 1] = np.nan
    folder.mkdir()
    ends = np.cumsum([0, *SIZES])
    for number, (first, end) in enumerate(pairwise(ends)):
        columns: dict[str, Any] = {f"c{d}": column for d, column in enumerate(X[first:end].T)}
        columns |= {"much": much[first:end], "key": pa.array([f"row-{row}" for row in range(first, end)], pa.string())}
        parquet.write_table(pa.table(columns), folder / f"part-{number}.parquet", row_group_size=50)
    return folder, X, much


def named(X: NDArray[Any]) -> pd.DataFrame:
    return pd.DataFrame(X, columns=[f"c{d}" for d in range(4)])


@pytest.mark.parametrize("gaps", [False, True])
def test_moments_are_weighted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, gaps: bool) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)
    folder, X, much = weighted(tmp_path / "parts", gaps=gaps)
    found = shards(folder, drop=["key"], weights="much").survey
    masked = np.ma.masked_invalid(X.astype("f8"))
    mean = np.ma.average(masked, axis=0, weights=much)
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.deviation, np.sqrt(np.ma.average((masked - mean) ** 2, axis=0, weights=much)))
    np.testing.assert_array_equal(found.n, (~np.isnan(X)).sum(0))
    np.testing.assert_allclose(found.weight, much[found.numbers] / much.mean())


def test_a_fit_counts_rows_as_one_in_memory_with_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reference takes minibatches and weights by numbers of rows, which another source of numbers gives."""
    folder, X, much = weighted(tmp_path / "parts")
    options = ["-k", 3, "--epochs", 3, "--device", "cpu", "-q", "--no-report", "--weights", "much", "--drop", "key"]
    options += [f"--set={name}={SMALL[name]}" for name in ("latent_dim", "batch_size", "init")]
    run = tmp_path / "run"
    invoke("fit", f"{folder}/*.parquet", *options, "--set=hidden_layer_sizes=8", "-o", run)
    in_parts = GMVAE.load(run / "model.safetensors", device="cpu")
    (tmp_path / "numbers").mkdir()
    for number, rows in enumerate(np.split(np.arange(400, dtype="f4")[:, None], np.cumsum(SIZES)[:-1])):
        table = pa.table({"c0": rows[:, 0]})
        parquet.write_table(table, tmp_path / "numbers" / f"part-{number}.parquet", row_group_size=50)
    numbers = shards(tmp_path / "numbers")

    def rows_at(chosen: NDArray[np.int64]) -> Rows:
        return Rows(torch.from_numpy(X[chosen]), torch.from_numpy(much[chosen] / much.mean()).float())

    in_the_order_of(numbers, monkeypatch, rows_at)
    in_memory = quietly(GMVAE(**SMALL), X, sample_weight=much)
    np.testing.assert_allclose(in_parts.weights_, in_memory.weights_, rtol=1e-5)
    np.testing.assert_allclose(in_parts.predict_proba(named(X)), in_memory.predict_proba(X), rtol=1e-4, atol=1e-6)
    assert in_parts.lower_bound_ == pytest.approx(in_memory.lower_bound_, rel=1e-5)


def test_weights_that_cannot_be_are_named(tmp_path: Path) -> None:
    folder, *_ = weighted(tmp_path / "parts")
    table = parquet.read_table(folder / "part-2.parquet")
    place = table.column_names.index("much")
    for value in (0.0, -1.0, np.nan):
        column = table.column("much").to_numpy().copy()
        column[3] = value
        parquet.write_table(table.set_column(place, "much", [column]), folder / "part-2.parquet", row_group_size=50)
        with pytest.raises(DataError, match=r"a weight above 0 in every row; got .*, in row 4 of part-2.parquet"):
            load(f"{folder}/*.parquet", table=TableOptions(weights="much", drop=("key",)))
    with pytest.raises(DataError, match="`--weights` must name a column of numbers; got 'key', of type string in part"):
        load(f"{folder}/*.parquet", table=TableOptions(weights="key", drop=("much",)))


def test_equal_weights_are_none(tmp_path: Path) -> None:
    folder, *_ = weighted(tmp_path / "parts")
    source = Shards(sorted(folder.iterdir()), drop=["key", "much"])
    assert sampled(source, 3).weight is None


def test_ids_stand_in_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)
    folder, X, _ = weighted(tmp_path / "parts")
    data = load(f"{folder}/*.parquet", table=TableOptions(id="key", drop=("much",)))
    assert data.ids is not None
    assert data.shards is not None
    assert data.ids.name == "key"
    assert data.ids.values.tolist() == [f"row-{row}" for row in data.shards.survey.numbers]
    options = ["-k", 3, "--epochs", 1, "--device", "cpu", "-q", "--id", "key", "--drop", "much"]
    run, out = tmp_path / "run", tmp_path / "out"
    invoke("fit", f"{folder}/*.parquet", *options, "--set=hidden_layer_sizes=8", "--set=init=random", "-o", run)
    invoke("predict", run, f"{folder}/*.parquet", "-o", out, "--device", "cpu")
    model = GMVAE.load(run / "model.safetensors", device="cpu")
    for written in (run / "assignments", out):
        table = pa.concat_tables(map(parquet.read_table, sorted(written.glob("*.parquet"))))
        assert table.column_names[:2] == ["key", "label"]
        assert table.column("key").to_pylist() == [f"row-{row}" for row in range(400)]
        np.testing.assert_array_equal(table.column("label"), model.predict(named(X)))
    assert "row-" in (run / "report.html").read_text(encoding="utf-8")


def test_a_pandas_index_identifies_rows(tmp_path: Path) -> None:
    folder, *_ = weighted(tmp_path / "parts")
    for path in folder.iterdir():
        table = parquet.read_table(path)
        if not len(table):  # as older pandas has it
            table = table.set_column(table.column_names.index("key"), "key", pa.nulls(0))
        table.to_pandas().set_index("key").drop(columns="much").to_parquet(path)
    for options in (TableOptions(), TableOptions(id="key")):
        ids = load(f"{folder}/*.parquet", table=options).ids
        assert ids is not None
        assert (ids.name, ids.values.tolist()) == ("key", [f"row-{row}" for row in range(400)])
    options = ["-k", 3, "--epochs", 1, "--device", "cpu", "-q", "--no-report"]
    invoke(
        "fit", f"{folder}/*.parquet", *options, "--set=hidden_layer_sizes=8", "--set=init=random", "-o", tmp_path / "r"
    )
    invoke("predict", tmp_path / "r", f"{folder}/*.parquet", "-o", tmp_path / "out", "--device", "cpu")
    for written in (tmp_path / "r/assignments", tmp_path / "out"):
        table = pa.concat_tables(map(parquet.read_table, sorted(written.glob("*.parquet"))))
        assert table.column("key").to_pylist() == [f"row-{row}" for row in range(400)]


def test_a_covariate_is_refused_where_rows_are_read_in_parts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)
    counts = pa.table({"a": np.arange(400) % 7, "b": np.arange(400) % 5, "lane": np.arange(400) % 2})
    parquet.write_table(counts, tmp_path / "counts.parquet", row_group_size=100)
    model = GMVAE(2, likelihood="poisson", size_factors="total", covariate="lane")
    with pytest.raises(ValueError, match="`covariate` must be None for rows that are read in parts; got 'lane'"):
        model.fit(dataset(tmp_path))
