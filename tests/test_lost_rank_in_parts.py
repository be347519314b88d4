"""A process that is lost in the middle of a fit to a source in parts: what is said, and a run that goes on."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet
from test_processes import PATIENCE, outputs, processes
from test_shards import blobs, invoke, weights, write

from gmvae import GMVAE

EPOCHS = 40


def command(folder: Path, run: Path) -> list[str]:
    settings = ("hidden_layer_sizes=8", "latent_dim=2", "init=random", f"n_iter_no_change={EPOCHS}")
    chosen = [each for name in settings for each in ("--set", name)]
    options: list[Any] = ["-k", 3, "--epochs", EPOCHS, "--precision", "64-true", "--device", "cpu", "--no-report"]
    return [*map(str, ["fit", f"{folder}/*.parquet", *options, *chosen, "-o", run])]


@pytest.mark.slow  # four processes begin, and two fits train for 40 epochs
def test_a_rank_killed_in_an_epoch_ends_all_and_the_run_goes_on(tmp_path: Path) -> None:
    folder = write(tmp_path / "parts", blobs(4000), sizes=(700, 0, 1300, 1000, 1000))
    run, undisturbed = tmp_path / "run", tmp_path / "undisturbed"
    first, second = processes(2, ["-m", "gmvae", *command(folder, run)])
    deadline = time.monotonic() + PATIENCE
    while not list(run.glob("checkpoints/*.safetensors")) and time.monotonic() < deadline and first.poll() is None:
        time.sleep(0.05)
    second.send_signal(signal.SIGKILL)
    (code, _, said), (killed, *_) = outputs([first, second])
    assert killed == -signal.SIGKILL
    assert code == 1, said
    *_, advice, error = said.splitlines()
    assert advice == f"The epochs so far are kept; go on with: gmvae fit -o {run} --resume"
    assert error.startswith("Error: All processes of a fit must run to its end; another one has ended")
    assert "Traceback" not in said
    assert not list(run.glob("assignments/*.parquet"))

    for each in (["fit", "-o", str(run), "--resume", "--device", "cpu"], command(folder, undisturbed)):
        invoke(*each)
    resumed, expected = (GMVAE.load(each / "model.safetensors", device="cpu") for each in (run, undisturbed))
    assert resumed.n_iter_ == expected.n_iter_ == EPOCHS
    for name, value in weights(expected).items():
        np.testing.assert_allclose(weights(resumed)[name], value, rtol=1e-6, atol=1e-9, err_msg=name)
    labels = [
        pa.concat_tables(map(parquet.read_table, sorted((each / "assignments").glob("*.parquet")))).column("label")
        for each in (run, undisturbed)
    ]
    assert labels[0].equals(labels[1])
