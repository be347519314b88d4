"""Sources that are read in parts: what one pass finds, the order of rows, and fits and answers that equal others."""

from __future__ import annotations

import json
import os
import re
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch
from numpy.typing import NDArray
from pyarrow import feather, ipc, parquet
from test_processes import outputs, processes
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.config import Config
from gmvae.data import DataError, in_parts, load
from gmvae.observations import Rows
from gmvae.runs import assignments
from gmvae.shards import ShardError, Shards, Stream, order, survey
from gmvae.training import guidance, minibatches
from gmvae.training.loop import Trainer
from gmvae.training.minibatches import Part
from gmvae.training.processes import Processes

SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "hidden_layer_sizes": (8,),
    "batch_size": 32,
    "max_iter": 3,
    "init": "random",
    "random_state": 0,
    "device": "cpu",
}
SIZES = (7, 0, 130, 1, 200, 62)


def blobs(n: int = 400, p: int = 4) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, p)) + 4.0 * rng.normal(size=(3, p))[rng.integers(0, 3, n)]).astype("f4")


def write(folder: Path, X: NDArray[Any], kind: str = "parquet", sizes: tuple[int, ...] = SIZES) -> Path:
    """Rows as files of ragged sizes, in blocks of at most 50 rows."""
    folder.mkdir(exist_ok=True)
    for number, rows in enumerate(np.split(X, np.cumsum(sizes)[:-1])):
        path = folder / f"part-{number}.{kind}"
        table = pa.table({f"c{d}": column for d, column in enumerate(rows.T)})
        if kind == "parquet":
            parquet.write_table(table, path, row_group_size=50)
        elif kind == "npy":
            np.save(path, rows)
        else:
            with ipc.new_file(path, table.schema) as writer:
                writer.write_table(table, max_chunksize=50)
    return folder


def shards(folder: Path, **options: Any) -> Shards:
    return Shards(sorted(folder.iterdir()), **options)


def quietly(model: GMVAE, X: Any, **options: Any) -> GMVAE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X, **options)


def weights(model: GMVAE) -> dict[str, NDArray[Any]]:
    return {name: value.numpy() for name, value in model.fitted_.model.state_dict().items()}


def assert_same_weights(one: GMVAE, other: GMVAE) -> None:
    for name, value in weights(other).items():
        np.testing.assert_array_equal(weights(one)[name], value, err_msg=name)


def in_the_order_of(
    numbers: Shards, monkeypatch: pytest.MonkeyPatch, rows_at: Callable[[NDArray[np.int64]], Rows]
) -> None:
    """Let fits in memory take the minibatches of a fit in parts: ``numbers`` holds the rows' numbers as its values."""
    seed_of: dict[Trainer, int] = {}
    begin = Trainer.__init__

    def noting(trainer: Trainer, *arguments: Any, **options: Any) -> None:
        begin(trainer, *arguments, **options)
        seed_of[trainer] = arguments[5]

    def rows_of_epoch(trainer: Trainer, first: int) -> Iterator[tuple[Part, Rows]]:
        stream = Stream(numbers, np.sort(trainer.split.held_out.numpy()), trainer.batch_size, seed_of[trainer])
        for step in range(first, first + trainer.steps_per_epoch):
            rows = rows_at(stream.minibatch(step)[:, 0].astype(int))
            yield Part(len(rows.y), slice(None)), rows
        stream.close()

    monkeypatch.setattr(Trainer, "__init__", noting)
    monkeypatch.setattr(Trainer, "_rows_of_epoch", rows_of_epoch)


@pytest.fixture
def small_windows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(order, "WINDOW_BYTES", 700)
    monkeypatch.setattr(order, "WINDOW_BLOCKS", 2)


@pytest.fixture
def small_sample(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)


# ---------------------------------------------------------------- one pass


