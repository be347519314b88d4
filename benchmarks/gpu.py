"""The paper on a GPU: `python benchmarks/gpu.py --data DIR --out DIR --work DIR --minutes 9`, again until it says done.

First a check: bounds, gradients, some steps and stacked fits on the device against the CPU. Then the grid, one cell
after another, the seeds of a cell trained as one stacked model: Table 1 from random starts with M = 1, Figure 6, and
Table 1 with M = 10. Each finished cell is in OUT/gpu.json at once. WORK has the checkpoints, a hundred megabytes a seed
and too large to bring back; on another machine a cell that was interrupted begins anew. The source tree is enough:
gmvae need not be installed, and nothing is fetched.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import time
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parents[1] / "src"))
try:
    import lightning_fabric  # noqa: F401
except ModuleNotFoundError:  # the package `lightning` has it under its own name
    import lightning.fabric

    sys.modules["lightning_fabric"] = lightning.fabric

import numpy as np
import torch
from torch import Tensor

from gmvae import GMVAE, fit_together, preset
from gmvae.atomic import write_text
from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import LIKELIHOODS
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import lower_bound
from gmvae.paper import figure6, mnist
from gmvae.paper.provenance import provenance
from gmvae.paper.quoted import Cell
from gmvae.paper.scope import Scope
from gmvae.paper.trials import BudgetSpentError, Material, Outcome, Trial, run_trials

TOLERANCES = {"float64": 1e-8, "float32": 1e-3, "stacked": 1e-6}
"""Largest deviation from the CPU that passes, as a share of the largest value; of stacked fits from single ones."""
_N_ROWS, _N_STEPS = 20, 5
_SHAPE = (1, 28, 28)


class Answers(NamedTuple):
    """Bounds before and after some steps, and the first gradients of all parameters in one vector."""

    before: Tensor
    gradients: Tensor
    after: Tensor


def answers(model: GaussianMixtureVAE, y: Tensor, noise: Noise) -> Answers:
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-3)
    bounds, gradients = [], []
    for _ in range(_N_STEPS + 1):
        optimizer.zero_grad()
        bound = lower_bound(model(y, noise), 0.5)
        (-bound).backward()
        bounds.append(bound.detach())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        optimizer.step()
    return Answers(bounds[0], gradients[0], torch.stack(bounds[1:]))


def deviation(found: Tensor, expected: Tensor) -> float:
    return float((found.cpu() - expected).abs().max() / expected.abs().max())


def compared(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Deviations of the device's answers from the CPU's, for the network of MNIST."""
    config = Config(**preset("paper-mnist"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(config, _SHAPE, LIKELIHOODS["bernoulli"].blank(_SHAPE, {})).to(dtype)
        y = (torch.rand(_N_ROWS, *_SHAPE) < 0.3).to(dtype)
        noise = Noise(*(torch.randn(2, _N_ROWS, dim).to(dtype) for dim in (config.latent_dim, config.D_w)))
    there = copy.deepcopy(model).to(device)
    found = answers(there, y.to(device), Noise(*(part.to(device) for part in noise)))
    return {
        name: deviation(own, expected)
        for name, own, expected in zip(Answers._fields, found, answers(model, y, noise), strict=True)
    }


def stacked_deviation(device: torch.device) -> float:
    """Deviation of the bounds of two seeds trained as one stacked model from those of the same trained one by one."""
    X = np.random.default_rng(0).integers(0, 256, (64, *_SHAPE), dtype=np.uint8)
    settings = {**preset("paper-mnist"), "init": "random", "max_iter": 3, "batch_size": 32, "precision": "64-true"}
    bounds = []
    for at_once in (1, 2):
        models = [GMVAE(**settings, restarts_at_once=at_once, device=str(device), random_state=seed) for seed in (0, 1)]
        fitted = fit_together(models, X)
        bounds.append(torch.tensor([model.lower_bounds_ for model in fitted], dtype=torch.float64))
    return deviation(bounds[1], bounds[0])


def check(device: torch.device) -> dict[str, Any]:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    found: dict[str, Any] = {name: compared(device, getattr(torch, name)) for name in ("float64", "float32")}
    worst = {name: max(each.values()) for name, each in found.items()} | {"stacked": stacked_deviation(device)}
    passed = all(worst[name] <= tolerance for name, tolerance in TOLERANCES.items())
    return {"deviations": found, "worst": worst, "tolerances": TOLERANCES, "passed": passed, **provenance()}


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


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="gets gpu.json")
    parser.add_argument(
        "--work", type=Path, help="folder of the checkpoints, OUT/work by default; in memory is fastest"
    )
    parser.add_argument("--minutes", type=float, default=9.0, help="stop at the end of an epoch after so long")
    parser.add_argument("--seeds", type=int, default=10, help="seeds of a cell of Table 1")
    parser.add_argument("--only", nargs="*", help="names of cells, such as K10-M1")
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to try it out")
    arguments = parser.parse_args(words)
    deadline = time.monotonic() + 60 * arguments.minutes
    path = arguments.out / "gpu.json"
    record = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {"cells": {}}

    def keep() -> None:
        write_text(path, json.dumps(record) + "\n")

    warnings.simplefilter("ignore")
    if not record.get("check", {}).get("passed"):
        record["check"] = check(torch.device(arguments.device))
        keep()
        print("check:", record["check"]["worst"], "of", TOLERANCES, flush=True)
        if not record["check"]["passed"]:
            print("The device does not answer as the CPU does: nothing is trained.")
            return 1
    work = arguments.work or arguments.out / "work"
    scale = "quick" if arguments.quick else "long"
    scope = Scope(work, scale, tuple(range(arguments.seeds)), arguments.data, print, deadline)
    for piece in grid(scope):
        if piece.name in record["cells"] or (arguments.only and piece.name not in arguments.only):
            continue
        try:
            outcomes = run_trials(piece.trials, piece.material, scope.runs, scope.note, deadline)
        except BudgetSpentError:
            print(f"{piece.name} is not finished: run the same command again.")
            return 0
        record["cells"][piece.name] = [facts(outcome) for outcome in outcomes]
        keep()
        exemplar = [100 * outcome.measures["accuracy_exemplar"] for outcome in outcomes]
        print(f"{piece.name}: exemplar {np.mean(exemplar):.2f}, best {max(exemplar):.2f}", flush=True)
    print("done")
    return 0


if __name__ == "__main__":
    sys.exit(main())
