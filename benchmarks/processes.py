"""Seconds of an epoch with one process and with two, alternating: `python benchmarks/processes.py`. See README.md.

One thread a process; run it while nothing else does.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
from pyarrow import parquet

from gmvae.paper.provenance import provenance

N_FILES, N_ROWS, N_COLUMNS, N_GROUPS = 8, 64_000, 50, 10
BATCH_SIZE = 1024


def write_parts(folder: Path) -> None:
    """Round groups of float32 in Parquet files of equal size."""
    rng = np.random.default_rng(0)
    centres = 2.0 * rng.normal(size=(N_GROUPS, N_COLUMNS))
    for number in range(N_FILES):
        rows = centres[rng.integers(0, N_GROUPS, N_ROWS)] + rng.normal(size=(N_ROWS, N_COLUMNS))
        columns = {f"x{index}": column.astype(np.float32) for index, column in enumerate(rows.T)}
        parquet.write_table(pa.table(columns), folder / f"{number}.parquet")


def seconds_of_epoch(folder: Path, run: Path, n_processes: int) -> float:
    """Fit for one epoch in a process of its own, or in several."""
    settings = ["--set", f"batch_size={BATCH_SIZE}", "--set", "max_iter=1", "--devices", str(n_processes)]
    command = ["fit", f"{folder}/*.parquet", "-k", str(N_GROUPS), "-o", str(run), "-q", "--no-report", *settings]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    subprocess.run([sys.executable, "-m", "gmvae", *command], check=True, capture_output=True, env=environment)
    with (run / "history.csv").open(encoding="utf-8", newline="") as file:
        return float([*csv.DictReader(file)][-1]["seconds"])


def main() -> None:
    """Alternate, and print every time and the ratio of medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    seconds: dict[int, list[float]] = {1: [], 2: []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        write_parts(folder)
        for repeat in range(repeats):
            for n_processes, known in seconds.items():
                known.append(seconds_of_epoch(folder, folder / f"run-{repeat}-{n_processes}", n_processes))
    print({n: [round(each, 1) for each in known] for n, known in seconds.items()})
    print(f"two processes are {median(seconds[1]) / median(seconds[2]):.2f} times as fast as one; {provenance()}")


if __name__ == "__main__":
    main()
