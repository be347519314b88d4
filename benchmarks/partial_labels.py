"""How the accuracy on rows without a label grows with the number of labelled rows of each class.

Usage: python benchmarks/partial_labels.py --pendigits FILE --out docs/partial-labels.json

Fits have smaller hidden layers and fewer steps than by default, and digits and pendigits are random parts, so that all
of it takes minutes on a CPU. Beside them are two methods without a model of the data: the class of the nearest labelled
row, and scikit-learn's label spreading over the graph of nearest neighbours.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits, load_wine, make_blobs
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler
from sklearn.semi_supervised import LabelSpreading

from gmvae import GMVAE
from gmvae.atomic import write_text
from gmvae.metrics import accuracy_hungarian as accuracy

Rows = tuple[np.ndarray, np.ndarray]

N_LABELS = (0, 1, 5, 10)
N_ROWS = 1000
"""At most so many of a set, drawn at random."""
SETTINGS: Mapping[str, Any] = {"hidden_layer_sizes": (64, 64), "max_iter": 60, "batch_size": 64, "device": "cpu"}


def sets(pendigits: Path) -> dict[str, Callable[[], Rows]]:
    """Rows and classes by the name of their set."""

    def all_pendigits() -> Rows:
        with np.load(pendigits) as content:
            return content["X_train"].astype(np.float64), content["y_train"]

    return {
        "digits": lambda: load_digits(return_X_y=True),
        "pendigits": all_pendigits,
        "wine": lambda: load_wine(return_X_y=True),
        "blobs": lambda: make_blobs(N_ROWS, 5, centers=6, cluster_std=3.5, random_state=0)[:2],
    }


def labelled(y: np.ndarray, n: int, seed: int) -> np.ndarray:
    """``n`` random rows of every class with their class, -1 for the others."""
    known = np.full(len(y), -1)
    generator = np.random.default_rng(seed)
    for name in np.unique(y):
        rows = generator.permutation(np.flatnonzero(y == name))[:n]
        known[rows] = name
    return known


def measured(X: np.ndarray, y: np.ndarray, n: int, seed: int) -> dict[str, Any]:
    """Accuracy on the rows without a label; with none at all the best matching of clusters to classes gives it."""
    known = labelled(y, n, seed)
    others = known < 0
    started = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GMVAE(len(np.unique(y)), **SETTINGS, random_state=seed)
        model.fit(X, partial_labels=known if n else None)
    seconds = time.perf_counter() - started
    found = model.predict(X)
    record: dict[str, Any] = {"n": n, "seed": seed, "seconds": seconds, "bound": model.lower_bound_}
    if n == 0:
        return {**record, "gmvae": accuracy(y, found)}
    classes = np.array(model.classes_.tolist())
    scaled = StandardScaler().fit_transform(X)
    nearest = KNeighborsClassifier(1).fit(scaled[~others], y[~others]).predict(scaled[others])
    with np.errstate(all="ignore"):
        spread = LabelSpreading(kernel="knn", n_neighbors=7).fit(scaled, known).transduction_[others]
    return {
        **record,
        "gmvae": float(np.mean(classes[found[others]] == y[others])),
        "held": float(np.mean(classes[found[~others]] == y[~others])),
        "nearest": float(np.mean(nearest == y[others])),
        "spreading": float(np.mean(spread == y[others])),
    }


def main() -> None:
    """Measure, and keep the records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--pendigits", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--only", nargs="*")
    parser.add_argument("--n-labels", nargs="*", type=int, default=N_LABELS)
    parser.add_argument("--seeds", type=int, default=3)
    given = parser.parse_args()
    records = []
    for name, read in sets(given.pendigits).items():
        if given.only and name not in given.only:
            continue
        X, y = read()
        drawn = np.random.default_rng(0).permutation(len(X))[:N_ROWS]
        X, y = X[drawn], y[drawn]
        for n in given.n_labels:
            for seed in range(given.seeds):
                records.append({"set": name, **measured(X, y, n, seed)})
                print(records[-1], flush=True)
                write_text(given.out, json.dumps(records, indent=1) + "\n")


if __name__ == "__main__":
    main()
