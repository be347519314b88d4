"""The paper's items: each runs in little time, is run once, and says on a page what came of it."""

from __future__ import annotations

import csv
import json
import math
from dataclasses import asdict
from functools import partial
from itertools import count, groupby
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gmvae.atomic import locked, write_text
from gmvae.cli import app
from gmvae.cli.reproduce import ITEMS as NAMES
from gmvae.data import Dataset, arcs
from gmvae.estimator import GMVAE
from gmvae.paper import mnist, quoted, table1, tables_a
from gmvae.paper.campaign import spend, stages
from gmvae.paper.findings import FOLDER, Finding, Table, read, spread
from gmvae.paper.page import PAGE, page, write_page
from gmvae.paper.quoted import TABLE_1, Cell
from gmvae.paper.reproduction import ITEMS, reproduce
from gmvae.paper.scope import Scope
from gmvae.paper.trials import (
    BudgetSpentError,
    Material,
    Outcome,
    Trial,
    distinct_clusters,
    kept,
    key_of,
    run_trials,
)

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


# ---------------------------------------------------------------- a budget of time

TINY = {
    **{"n_components": 2, "latent_dim": 2, "style_dim": 2, "hidden_layer_sizes": (8,), "init": "random"},
    **{"max_iter": 6, "n_iter_no_change": 6, "batch_size": 50, "precision": "64-true", "validation_fraction": 0.0},
}


def ticking(patch: pytest.MonkeyPatch) -> None:
    """Let every look at the clock of trials take a second."""
    patch.setattr("gmvae.paper.trials.monotonic", partial(next, count()))


@pytest.mark.parametrize(
    ("together", "at_once", "begun"),
    [
        (True, "auto", [(seed, epoch) for epoch in (1, 2, 3, 4) for seed in (0, 1)]),
        (True, 1, [(0, epoch) for epoch in (1, 2, 3, 4, 5)]),  # the clock is looked at from the second epoch on
        (False, "auto", [(0, epoch) for epoch in (1, 2, 3, 4)]),
    ],
)
def test_a_spent_budget_stops_at_the_end_of_an_epoch_and_the_next_one_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, together: bool, at_once: object, begun: list[tuple[int, int]]
) -> None:
    seen: list[tuple[int, int]] = []

    def look(model: GMVAE, folder: Path) -> None:
        seen.append((model.random_state, model.n_iter_))

    data = Dataset("arcs", *arcs(200, seed=0))
    material = Material("arcs", data, data, together, 10, 2, look)
    wanted = [Trial("arcs", {**TINY, "restarts_at_once": at_once}, seed) for seed in (0, 1)]
    whole = run_trials(wanted, material, tmp_path / "whole")
    everything = sorted(seen)
    assert everything == [(seed, epoch) for seed in (0, 1) for epoch in (1, 2, 3, 4, 5, 6)]
    seen.clear()
    with monkeypatch.context() as patch:
        ticking(patch)
        with pytest.raises(BudgetSpentError):
            run_trials(wanted, material, tmp_path / "parts", deadline=3)  # it is 0 before the first fit
        assert kept(wanted, tmp_path / "parts") == []
        assert seen == begun
        with pytest.raises(BudgetSpentError):
            run_trials(wanted, material, tmp_path / "parts", deadline=3)
        assert seen == begun
    parts = run_trials(wanted, material, tmp_path / "parts")
    assert sorted(seen) == everything
    for one, other in zip(whole, parts, strict=True):
        assert one.trial == other.trial
        for name in ("lower_bound", "z_prior"):
            np.testing.assert_allclose(one.record["history"][name], other.record["history"][name], rtol=1e-7)
        np.testing.assert_allclose(one.measures["log_likelihood"], other.measures["log_likelihood"], rtol=1e-6)
        assert sorted(path.name for path in other.folder.iterdir()) == ["model.safetensors", "record.json"]


def test_a_budget_keeps_what_is_finished_and_shows_an_item_once_it_is_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    notes: list[str] = []
    scope = Scope(tmp_path, "quick", seeds=(3,), note=notes.append)
    with monkeypatch.context() as patch:
        patch.setattr("gmvae.paper.campaign.monotonic", lambda: 0.0)
        ticking(patch)
        # Six looks at the clock a fit: before it, and after all epochs but the last.
        assert spend(["fig3"], scope, 15 / 3600) == []
        assert len(list(scope.runs.glob("*/record.json"))) == 2
        assert len(list(scope.runs.glob("*/training/checkpoints/*"))) == 1
        assert "The budget is spent; the same command goes on from here." in notes
        assert "fig3 is left as it is: 0 of 1 fits are finished." in notes
        (finding,) = spend(["fig3"], scope, 1.0)
        assert sum("fit 1 of 1" in note for note in notes) == 6
        patch.setattr("gmvae.paper.trials._fit_together", lambda *arguments: pytest.fail("fitted again"))
        assert spend(["fig3"], scope, 1.0) == [finding]
    assert [reproduce(["fig3"], scope)] == [[finding]]


