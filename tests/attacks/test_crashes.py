"""Runs that are killed, interrupted, short of room or not alone: nothing that was done is lost."""

from __future__ import annotations

import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import victim
from safetensors.numpy import load_file
from typer.testing import CliRunner

from gmvae import GMVAE, persistence
from gmvae.atomic import locked
from gmvae.cli import app
from gmvae.fitted.fitted import Fitted
from gmvae.runs import fit_source as fitting
from gmvae.runs.checkpoints import Checkpoints

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="kills and forks processes")
PATIENCE = 120


@pytest.fixture(scope="module")
def start() -> Callable[..., BaseProcess]:
    """Start a function of `victim` in a process of its own, forked from one that has imported everything."""
    context = multiprocessing.get_context("forkserver")
    # Names that are found without this folder on the path, which the server does not have.
    context.set_forkserver_preload(["gmvae.runs.fit_source", "gmvae.fitting.fit", "gmvae.runs.checkpoints"])

    def started(function: Callable[..., None], *arguments: object) -> BaseProcess:
        process = context.Process(target=function, args=arguments)
        process.start()
        return process

    return started


def ended(process: BaseProcess) -> int:
    process.join(PATIENCE)
    assert process.exitcode is not None
    return process.exitcode


def alike(one: Path, other: Path) -> bool:
    """Whether the weights of two model files are the same, bit for bit."""
    first, second = load_file(one), load_file(other)
    return first.keys() == second.keys() and all(first[name].tobytes() == second[name].tobytes() for name in first)


def open_at_this_instant(run: Path) -> None:
    """Hold a run folder, whose process has been killed, to what every instant promises."""
    for path in run.glob("checkpoints/restart-*.safetensors"):
        persistence.read(path, "checkpoint")
    for path in run.glob("[a-z]*.json"):
        json.loads(path.read_text())
    said = CliRunner().invoke(app, ["info", str(run)])
    assert said.exit_code in (0, 2), said.exception
    assert said.exit_code == 0 or len(said.stderr.splitlines()) == 1
    if (run / "config.json").exists():
        assert said.exit_code == 0, said.stderr


@pytest.fixture(scope="module")
def whole(start: Callable[..., BaseProcess], tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, float]:
    """The model of a fit that nobody disturbed, and how long it took."""
    ended(start(time.sleep, 0))  # the server has started
    folder = tmp_path_factory.mktemp("whole")
    started = time.monotonic()
    assert ended(start(victim.fit, folder)) == 0
    return folder / "model.safetensors", time.monotonic() - started


# ---------------------------------------------------------------- kill -9


@pytest.mark.parametrize("n", [8, pytest.param(250, marks=pytest.mark.slow)])  # slow: 0.5 s each
def test_a_fit_killed_at_any_instant_ends_bit_for_bit(
    n: int, start: Callable[..., BaseProcess], whole: tuple[Path, float], tmp_path: Path, tally: Any
) -> None:
    expected, seconds = whole
    rng = random.Random(n)
    kills = completed = 0
    while kills < n or completed == 0:
        folder = tmp_path / f"run-{completed}"
        folder.mkdir(exist_ok=True)
        process = start(victim.fit, folder)
        process.join(rng.uniform(0.0, seconds) if kills < n else PATIENCE)
        process.kill()
        if ended(process) == -signal.SIGKILL:
            kills += 1
            open_at_this_instant(folder / "run")
        else:
            assert process.exitcode == 0
            assert alike(folder / "model.safetensors", expected)
            assert not list((folder / "run").rglob(".tmp-*")), "what killed processes left half-written is gone"
            completed += 1
    tally("fits killed by SIGKILL at a random instant", kills)
    tally("killed fits that ended bit for bit as undisturbed", completed)


