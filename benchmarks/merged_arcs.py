"""Whether merged components have the higher bound on the paper's arcs: `python benchmarks/merged_arcs.py --out FILE`.

Panel (f) of the paper's Figure 2 shows eight components of which the excess ones lie on others. For every seed five
components are trained from the clusters of the graph of nearest neighbours, which are the arcs; then eight, three of
which are copies of the first three, trained on; and eight from a random start, for as many epochs in all.
"""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any

import torch

from gmvae import GMVAE, preset
from gmvae.atomic import write_text
from gmvae.objective import TERMS
from gmvae.paper import synthetic
from gmvae.paper.provenance import provenance
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Material, all_epochs, measure

N_ARCS, K = 5, 8
_OF = [0, 1, 2, 3, 4, 0, 1, 2]
"""Which of five components each of eight is a copy of."""


@torch.no_grad()
def copy_components(source: GMVAE, to: GMVAE) -> None:
    """Give ``to`` the networks of ``source``, its components as `_OF` says."""
    weights, own = source.fitted_.model.state_dict(), to.fitted_.model.state_dict()
    streams = source.fitted_.model.generative.mixture.streams
    for name, tensor in weights.items():
        if name.startswith("generative.mixture.output"):
            tensor = tensor.unflatten(0, streams)[:, _OF].flatten(0, 2)
        if not name.endswith("log_weights"):  # as many as components, all alike
            own[name].copy_(tensor)


def answers(model: GMVAE, material: Material) -> dict[str, float]:
    """What is measured of every trial of the paper's figures, and terms of the bound over the last epochs."""
    last = {f"{name} of 10 epochs": float(model.history_[name][-10:].mean()) for name in ("lower_bound", *TERMS)}
    return {**measure(model, material), **last}


def solutions(seed: int, epochs: int, noisy: bool) -> dict[str, dict[str, float]]:
    """The three trainings of a seed, the first two of half of the epochs each."""
    material = synthetic.material(Scope(Path(), "full"))
    train = material.train.X
    settings = preset("paper-synthetic") | {"random_state": seed, "verbose": int(noisy)}
    half = settings | all_epochs(epochs // 2)
    five = GMVAE(**half | {"n_components": N_ARCS, "init": "neighbours"}).fit(train)
    merged = GMVAE(**half | {"n_components": K, "max_iter": 1}).fit(train)
    copy_components(five, merged)
    merged.set_params(max_iter=epochs // 2, warm_start=True).fit(train)
    free = GMVAE(**settings | all_epochs(epochs) | {"n_components": K, "warm_up": 0.2}).fit(train)
    found = {"five": five, "eight, three of them copies": merged, "eight from a random start": free}
    return {name: answers(model, material) for name, model in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--epochs", type=int, default=300)
    parser.add_argument("--noisy", action="store_true", help="show the trainings")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    record: dict[str, Any] = {"epochs": arguments.epochs, "seeds": {}, **provenance()}
    for seed in range(arguments.seeds):
        record["seeds"][seed] = solutions(seed, arguments.epochs, arguments.noisy)
        write_text(arguments.out, json.dumps(record, indent=1) + "\n")
        for name, each in record["seeds"][seed].items():
            print(seed, name, {key: round(value, 3) for key, value in each.items()}, flush=True)


if __name__ == "__main__":
    main()
