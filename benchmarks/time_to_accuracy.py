"""Accuracy against seconds, of gmvae while it is fitted and of the methods of docs/quality.md when their fit has ended.

``python benchmarks/time_to_accuracy.py --out DIR --peers-python PYTHON --points JSON --picture PNG``: one run, one fit
after another, nothing else running. Every method has the rows, settings and number of clusters of ``quality.py``, whose
cases are kept in DIR; labels are used for scores alone. What asks the model between two epochs is not counted.
"""

from __future__ import annotations

import json
import os
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from quality import THREADS, Case, Run, parser_of
from quality_methods import METHODS, OURS
from quality_plot import LOOKS
from quality_sets import SETS, Prepared, prepared
from speed import machine

from gmvae import GMVAE
from gmvae.metrics import accuracy_hungarian

mpl.use("Agg")

Curve = list[tuple[float, float]]
"""Seconds since the call of `fit`, and accuracy on the rows of the fit."""
DEFAULT_SETS = ("digits", "pendigits", "mnist")


def curve(given: Prepared, seed: int) -> Curve:
    """A complete default fit: its starting clusters, where all rows have one, every epoch, and the end."""
    with np.load(given.rows) as content:
        X = content["X_train"]
    points: Curve = []
    asking = 0.0
    began = time.perf_counter()

    def add(labels: np.ndarray, at: float) -> None:
        points.append((at - began - asking, accuracy_hungarian(given.y_train, labels)))

    def on_start(labels: np.ndarray) -> None:
        nonlocal asking
        at = time.perf_counter()
        if (labels >= 0).all():
            add(labels, at)
        asking += time.perf_counter() - at

    def on_epoch(model: GMVAE) -> None:
        nonlocal asking
        at = time.perf_counter()
        add(model.predict(X), at)
        asking += time.perf_counter() - at

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GMVAE(given.n_components, random_state=seed).fit(X, on_start=on_start, on_epoch=on_epoch)
    add(model.labels_, time.perf_counter())
    return points


def of_others(out: Path, names: Sequence[str], seed: int) -> list[dict[str, Any]]:
    """Seconds and accuracies of the complete fits of every method, gmvae's included."""
    records = json.loads((out / "quality.json").read_text())["records"]
    return [
        {**{key: record[key] for key in ("set", "method", "seed", "seconds")}, "accuracy": record["train"]["hungarian"]}
        for record in records
        if record["set"] in names and record["seed"] == seed
    ]


def draw(curves: Mapping[str, Curve], others: Sequence[Mapping[str, Any]], path: Path) -> None:
    """A panel for every set."""
    figure, panels = plt.subplots(1, len(curves), figsize=(3.6 * len(curves), 3.6), layout="constrained", squeeze=False)
    for panel, (name, points) in zip(panels[0], curves.items(), strict=True):
        _panel(panel, points, [each for each in others if each["set"] == name])
        panel.set_title(SETS[name].title)
    panels[0][0].set_ylabel("in the right cluster, % of the rows of the fit")
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=4, frameon=False, fontsize=8)
    figure.savefig(path, dpi=160)


def _panel(panel: Axes, points: Curve, others: Sequence[Mapping[str, Any]]) -> None:
    seconds, accuracies = np.array(points).T
    panel.plot(seconds, 100 * accuracies, color=LOOKS[OURS].colour, lw=1.4, marker=".", ms=3, label="gmvae, by epoch")
    by_method = {each["method"]: each for each in others}
    for method in (each for each in METHODS if each in by_method and each != OURS):
        other, look = by_method[method], LOOKS[method]
        panel.scatter(
            other["seconds"],
            100 * other["accuracy"],
            s=40,
            color=look.colour,
            marker=look.marker,
            edgecolor="white",
            lw=0.5,
            zorder=3,
            label=METHODS[method].title,
        )
    panel.scatter(
        seconds[-1], 100 * accuracies[-1], s=58, color=LOOKS[OURS].colour, marker=LOOKS[OURS].marker, edgecolor="black",
        lw=0.6, zorder=4, label="gmvae",
    )  # fmt: skip
    panel.set_xscale("log")
    panel.set_xlabel("seconds")
    panel.grid(color="0.92")
    panel.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Measure what DIR does not hold yet, write all points, and draw."""
    parser = parser_of(__doc__, DEFAULT_SETS)
    parser.add_argument("--points", type=Path, required=True)
    parser.add_argument("--picture", type=Path, required=True)
    asked = parser.parse_args()
    os.environ |= {name: str(asked.threads) for name in THREADS} | {"CUDA_VISIBLE_DEVICES": ""}
    run = Run(asked.out, asked.data_home, asked.peers_python, asked.quick, asked.threads)
    path, seed = asked.out / "curves.json", asked.seeds[0]
    found: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"about": [], "curves": {}}
    for name in asked.sets:
        for method in asked.methods:
            run.case(Case(name, method, seed))
        if name not in found["curves"]:
            given = prepared(name, asked.out / "sets", asked.data_home, quick=False)
            found["curves"][name] = curve(given, seed)
            about = machine("benchmarks/time_to_accuracy.py")
            found["about"].append({"set": name, **about, "threads": asked.threads, "seed": seed})
            path.write_text(json.dumps(found, indent=1) + "\n")
    run.gather()
    points = {**found, "others": of_others(asked.out, list(found["curves"]), seed)}
    asked.points.write_text(json.dumps(points, indent=1) + "\n")
    draw(points["curves"], points["others"], asked.picture)


if __name__ == "__main__":
    main()
