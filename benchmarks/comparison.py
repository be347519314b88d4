"""Ours beside the peers: seconds per epoch on the same rows, with networks of the same widths, in turn."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import IO, Any

import numpy as np
import ours
import torch
from setting import Record, Setting
from timing import spread

PEERS = (
    "ClustPy VaDE",
    "ClustPy DEC",
    "pythae VAE",
    "scikit-learn GaussianMixture diag",
    "scikit-learn GaussianMixture full",
)
SIZES = {"hidden": [500, 500], "latent_dim": 10, "n_components": 10, "batch": 256}
N_FEATURES = 784
N_BATCHES = 39
"""Minibatches of an epoch: 9,984 rows, so that no minibatch is cut short anywhere."""
VALIDATION_FRACTION = 0.1
SLOW = "scikit-learn GaussianMixture full"
"""Timed in the first rounds only: an iteration over full covariances of 784 features takes seconds."""
SLOW_ROUNDS = 2


def peers(setting: Setting) -> list[Record]:
    """Seconds of an epoch; without the peers' interpreter, of ours alone."""
    n_rows = SIZES["batch"] * (4 if setting.quick else N_BATCHES)
    n_epochs, n_rounds = (1, 2) if setting.quick else (3, 7)
    rows = np.random.default_rng(setting.seed).random((n_rows, N_FEATURES), np.float32)
    held_out = np.random.default_rng(setting.seed + 1).random(
        (round(n_rows * VALIDATION_FRACTION / (1 - VALIDATION_FRACTION)), N_FEATURES), np.float32
    )
    ours_rows = np.concatenate([rows, held_out])
    child, records = None, []
    if setting.peers_python is None:
        records.append({"what": "peers", "skipped": "no interpreter given with --peers-python"})
    else:
        child, versions = _start(setting, rows, n_epochs)
        records.append({"what": "versions", **versions})
    samples: dict[str, list[float]] = {}
    for turn in range(n_rounds + 1):
        for precision in ours.PRECISIONS:
            taken = ours.epoch_seconds(ours_rows, _ours(precision, setting.seed), n_epochs)
            samples.setdefault(f"ours {precision}", []).append(sum(taken) / len(taken))
        for name in PEERS if child else ():
            if name != SLOW or (turn <= SLOW_ROUNDS and not setting.quick):
                samples.setdefault(name, []).append(_ask(child, name))
    if child is not None:
        child.communicate()
    about = {"rows": n_rows, **SIZES}
    # The first round warms up.
    timed = {name: spread(each[1:], each[0], n_epochs) for name, each in samples.items()}
    return [*records, *({**about, "what": name, "seconds": each._asdict()} for name, each in timed.items())]


def _ours(precision: str, seed: int) -> dict[str, object]:
    return {
        "n_components": SIZES["n_components"],
        "latent_dim": SIZES["latent_dim"],
        "hidden_layer_sizes": tuple(SIZES["hidden"]),
        "batch_size": SIZES["batch"],
        "network": "mlp",
        "likelihood": "bernoulli",
        "validation_fraction": VALIDATION_FRACTION,
        "init": "random",
        "device": "cpu",
        "random_state": seed,
        **ours.PRECISIONS[precision],
    }


def _start(setting: Setting, rows: np.ndarray, n_epochs: int) -> tuple[subprocess.Popen[str], dict[str, Any]]:
    """Start the peers' process, and wait until it has read the rows."""
    array = setting.scratch / "peers.npy"
    np.save(array, rows)
    sizes = {
        **SIZES,
        "rows": str(array),
        "epochs": n_epochs,
        "seed": setting.seed,
        "scratch": str(setting.scratch),
        "threads": torch.get_num_threads(),
    }
    script = Path(__file__).with_name("peers.py")
    command = [str(setting.peers_python), str(script), json.dumps(sizes)]
    with (setting.scratch / "peers.log").open("w") as log:
        child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True)
    try:
        return child, _read(child)
    except EOFError as error:
        said = (setting.scratch / "peers.log").read_text()
        raise RuntimeError(f"The peers' interpreter must have them installed; it said: {said[-1000:]}") from error


def _ask(child: subprocess.Popen[str], name: str) -> float:
    assert child.stdin is not None
    print(name, file=child.stdin, flush=True)
    return float(_read(child))


def _read(child: subprocess.Popen[str]) -> Any:
    output: IO[str] | None = child.stdout
    assert output is not None
    line = output.readline()
    if not line:
        raise EOFError(f"The peers' process ended with status {child.wait()}.")
    return json.loads(line)
