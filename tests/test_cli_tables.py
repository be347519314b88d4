"""The command line on tables as people have them: gaps, categories, ids, other files of later months."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from pyarrow import parquet
from pyarrow.csv import read_csv
from typer.testing import CliRunner, Result

from gmvae import persistence
from gmvae.cli import app
from gmvae.data.columns import Columns
from gmvae.fitted.fitted import Fitted

SMALL = ["-k", "2", "--epochs", "2", "--set", "hidden_layer_sizes=16", "--set", "latent_dim=3"]
HEADER = "who,age,income,job,smokes,when"
N = 90


def gmvae(*arguments: object, code: int = 0) -> Result:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


def refused(*arguments: object) -> str:
    result = gmvae(*arguments, code=2)
    assert result.stdout == ""
    return result.stderr.splitlines()[-1]


def table_of(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def rows(n: int = N) -> list[str]:
    random = np.random.default_rng(0)
    found = []
    for i in range(n):
        old = i % 2
        age = "?" if i == 5 else str(random.integers(50, 80) if old else random.integers(20, 40))
        income = "" if i == 7 else f"{random.gamma(2.0) + 4 * old:.2f}"
        job = "nurse" if random.random() < 0.5 else "retired" if old else "cook"
        found.append(f"p{i:03},{age},{income}, {job},{'yes' if old else 'no'},2020-01-0{i % 9 + 1}")
    return found


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tables")
    (folder / "people.csv").write_text("\n".join([HEADER, *rows()]) + "\n")
    (folder / "bare.csv").write_text("\n".join(rows()) + "\n")
    return folder


@pytest.fixture(scope="module")
def run(folder: Path) -> Path:
    said = gmvae("fit", folder / "people.csv", "--id", "who", "-o", folder / "run", *SMALL).stderr.splitlines()
    assert said[:5] == [
        "Left out: 'when', dates or times; encode them as numbers, such as a year or days since a day, to keep them.",
        "2 numbers: 'age', 'income'",
        "1 yes/no: 'smokes'",
        "1 category: 'job'",
        "0.6% of cells are missing; they drop out of the likelihood and are not filled.",
    ]
    return folder / "run"


def test_the_run_remembers_how_the_table_was_read(run: Path) -> None:
    record = json.loads((run / "run.json").read_text())
    assert record["table"] == {"id": "who"}
    assert record["columns"] == {"age": "number", "income": "number", "job": "category", "smokes": "yes/no"}
    columns = Fitted.load(run / "model.safetensors").columns
    assert columns is not None
    assert columns.names == ("age", "income", "job", "smokes")
    assert columns.columns[2].levels == ("cook", "nurse", "retired")
    assert columns.left_out == ("who", "when")
    known = json.loads(gmvae("info", run, "--json").stdout)
    assert known["columns_by_kind"] == {"number": ["age", "income"], "category": ["job"], "yes/no": ["smokes"]}


def test_results_begin_with_what_identifies_rows(folder: Path, run: Path) -> None:
    assignments = parquet.read_table(run / "assignments.parquet")
    assert assignments.column_names == ["who", "label", "p_0", "p_1"]
    assert assignments.column("who").to_pylist() == [f"p{i:03}" for i in range(N)]
    found = table_of(gmvae("predict", run, folder / "people.csv", "--proba").stdout)
    assert [row["who"] for row in found] == [f"p{i:03}" for i in range(N)]
    assert [int(row["label"]) for row in found] == assignments.column("label").to_pylist()
    np.testing.assert_allclose([float(row["p_0"]) for row in found], assignments.column("p_0"))
    bare = table_of(gmvae("predict", run / "model.safetensors", folder / "people.csv", "-o", "-").stdout)
    assert [row["who"] if "who" in row else row["row"] for row in bare][:3] == ["p000", "p001", "p002"]


def test_columns_of_the_data_keep_their_names_beside_those_of_results(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    names = ["cluster", "draw", "label", "row"]
    np.savetxt(tmp_path / "t.csv", rng.normal(size=(40, 4)), delimiter=",", header=",".join(names), comments="")
    gmvae("fit", tmp_path / "t.csv", "-o", tmp_path / "run", *SMALL)
    sampled = table_of(gmvae("sample", tmp_path / "run", "-n", "3", "-o", "-").stdout)
    assert list(sampled[0]) == ["cluster (number)", *names]
    filled = table_of(gmvae("impute", tmp_path / "run", tmp_path / "t.csv", "--n-samples", "2", "-o", "-").stdout)
    assert list(filled[0])[0::2] == ["draw (number)", "cluster", "label"]
    assert len(filled[0]) == 6
    kept = table_of(gmvae("predict", tmp_path / "run", tmp_path / "t.csv", "--keep-columns", "-o", "-").stdout)
    assert list(kept[0])[-4:] == ["cluster", "draw", "label (source)", "row (source)"]


def test_a_later_month_with_other_gaps_levels_order_and_columns(folder: Path, run: Path, tmp_path: Path) -> None:
    later = tmp_path / "may.csv"
    later.write_text("job;extra;smokes;who;income;age\ncook;1;no;a;?;31\npilot;2;yes;b;5,25;\n?;3;NA;c;;\n")
    result = gmvae("predict", run, later, "--proba", "--keep-columns")
    assert result.stderr.splitlines() == [
        "Left out, as the fit did not have them: 'extra'.",
        "Counted as missing: 1 cell of 'job' whose value the fit did not have: 'pilot'.",
        "Data row 3 (who c) has no value at all in may.csv: the answer is what holds for any row.",
        "58.3% of cells are missing.",
    ]
    found = table_of(result.stdout)
    assert list(found[0]) == ["who", "label", "p_0", "p_1", "job", "extra", "smokes", "income", "age"]
    assert [row["who"] for row in found] == ["a", "b", "c"]
    assert [row["job"] for row in found] == ["cook", "pilot", ""]
    # The same people in the order and with the marks of the fit.
    same = tmp_path / "same.csv"
    same.write_text(f"{HEADER}\na,31,,cook,no,\nb,,5.25,,yes,\nc,,,,,\n")
    again = table_of(gmvae("predict", run, same, "--proba").stdout)
    assert [row["p_0"] for row in again] == [row["p_0"] for row in found]
    fitted = Fitted.load(run / "model.safetensors")
    prior = fitted.proba(np.full((1, 4), np.nan))[0]
    np.testing.assert_allclose([float(found[2]["p_0"]), float(found[2]["p_1"])], prior)
    assert "may.csv, column 'age', must hold numbers; got 'old' in data row 1" in refused(
        "predict", run, write(tmp_path / "may.csv", "age,income,job,smokes\nold,1,cook,no\n")
    )
    assert (
        "x.csv must have the columns of the training; it lacks job: add what is missing, with empty cells "
        in refused("predict", run, write(tmp_path / "x.csv", "age,income,smokes\n1,1,no\n"))
    )


def write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_samples_could_be_people(run: Path, tmp_path: Path) -> None:
    gmvae("sample", run, "-n", 200, "-o", tmp_path / "s.parquet")
    samples = parquet.read_table(tmp_path / "s.parquet")
    assert samples.column_names == ["cluster", "age", "income", "job", "smokes"]
    assert [str(kind) for kind in samples.schema.types] == ["int64", "int64", "double", "string", "string"]
    ages = [int(line.split(",")[1]) for line in rows() if "?" not in line]
    incomes = [float(line.split(",")[2]) for line in rows() if line.split(",")[2]]
    drawn = samples.to_pydict()
    assert min(ages) <= min(drawn["age"]) <= max(drawn["age"]) <= max(ages)
    assert min(incomes) <= min(drawn["income"]) <= max(drawn["income"]) <= max(incomes)
    assert all(round(value, 2) == value for value in drawn["income"])
    assert {*drawn["job"]} <= {"cook", "nurse", "retired"}
    assert {*drawn["smokes"]} == {"yes", "no"}
    shown = table_of(gmvae("sample", run, "-n", 3, "--mean", "-o", "-").stdout)
    assert list(shown[0]) == samples.column_names
    assert all(row["job"] in ("cook", "nurse", "retired") for row in shown)


def test_a_file_without_a_header(folder: Path, tmp_path: Path) -> None:
    said = refused("fit", folder / "bare.csv", "-o", tmp_path / "run", *SMALL)
    assert "bare.csv must start with the names of its columns; got p000, " in said
    assert "`--no-header` reads the first row as data" in said
    assert not (tmp_path / "run").exists()
    options = ["--no-header", "--columns", "2,3,4", "--id", "1", "--labels", "5"]
    gmvae("fit", folder / "bare.csv", *options, "-o", tmp_path / "run", *SMALL)
    record = json.loads((tmp_path / "run" / "run.json").read_text())
    assert record["table"] == {"columns": ["2", "3", "4"], "id": "1", "header": False}
    assert list(record["columns"]) == ["column_2", "column_3", "column_4"]
    # All is remembered, the labels for the same source.
    result = gmvae("predict", tmp_path / "run", folder / "bare.csv")
    assert result.stderr == "0.7% of cells are missing.\n"
    assert table_of(result.stdout)[0]["column_1"] == "p000"
    assert json.loads(gmvae("evaluate", tmp_path / "run", folder / "bare.csv", "--json").stdout)["n"] == N
    # A file with a header matches by position.
    named = table_of(gmvae("predict", tmp_path / "run", folder / "people.csv", "--header", "--id", "who").stdout)
    assert [row["label"] for row in named] == [row["label"] for row in table_of(result.stdout)]
    assert [row["who"] for row in named][:2] == ["p000", "p001"]


def test_choose_k_reads_the_same_tables(folder: Path, tmp_path: Path) -> None:
    options = ["--no-header", "--drop", "1,6", "--missing", "n.d."]
    command = ["choose-k", folder / "bare.csv", *options, "--k", "2:3", "--fits", "0", "-o", tmp_path / "k"]
    result = gmvae(*command)
    assert "--no-header --drop 1,6 --missing n.d. -k" in result.stdout
    assert json.loads((tmp_path / "k" / "choose-k.json").read_text())["table"] == {
        "drop": ["1", "6"],
        "header": False,
        "missing": ["n.d."],
    }


def test_an_empty_row_is_refused_in_a_fit(folder: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "\n".join([HEADER, *rows(40), "zed,,,?,NA,2020-01-01"]))
    said = refused("fit", path, "--id", "who", "-o", tmp_path / "run", *SMALL)
    assert (
        said == "Error: t.csv must have a value in every row to fit; got none in data row 41 (who zed): remove the row."
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--drop", "agee"], "`--drop` must name columns of people.csv"),
        (["--columns", ""], "`--columns` must be names of columns with commas between; got ''."),
        (["--id", "nobody"], "`--id` must name columns of people.csv"),
        (["--separator", ";;"], "`--separator` must be one character or 'tab'; got ';;'."),
        (["--decimal", "x"], "`--decimal` must be . or ,; got 'x'."),
    ],
)
def test_options_that_do_not_fit_are_refused(folder: Path, tmp_path: Path, options: list[str], sentence: str) -> None:
    assert sentence in refused("fit", folder / "people.csv", *options, "-o", tmp_path / "run", *SMALL)


def test_rows_of_images_begin_with_their_files(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for i in range(24):
        pixels = (random.random((6, 6)) * 100 + 100 * (i % 2)).astype(np.uint8)
        path = tmp_path / "imgs" / "ab"[i % 2] / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels).save(path)
    gmvae("fit", tmp_path / "imgs", "-o", tmp_path / "run", *SMALL)
    files = parquet.read_table(tmp_path / "run" / "assignments.parquet").column("file").to_pylist()
    assert files[:3] == ["a/0.png", "a/2.png", "a/4.png"]
    assert files[5:7] == ["a/10.png", "a/12.png"]
    one = table_of(gmvae("predict", tmp_path / "run", tmp_path / "imgs" / "b" / "11.png").stdout)
    assert [row["file"] for row in one] == ["11.png"]
    said = refused("predict", tmp_path / "run", tmp_path / "imgs", "--keep-columns")
    assert "`--keep-columns` must be for a table" in said


def test_runs_and_models_of_version_0_1_answer_as_before(folder: Path, run: Path, tmp_path: Path) -> None:
    numbers = write(tmp_path / "n.csv", "\n".join(["a,b", *(f"{i % 7},{i % 5}.5" for i in range(60))]))
    old = tmp_path / "old"
    gmvae("fit", numbers, "-o", old, *SMALL)
    now = gmvae("predict", old, numbers, "--proba").stdout
    tensors, document = persistence.read(old / "model.safetensors", "model")
    del document["columns"]
    persistence.write(old / "model.safetensors", "model", tensors, document)
    record: dict[str, Any] = json.loads((old / "run.json").read_text())
    del record["table"], record["columns"]
    (old / "run.json").write_text(json.dumps(record))
    assert gmvae("predict", old, numbers, "--proba").stdout == now
    assert "it lacks b: add what is missing" in refused("predict", old, write(tmp_path / "x.csv", "a,c\n1,2\n"))
    assert table_of(gmvae("sample", old, "-n", 2).stdout)[0].keys() == {"cluster", "a", "b"}


def test_a_model_with_columns_that_cannot_be_is_refused(run: Path, tmp_path: Path) -> None:
    tensors, document = persistence.read(run / "model.safetensors", "model")
    few = Columns(tuple(Columns.from_document(document["columns"]))[:2]).document()
    for columns in ({}, {"columns": [{"name": "a"}]}, few):
        persistence.write(tmp_path / "m.safetensors", "model", tensors, {**document, "columns": columns})
        assert "`columns` in it" in refused("sample", tmp_path / "m.safetensors")


def test_kept_columns_keep_their_types(folder: Path, run: Path, tmp_path: Path) -> None:
    table = pa.table({"who": ["a"], "age": [30], "income": [1.5], "job": ["cook"], "smokes": ["no"], "label": [True]})
    parquet.write_table(table, tmp_path / "t.parquet")
    gmvae("predict", run, tmp_path / "t.parquet", "--keep-columns", "-o", tmp_path / "out.parquet")
    found = parquet.read_table(tmp_path / "out.parquet")
    assert found.column_names == ["who", "label", "age", "income", "job", "smokes", "label (source)"]
    assert found.schema.field("age").type == pa.int64()
    assert found.column("label (source)").to_pylist() == [True]


def test_weights_and_known_labels_are_columns_that_a_run_remembers(tmp_path: Path) -> None:
    """Rows of weight 0 have a cluster, too; a row of a known class has its cluster, and later files need neither."""
    random = np.random.default_rng(0)
    group = np.arange(60) % 2
    known, counted = np.arange(60) % 6 < 2, np.arange(60) % 5 > 0
    names = np.where(known, np.array(["low", "high"])[group], "")
    lines = [
        f"{8.0 * g + random.normal():.3f},{random.normal():.3f},{times},{name}"
        for g, times, name in zip(group, 2 * counted, names, strict=True)
    ]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,times,class", *lines]) + "\n")
    run = tmp_path / "run"
    said = gmvae("fit", tmp_path / "t.csv", "--weights", "times", "--partial-labels", "class", "-o", run, *SMALL).stdout
    assert "high is cluster 0, low is cluster 1" in said
    record = json.loads((run / "run.json").read_text())
    assert record["table"] == {"weights": "times", "partial_labels": "class"}
    assert record["feature_names"] == ["a", "b"]
    fitted = Fitted.load(run / "model.safetensors", device="cpu")
    assert fitted.classes == ["high", "low"]
    labels = parquet.read_table(run / "assignments.parquet").column("label").to_numpy()
    assert len(labels) == 60
    assert (labels == 1 - group)[known & counted].all()
    (tmp_path / "later.csv").write_text("b,a\n0.1,8.2\n0.0,-0.3\n")
    assert [row["label"] for row in table_of(gmvae("predict", run, tmp_path / "later.csv", "-o", "-").stdout)] == [
        "0",
        "1",
    ]
    assert "`--weights` must name columns" in refused(
        "fit", tmp_path / "t.csv", "--weights", "count", "-o", tmp_path / "n"
    )
    (tmp_path / "odd.csv").write_text("a,times\n1.0,2\n2.0,-1\n3.0,1\n")
    said = refused("fit", tmp_path / "odd.csv", "--weights", "times", "-o", tmp_path / "odd", *SMALL)
    assert "`--weights` must hold finite numbers of at least 0; got -1 in row 1" in said


def test_a_plane_with_gaps_is_drawn_by_its_whole_rows(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    lines = [f"{random.normal() + 4 * (i % 2):.3f},{random.normal():.3f}" for i in range(60)]
    lines[3], lines[9] = ",1.5", "0.5,?"
    gmvae("fit", write(tmp_path / "t.csv", "\n".join(["a,b", *lines])), "-o", tmp_path / "run", *SMALL)
    drawn = {path.stem for path in (tmp_path / "run" / "figures").iterdir()}
    assert drawn >= {"clusters", "density", "latent-space"}


def test_impute_fills_what_is_missing_and_nothing_else(folder: Path, run: Path, tmp_path: Path) -> None:
    given = table_of(gmvae("predict", run, folder / "people.csv", "--keep-columns").stdout)
    filled = table_of(gmvae("impute", run, folder / "people.csv").stdout)
    assert [row["who"] for row in filled] == [row["who"] for row in given]
    for before, after in zip(given, filled, strict=True):
        for name in ("age", "income", "job", "smokes"):
            assert after[name]
            if before[name]:
                same = after[name] == before[name].strip()
                assert same or float(after[name]) == float(before[name])
    gmvae("impute", run, folder / "people.csv", "--n-samples", 3, "-o", tmp_path / "draws.parquet")
    draws = parquet.read_table(tmp_path / "draws.parquet")
    assert draws.column_names[:3] == ["draw", "who", "age"]
    assert draws.column("draw").to_pylist() == [number for number in range(3) for _ in range(N)]
    missing = [draws.column("age")[number * N + 5].as_py() for number in range(3)]
    assert len(set(missing)) > 1


def test_a_source_is_never_written_over(run: Path, folder: Path, tmp_path: Path) -> None:
    source = tmp_path / "t.csv"
    source.write_bytes((folder / "people.csv").read_bytes())
    for command in ("predict", "impute", "describe"):
        assert "`-o` must be another file than the source; got" in refused(command, run, source, "-o", source)
    assert source.read_bytes() == (folder / "people.csv").read_bytes()
    (tmp_path / "parts").mkdir()
    parquet.write_table(read_csv(source), tmp_path / "parts" / "part-00000.parquet")
    before = (tmp_path / "parts" / "part-00000.parquet").read_bytes()
    said = refused("predict", run, tmp_path / "parts", "-o", tmp_path / "parts")
    assert "`-o` must be another folder than that of the source; got" in said
    assert (tmp_path / "parts" / "part-00000.parquet").read_bytes() == before


def test_data_in_the_place_of_a_run_are_named(run: Path, folder: Path) -> None:
    said = refused("predict", folder / "people.csv", run)
    assert "`RUN` must be a run folder or a model file; got data" in said
