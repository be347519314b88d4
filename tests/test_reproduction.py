"""The paper's items: each runs in little time, is run once, and says on a page what came of it."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gmvae.cli import app
from gmvae.cli.reproduce import ITEMS as NAMES
from gmvae.paper import quoted, tables_a
from gmvae.paper.findings import FOLDER, Finding, Table, read, spread
from gmvae.paper.page import PAGE, page, write_page
from gmvae.paper.reproduction import ITEMS, reproduce
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Trial, distinct_clusters

DOCS = Path(__file__).resolve().parents[1] / "docs"
DRAWN = {"fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "ablation"}


@pytest.fixture(scope="module")
def quick(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where quick runs keep their fits, so that items which share some share them here too."""
    return tmp_path_factory.mktemp("paper")


@pytest.mark.parametrize("item", ITEMS)
def test_every_item_runs_quickly_and_leaves_its_files(item: str, quick: Path, data_home: Path) -> None:
    (finding,) = reproduce([item], Scope(quick, "quick", data_home=data_home))
    folder = quick / FOLDER
    assert finding.item == item
    assert page([finding]) == page([read(folder / f"{item}.json")])
    assert finding.run["scale"] == "quick"
    assert bool(finding.figures) == (item in DRAWN)
    for name in finding.figures:
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 200
        assert (folder / name).with_suffix(".pdf").read_bytes().startswith(b"%PDF")
    for table in finding.tables:
        with (folder / f"{table.name}.csv").open(newline="") as file:
            header, *rows = csv.reader(file)
        assert tuple(header) == tuple(table.columns)
        assert len(rows) == len(table.rows)
    section = (quick / PAGE).read_text(encoding="utf-8").split(f"## {item}\n")[1]
    assert finding.verdict in section
    assert finding.ours in section


def test_a_finished_fit_is_not_run_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = Scope(tmp_path, "quick", seeds=(3,))
    (first,) = reproduce(["fig3"], scope)
    monkeypatch.setattr("gmvae.paper.trials._fit_together", lambda *arguments: pytest.fail("fitted again"))
    (second,) = reproduce(["fig3"], scope)
    assert first == second
    assert first.run["seeds"] == [3]
    with pytest.raises(pytest.fail.Exception, match="fitted again"):
        reproduce(["fig3"], scope._replace(seeds=(4,)))


def test_an_interrupted_fit_goes_on(tmp_path: Path, data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gmvae.paper import figure6

    size = figure6.Size(60, 12, 3, 4, 2, 1)
    monkeypatch.setattr(figure6, "_SIZES", {"quick": size})
    whole = Scope(tmp_path / "whole", "quick", data_home=data_home)
    reproduce(["fig6"], whole)

    def stop(message: str) -> None:
        raise KeyboardInterrupt

    interrupted = Scope(tmp_path / "interrupted", "quick", data_home=data_home)
    with monkeypatch.context() as patch:
        patch.setattr("gmvae.paper.trials._keep", lambda *arguments: stop(""))
        with pytest.raises(KeyboardInterrupt):
            reproduce(["fig6"], interrupted)
    reproduce(["fig6"], interrupted)
    one, other = (
        json.loads((scope.out / FOLDER / "fig6.json").read_text())["tables"] for scope in (whole, interrupted)
    )
    assert one == other


def test_trials_are_told_apart_by_whatever_decides_them() -> None:
    base = Trial("arcs", {"n_components": 8, "tol": 0.1}, 0)
    assert base.key == Trial("arcs", {"tol": 0.1, "n_components": 8}, 0).key
    others = [
        Trial("mnist", base.settings, 0),
        Trial("arcs", {**base.settings, "tol": 0.2}, 0),
        Trial("arcs", base.settings, 1),
        Trial("arcs", base.settings, 0, spread=1.0),
    ]
    assert len({base.key, *(trial.key for trial in others)}) == 5


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        (np.full((6, 3), 1 / 3), 1.0),
        (np.eye(3)[[0, 0, 1, 1, 2, 2]], 3.0),
        (np.repeat([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]], 3, axis=0), 2.0),
    ],
)
def test_distinct_clusters_are_those_that_assignments_tell_apart(assignment: np.ndarray, expected: float) -> None:
    def entropy(p: np.ndarray) -> float:
        return float(-(p[p > 0] * np.log(p[p > 0])).sum())

    history = {
        "effective_components": [math.exp(entropy(assignment.mean(0)))],
        "assignment_entropy": [np.mean([entropy(row) for row in assignment])],
    }
    assert distinct_clusters(history) == pytest.approx(expected)