@pytest.mark.parametrize("every", [40, pytest.param(1, marks=pytest.mark.slow)])  # slow: a hundred instants
def test_a_fit_killed_before_any_file_operation_ends_bit_for_bit(
    every: int, start: Callable[..., BaseProcess], whole: tuple[Path, float], tmp_path: Path, tally: Any
) -> None:
    n, kills = 3, 0
    while True:
        folder = tmp_path / f"run-{n}"
        folder.mkdir()
        code = ended(start(victim.fit_until_event, folder, n))
        if code == 0:
            break
        assert code == -signal.SIGKILL
        open_at_this_instant(folder / "run")
        assert ended(start(victim.fit, folder)) == 0
        assert alike(folder / "model.safetensors", whole[0])
        assert not list((folder / "run").rglob(".tmp-*"))
        shutil.rmtree(folder)
        kills += 1
        n += every
    assert kills >= 100 // every
    tally("fits killed before a file operation", kills)


SETTINGS = ["-k", "3", "--epochs", "4", "--labels", "kind", "--set", "hidden_layer_sizes=8", "--set", "latent_dim=2"]


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("table") / "table.csv"
    rows = victim.rows()
    lines = [",".join(map(str, [*row, row.argmax()])) for row in rows]
    path.write_text("a,b,c,d,kind\n" + "\n".join(lines) + "\n")
    return path


@pytest.fixture(scope="module")
def whole_run(
    start: Callable[..., BaseProcess], table: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, float]:
    """A run of the command line that nobody disturbed, and how long it took."""
    ended(start(time.sleep, 0))
    folder = tmp_path_factory.mktemp("run")
    started = time.monotonic()
    assert ended(start(victim.command, folder, "fit", str(table), "-o", str(folder / "run"), *SETTINGS)) == 0
    return folder / "run", time.monotonic() - started


def go_on(folder: Path, table: Path) -> list[str]:
    """What a user would type after a kill: `--resume`, or the same command where nothing had begun."""
    if (folder / "run" / "config.json").exists():
        return ["fit", "-o", str(folder / "run"), "--resume"]
    return ["fit", str(table), "-o", str(folder / "run"), *SETTINGS]


@pytest.mark.parametrize("n", [2, pytest.param(100, marks=pytest.mark.slow)])  # slow: figures, 3 s each
def test_a_command_killed_at_any_instant_is_completed(
    n: int,
    start: Callable[..., BaseProcess],
    table: Path,
    whole_run: tuple[Path, float],
    tmp_path: Path,
    tally: Any,
) -> None:
    """While data are loaded, components placed, epochs trained, tables and figures written, checkpoints removed."""
    expected, seconds = whole_run
    rng = random.Random(n)
    kills = completed = 0
    while kills < n or completed == 0:
        folder = tmp_path / f"folder-{completed}"
        folder.mkdir(exist_ok=True)
        process = start(victim.command, folder, *go_on(folder, table))
        process.join(rng.uniform(0.0, seconds) if kills < n else PATIENCE)
        process.kill()
        if ended(process) == -signal.SIGKILL:
            kills += 1
            open_at_this_instant(folder / "run")
        else:
            assert process.exitcode == 0, (folder / "err").read_text()
            assert alike(folder / "run" / "model.safetensors", expected / "model.safetensors")
            names = {str(path.relative_to(folder / "run")) for path in (folder / "run").rglob("*.*")}
            assert {name for name in names if "tfevents" not in name and ".lock" not in name} == {
                str(path.relative_to(expected)) for path in expected.rglob("*.*") if "tfevents" not in path.name
            }
            completed += 1
    tally("commands killed by SIGKILL at a random instant", kills)