@pytest.mark.parametrize("kind", ["parquet", "arrow", "npy"])
def test_one_pass_finds_what_numpy_finds(tmp_path: Path, kind: str, small_sample: None) -> None:
    X = blobs()
    X[:, 1] = np.round(X[:, 1])
    X[3, 0] = X[399, 2] = np.nan
    source = shards(write(tmp_path / "parts", X, kind))
    found = source.survey
    assert source.shape == (400, 4)
    assert source.dtype == np.float32
    Y = X.astype(np.float64)
    np.testing.assert_array_equal(found.n, (~np.isnan(X)).sum(0))
    np.testing.assert_allclose(found.mean, np.nanmean(Y, 0), rtol=1e-13)
    np.testing.assert_allclose(found.deviation, np.nanstd(Y, 0), rtol=1e-13)
    np.testing.assert_array_equal(found.low, np.nanmin(Y, 0))
    np.testing.assert_array_equal(found.high, np.nanmax(Y, 0))
    assert np.isnan(found.fraction).tolist() == [False, True, False, False]
    assert found.rows.shape == (120, 4)
    assert (np.diff(found.numbers) > 0).all()
    np.testing.assert_array_equal(found.rows, X[found.numbers])


def test_types_of_numbers(tmp_path: Path) -> None:
    """Each as float32 where that is exact, else all as float64; missing whole numbers are NaN."""
    columns = {"yes": [True, None], "small": pa.array([1, None], "int16"), "nothing": pa.nulls(2), "x": [0.5, 1.0]}
    for name, last, expected in (("a", pa.array([1.0, 2.0], "float32"), "float32"), ("b", [2**40, 1], "float64")):
        parquet.write_table(pa.table({**columns, "last": last}), tmp_path / f"{name}.parquet")
        source = Shards([tmp_path / f"{name}.parquet"], drop=["x"] if name == "a" else [])
        assert source.dtype == expected
        rows = source.read(0)
        np.testing.assert_array_equal(rows[:, :3], [[1, 1, np.nan], [np.nan, np.nan, np.nan]])
        np.testing.assert_array_equal(rows[:, -1], np.array(last, dtype="f8"))