def test_tables_of_networks_are_the_papers() -> None:
    layers = {
        name: [row[1:] for row in tables_a.layers(tables_a._model(preset, shape), shape)]
        for name, (preset, shape) in tables_a.TABLES.items()
    }
    assert layers["A.1"] == [
        ("fc 120 ReLU", "120"),
        ("fc 120 ReLU", "120"),
        ("fc 8", "8"),
        ("fc 120 Tanh", "120"),
        ("fc 32", "32"),
        ("fc 120 ReLU", "120"),
        ("fc 120 ReLU", "120"),
        ("fc 4", "4"),
    ]
    assert layers["A.2"][:4] == [
        ("conv 16×6×6 (1-0)* ReLU", "16×23×23"),
        ("conv 32×6×6 (1-0)* ReLU", "32×18×18"),
        ("conv 64×4×4 (2-1)* ReLU", "64×9×9"),
        ("fc 500* ReLU", "500"),
    ]
    assert layers["A.2"][-1] == ("full-conv 1×6×6 (1-0)", "1×28×28")
    assert layers["A.3"][2] == ("conv 256×4×4 (2-1)* ReLU", "256×4×4")
    assert layers["A.3"][4] == ("fc 700", "700")


def test_the_quoted_table_is_whole() -> None:
    assert {(cell.K, cell.M) for cell in quoted.TABLE_1} == {(K, M) for K in (10, 16, 30) for M in (1, 10)}
    assert all(quoted.best > quoted.mean for quoted in quoted.TABLE_1.values() if quoted.best and quoted.mean)


def test_the_page_of_the_docs_is_made_from_its_json() -> None:
    committed = DOCS / PAGE
    paths = [DOCS / FOLDER / f"{item}.json" for item in ITEMS]
    assert all(path.is_file() for path in paths)
    assert page([read(path) for path in paths]) == committed.read_text(encoding="utf-8")


def test_a_page_has_a_row_and_a_section_for_each_item(tmp_path: Path) -> None:
    run = {"scale": "full", "seeds": [1], "seconds": 61.0, "commit": "c", "versions": "v", "machine": "m"}
    table = Table("numbers", "Numbers", ("a", "b"), [(1, None), (0.25, "x")])
    Finding("fig2", "Title", "shown", "got", "better", [table], run=run).write(tmp_path)
    text = write_page(tmp_path, ["fig1", "fig2"]).read_text(encoding="utf-8")
    assert "| [fig2](#fig2) | Title | **better** |" in text
    assert "- Run: `gmvae reproduce fig2 --full`; seeds 1; 61 s; commit c; v; m." in text
    assert "| 1 | – |\n| 0.250 | x |" in text
    assert "fig1" not in text


def test_spreads() -> None:
    assert spread([1.0, 3.0]) == "2.000 ± 1.414"
    assert spread([12.0]) == "12.00"


def refused(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["reproduce", *arguments])
    assert result.exit_code == 2
    return result.stderr


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["fig7"], "`ITEM` must be one of fig1, fig2"),
        (["fig1", "--quick", "--full"], "`--quick` and `--full` must not be given together"),
        (["fig1", "--seeds", "1,x"], "`--seeds` must be whole numbers below 2**32 with commas between them; got '1,x'"),
    ],
)
def test_a_mistake_is_a_sentence(arguments: list[str], sentence: str) -> None:
    assert sentence in refused(*arguments)


def test_the_command_prints_verdicts(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", "fig1", "tableA", "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert "fig1" in result.stdout
    assert "reproduced" in result.stdout
    assert (tmp_path / PAGE).is_file()


def test_the_command_knows_every_item() -> None:
    assert set(NAMES) == set(ITEMS)
