"""gmvae on a GPU: `python benchmarks/gpu.py --data DIR --out DIR --work DIR --minutes 9`, again until it says done.

Five parts, the most valuable first; what is finished is in OUT/gpu.json at once and not run again.

check     bounds, gradients, steps, precisions, compiled, stacked and resumed fits, and files, against the CPU
steps     training steps at batches of 50 to 4,096, beside plain eager PyTorch and the device's measured ceiling
mnist     the default fit of MNIST: seconds, and accuracy on the test images
grid      Table 1 from random starts with M = 1, Figure 6, and Table 1 with M = 10, the seeds of a cell as one stack
streamed  10⁸ rows that are read in parts

If the check fails, nothing else is run. WORK has checkpoints, a hundred megabytes a seed and too large to bring back;
on another machine a cell of the grid that was interrupted begins anew. The source tree is enough: gmvae need not be
installed, and nothing is fetched.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
try:
    import lightning_fabric  # noqa: F401
except ModuleNotFoundError:  # the package `lightning` has it under its own name
    import lightning.fabric

    sys.modules["lightning_fabric"] = lightning.fabric

import gpu_fits
import gpu_steps
import numpy as np
import torch
from gpu_check import TOLERANCES, check

from gmvae.atomic import write_text
from gmvae.paper import figure6, mnist
from gmvae.paper.provenance import provenance
from gmvae.paper.quoted import Cell
from gmvae.paper.scope import Scope
from gmvae.paper.trials import BudgetSpentError, Material, Outcome, Trial, run_trials

PARTS = ("check", "steps", "mnist", "grid", "streamed")
_SECONDS = {"steps": 30.0, "mnist": 120.0, "streamed": 400.0}
"""Guess of what a step of a part takes; it is not begun if less is left."""


class Piece(NamedTuple):
    """A cell of the grid."""

    name: str
    trials: list[Trial]
    material: Material


def grid(scope: Scope) -> Iterator[Piece]:
    """Cells in the order of their worth."""

    def table(cells: Sequence[Cell]) -> Iterator[Piece]:
        for cell in cells:
            trials = mnist.trials(scope, mnist.PAPER, cell)
            yield Piece(f"K{cell.K}-M{cell.M}", trials, mnist.material(scope)._replace(together=True))

    yield from table([Cell(K, 1) for K in (10, 16, 30)])
    for edition, trials, material in figure6.fits(scope):
        for number, trial in enumerate(trials):
            yield Piece(f"fig6-{edition.name}-{number}", [trial], material)
    yield from table([Cell(K, 10) for K in (10, 16, 30)])


def facts(outcome: Outcome) -> dict[str, Any]:
    """What is kept of a fit: settings, measures, history and the scores of every epoch."""
    return {**outcome.record, "curve": mnist.curve(outcome.folder)}


class Run:
    """One call: what it may do, until when, and the record, which is written after everything that is finished."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.asked = arguments
        self.deadline = time.monotonic() + 60 * arguments.minutes
        self.path = arguments.out / "gpu.json"
        self.work = arguments.work or arguments.out / "work"
        self.record: dict[str, Any] = json.loads(self.path.read_text("utf-8")) if self.path.exists() else {}
        self.unfinished: list[str] = []

    def keep(self) -> None:
        write_text(self.path, json.dumps(self.record) + "\n")

    def once(self, part: str, name: str, measure: Callable[[], Any]) -> None:
        """Measure and keep what is not there yet, if the time left is enough."""
        kept = self.record.setdefault(part, {})
        if name in kept:
            return
        if not self.asked.quick and self.deadline - time.monotonic() < _SECONDS[part]:
            self.unfinished.append(name)
            return
        kept[name] = measure()
        self.keep()
        print(f"{part}: {name}", flush=True)

    def checked(self) -> bool:
        """Whether the device answers as the CPU does."""
        if not self.record.get("check", {}).get("passed"):
            found = self.record["check"] = check(torch.device(self.asked.device))
            self.keep()
            print("check:", found["worst"], "of", TOLERANCES, flush=True)
        return bool(self.record["check"]["passed"])

    def steps(self) -> None:
        device = torch.device(self.asked.device)
        for name, batch in gpu_steps.cells(self.asked.quick):

            def measure(name: str = name, batch: int = batch) -> dict[str, Any]:
                return {**gpu_steps.timed(name, batch, device, self.asked.quick), **provenance()}

            self.once("steps", f"{name}, batch {batch}", measure)

    def mnist(self) -> None:
        fit = gpu_fits.mnist
        self.once("mnist", "default fit", lambda: fit(self.asked.data, self.asked.device, quick=self.asked.quick))

    def grid(self) -> None:
        scale = "quick" if self.asked.quick else "long"
        scope = Scope(self.work, scale, tuple(range(self.asked.seeds)), self.asked.data, print, self.deadline)
        kept = self.record.setdefault("cells", {})
        for piece in grid(scope):
            if piece.name in kept or (self.asked.cells and piece.name not in self.asked.cells):
                continue
            try:
                outcomes = run_trials(piece.trials, piece.material, scope.runs, scope.note, self.deadline)
            except BudgetSpentError:
                self.unfinished.append(piece.name)
                return
            kept[piece.name] = [facts(outcome) for outcome in outcomes]
            self.keep()
            exemplar = [100 * outcome.measures["accuracy_exemplar"] for outcome in outcomes]
            print(f"{piece.name}: exemplar {np.mean(exemplar):.2f}, best {max(exemplar):.2f}", flush=True)

    def streamed(self) -> None:
        fit = gpu_fits.streamed
        self.once("streamed", "10^8 rows", lambda: fit(self.work, self.asked.device, quick=self.asked.quick))


def main(words: Sequence[str] | None = None) -> int:
    """Run what is not finished, and say what is left."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="gets gpu.json")
    parser.add_argument(
        "--work", type=Path, help="folder of the checkpoints, OUT/work by default; in memory is fastest"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="stop after so long, fits at the end of an epoch")
    parser.add_argument("--only", nargs="+", choices=PARTS[1:], default=PARTS[1:], help="parts after the check")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of a cell of Table 1")
    parser.add_argument("--cells", nargs="+", help="names of cells of the grid, such as K10-M1")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out")
    run = Run(parser.parse_args(words))
    warnings.simplefilter("ignore")
    if not run.checked():
        print("The device does not answer as the CPU does: nothing is measured.")
        return 1
    for part in run.asked.only:
        getattr(run, part)()
    if run.unfinished:
        print(f"{', '.join(run.unfinished)} not finished: run the same command again.")
    else:
        print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
