"""Several processes that fit one model: the result of one, whoever began, and what is said when one is lost."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.training.processes import Processes, local_rank, processes_here

SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 3,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 6,
    "batch_size": 15,
    "precision": "64-true",
    "random_state": 0,
    "device": "cpu",
}
PAPER = {"bound": "paper", "min_information": 0.5, "init": "random", "n_mc_samples": 2, "max_grad_norm": 1.0}

PATIENCE = 600
"""Seconds to wait for a process that may hang; on a busy machine one takes minutes to begin."""


def fit_here(folder: Path, cases: dict[str, tuple[Any, ...]]) -> None:
    """Fit every case in this process; weights lie in the folder. One that is stopped after some epochs ends it."""
    for name, (settings, data, n_epochs, run_dir, resume) in cases.items():
        with np.load(data) as arrays:
            X, weight = arrays["X"], arrays.get("weight")

        def stop(partial: GMVAE, at: int | None = n_epochs) -> None:
            if partial.n_iter_ == at:
                raise KeyboardInterrupt

        model = GMVAE(**{**settings, "hidden_layer_sizes": tuple(settings["hidden_layer_sizes"])})
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # these fits are too short to converge
                model.fit(X, sample_weight=weight, run_dir=run_dir, resume=resume, on_epoch=stop)
        except KeyboardInterrupt:
            return
        values = {key: value.numpy() for key, value in model.fitted_.model.state_dict().items()}
        rank = processes_here().rank
        np.savez(folder / f"{name}-{rank}.npz", labels=model.labels_, bound=model.lower_bound_, **values)


def blobs(n: int = 200) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    return (rng.normal(size=(n, 4)) + 4.0 * rng.normal(size=(3, 4))[rng.integers(0, 3, n)]).astype("f4")


def processes(n: int, command: list[str], **options: Any) -> list[subprocess.Popen[str]]:
    """So many processes as a launcher starts them."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    shared = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    return [
        subprocess.Popen(
            [sys.executable, *command],
            env={**shared, "WORLD_SIZE": str(n), "RANK": str(rank), "LOCAL_RANK": str(rank)},
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            **options,
        )
        for rank in range(n)
    ]


def outputs(started: list[subprocess.Popen[str]]) -> list[tuple[int, str, str]]:
    """Exit code, standard output and standard error of every process."""
    found = [(*process.communicate(timeout=PATIENCE), process.returncode) for process in started]
    return [(code, out, err) for out, err, code in found]


def fitting(folder: Path, cases: dict[str, tuple[Any, ...]]) -> list[subprocess.Popen[str]]:
    """Two processes that do `fit_here`."""
    return processes(2, [__file__, str(folder), json.dumps(cases)])


