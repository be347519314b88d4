"""Peak resident memory, each case in a process of its own (`memory_case.py`)."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import ours
from setting import Record, Setting
from timing import Peak, peak
from workloads import COMPONENTS, PAPER

N_FEATURES = 50
N_ROWS = (100_000, 1_000_000)
N_ROWS_QUICK = (20_000, 100_000)
BATCH = 256
LINE = (10, 30, 100, 300, 1000)
"""K along which memory and time are held against each other."""


def memory(setting: Setting) -> list[Record]:
    """Peak memory of the imports, of training steps and fits, and of prediction from a memory-mapped array."""
    return [*_imports(), *_steps(setting), *_fits(setting), *_predictions(setting)]


def _case(name: str, **arguments: object) -> Peak:
    """Run one case of `memory_case.py`."""
    script = Path(__file__).with_name("memory_case.py")
    return peak([sys.executable, str(script), name, json.dumps(arguments)])


def _record(about: dict[str, Any], measured: Peak) -> Record:
    return {**about, "wall_seconds": measured.seconds, "peak_mib": measured.peak_mib, **measured.said}


def _imports() -> Iterator[Record]:
    yield _record({"case": "imports", "what": "torch"}, _case("import", module="torch"))
    yield _record({"case": "imports", "what": "ours"}, _case("import", module="ours"))


def _steps(setting: Setting) -> Iterator[Record]:
    """A few training steps of the paper's networks, and of the default table's for large K."""
    names = [*(f"ours {precision}" for precision in ours.PRECISIONS), "reference", "floor float32"]
    cells = [(name, 10) for name in PAPER] + [("default-table", K) for K in COMPONENTS]
    for workload, K in cells[:1] if setting.quick else cells:
        for what in names:
            about = {"workload": workload, "batch": BATCH, "n_components": K}
            measured = _case("steps", what=what, seed=setting.seed, **about)
            yield _record({"case": "steps", "what": what, **about}, measured)


def _fits(setting: Setting) -> Iterator[Record]:
    """One epoch of the public estimator for growing K, everything that a fit does included."""
    for K in (10, 100) if setting.quick else LINE:
        for precision in ours.PRECISIONS:
            about = {"workload": "default-table", "batch": BATCH, "n_components": K}
            measured = _case("fit", precision=precision, seed=setting.seed, **about)
            yield _record({"case": "fit", "what": f"ours {precision}", **about}, measured)


def _predictions(setting: Setting) -> Iterator[Record]:
    """Clusters of a memory-mapped .npy file, by the estimator and by the command line."""
    scratch, seed = setting.scratch, setting.seed
    small, run = scratch / "small.npy", scratch / "memory-run"
    write_rows(small, 1000, seed)
    ours.fit_by_command(small, run, n_components=10)
    for n_rows in N_ROWS_QUICK if setting.quick else N_ROWS:
        array = scratch / f"rows-{n_rows}.npy"
        write_rows(array, n_rows, seed)
        about = {"case": "predict", "rows": n_rows, "features": N_FEATURES}
        measured = _case("predict", model=str(run / "model.safetensors"), array=str(array))
        yield _record({**about, "what": "estimator"}, measured)
        command = ours.command_line("predict", str(run), str(array), "-o", str(scratch / "labels.npy"))
        yield _record({**about, "what": "command line"}, peak(command))
        array.unlink()


def write_rows(path: Path, n_rows: int, seed: int) -> None:
    """Normal rows in float32, written in parts."""
    generator = np.random.default_rng(seed)
    array = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES))
    for first in range(0, n_rows, 2**14):
        part = array[first : first + 2**14]
        part[:] = generator.standard_normal(part.shape, np.float32)
    array.flush()