def test_a_survey_of_large_files_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "KEPT_FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = write(tmp_path / "parts", blobs())
    first = shards(folder).survey
    monkeypatch.setattr(Shards, "read", lambda *_: pytest.fail("read again"))
    for one, other in zip(first, shards(folder).survey, strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.undo()
    monkeypatch.setattr(survey, "KEPT_FROM", 0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write(tmp_path / "parts", 2.0 * blobs())
    os.utime(folder / "part-2.parquet", ns=(1, 1))
    np.testing.assert_allclose(shards(folder).survey.mean, 2.0 * first.mean)


# ---------------------------------------------------------------- order


def test_every_row_comes_once_in_every_pass(tmp_path: Path, small_windows: None) -> None:
    numbers = np.arange(400, dtype="f4")[:, None]
    left_out = np.array([0, 8, 9, 250, 399])
    stream = Stream(shards(write(tmp_path / "parts", numbers, "npy")), left_out, 30, seed=1)
    assert stream.steps_per_pass == 395 // 30
    passes = [np.concatenate([stream.minibatch(13 * k + step).ravel() for step in range(13)]) for k in range(3)]
    for each in passes:
        assert len(np.unique(each)) == 390
        assert not set(each) & set(left_out)
    assert not np.array_equal(passes[0], passes[1])
    mixed = np.abs(np.diff(passes[0]))
    assert (mixed > 50).mean() > 0.2  # rows of several blocks stand side by side
    stream.close()


def test_the_order_depends_on_seed_and_step_alone(tmp_path: Path, small_windows: None) -> None:
    source = shards(write(tmp_path / "parts", blobs()))
    stream = Stream(source, np.arange(0, 400, 9), 16, seed=3)
    inorder = [stream.minibatch(step).copy() for step in range(70)]
    for step in (69, 0, 33, 34, 22, 21, 66):
        np.testing.assert_array_equal(stream.minibatch(step), inorder[step])
    other = Stream(source, np.arange(0, 400, 9), 16, seed=4)
    assert not np.array_equal(other.minibatch(0), inorder[0])
    other.close()
    stream.close()


# ---------------------------------------------------------------- fits


def test_a_fit_in_parts_equals_one_in_memory_with_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_windows: None
) -> None:
    """Bit for bit: the reference takes its minibatches by their numbers, which another source of numbers gives."""
    X = blobs()
    monkeypatch.setattr(guidance, "N_STEPS", 20)
    settings = {**SMALL, "init": "auto"}
    in_parts_of = quietly(GMVAE(**settings), ds.dataset(write(tmp_path / "parts", X)))
    numbers = shards(write(tmp_path / "numbers", np.repeat(np.arange(400, dtype="f4")[:, None], 4, axis=1)))
    in_the_order_of(numbers, monkeypatch, lambda chosen: Rows(torch.from_numpy(X[chosen])))
    in_memory = quietly(GMVAE(**settings), X)
    assert_same_weights(in_parts_of, in_memory)
    assert in_parts_of.lower_bounds_ == in_memory.lower_bounds_
    np.testing.assert_array_equal(in_parts_of.weights_, in_memory.weights_)
    assert list(in_parts_of.feature_names_in_) == ["c0", "c1", "c2", "c3"]
    with pytest.raises(AttributeError, match="ask `predict`, of a Dataset batch by batch"):
        in_parts_of.labels_  # noqa: B018
    for before_the_fit in (GMVAE(**settings).fit_predict, GMVAE(**settings).fit_transform):
        with pytest.raises(ValueError, match="batch by batch"):
            before_the_fit(ds.dataset(tmp_path / "parts"))
    with pytest.raises(ValueError, match="got a Scanner: give the table that it reads, or a Dataset"):
        GMVAE(**settings).fit(ds.dataset(tmp_path / "parts").scanner())
    with pytest.raises(ValueError, match="batch by batch"):
        in_parts_of.predict(ds.dataset(tmp_path / "parts"))
    batches = ds.dataset(tmp_path / "parts").to_batches()
    found = np.concatenate([in_parts_of.predict(batch.to_pandas()) for batch in batches if batch.num_rows])
    np.testing.assert_array_equal(found, in_memory.predict(X))


def test_units_are_those_of_all_rows(tmp_path: Path, small_sample: None) -> None:
    X = blobs()
    model = quietly(GMVAE(**SMALL), ds.dataset(write(tmp_path / "parts", X)))
    likelihood = model.fitted_.model.likelihood
    np.testing.assert_allclose(likelihood.shift, X.mean(0, dtype="f8"), rtol=1e-12)
    np.testing.assert_allclose(likelihood.scale, X.astype("f8").std(0), rtol=1e-12)


def test_heavy_tails_have_the_range_of_all_rows(tmp_path: Path, small_sample: None) -> None:
    X = blobs(1000)
    X[:, 2] = np.random.default_rng(1).standard_cauchy(1000)
    model = quietly(GMVAE(**SMALL), ds.dataset(write(tmp_path / "parts", X, sizes=(500, 500))))
    likelihood = model.fitted_.model.likelihood
    assert likelihood.tails.columns.tolist() == [2]
    bent = np.arcsinh((X[:, 2].astype("f8") - likelihood.tails.centre.item()) / likelihood.tails.spread.item())
    np.testing.assert_allclose(likelihood.tails.low, bent.min() - 1.0)
    np.testing.assert_allclose(likelihood.tails.high, bent.max() + 1.0)
    np.testing.assert_allclose(likelihood.scale[[0, 1, 3]], X[:, [0, 1, 3]].astype("f8").std(0), rtol=1e-12)


def rare(X: NDArray[Any], value: float, sampled: NDArray[Any]) -> NDArray[Any]:
    """X with a value in a row that is not in the sample."""
    X = X.copy()
    X[np.setdiff1d(np.arange(len(X)), sampled)[0], 0] = value
    return X


def test_one_value_beyond_the_sample_decides_the_likelihood(tmp_path: Path, small_sample: None) -> None:
    answers = (blobs() > 0).astype("f4")
    sampled = shards(write(tmp_path / "yes", answers)).survey.numbers
    for name, value, expected in (("yes", 1.0, "bernoulli"), ("gap", np.nan, "mixed"), ("two", 2.0, "mixed")):
        folder = write(tmp_path / name, rare(answers, value, sampled))
        model = quietly(GMVAE(**{**SMALL, "max_iter": 1}), ds.dataset(folder))
        assert model.likelihood_ == expected
    assert model.column_likelihoods_ == {"c0": "gaussian", "c1": "bernoulli", "c2": "bernoulli", "c3": "bernoulli"}
    counts = np.random.default_rng(0).poisson(3.0, (400, 4)).astype("f4")
    folder = write(tmp_path / "counts", rare(counts, 0.5, sampled))
    with pytest.raises(ValueError, match=r"whole numbers .* got 0\.5 in column 'c0'"):
        GMVAE(likelihood="poisson", **SMALL).fit(ds.dataset(folder))


def test_a_resumed_fit_equals_one_that_was_not_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, small_windows: None
) -> None:
    """Epochs end, and begin again, within a pass."""
    monkeypatch.setattr(minibatches, "MAX_STEPS_IN_PARTS", 5)
    data = ds.dataset(write(tmp_path / "parts", blobs()))
    settings = {**SMALL, "max_iter": 6}
    whole = quietly(GMVAE(**settings), data)
    assert whole.n_iter_ == 6

    def stop(model: GMVAE) -> None:
        if model.n_iter_ == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quietly(GMVAE(**settings), data, run_dir=tmp_path / "run", on_epoch=stop)
    resumed = quietly(GMVAE(**settings), data, run_dir=tmp_path / "run", resume=True)
    assert_same_weights(resumed, whole)
    other = ds.dataset(write(tmp_path / "other", blobs()[::-1]))
    with pytest.raises(ValueError, match="as in the run to resume"):
        GMVAE(**settings).fit(other, run_dir=tmp_path / "run", resume=True)