def test_a_run_killed_before_its_parameters_were_written_can_be_begun_again(table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    for name in ("run.json", ".run.lock", ".tmp-abc.json"):
        (run / name).write_text("{")
    assert CliRunner().invoke(app, ["fit", str(table), "-o", str(run), *SETTINGS, "-q"]).exit_code == 0
    assert not list(run.glob(".*"))


def test_a_run_killed_while_its_checkpoints_were_removed_is_complete(whole_run: tuple[Path, float]) -> None:
    run = whole_run[0]
    left = run / ".tmp-checkpoints"
    left.mkdir()
    said = CliRunner().invoke(app, ["fit", "-o", str(run), "--resume"])
    assert (said.exit_code, "is complete" in said.stderr) == (0, True)
    left.rmdir()


# ---------------------------------------------------------------- asked to end


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("n", [1, pytest.param(60, marks=pytest.mark.slow)])  # slow: 2 s each
def test_a_command_asked_to_end_says_how_to_go_on(
    number: signal.Signals,
    code: int,
    n: int,
    start: Callable[..., BaseProcess],
    table: Path,
    whole_run: tuple[Path, float],
    tmp_path: Path,
    tally: Any,
) -> None:
    expected, seconds = whole_run
    rng = random.Random(n)
    for index in range(n):
        folder = tmp_path / f"folder-{index}"
        folder.mkdir()
        process = start(victim.command, folder, *go_on(folder, table))
        while process.is_alive() and not (folder / "run").exists():
            time.sleep(0.01)
        process.join(rng.uniform(0.0, seconds))
        if process.is_alive():
            os.kill(process.pid or 0, number)
        ended_by = ended(process)
        lines = (folder / "err").read_text().splitlines()
        run = folder / "run"
        assert not any("Traceback" in line for line in lines), "\n".join(lines)
        assert ended_by in (0, code)
        if ended_by == code and list(run.glob("checkpoints/*.safetensors")):
            assert lines[-1] == f"Interrupted; go on with: gmvae fit -o {run} --resume"
        elif ended_by == code and not (run / "model.safetensors").exists():
            assert lines[-1] == "Interrupted before the first epoch had ended; there is nothing to go on from."
            assert not run.exists(), "nothing that has not begun is left"
        assert ended(start(victim.command, folder, *go_on(folder, table))) == 0
        assert alike(run / "model.safetensors", expected / "model.safetensors")
    tally(f"commands asked to end by {number.name}, or just before it ended", n)


@pytest.mark.parametrize("place", ["save", "write_table", "draw_run", "evaluate"])
@pytest.mark.parametrize("by", [KeyboardInterrupt, ValueError])
def test_nothing_is_removed_after_training(
    place: str, by: type[BaseException], table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A complete training outlives whatever happens to the results."""
    run = tmp_path / "run"

    def fail(*_: object, **__: object) -> None:
        raise by("broken")

    with monkeypatch.context() as patch:
        patch.setattr(Fitted if place == "save" else fitting, place, fail)
        said = CliRunner().invoke(app, ["fit", str(table), "-o", str(run), *SETTINGS, "-q"])
    assert said.exit_code == (130 if by is KeyboardInterrupt else 2)
    assert list(run.glob("checkpoints/*.safetensors"))
    monkeypatch.setattr(fitting, "draw_run", lambda *_: [])
    assert CliRunner().invoke(app, ["fit", "-o", str(run), "--resume", "-q"]).exit_code == 0


@pytest.mark.parametrize(
    ("place", "left"),
    [("gmvae.fitting.starts.starting_clusters", False), ("gmvae.report.figures.figures.save", True)],
)
def test_a_signal_outside_the_epochs(
    place: str, left: bool, start: Callable[..., BaseProcess], table: Path, tmp_path: Path
) -> None:
    """While starting clusters are found, and while figures are drawn; a real process, a real signal."""
    run = tmp_path / "run"
    code = ended(start(victim.command_that_is_ended, tmp_path, place, "fit", str(table), "-o", str(run), *SETTINGS))
    lines = (tmp_path / "err").read_text().splitlines()
    assert (code, "Traceback" in "".join(lines)) == (143, False)
    if left:
        assert lines[-1] == f"Interrupted; go on with: gmvae fit -o {run} --resume"
    else:
        assert lines[-1] == "Interrupted before the first epoch had ended; there is nothing to go on from."
    assert run.exists() == left


def test_every_command_answers_a_signal(
    start: Callable[..., BaseProcess], whole_run: tuple[Path, float], table: Path, tmp_path: Path
) -> None:
    arguments = ["predict", str(whole_run[0]), str(table), "--labels", "kind", "-o", str(tmp_path / "out.csv")]
    assert ended(start(victim.command_that_is_ended, tmp_path, "gmvae.cli.opened_model.open_fitted", *arguments)) == 143
    assert (tmp_path / "err").read_text() == ""
    assert not (tmp_path / "out.csv").exists()


# ---------------------------------------------------------------- no room


@pytest.fixture
def small_disk(mounted: Callable[[str], Path]) -> Path:
    return mounted("256k")


def fill(disk: Path, leave: int) -> Path:
    """Leave so many bytes on a disk."""
    ballast = disk / "ballast"
    free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
    ballast.write_bytes(bytes(max(0, free - leave)))
    return ballast


@pytest.mark.parametrize("leave", [0, 4096, 8192, 16384])
def test_a_full_disk_leaves_the_earlier_checkpoint(leave: int, small_disk: Path, tally: Any) -> None:
    run = small_disk / "run"
    kept: list[bytes] = []
    checkpoint = run / "checkpoints" / "restart-0.safetensors"

    def on_epoch(model: GMVAE) -> None:
        if model.history_["epoch"][-1] == 3:
            kept.append(checkpoint.read_bytes())
            fill(small_disk, leave)

    model = victim.estimator(1).set_params(max_iter=40, n_iter_no_change=40)
    with pytest.raises(OSError, match="No space left on device") as caught:
        model.fit(victim.rows(), run_dir=run, on_epoch=on_epoch)
    assert caught.value.filename in (str(checkpoint), str(run / "history.csv"))
    assert len(persistence.read(checkpoint, "checkpoint")[0]) > 0
    assert not list(run.rglob(".tmp-*"))
    tally("disks filled in mid-training", 1)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")  # TensorBoard's; told by ours
def test_events_that_find_no_room_say_so(small_disk: Path) -> None:
    run, running = small_disk / "run", set(threading.enumerate())
    model = victim.estimator(1).set_params(max_iter=40, n_iter_no_change=40)

    def fill_once(*_: object) -> None:
        if not (small_disk / "ballast").exists():
            with suppress(OSError):  # TensorBoard may take the last bytes: it is full then
                fill(small_disk, 0)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Checkpoints, "keep", fill_once)
        with pytest.raises(OSError, match="No space left on device") as caught:
            model.fit(victim.rows(), run_dir=run)
    assert Path(caught.value.filename) == run / "tensorboard" / "restart-0"
    for thread in set(threading.enumerate()) - running:
        thread.join(PATIENCE)


def test_a_file_that_cannot_grow_leaves_the_earlier_checkpoint(
    table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same where no disk can be mounted; and the command line says what is full and how to go on."""
    run, written = tmp_path / "run", []
    write = persistence.write

    def limited(path: Path, *rest: Any) -> None:
        written.append(path)
        if len(written) == 3:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
        write(path, *rest)

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    with monkeypatch.context() as patch:
        patch.setattr(persistence, "write", limited)
        try:
            said = CliRunner().invoke(app, ["fit", str(table), "-o", str(run), *SETTINGS, "-q"])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert said.exit_code == 2, said.exception
    kept, error = said.stderr.splitlines()
    assert kept == f"The epochs so far are kept; go on with: gmvae fit -o {run} --resume"
    assert error == f"Error: {run}/checkpoints/restart-0.safetensors: file too large."
    _, text = persistence.read(run / "checkpoints" / "restart-0.safetensors", "checkpoint")
    assert len(json.loads(text["history"])) == 2
    assert not list(run.rglob(".tmp-*"))
    assert CliRunner().invoke(app, ["fit", "-o", str(run), "--resume", "-q"]).exit_code == 0


@pytest.mark.parametrize("name", ["out.npy", "out.csv", "out.parquet"])
def test_results_that_find_no_room_say_so(
    name: str, small_disk: Path, whole_run: tuple[Path, float], table: Path, start: Callable[..., BaseProcess]
) -> None:
    """In a process of its own: to write to a mapped file without room is a signal, not an error."""
    folder = small_disk.parent
    arguments = ["sample", str(whole_run[0]), "-n", "20000", "-o", str(small_disk / name)]
    assert ended(start(victim.command, folder, *arguments)) == 2, (folder / "err").read_text()
    assert (folder / "err").read_text() == f"Error: {small_disk / name}: no space left on device.\n"
    assert not list(small_disk.iterdir())


# ---------------------------------------------------------------- two at once


def test_a_run_is_written_by_one_process(start: Callable[..., BaseProcess], table: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    long = [*SETTINGS[:3], "400", *SETTINGS[4:], "--set", "n_iter_no_change=400"]
    process = start(victim.command, tmp_path, "fit", str(table), "-o", str(run), *long)
    try:
        while not list(run.glob("checkpoints/*.safetensors")):
            time.sleep(0.02)
            assert process.is_alive()
        for arguments in (["-o", str(run), "--resume"], [str(table), "-o", str(run)]):
            said = CliRunner().invoke(app, ["fit", *arguments, "-q"])
            assert said.exit_code == 2, said.exception
            assert "must be written by one process at a time; another is at work in" in said.stderr
            assert len(said.stderr.splitlines()) == 1
        for resume in (True, False):
            with pytest.raises(ValueError, match="must be written by one process at a time"):
                victim.estimator().fit(victim.rows(), run_dir=run, resume=resume)
        assert process.is_alive()
        process.kill()
        ended(process)
        assert (run / ".run.lock").exists(), "a dead process leaves the file, but not the lock"
        said = CliRunner().invoke(app, ["fit", "-o", str(run), "--resume", "--epochs", "5", "-q"])
        assert "`max_iter` must be as in the run to resume" in said.stderr
    finally:
        process.kill()


@pytest.mark.parametrize("n", [1, pytest.param(30, marks=pytest.mark.slow)])  # slow: 2 s each
def test_two_that_begin_at_once_do_not_disturb_each_other(
    n: int,
    start: Callable[..., BaseProcess],
    table: Path,
    whole_run: tuple[Path, float],
    tmp_path: Path,
    tally: Any,
) -> None:
    for index in range(n):
        run = tmp_path / f"run-{index}"
        folders = [tmp_path / f"{index}-{which}" for which in "ab"]
        for folder in folders:
            folder.mkdir()
        both = [start(victim.command, folder, "fit", str(table), "-o", str(run), *SETTINGS) for folder in folders]
        assert sorted(map(ended, both)) == [0, 2], [(folder / "err").read_text() for folder in folders]
        assert alike(run / "model.safetensors", whole_run[0] / "model.safetensors")
    tally("pairs of commands begun at once in one folder", n)


def test_a_lock_is_held_once_and_leaves_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "new" / ".lock"
    with locked(lock):
        with pytest.raises(ValueError, match="one process at a time"), locked(lock):
            pass
        assert lock.exists()
    assert not lock.exists()
    with locked(lock):
        pass


# ---------------------------------------------------------------- a folder in use


def test_an_earlier_run_is_not_replaced_without_a_word(tmp_path: Path) -> None:
    run = tmp_path / "run"
    X = victim.rows()
    with pytest.warns():
        fitted = victim.estimator().fit(X, run_dir=run)
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    with pytest.raises(ValueError, match=r"`run_dir` must hold no run yet; .* pass `resume=True` to go on with it"):
        victim.estimator().fit(X, run_dir=run)
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before
    with pytest.warns():
        again = victim.estimator().fit(X, run_dir=run, resume=True)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
