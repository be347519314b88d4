"""`gmvae report` and `gmvae describe`: their files against the library's own, names that are kept, what is refused."""

import csv
import io
import json
import shlex
import shutil

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from gmvae.cli import app
from gmvae.estimator import GMVAE
from gmvae.report.records import Difference
from gmvae.runs.folder import RunFolder
from gmvae.runs.provenance import command
from gmvae.runs.record import RunRecord

pytestmark = pytest.mark.filterwarnings("ignore:X does not have valid feature names:UserWarning")

SMALL = ["--set", "hidden_layer_sizes=16", "--set", "latent_dim=3", "--set", "style_dim=2", "-q"]


def gmvae(*arguments, code=0):
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert result.exit_code == code, (result.stdout, result.stderr, result.exception)
    return result


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Three groups with a town each, their ids and classes, as a table, and a run on it."""
    folder = tmp_path_factory.mktemp("report")
    rng = np.random.default_rng(0)
    with (folder / "people.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["id", "height", "town", "kind"])
        for i in range(150):
            k = i % 3
            writer.writerow([f"p{i}", round(rng.normal(5 * k), 3), ["Bern", "Rom", "Wien"][k], "xyz"[k]])
    options = ["--labels", "kind", "--id", "id", "-k", 3, "--epochs", 3, "-o", folder / "run"]
    gmvae("fit", folder / "people.csv", *options, *SMALL)
    return folder


def test_a_fit_writes_a_report_that_the_command_repeats(folder, tmp_path):
    run = folder / "run"
    written = json.loads((run / "report.json").read_text())
    gmvae("report", run, "-o", tmp_path / "again.html")
    again = json.loads((tmp_path / "again.json").read_text())
    assert again["clusters"] == written["clusters"]
    assert again["agreement"] == written["agreement"]
    assert again["card"]["seed"] == 0
    assert (tmp_path / "again.html").read_text() == (run / "report.html").read_text()
    assert written["map"]["id"][7] == "p7"


def test_the_command_of_a_report_repeats_the_fit(folder, tmp_path):
    typed = shlex.split(json.loads((folder / "run" / "report.json").read_text())["making"]["command"])
    assert typed[:2] == ["gmvae", "fit"]
    gmvae(*typed[1:], "-o", tmp_path / "run", "-q")
    written = [json.loads((path / "config.json").read_text()) for path in (folder / "run", tmp_path / "run")]
    assert written[0] == written[1] | {"verbose": written[0]["verbose"]}
    tables = [pq.read_table(path / "assignments.parquet") for path in (folder / "run", tmp_path / "run")]
    assert tables[0].equals(tables[1])


def test_commands_hold_every_kind_of_value():
    record = RunRecord("my data.csv", "y", None, None, [3, 2], None, {}, {"header": False, "drop": ["a,b"]})
    parameters = {
        "n_components": "auto",
        "random_state": None,
        "hidden_layer_sizes": [64, 32],
        "batch_norm": True,
        "max_grad_norm": None,
        "verbose": 1,
        "likelihood": {"visits": "poisson"},
    }
    assert shlex.split(command(record, parameters)) == [
        *("gmvae", "fit", "my data.csv", "--labels", "y", "--no-header", "--drop", '"a,b"', "-k", "auto"),
        *("--seed", "None", "--set", "hidden_layer_sizes=64,32", "--set", "batch_norm=true"),
        *("--set", "likelihood=visits=poisson"),
    ]


def test_no_report_is_written_where_none_is_wanted(folder, tmp_path):
    arguments = ["-k", 3, "--epochs", 1, "-o", tmp_path / "run", "--no-report", "--json"]
    document = json.loads(gmvae("fit", folder / "people.csv", *arguments, *SMALL).stdout)
    assert document["report"] is None
    assert not (tmp_path / "run" / "report.html").exists()


def test_names_are_kept_for_later_outputs(folder, tmp_path):
    run = folder / "run"
    gmvae("report", run, "--names", '"small, short",middle,tall')
    assert json.loads((run / "names.json").read_text()) == {"names": ["small, short", "middle", "tall"]}
    gmvae("report", run, "--no-rows")
    found = json.loads((run / "report.json").read_text())
    assert [cluster["name"] for cluster in found["clusters"]] == ["small, short", "middle", "tall"]
    assert found["map"] is None
    assert "p7" not in (run / "report.html").read_text()
    rows = list(csv.DictReader(io.StringIO(gmvae("predict", run, folder / "people.csv").stdout)))
    names = ["small, short", "middle", "tall"]
    assert all(row["name"] == names[int(row["label"])] for row in rows)
    assert "small, short" in gmvae("info", run).stdout
    for name in ("model.safetensors", "names.json"):
        shutil.copy(run / name, tmp_path / name)
    alone = tmp_path / "model.safetensors"  # a model file, not a run
    assert json.loads(gmvae("info", alone, "--json").stdout)["cluster_names"] is None
    assert "name" not in gmvae("predict", alone, folder / "people.csv").stdout.splitlines()[0].split(",")
    drawn = list(csv.DictReader(io.StringIO(gmvae("sample", run, "-n", 20).stdout)))
    assert all(row["name"] == names[int(row["cluster"])] for row in drawn)
    drawn = list(csv.DictReader(io.StringIO(gmvae("sample", run, "-n", 5, "--component", "tall").stdout)))
    assert [(row["cluster"], row["name"]) for row in drawn] == [("2", "tall")] * 5
    wrong = gmvae("sample", run, "--component", "big", code=2)
    assert (
        "must be the number of a cluster, from 0, or one of the names small, short, middle, tall; got" in wrong.stderr
    )
    wrong = gmvae("report", run, "--names", "a,b", code=2)
    assert "`names` must be 3 different names, one for each cluster; got ['a', 'b']" in wrong.stderr
    (run / "names.json").write_text('{"names": ["a"]}')
    assert "must hold 3 names of clusters" in gmvae("report", run, code=2).stderr
    (run / "names.json").unlink()


def test_a_report_says_how_the_fit_read_its_data_and_what_is_new_in_them(folder, tmp_path):
    people, run = tmp_path / "people.csv", tmp_path / "run"
    first, *rest = (folder / "people.csv").read_text().splitlines()
    rest = [f"{line},0{i % 7},2{i:03}-01-02" for i, line in enumerate(rest)]
    people.write_text("\n".join([f"{first},zip,born", *rest]))
    gmvae("fit", people, "--labels", "kind", "-k", 3, "--epochs", 1, "-o", run, *SMALL)
    page = (run / "report.html").read_text()
    of_fit = json.loads((run / "report.json").read_text())["making"]["notes"]
    for said in ("Left out: 'id', where nearly every row", "Taken as text: 'zip'", "Left out: 'born', dates"):
        assert any(note.startswith(said) for note in of_fit), of_fit
    gmvae("report", run)
    assert (run / "report.html").read_text() == page

    people.write_text(people.read_text().replace("Rom", "Oslo", 1))
    gmvae("report", run, people)
    again = json.loads((run / "report.json").read_text())["making"]["notes"]
    new = "Counted as missing: 1 cell of 'town' whose value the fit did not have: 'Oslo'."
    assert set(again) >= {*of_fit, new}
    gmvae("report", run, "--no-rows")
    assert new not in json.loads((run / "report.json").read_text())["making"]["notes"]

    later = tmp_path / "later.csv"
    later.write_text(people.read_text())
    gmvae("report", run, later)
    assert new in (notes := json.loads((run / "report-later.json").read_text())["making"]["notes"])
    assert not any(note.startswith("Taken as text") for note in notes)

    record = json.loads((run / "run.json").read_text())
    del record["notes"]  # as earlier versions wrote it
    (run / "run.json").write_text(json.dumps(record))
    gmvae("report", run)
    assert new in json.loads((run / "report.json").read_text())["making"]["notes"]


def test_other_data_and_bare_models(folder, tmp_path):
    other = tmp_path / "other.csv"
    other.write_text("\n".join((folder / "people.csv").read_text().splitlines()[:40]))
    gmvae("report", folder / "run", other)
    assert json.loads((folder / "run" / "report-other.json").read_text())["card"]["n"] == 39
    model = tmp_path / "model.safetensors"
    model.write_bytes((folder / "run" / "model.safetensors").read_bytes())
    assert "`SOURCE` must be given for a model file" in gmvae("report", model, code=2).stderr


def test_data_that_have_moved_are_asked_for(folder, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "source": str(tmp_path / "gone.csv")}))
    said = " ".join(gmvae("report", run, code=2).stderr.split())
    assert f"gone.csv'; they moved, or this folder is another: name the data: gmvae report {run} SOURCE." in said
    gmvae("report", run, folder / "people.csv")
    assert "must be an existing path" in gmvae("report", run, tmp_path / "gone.csv", code=2).stderr


def test_weights_that_cannot_be_are_said_by_their_option(folder, tmp_path):
    table, run = tmp_path / "people.csv", tmp_path / "run"
    first, *rest = (folder / "people.csv").read_text().splitlines()
    table.write_text("\n".join([f"{first},much", *(f"{line},-1" for line in rest)]))
    shutil.copytree(folder / "run", run)
    record = json.loads((run / "run.json").read_text())
    (run / "run.json").write_text(json.dumps({**record, "table": {**record["table"], "weights": "much"}}))
    fit = ["fit", table, "-k", "2", "-o", tmp_path / "other", "--weights", "much"]
    for command_line in (fit, ["report", run, table], ["describe", run, table]):
        said = " ".join(gmvae(*command_line, code=2).stderr.split())
        assert "people.csv: `--weights` must hold finite numbers of at least 0; got -1" in said


def test_describe_writes_what_the_estimator_describes(folder, tmp_path):
    run = folder / "run"
    gmvae("describe", run, folder / "people.csv", "-o", tmp_path / "told.parquet")
    table = pq.read_table(tmp_path / "told.parquet").to_pandas()
    assert list(table) == ["cluster", "name", "rows", "nearest", *Difference._fields]
    printed = list(csv.DictReader(io.StringIO(gmvae("describe", run, folder / "people.csv").stdout)))
    assert [row["column"] for row in printed] == table["column"].tolist()
    model = GMVAE.load(run / "model.safetensors")
    people = pd.read_csv(folder / "people.csv")[["height", "town"]]
    assert model.describe(people).equals(table)
    report = model.report(people, people["town"])
    assert report.contents.card.data == "X"
    assert report.contents.agreement.scores["n_classes"] == 3
    assert report.contents.making.command.endswith(".fit(X)")
    with pytest.raises(ValueError, match="`y` must hold one label for each of 150 rows; got 2"):
        model.report(people, [0, 1])


def test_images_are_described_by_the_difference_of_their_means(tmp_path):
    rng = np.random.default_rng(1)
    X = (rng.random((60, 4, 5)) < np.repeat([0.1, 0.9], 30)[:, None, None]).astype(np.float32)
    np.save(tmp_path / "X.npy", X)
    gmvae("fit", tmp_path / "X.npy", "-k", 2, "--epochs", 3, "-o", tmp_path / "run", *SMALL)
    gmvae("describe", tmp_path / "run", tmp_path / "X.npy", "-o", tmp_path / "told.parquet")
    table = pq.read_table(tmp_path / "told.parquet").to_pandas()
    labels = GMVAE.load(RunFolder(tmp_path / "run").model).predict(X)
    means = [X[labels == k].astype(float).mean(0) for k in range(2)]
    assert table["pixels"].tolist() == pytest.approx([np.sqrt(np.mean((means[0] - means[1]) ** 2))] * 2)