def test_auto_bounds_steps() -> None:
    config = Config(batch_size=128)
    steps = minibatches.steps_for(config, 10**9, in_parts=True)
    assert steps.epochs * steps.per_epoch == 100_000
    assert minibatches.steps_for(config, 10**6).per_epoch == 10**6 // 128


# ---------------------------------------------------------------- what cannot be


def gone(path: Path) -> None:
    path.unlink()


def shorter(path: Path) -> None:
    parquet.write_table(parquet.read_table(path)[:60], path, row_group_size=50)


def retyped(path: Path) -> None:
    table = parquet.read_table(path)
    parquet.write_table(table.set_column(0, "c0", table.column(0).cast("string")), path, row_group_size=50)


@pytest.mark.parametrize(
    ("change", "says"), [(gone, "it is gone"), (shorter, "been changed"), (retyped, "been changed")]
)
def test_a_shard_that_changes_is_named(tmp_path: Path, change: Callable[[Path], None], says: str) -> None:
    folder = write(tmp_path / "parts", blobs())

    def on_epoch(model: GMVAE) -> None:
        if model.n_iter_ == 1:
            change(folder / "part-4.parquet")

    with pytest.raises(ShardError, match=rf"part-4\.parquet.*{says}"):
        quietly(GMVAE(**{**SMALL, "max_iter": 50}), ds.dataset(folder), on_epoch=on_epoch)


def test_what_cannot_be_read_is_said_in_a_sentence(tmp_path: Path) -> None:
    X = blobs()
    text = tmp_path / "text"
    text.mkdir()
    lists = pa.array([[0], [1]])
    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": lists}), text / "0.parquet")
    with pytest.raises(DataError, match=r"columns of numbers, truth values or text.*'b' of type list.*--drop"):
        load(f"{text}/*.parquet")
    with pytest.raises(ValueError, match="columns of numbers, truth values or text"):
        GMVAE(**SMALL).fit(ds.dataset(text))
    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": lists, "c": ["x", "y"]}), text / "0.parquet")
    with pytest.raises(DataError, match=r"'b' must hold numbers, truth values or text .*; got values of type list"):
        load(f"{text}/*.parquet")
    parquet.write_table(pa.table({"a": [1.0]}), text / "1.parquet")
    with pytest.raises(DataError, match="same columns"):
        load(f"{text}/*.parquet")
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "0.npy").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"0\.npy must be a Parquet"):
        load(tmp_path / "broken")
    for value, says in ((np.inf, r"got infinity, in row 3 of part-2\.npy"), (np.nan, "a value in every row")):
        X[9] = value
        with pytest.raises(DataError, match=says):
            load(write(tmp_path / "bad", X, "npy"))
    X = blobs()
    X[:, 2] = np.nan
    with pytest.raises(DataError, match="none in column 2"):
        load(write(tmp_path / "bad", X, "npy"))
    with pytest.raises(DataError, match="`--labels` must name a column"):
        load(write(tmp_path / "good", blobs(), "npy"), labels="c0")


