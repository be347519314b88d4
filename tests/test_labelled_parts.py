"""Labels of sources that are read in parts: partial ones, which guide the fit, and those for evaluation."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
import torch
from numpy.typing import NDArray
from pyarrow import parquet
from test_shards import SIZES, SMALL, assert_same_weights, blobs, in_the_order_of, invoke, quietly, shards, weights
from typer.testing import CliRunner

from gmvae import GMVAE, metrics
from gmvae.cli import app
from gmvae.data import DataError, labelled_parts, load
from gmvae.data.columns import Columns
from gmvae.data.kinds import Column
from gmvae.data.labelled_parts import learn_classes
from gmvae.data.options import TableOptions
from gmvae.observations import Rows, sampled
from gmvae.shards import Shards, survey
from gmvae.training import guidance
from gmvae.training.minibatches import Split, stream_of

NAMES = ("ash", "elm", "oak")
OPTIONS: list[Any] = [
    *("-k", 3, "--epochs", 3, "--device", "cpu", "--no-report"),
    *(f"--set={name}={SMALL[name]}" for name in ("latent_dim", "batch_size", "init")),
    "--set=hidden_layer_sizes=8",
]


def kinds() -> NDArray[Any]:
    """Which of three clusters a row of `blobs` is of, in the order of their first values."""
    centres = 4.0 * np.random.default_rng(1).normal(size=(3, 4))
    return ((blobs()[:, None] - centres) ** 2).sum(2).argmin(1)


def some(every: int = 8) -> NDArray[Any]:
    """The names of the clusters of a share of the rows; others are unknown."""
    names = np.array(NAMES, dtype=object)[kinds()]
    names[np.arange(400) % every > 0] = None
    return names


def write(folder: Path, X: NDArray[Any], **beside: Any) -> Path:
    """Rows as ragged files in blocks of 50, with columns beside them."""
    folder.mkdir()
    for number, (first, end) in enumerate(pairwise(np.cumsum([0, *SIZES]))):
        columns = {f"c{d}": pa.array(column) for d, column in enumerate(X[first:end].T)}
        columns |= {name: pa.array(values[first:end].tolist(), kind) for name, (values, kind) in beside.items()}
        parquet.write_table(pa.table(columns), folder / f"part-{number}.parquet", row_group_size=50)
    return folder


def labelled(folder: Path) -> Path:
    much = np.random.default_rng(1).uniform(0.5, 4.0, 400)
    return write(
        folder,
        blobs(),
        some=(some(), pa.string()),
        kind=(kinds(), pa.int64()),
        much=(much, pa.float64()),
    )


def source_of(folder: Path, column: str = "some", drop: tuple[str, ...] = ("kind", "much"), **more: Any) -> Shards:
    return shards(folder, drop=drop, partial_labels=column, learn_classes=learn_classes, **more)


def test_the_sample_has_the_rows_of_known_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Their weights make the sample's means those of a random one."""
    monkeypatch.setattr(survey, "MAX_SAMPLE", 120)
    folder = labelled(tmp_path / "parts")
    known = np.flatnonzero(some() != None)  # noqa: E711
    source = source_of(folder)
    assert source.classes is not None
    assert source.classes.names == list(NAMES)
    assert source.classes.n_rows == len(known) == 50
    found = source.survey
    assert np.isin(known, found.numbers).all()
    np.testing.assert_array_equal(found.rows, blobs()[found.numbers])
    names = np.array([*NAMES, None], dtype=object)
    np.testing.assert_array_equal(names[found.label], some()[found.numbers])
    assert found.weight.mean() == pytest.approx(1.0)
    assert found.weight[found.label >= 0].sum() / found.weight.sum() == pytest.approx(50 / 400)
    others = found.weight[found.label < 0]
    assert (others == others[0]).all()

    monkeypatch.setattr(labelled_parts, "MAX_LABELLED", 5)
    few = source_of(folder)
    assert few.classes is not None
    assert few.classes.n_rows == 50
    assert len(few.classes.rows) == 5
    assert 120 <= len(few.survey.rows) <= 125
    weighted = source_of(folder, drop=("kind",), weights="much").survey
    assert weighted.mean_weight == pytest.approx(np.mean(parquet_column(folder, "much")))