def test_table_1_and_figure_4_show_what_is_finished(tmp_path: Path, data_home: Path) -> None:
    scope = Scope(tmp_path, "long", data_home=data_home, kept_only=True)
    assert reproduce(["table1", "fig4"], scope) == []
    measures = ("accuracy_hungarian", "accuracy_majority", "nmi", "ari", "bound", "log_likelihood", "z_prior")
    for cell, seed, accuracy in [
        (Cell(10, 1), 0, 0.8),
        (Cell(10, 1), 2, 0.7),
        *((Cell(16, 1), i, 0.9) for i in range(3)),
    ]:
        trial = mnist.trials(scope, mnist.PAPER, cell)[seed]
        found = dict.fromkeys(measures, 0.5) | {"accuracy_exemplar": accuracy, "n_components_used": cell.K}
        record = {"measures": found, "seconds": 1.0, "commit": "c", "versions": "v", "machine": "m"}
        write_text(trial.record(scope.runs), json.dumps(record))
        curve = [{"epoch": epoch, "accuracy_exemplar": accuracy * epoch / 20} for epoch in range(1 + seed, 21)]
        write_text(trial.record(scope.runs).with_name("curve.json"), json.dumps(curve))
    table, figure = reproduce(["fig4", "table1"], scope)[::-1]
    assert table.ours.startswith(
        "the paper's training from a random start, K = 10, M = 1: 75.00 (-2.78), K = 16, M = 1: 90.00 (+4.91). 20 of"
    )
    assert table.verdict == "in part"  # as K = 10 has two seeds of the three that a verdict asks for
    assert "M = 10, by the same rule: not run." in table.notes[0]
    assert [each.name for each in table.tables] == ["table1-random", "table1-quoted"]
    assert [row[:3] + row[4:6] for row in table.tables[0].rows] == [
        [10, 1, 2, "80.00", "75.00 ± 7.07"],
        [16, 1, 3, "90.00", "90.00 ± 0.00"],
    ]
    assert "from a random start 90.00% with K = 16 and 75.00% with K = 10" in figure.ours
    assert figure.verdict == "in part"  # as before
    # Of epochs that a killed process left out, the others are shown.
    epochs = [row[3] for row in figure.tables[0].rows]
    assert epochs == [*range(3, 21)] * 2
    assert table.run["seeds"] == [0, 1, 2]


@pytest.mark.parametrize(
    ("runs", "verdict"),
    [
        ([0.76, 0.77, 0.78], "reproduced"),  # .8 below, where the standard error is 1.9
        ([0.71, 0.72, 0.73], "in part"),
        ([0.90, 0.90], "in part"),  # two runs
        ([], "not run"),
    ],
)
def test_table_1_is_judged_by_standard_errors(runs: list[float], verdict: str) -> None:
    accuracies = {cell: [0.95] * 3 for cell in TABLE_1} | {Cell(10, 1): runs} if runs else {}
    found = {
        cell: [Outcome(trial, Path(), {"measures": {"accuracy_exemplar": run}}) for run in each]
        for trial in mnist.trials(Scope(Path(), "quick"), mnist.PAPER)
        for cell, each in accuracies.items()
    }
    assert table1._verdict(found, 1) == verdict
    assert table1._verdict(found, 10) == ("reproduced" if runs else "not run")


def test_one_process_at_a_time_spends_a_budget(tmp_path: Path) -> None:
    scope = Scope(tmp_path, "quick")
    with locked(scope.runs / ".budget.lock"), pytest.raises(ValueError, match="written by one process at a time"):
        spend(["fig1"], scope, 1.0)


def test_the_budget_goes_to_what_is_worth_most_first(tmp_path: Path, data_home: Path) -> None:
    scope = Scope(tmp_path, "long", data_home=data_home)
    found = list(stages(list(ITEMS), scope))
    described = [
        [trial.settings[name] for name in ("init", "n_components", "n_mc_samples", "max_iter")] + [trial.seed]
        for stage in found[:12]
        for trial in stage.trials
    ]
    assert described == [
        [init, K, M, 20, seed]
        for M in (1, 10)
        for init in ("random", "neighbours")
        for K in (10, 16, 30)
        for seed in (0, 1, 2)
    ]
    families = [stage.material.name.partition(",")[0] for stage in found[12:]]
    assert [name for name, _ in groupby(families)] == ["svhn", "arcs", "mnist"]
    for item in ITEMS:
        own = {trial.key: None for stage in stages([item], scope) for trial in stage.trials}
        assert bool(own) == (item not in {"fig1", "tableA"})
        in_order = {trial.key: None for stage in found for trial in stage.trials if trial.key in own}
        assert list(own) == list(in_order)


def test_a_kept_fit_counts_for_nothing_once_its_random_start_means_something_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    random, started = (Trial("mnist", {**TINY, "init": init}, 0) for init in ("random", "neighbours"))
    for trial in (random, started):
        write_text(trial.record(tmp_path), "{}")
    assert [outcome.trial for outcome in kept([random, started], tmp_path)] == [random, started]
    monkeypatch.setattr("gmvae.paper.trials._RANDOM_START", "another")
    assert [outcome.trial for outcome in kept([random, started], tmp_path)] == [started]
    # Before starts had versions, the settings alone were hashed.
    monkeypatch.undo()
    assert random.key != key_of(asdict(random))
    assert started.key == key_of(asdict(started))


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
    Finding("fig2", "Title", "shown", "got", "in part", [table], run=run).write(tmp_path)
    text = write_page(tmp_path, ["fig1", "fig2"]).read_text(encoding="utf-8")
    assert "| [fig2](#fig2) | Title | **in part** |" in text
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
        ([], "`ITEM` must be one or more of fig1, fig2"),
        (["--budget", "0"], "`--budget` must be a number of hours above 0; got 0."),
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


def test_the_command_spends_a_budget(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["reproduce", "tableA", "fig1", "--budget", "0.001", "-o", str(tmp_path)])
    assert result.exit_code == 0
    assert "`gmvae reproduce fig1 --budget HOURS`" in (tmp_path / PAGE).read_text(encoding="utf-8")


def test_the_command_knows_every_item() -> None:
    assert set(NAMES) == set(ITEMS)
