"""Fits side by side on one machine: `python benchmarks/shared_machine.py --out FILE`, with nothing else running.

Wall seconds of `gmvae fit digits` alone and of two at once, with the threads it takes by itself and with one each, and
with threads that spin while they wait as they do by default; and of a grid search by one process and by two.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import ours
from sklearn.model_selection import GridSearchCV
from speed import machine

from gmvae import GMVAE, load

REPETITIONS = 3
SPINNING = {"OMP_WAIT_POLICY": "ACTIVE"}


def at_once(n_fits: int, *options: str, **environment: str) -> float:
    """Wall seconds until the last of so many equal fits has ended."""
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        fits = []
        for number in range(n_fits):
            words = [*options, "fit", "digits", "-o", f"{folder}/{number}", "--device", "cpu", "--quiet"]
            fits.append(
                subprocess.Popen(
                    ours.command_line(*words),
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    env={**os.environ, **environment},
                )
            )
        if any(fit.wait() for fit in fits):
            raise RuntimeError("A fit has failed.")
        return time.perf_counter() - started


def search(n_jobs: int) -> float:
    """Wall seconds of a grid search over two numbers of clusters in two folds."""
    warnings.simplefilter("ignore")
    X = load("digits").X
    grid = GridSearchCV(GMVAE(random_state=0, device="cpu"), {"n_components": [8, 10]}, cv=2, n_jobs=n_jobs)
    started = time.perf_counter()
    grid.fit(X)
    return time.perf_counter() - started


def main() -> None:
    """Measure in turn, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="JSON file")
    out = parser.parse_args().out
    ways = {
        "one fit": lambda: at_once(1),
        "one fit, --threads 1": lambda: at_once(1, "--threads", "1"),
        "two fits at once": lambda: at_once(2),
        "two fits at once, --threads 1": lambda: at_once(2, "--threads", "1"),
        "two fits at once, spinning": lambda: at_once(2, **SPINNING),
        "grid search, n_jobs=1": lambda: search(1),
        "grid search, n_jobs=2": lambda: search(2),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPETITIONS):
        for name, way in ways.items():
            seconds[name].append(way())
            print(f"{name}: {seconds[name][-1]:.1f} s", flush=True)
            found: dict[str, Any] = {**machine("benchmarks/shared_machine.py"), "seconds": seconds}
            out.write_text(json.dumps(found, indent=1) + "\n")
    for name, each in seconds.items():
        print(f"| {name} | {median(each):.1f} |")


if __name__ == "__main__":
    main()