def parquet_column(folder: Path, name: str) -> NDArray[Any]:
    tables = [parquet.read_table(path) for path in sorted(folder.iterdir())]
    return np.array(pa.concat_tables(tables).column(name).to_pylist())


@pytest.mark.parametrize("bound", ["exact", "paper"])
def test_a_labelled_fit_equals_one_in_memory_with_the_same_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bound: str
) -> None:
    """Bit for bit; the reference takes minibatches and their labels by numbers of rows."""
    monkeypatch.setattr(guidance, "N_STEPS", 20)
    X, label = blobs(), np.array([-1 if name is None else NAMES.index(name) for name in some()])
    settings = {**SMALL, "init": "auto", "bound": bound}
    data = ds.dataset(write(tmp_path / "parts", X, some=(some(), pa.string())))
    in_parts = quietly(GMVAE(**settings), data, partial_labels="some")
    numbers = shards(write(tmp_path / "numbers", np.repeat(np.arange(400, dtype="f4")[:, None], 4, axis=1)))

    def rows_at(chosen: NDArray[np.int64]) -> Rows:
        return Rows(torch.from_numpy(X[chosen]), None, torch.from_numpy(label[chosen]))

    in_the_order_of(numbers, monkeypatch, rows_at)
    in_memory = quietly(GMVAE(**settings), X, partial_labels=some())
    assert_same_weights(in_parts, in_memory)
    assert in_parts.lower_bounds_ == in_memory.lower_bounds_
    assert in_parts.classes_.tolist() == in_memory.classes_.tolist() == list(NAMES)
    np.testing.assert_array_equal(in_parts.weights_, in_memory.weights_)


def test_weights_of_a_dataset_are_those_of_the_command_line(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "parts")
    other = write(tmp_path / "plain", blobs(), much=(parquet_column(folder, "much"), pa.float64()))
    in_python = quietly(GMVAE(**SMALL), ds.dataset(other), sample_weight="much")
    beside = ["--weights", "much", "--drop", "kind,some"]
    invoke("fit", f"{folder}/*.parquet", *OPTIONS, *beside, "-o", tmp_path / "run")
    assert_same_weights(in_python, GMVAE.load(tmp_path / "run" / "model.safetensors", device="cpu"))


def test_the_command_line_scores_and_keeps_known_rows(tmp_path: Path) -> None:
    folder, run = labelled(tmp_path / "parts"), tmp_path / "run"
    asked = ["--partial-labels", "some", "--labels", "kind", "--drop", "much", "--json", "-o", run]
    done = CliRunner().invoke(app, [*map(str, ["fit", f"{folder}/*.parquet", *OPTIONS, *asked])])
    assert done.exit_code == 0, done.output
    model = GMVAE.load(run / "model.safetensors", device="cpu")
    rows = pd.DataFrame(blobs(), columns=[f"c{d}" for d in range(4)])
    known = some() != None  # noqa: E711
    expected = metrics.evaluate(kinds()[~known], model.predict_proba(rows)[~known])
    assert json.loads(done.stdout)["scores"]["accuracy_hungarian"] == pytest.approx(expected.accuracy_hungarian)
    written = pa.concat_tables(map(parquet.read_table, sorted((run / "assignments").iterdir())))
    classes = np.array([-1 if name is None else NAMES.index(name) for name in some()])
    np.testing.assert_array_equal(written.column("label"), np.where(known, classes, model.predict(rows)))
    np.testing.assert_array_equal(np.array(written.column("p_1"))[known], classes[known] == 1)
    assert "kind" not in model.feature_names_in_
    asked = ["evaluate", run, f"{folder}/*.parquet", "--device", "cpu", "--json"]
    found = json.loads(CliRunner().invoke(app, [*map(str, asked)]).stdout)
    assert found["accuracy_hungarian"] == pytest.approx(
        metrics.evaluate(kinds(), model.predict_proba(rows)).accuracy_hungarian
    )