def test_datasets_that_are_more_than_their_files_are_refused(tmp_path: Path) -> None:
    data = ds.dataset(write(tmp_path / "parts", blobs()))
    with pytest.raises(ValueError, match="without a filter"):
        GMVAE(**SMALL).fit(data.filter(ds.field("c0") > 0))
    ds.write_dataset(
        data, tmp_path / "by", format="parquet", partitioning=["c3"], partitioning_flavor="hive", max_partitions=1024
    )
    with pytest.raises(ValueError, match="'c3', which is in names of folders"):
        GMVAE(**SMALL).fit(ds.dataset(tmp_path / "by", partitioning="hive"))
    with pytest.raises(ValueError, match="Parquet or Arrow IPC files; got InMemoryDataset"):
        GMVAE(**SMALL).fit(ds.dataset(data.to_table()))


# ---------------------------------------------------------------- command line


def invoke(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_tables_are_read_in_parts_for_their_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write(tmp_path / "parts", blobs())
    assert load(folder).shards is None
    assert load(f"{folder}/*.parquet").shards is not None
    (folder / "README.txt").write_text("not a table")
    (folder / "_SUCCESS").touch()
    monkeypatch.setattr(in_parts, "SHARE_OF_MEMORY", 0.0)
    for source in (folder, folder / "part-2.parquet"):
        data = load(source)
        assert data.shards is not None
        assert data.shape == (data.shards.shape[0], 4)
        assert f"{data.shape[0]} rows of 4 columns" in data.notes[0]


def test_one_file_of_arrow_is_read_in_parts(tmp_path: Path) -> None:
    table = pa.table({"a": [1.0, 2.0, 3.0], "b": [1, 0, 1]})
    feather.write_feather(table, str(tmp_path / "t.feather"))
    data = load(tmp_path / "t.feather")
    assert data.shards is not None
    np.testing.assert_array_equal(data.X, [[1, 1], [2, 0], [3, 1]])
    parquet.write_table(pa.table([[1.0], [2.0]], names=["a", "a"]), tmp_path / "t.parquet")
    with pytest.raises(ValueError, match=r"t.parquet must be .* that can be read; got: two columns named 'a'"):
        load(f"{tmp_path}/*.parquet")


def test_fit_and_predict_write_a_part_for_every_file(tmp_path: Path, small_sample: None) -> None:
    X, run, out = blobs(), tmp_path / "run", tmp_path / "out"
    folder = write(tmp_path / "parts", X, "npy")
    options = [
        "--epochs",
        2,
        "--set",
        "hidden_layer_sizes=8",
        "--set",
        "latent_dim=2",
        "--set",
        "init=random",
        "--device",
        "cpu",
        "--no-report",
    ]
    said = json.loads(
        CliRunner().invoke(app, ["fit", str(folder), "-k", "3", "-o", str(run), *map(str, options), "--json"]).stdout
    )
    assert said["n"] == 400
    model = GMVAE.load(run / "model.safetensors", device="cpu")
    expected = model.predict_proba(X)
    parts = sorted((run / "assignments").iterdir())
    assert [part.name for part in parts] == [f"part-0000{number}.parquet" for number in range(6)]
    tables = [parquet.read_table(part) for part in parts]
    assert [table.num_rows for table in tables] == list(SIZES)
    found = pa.concat_tables(tables)
    np.testing.assert_array_equal(np.column_stack([found.column(f"p_{k}") for k in range(3)]), expected)
    np.testing.assert_array_equal(found.column("label"), expected.argmax(1))
    np.testing.assert_array_equal(tables[2].column("row"), np.arange(1, 131))
    assert load(folder).name == "parts, 120 of 400 rows"

    said = invoke("predict", run, folder, "-o", out, "--embedding")
    sizes = ", ".join(f"{k}: {(expected.argmax(1) == k).sum()}" for k in range(3))
    assert f"Wrote 6 parts, 400 rows; 0 were there.\nRows of the clusters in them: {sizes}." in said
    before = {part.name: part.stat().st_mtime_ns for part in out.iterdir()}
    (out / "part-00002.parquet").unlink()
    said = invoke("predict", run, folder, "-o", out, "--embedding")
    assert f"Wrote 1 parts, 130 rows; 5 were there.\nRows of the clusters in them: {sizes}." in said
    assert all(
        part.stat().st_mtime_ns == before[part.name] for part in out.iterdir() if part.name != "part-00002.parquet"
    )
    assert "Wrote 6 parts" in invoke("predict", run, folder, "-o", out, "--likelihood")  # another question
    likelihood = pa.concat_tables(map(parquet.read_table, sorted(out.iterdir()))).column("log_likelihood")
    np.testing.assert_allclose(likelihood, model.score_samples(X), rtol=1e-5)
    result = CliRunner().invoke(app, ["predict", str(run), str(folder), "-o", str(tmp_path / "all.csv")])
    assert result.exit_code == 2
    assert "must be a folder" in result.output


def test_processes_divide_the_files(tmp_path: Path) -> None:
    files = sorted(write(tmp_path / "parts", blobs()).iterdir())
    fitted = quietly(GMVAE(**SMALL), blobs()).fitted_
    asked = assignments.cluster_outputs(fitted)
    written = [
        assignments.write_parts(fitted, files, asked, tmp_path / "out", processes=Processes(k, 4)) for k in range(4)
    ]
    assert [each.written for each in written] == [2, 2, 1, 1]
    assert sum(each.rows for each in written) == 400
    sizes = np.sum([each.sizes for each in written], axis=0)
    np.testing.assert_array_equal(sizes, np.bincount(fitted.proba(blobs()).argmax(1), minlength=3))


def test_parts_of_tables_with_categories_are_answered(tmp_path: Path) -> None:
    rng, folder = np.random.default_rng(0), tmp_path / "parts"
    folder.mkdir()
    table = pa.table({"x": rng.normal(size=200), "colour": rng.choice(["red", "blue"], 200)})
    for number in range(2):
        parquet.write_table(table[100 * number : 100 * number + 100], folder / f"{number}.parquet", row_group_size=40)
    model = quietly(GMVAE(**SMALL), table.to_pandas())
    model.save(tmp_path / "model.safetensors")
    invoke("predict", tmp_path / "model.safetensors", folder, "-o", tmp_path / "out", "--device", "cpu")
    found = pa.concat_tables(map(parquet.read_table, sorted((tmp_path / "out").iterdir())))
    np.testing.assert_array_equal(found.column("label"), model.labels_)


def test_two_processes_fit_as_one(tmp_path: Path) -> None:
    """From files whose blocks both read, with some labels; of the files of assignments each writes its share."""
    folder = write(tmp_path / "parts", blobs())
    for path in folder.iterdir():
        table = parquet.read_table(path)
        some = pa.array([row % 3 if row % 9 < 3 else None for row in range(len(table))], pa.int64())
        parquet.write_table(table.append_column("class", some), path, row_group_size=50)
    options = ["-k", 3, "--epochs", 3, "--precision", "64-true", "--device", "cpu", "--no-report", "--json"]
    options += ["--partial-labels", "class"]
    options += [each for name in ("hidden_layer_sizes=8", "latent_dim=2", "init=random") for each in ("--set", name)]
    one, two = ([*map(str, ["fit", f"{folder}/*.parquet", *options, "-o", tmp_path / name])] for name in ("one", "two"))
    for code, _, said in outputs(processes(2, ["-m", "gmvae", *two])):
        assert code == 0, said
    assert CliRunner().invoke(app, one).exit_code == 0
    alone, together = (GMVAE.load(tmp_path / name / "model.safetensors", device="cpu") for name in ("one", "two"))
    for name, value in weights(alone).items():
        np.testing.assert_allclose(weights(together)[name], value, rtol=1e-9, atol=1e-12, err_msg=name)
    for number in range(6):
        tables = [
            parquet.read_table(tmp_path / name / "assignments" / f"part-0000{number}.parquet")
            for name in ("one", "two")
        ]
        assert tables[0].column("label").equals(tables[1].column("label"))
    assert sum(json.loads(invoke("info", tmp_path / "two", "--json"))["cluster_sizes"]) == 400


def test_python_of_the_page_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On files of this test, with one epoch; what the function for other engines gives are the clusters."""
    monkeypatch.chdir(tmp_path)
    X = blobs()
    write(tmp_path / "parts", X)
    page = (Path(__file__).resolve().parents[1] / "docs" / "scale.md").read_text(encoding="utf-8")
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE))
    short = "GMVAE(max_iter=1, hidden_layer_sizes=(8,), init='random', "
    names: dict[str, Any] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        exec(compile(code.replace("GMVAE(", short, 1), "docs/scale.md", "exec"), names)
        expected = names["model"].predict(X)
    np.testing.assert_array_equal(names["found"]["label"], expected)
