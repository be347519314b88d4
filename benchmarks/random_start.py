"""MNIST with the paper's training from random starts: `python benchmarks/random_start.py --data DIR --out DIR`.

One cell after another, each with the scores of every epoch: K components, the factor on the mixture network's last
layer at the start (0.05 is the library's, 1 / √(2 D_x)), the seed. Cells that are finished are kept, interrupted ones
go on from their last epoch. `--page` trains nothing and writes what is known between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import math
import shutil
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from random_start_page import write

from gmvae import GMVAE, generative, preset
from gmvae.atomic import replacing
from gmvae.data import load
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.provenance import provenance


class Cell(NamedTuple):
    """One training."""

    K: int
    M: int
    spread: float
    seed: int
    epochs: int

    @property
    def name(self) -> str:
        return f"K{self.K}-M{self.M}-spread{self.spread:g}-seed{self.seed}-epochs{self.epochs}"


CELLS = [
    *(Cell(10, 1, 0.05, seed, 20) for seed in (0, 1, 2)),
    *(Cell(10, 1, spread, 0, 10) for spread in (0.01, 0.2, 0.5)),
    *(Cell(K, 1, 0.05, 0, 20) for K in (16, 30)),
    Cell(10, 10, 0.05, 0, 5),
]
"""In the order of their worth."""


@contextmanager
def starting_with(spread: float) -> Iterator[None]:
    """Let random starts multiply the mixture network's last layer by ``spread`` in place of the library's factor."""
    usual = generative.MixturePrior.begin_alike

    @torch.no_grad()
    def scaled(mixture: generative.MixturePrior) -> None:
        usual(mixture)  # by 1 / √(2 D_x)
        for each in (mixture.output.weight, mixture.output.bias):
            each.mul_(spread * math.sqrt(2 * mixture.streams[2]))

    generative.MixturePrior.begin_alike = scaled
    try:
        yield
    finally:
        generative.MixturePrior.begin_alike = usual


def information(proba: np.ndarray) -> float:
    """I(z; y) in nats of plug-in probabilities (n, K)."""
    mean = proba.mean(0)
    entropy = -(proba * np.log(np.maximum(proba, 1e-30))).sum(1).mean()
    return float(-(mean * np.log(np.maximum(mean, 1e-30))).sum() - entropy)


def train(cell: Cell, data: str | None, out: Path) -> None:
    """Run a cell, writing its curve after every epoch."""
    training, test = load("mnist", data_home=data), load("mnist:test", data_home=data)
    path, run_dir = out / f"{cell.name}.json", out / cell.name
    record = json.loads(path.read_text()) if path.exists() else {"cell": cell._asdict(), "curve": [], "runs": []}
    record["runs"].append({"threads": torch.get_num_threads(), **provenance()})
    started = time.perf_counter()

    def watch(model: GMVAE) -> None:
        proba = model.predict_proba(test.X)
        scores = evaluate_log_odds(test.labels, model.predict_log_odds(test.X))
        epoch = {name: float(model.history_[name][-1]) for name in model.history_}
        record["curve"] = [each for each in record["curve"] if each["epoch"] < model.n_iter_]
        record["curve"].append({**epoch, **scores._asdict(), "information": information(proba)})
        record["runs"][-1]["seconds"] = time.perf_counter() - started
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(record, indent=1) + "\n")
        print(
            f"{cell.name} epoch {model.n_iter_}: exemplar {scores.accuracy_exemplar:.3f}, bound "
            f"{epoch['lower_bound']:.2f}, z-prior {epoch['z_prior']:.2f}, distinct {math.exp(information(proba)):.1f}",
            flush=True,
        )

    settings = {**preset("paper-mnist"), "init": "random", "n_components": cell.K, "n_mc_samples": cell.M}
    model = GMVAE(**{**settings, "max_iter": cell.epochs, "n_iter_no_change": cell.epochs}, random_state=cell.seed)
    with warnings.catch_warnings(), starting_with(cell.spread):
        warnings.simplefilter("ignore")
        model.fit(training.X, run_dir=run_dir, resume=(run_dir / "config.json").exists(), on_epoch=watch)
    record["finished"] = True
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(record, indent=1) + "\n")
    shutil.rmtree(run_dir)


def _finished(path: Path) -> dict[str, Any] | None:
    """The record of a cell that was trained to its end."""
    record: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
    return record if record.get("finished") else None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--page", type=Path, help="write the section of this Markdown page, and train nothing")
    arguments = parser.parse_args()
    if arguments.page is not None:
        found = [_finished(arguments.out / f"{cell.name}.json") for cell in CELLS]
        write([record for record in found if record is not None], arguments.page)
        return
    torch.set_num_threads(arguments.threads)
    arguments.out.mkdir(parents=True, exist_ok=True)
    for cell in CELLS:
        if _finished(arguments.out / f"{cell.name}.json") is None:
            train(cell, arguments.data, arguments.out)


if __name__ == "__main__":
    main()