def test_labels_for_evaluation_stay_out_of_the_training(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "parts")
    for name, options in (("with", ["--labels", "kind"]), ("without", [])):
        dropped = "some,much" if options else "some,much,kind"
        invoke("fit", f"{folder}/*.parquet", *OPTIONS, *options, "--drop", dropped, "-o", tmp_path / name)
    models = [GMVAE.load(tmp_path / name / "model.safetensors", device="cpu") for name in ("with", "without")]
    assert_same_weights(*models)
    assert list(weights(models[0]))


def test_a_report_of_another_source_knows_its_labelled_rows(tmp_path: Path) -> None:
    folder = labelled(tmp_path / "parts")
    data = load(f"{folder}/*.parquet", table=TableOptions(partial_labels="some", drop=("kind", "much")))
    assert data.partial_labels is not None
    np.testing.assert_array_equal(data.partial_labels, some())
    known = Columns(tuple(Column(f"c{d}", "number", "float") for d in range(4)))
    again = load(f"{folder}/*.parquet", table=TableOptions(partial_labels="some"), known=known)
    assert again.partial_labels is not None
    assert again.partial_labels.tolist() == some().tolist()
    assert again.weights is None


def test_components_of_an_earlier_fit_stand_for_the_classes(tmp_path: Path) -> None:
    """Under a warm start, also of classes that the source does not have."""
    source = source_of(write(tmp_path / "parts", blobs(), some=(some(), pa.string())), drop=())
    observations = sampled(source, 4).classes_as(["yew", *reversed(NAMES)])
    stream = stream_of(observations, Split(torch.arange(400), torch.arange(400), 0), 400, seed=0)
    assert stream is not None
    rows, weight, label = stream.parts(stream.minibatch(0))
    stream.close()
    assert weight is None
    assert label is not None
    place = [int(np.flatnonzero((blobs() == row).all(1))[0]) for row in rows]
    expected = [-1 if name is None else 3 - NAMES.index(name) for name in some()[place]]
    assert label.tolist() == expected


def test_what_cannot_be_labels_is_said_in_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = labelled(tmp_path / "parts")
    data = ds.dataset(folder)
    for name in ("sample_weight", "partial_labels"):
        with pytest.raises(ValueError, match=rf"`{name}` must be the name of a column of the Dataset.*got ndarray"):
            GMVAE(**SMALL).fit(data, **{name: np.ones(400)})
    with pytest.raises(ValueError, match=r"must have the columns that are named.*got 'none'"):
        GMVAE(**SMALL).fit(data, partial_labels="none")
    with pytest.raises(ValueError, match=r"`partial_labels` must be whole numbers .*'much' of part-0\.parquet"):
        GMVAE(**SMALL).fit(data, partial_labels="much")
    with pytest.raises(ValueError, match="`sample_weight` must name a column of numbers; got 'some'"):
        GMVAE(**SMALL).fit(data, sample_weight="some")
    monkeypatch.setattr(labelled_parts, "MOST_LEVELS", 2)
    with pytest.raises(ValueError, match="`partial_labels` must name at most 2 classes"):
        GMVAE(**SMALL).fit(data, partial_labels="some")
    parts = f"{folder}/*.parquet"
    with pytest.raises(DataError, match="`--partial-labels` must name at most 2 classes"):
        load(parts, table=TableOptions(partial_labels="some"))
    with pytest.raises(DataError, match=r"`--labels` must name a column of .*got 'labels\.csv': write labels into"):
        load(parts, labels="labels.csv")
    with pytest.raises(DataError, match=r"must not be missing; got none in column 'some', row 2 of part-0\.parquet"):
        load(parts, labels="some", table=TableOptions(drop=("kind", "much")))
    monkeypatch.undo()
    command = ["fit", parts, "-k", "2", "--partial-labels", "some", "--drop", "kind,much", "-o", str(tmp_path / "run")]
    done = CliRunner().invoke(app, command)
    assert done.exit_code == 2
    assert "must be at least the number of classes in `--partial-labels`" in " ".join(done.output.split())
