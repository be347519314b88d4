"""How long a process takes from its start to its end: the interpreter, the imports and the command line."""

from __future__ import annotations

import sys

import numpy as np
import ours
from setting import Record, Setting
from timing import whole_process

REPETITIONS = 9


def startup(setting: Setting) -> list[Record]:
    """Wall time of whole processes, interleaved."""
    timed = whole_process(_commands(setting), 3 if setting.quick else REPETITIONS)
    return [{"what": name, "seconds": spread._asdict()} for name, spread in timed.items()]


def _commands(setting: Setting) -> dict[str, list[str]]:
    python = [sys.executable, "-c"]
    table, run = setting.scratch / "ten-rows.npy", setting.scratch / "ten-rows-run"
    np.save(table, np.random.default_rng(setting.seed).normal(size=(10, 4)))
    ours.fit_by_command(table, run, n_components=2)
    return {
        "python -c pass": [*python, "pass"],
        "import numpy": [*python, "import numpy"],
        "import sklearn.mixture": [*python, "import sklearn.mixture"],
        "import torch": [*python, "import torch"],
        "import gmvae": [*python, "import gmvae"],
        "from gmvae import GMVAE": [*python, "from gmvae import GMVAE"],
        "gmvae --help": ours.command_line("--help"),
        "gmvae predict, 10 rows": ours.command_line("predict", str(run), str(table), "-o", f"{run}/labels.npy"),
    }