def assert_same(found: Path, expected: Path) -> None:
    with np.load(found) as one, np.load(expected) as other:
        assert one.files == other.files
        for name in one.files:
            np.testing.assert_allclose(one[name], other[name], rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder, rng = tmp_path_factory.mktemp("data"), np.random.default_rng(1)
    np.savez(folder / "rows.npz", X=blobs())
    np.savez(folder / "weighted.npz", X=blobs(), weight=rng.uniform(0.0, 3.0, 200))
    images = np.abs(rng.normal(size=(90, 16, 16))) * np.kron(rng.random((90, 2, 2)) > 0.5, np.ones((8, 8)))
    np.savez(folder / "images.npz", X=images.astype("f4"))
    return {name: str(folder / f"{name}.npz") for name in ("rows", "weighted", "images")}


def test_two_processes_find_what_one_finds(data: dict[str, str], tmp_path: Path) -> None:
    """Weights after all steps, 204 of the first two, of which every process has a slice of 7 or 8 of 15 rows."""
    longer = {**SMALL, "max_iter": 17}
    cases = {
        "plain": (longer, data["rows"]),
        "paper": ({**longer, **PAPER}, data["rows"]),
        "weighted": (SMALL, data["weighted"]),
        "images": ({**SMALL, "network": "mlp", "max_iter": 2}, data["images"]),
        "restarts": ({**SMALL, "n_init": 3, "max_iter": 2}, data["rows"]),
    }
    every = {name: (*case, None, None, False) for name, case in cases.items()}
    one, two = tmp_path / "one", tmp_path / "two"
    for folder in (one, two):
        folder.mkdir()
    started = fitting(two, every)
    fit_here(one, every)
    for code, _, said in outputs(started):
        assert code == 0, said[-2000:]
    for name in cases:
        for rank in (0, 1):
            assert_same(two / f"{name}-{rank}.npz", one / f"{name}-0.npz")


def test_a_run_goes_on_with_another_number_of_processes(data: dict[str, str], tmp_path: Path) -> None:
    """One process begins, two go on and are interrupted, one ends: as if undisturbed."""
    run = str(tmp_path / "run")
    fit_here(tmp_path, {"begun": (SMALL, data["rows"], 2, run, False)})
    started = fitting(tmp_path, {"on": (SMALL, data["rows"], 4, run, True)})
    started[0].wait(timeout=PATIENCE)
    for process in started:
        process.kill()
    outputs(started)
    fit_here(tmp_path, {"ended": (SMALL, data["rows"], None, run, True)})
    fit_here(tmp_path, {"undisturbed": (SMALL, data["rows"], None, None, False)})
    assert_same(tmp_path / "ended-0.npz", tmp_path / "undisturbed-0.npz")


def command(tmp_path: Path, *arguments: object) -> list[str]:
    np.save(tmp_path / "X.npy", blobs())
    small = ["--epochs", "3", "--set", "hidden_layer_sizes=8", "--set", "precision=64-true", "--no-report"]
    return ["-m", "gmvae", "fit", str(tmp_path / "X.npy"), *small, *map(str, arguments)]


def test_the_command_line_fits_in_two_processes_of_which_one_speaks(tmp_path: Path) -> None:
    asked = {
        n: command(tmp_path, "-k", 3, "-o", tmp_path / run, "--devices", n, "--json", "--quiet")
        for n, run in ((1, "one"), (2, "two"))
    }
    done = subprocess.run(
        [sys.executable, *asked[2]],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    alone = CliRunner().invoke(app, asked[1][2:])
    assert alone.exit_code == 0, alone.output
    for out, err in ((done.stdout, done.stderr), (alone.stdout, alone.stderr)):
        assert json.loads(out)["n"] == 200
        assert "epoch 1/3" not in err
    X = blobs()
    one, two = (GMVAE.load(tmp_path / run / "model.safetensors").predict_proba(X) for run in ("one", "two"))
    np.testing.assert_allclose(one, two, rtol=1e-6)


def test_a_mistake_is_said_once(tmp_path: Path) -> None:
    asked = command(tmp_path, "-k", 1000, "-o", tmp_path / "run", "--devices", 2)
    done = subprocess.run([sys.executable, *asked], text=True, capture_output=True, check=False)
    assert done.returncode == 2
    said = [line for line in done.stderr.splitlines() if not line.startswith("Warning: ")]  # of old libraries
    assert said == [
        "Error: `n_components` must be at most the number of rows; got 1000 for 200 rows: take fewer components."
    ]


def test_a_lost_process_is_said_and_the_run_goes_on(tmp_path: Path) -> None:
    run = tmp_path / "run"
    asked = command(tmp_path, "-k", 3, "-o", run, "--epochs", 500, "--set", "n_iter_no_change=500")
    first, second = processes(2, asked)
    deadline = time.monotonic() + PATIENCE
    while not list(run.glob("checkpoints/*.safetensors")) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    (code, _, said), _ = outputs([first, second])
    assert code == 1
    *_, advice, error = said.splitlines()
    assert advice == f"The epochs so far are kept; go on with: gmvae fit -o {run} --resume"
    assert error.startswith("Error: All processes of a fit must run to its end; another one has ended")
    known = json.loads(
        subprocess.run(
            [sys.executable, "-m", "gmvae", "info", str(run), "--json"], text=True, capture_output=True, check=True
        ).stdout
    )
    assert known["complete"] is False
    assert known["epochs"] >= 1


@given(n=st.integers(0, 1000), size=st.integers(1, 40))
def test_slices_are_even_and_cover_all_rows(n: int, size: int) -> None:
    parts = [Processes(rank, size).slice(n) for rank in range(size)]
    assert [row for part in parts for row in range(n)[part]] == list(range(n))
    assert max(part.stop - part.start for part in parts) - min(part.stop - part.start for part in parts) <= 1


def test_slurm_says_which_process_this_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """By what `srun` sets; a shell within a job is a process alone."""
    job = {"SLURM_JOB_ID": "4711", "SLURM_JOB_NAME": "fit", "SLURM_NTASKS": "16", "SLURM_NODELIST": "node[3-4]"}
    job |= {"SLURM_PROCID": "9", "SLURM_LOCALID": "1", "SLURM_NODEID": "1", "SLURM_NTASKS_PER_NODE": "8"}
    monkeypatch.setattr(os, "environ", job)
    assert processes_here() == Processes(9, 16)
    assert local_rank() == 1
    assert os.environ["MASTER_ADDR"] == "node3"
    monkeypatch.setattr(os, "environ", {**job, "SLURM_JOB_NAME": "bash"})
    assert processes_here() == Processes()


def test_batch_norm_is_refused_on_several_cpus(data: dict[str, str], tmp_path: Path) -> None:
    settings = {**SMALL, "batch_norm": True}
    for code, _, said in outputs(fitting(tmp_path, {"x": (settings, data["rows"], None, None, False)})):
        assert code == 1
        assert "`batch_norm` must be False for a fit by several processes on CPUs" in said


if __name__ == "__main__":
    fit_here(Path(sys.argv[1]), json.loads(sys.argv[2]))
