"""The whole default fit on MNIST and how its time divides: `python benchmarks/mnist.py --out DIR [--epochs N]`.

`--data fashion-mnist` takes its images of clothes. Needs the data where `gmvae fit mnist` finds them. Labels are used
for the accuracy on the test images only.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from speed import machine

from gmvae import GMVAE, load
from gmvae.fitting import starts
from gmvae.metrics import accuracy_hungarian, nmi
from gmvae.training import guidance


def main() -> None:
    """Fit, time, print and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of mnist.json")
    parser.add_argument("--data", choices=["mnist", "fashion-mnist"], default="mnist")
    parser.add_argument("--epochs", type=int, help="at most; the default's own if left out")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    images, test = load(arguments.data), load(f"{arguments.data}:test")
    taken: dict[str, float] = {}
    _timed(starts, "starting_clusters", taken)
    _timed(guidance.PosteriorGuidance, "pretrain", taken)
    model = GMVAE(
        10,
        random_state=arguments.seed,
        max_iter=arguments.epochs or "auto",
        precision=arguments.precision,
        device="cpu",
        verbose=1,
    )
    warnings.simplefilter("ignore")
    started = time.perf_counter()
    model.fit(images.X)
    total = time.perf_counter() - started
    taken["epochs"] = float(model.history_["seconds"].sum())
    taken["the rest, predicting the clusters of all images included"] = total - sum(taken.values())
    assert test.labels is not None
    labels = model.predict(test.X)
    found = {
        "epochs": model.n_iter_,
        "seconds": total,
        "divided": taken,
        "seconds_per_epoch": taken["epochs"] / model.n_iter_,
        "lower_bound": model.lower_bound_,
        "n_components_effective": model.n_components_effective_,
        "test_accuracy_hungarian": accuracy_hungarian(test.labels, labels),
        "test_nmi": nmi(test.labels, labels),
    }
    arguments.out.mkdir(parents=True, exist_ok=True)
    about = {
        **machine("benchmarks/mnist.py"),
        "data": arguments.data,
        "seed": arguments.seed,
        "precision": arguments.precision,
    }
    (arguments.out / "mnist.json").write_text(json.dumps({"about": about, "found": found}, indent=1))
    print(json.dumps(found, indent=1))


def _timed(room: ModuleType | type, name: str, taken: dict[str, float]) -> None:
    """Add up the seconds that a function of a module, or a method, takes."""
    function: Callable[..., Any] = getattr(room, name)

    def call(*arguments: Any, **named: Any) -> Any:
        started = time.perf_counter()
        result = function(*arguments, **named)
        taken[name] = taken.get(name, 0.0) + time.perf_counter() - started
        return result

    setattr(room, name, call)


if __name__ == "__main__":
    main()
