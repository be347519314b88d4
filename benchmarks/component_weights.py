"""Learned against uniform weights of p(z) on sets of unequal clusters: held-out bound, agreement, adjusted Rand index.

Usage: python benchmarks/component_weights.py --pendigits FILE --out docs/component-weights.json

Fits differ in `component_weights` alone, and hold out the same rows. Their hidden layers are smaller and their steps
fewer than by default, so that all of it takes minutes on a CPU.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits, make_blobs

from gmvae import GMVAE
from gmvae.atomic import write_text
from gmvae.metrics import ari

SETTINGS = {"hidden_layer_sizes": (64, 64), "max_iter": 60, "batch_size": 64, "device": "cpu"}
N_ROWS, FALL = 1000, 0.6
"""Rows of a set, and the size of a class over that of the one before."""


def sets(pendigits: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Name, rows and classes of every set."""
    for name, sizes in (("blobs 95:3:2", [950, 30, 20]), ("blobs 70:20:10", [700, 200, 100])):
        yield name, *make_blobs(sizes, 5, centers=np.eye(3, 5) * 7.0, random_state=0)[:2]
    yield "digits, falling sizes", *falling(*load_digits(return_X_y=True))
    with np.load(pendigits) as content:
        yield "pendigits, falling sizes", *falling(content["X_train"].astype(np.float64), content["y_train"])


def falling(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows of a set in which every class has 0.6 times as many as the one before, but five at least."""
    first = min(N_ROWS * (1.0 - FALL), np.bincount(y)[0])
    drawn = np.random.default_rng(0).permutation(len(X))
    kept = [drawn[y[drawn] == c][: max(5, round(first * FALL**c))] for c in range(y.max() + 1)]
    rows = np.concatenate(kept)
    return X[rows], y[rows]


def main() -> None:
    """Measure, and keep the records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pendigits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=2)
    given = parser.parse_args()
    records = []
    for name, X, y in sets(given.pendigits):
        for seed in range(given.seeds):
            for weights in ("learned", "uniform"):
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    model = GMVAE(len(np.unique(y)), component_weights=weights, **SETTINGS, random_state=seed).fit(X)
                best = model.history_.best
                found = {"bound": model.lower_bound_, "agreement": best.agreement, "ari": ari(y, model.labels_)}
                records.append({"set": name, "n": len(X), "seed": seed, "weights": weights, **found})
                print(records[-1], flush=True)
                write_text(given.out, json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
