"""One picture of a run: ``python benchmarks/quality_plot.py quality.json quality.png``."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import matplotlib as mpl
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from quality_methods import METHODS, OURS
from quality_sets import SETS
from quality_tables import scored

mpl.use("Agg")


class Look(NamedTuple):
    """Marker and colour of a method."""

    marker: str
    colour: str


LOOKS = {
    "kmeans": Look("o", "#8c8c8c"),
    "gmm": Look("s", "#8c8c8c"),
    "umap": Look("^", "#0072b2"),
    "autoencoder": Look("v", "#56b4e9"),
    "dec": Look("P", "#e69f00"),
    "vade": Look("X", "#009e73"),
    OURS: Look("D", "#d55e00"),
}
"""Colours of Okabe and Ito, which colour-blind readers tell apart."""
BAND = 0.72
"""Of a set's row, shared by the methods."""


def draw(records: Sequence[dict[str, Any]], path: Path) -> None:
    """Draw a row for every set and in it a line for every method: its seeds as dots, their mean as its marker."""
    sets = [name for name in SETS if any(record["set"] == name for record in records)]
    methods = [name for name in METHODS if any(record["method"] == name for record in records)]
    figure, ax = plt.subplots(figsize=(7.2, 0.9 + 0.78 * len(sets)), layout="constrained")
    for row, name in enumerate(sets):
        if row % 2 == 0:
            ax.axhspan(row - 0.5, row + 0.5, color="0.965", lw=0, zorder=0)
        for place, method in enumerate(methods):
            values = [
                100 * scored(record)["hungarian"]
                for record in records
                if (record["set"], record["method"]) == (name, method)
            ]
            if values:
                _mark(ax, values, row + BAND * ((place + 0.5) / len(methods) - 0.5), method)
    ax.set_yticks(range(len(sets)), [SETS[name].title for name in sets])
    ax.set_ylim(len(sets) - 0.5, -0.5)
    ax.set_xlim(0, 100)
    ax.set_xlabel("Hungarian accuracy, %")
    ax.tick_params(axis="y", length=0)
    ax.grid(axis="x", color="0.88", lw=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right", "left"]].set_visible(False)
    _legend(ax, methods)
    figure.savefig(path, dpi=200)


def _mark(ax: Axes, values: Sequence[float], height: float, method: str) -> None:
    look, own = LOOKS[method], method == OURS
    ax.scatter(values, [height] * len(values), s=7, color=look.colour, alpha=0.55, lw=0, zorder=2, clip_on=False)
    ax.scatter(
        mean(values),
        height,
        s=58 if own else 30,
        marker=look.marker,
        color=look.colour,
        edgecolor=_edge(method),
        lw=0.6,
        zorder=4 if own else 3,
        clip_on=False,
    )


def _edge(method: str) -> str:
    return "black" if method == OURS else "white"


def _legend(ax: Axes, methods: Sequence[str]) -> None:
    for method in methods:
        look = LOOKS[method]
        ax.scatter(
            [],
            [],
            s=30,
            marker=look.marker,
            color=look.colour,
            edgecolor=_edge(method),
            lw=0.6,
            label=METHODS[method].title,
        )
    ax.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=4, frameon=False, fontsize=8, handletextpad=0.2)


if __name__ == "__main__":
    draw(json.loads(Path(sys.argv[1]).read_text())["records"], Path(sys.argv[2]))
