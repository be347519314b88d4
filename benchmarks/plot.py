"""One picture of a run: ``python benchmarks/plot.py speed.json speed.png``."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
from bars import medians
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from steps import REFERENCE
from workloads import WORKLOADS

mpl.use("Agg")

FLOOR, OURS, OTHERS = "#b8b8b8", "#1f6f8b", "#d9853b"
STEP_BATCH = 100
BATCH = 256
K_LINE = {"workload": "default-table", "batch": BATCH, "n_mc_samples": 1}
LIMIT_MIB = 1024


def draw(sections: dict[str, list[dict[str, Any]]], path: Path, about: str) -> None:
    """Bars for every workload on the left, growth with K on the right."""
    figure = plt.figure(figsize=(12, 8), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(3, 2))
    axes = left.subplots(len(WORKLOADS), 1)
    batch = min(
        (each["batch"] for each in sections.get("step", ())), key=lambda b: abs(b - STEP_BATCH), default=STEP_BATCH
    )
    for ax, name in zip(axes, WORKLOADS, strict=True):
        _bars(ax, medians(sections, "step", workload=name, batch=batch), f"{name}, batch {batch}")
    axes[-1].set_xlabel("milliseconds of a training step")
    above, below = right.subplots(2, 1, sharex=True)
    _time(above, sections)
    _memory(below, sections)
    figure.suptitle(about, fontsize=8, color="0.4")
    figure.savefig(path, dpi=150)


def _bars(ax: Axes, timed: dict[str, float], title: str) -> None:
    """Floors, ours and the reference, each floor above those that it bounds."""
    order = sorted(timed, key=lambda name: (not name.startswith("floor"), not name.startswith("ours"), name))
    for place, name in enumerate(order):
        colour = FLOOR if name.startswith("floor") else OURS if name.startswith("ours") else OTHERS
        ax.barh(place, 1e3 * timed[name], color=colour)
        ax.annotate(f" {1e3 * timed[name]:.3g}", (1e3 * timed[name], place), va="center", fontsize=8)
    ax.set_yticks(range(len(order)), order, fontsize=8)
    ax.invert_yaxis()
    ax.set_title(title, loc="left", fontsize=10)
    ax.margins(x=0.12)
    _bare(ax)


def _time(ax: Axes, sections: dict[str, list[dict[str, Any]]]) -> None:
    ks = sorted({each["n_components"] for each in sections.get("grid", ())})
    line = {K: medians(sections, "grid", n_components=K, **K_LINE) for K in ks}
    for name in next((timed for timed in line.values() if timed), {}):
        points = [(K, 1e3 * timed[name]) for K, timed in line.items() if name in timed]
        style = {"color": OTHERS, "ls": ":"} if name == REFERENCE else {"color": OURS}
        if "bf16" in name:
            style["ls"] = "--"
        ax.loglog(*zip(*points, strict=True), marker="o", ms=4, label=name, **style)
    ax.set_title(f"growth with K: D_x = 10, batch {BATCH}", loc="left", fontsize=10)
    ax.set_ylabel("milliseconds of a step")
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_formatter("")
    _finish(ax)


def _memory(ax: Axes, sections: dict[str, list[dict[str, Any]]]) -> None:
    fits = [each for each in sections.get("memory", ()) if each["case"] == "fit"]
    for name in sorted({each["what"] for each in fits}):
        points = [(each["n_components"], each["peak_mib"]) for each in fits if each["what"] == name]
        ax.plot(
            *zip(*points, strict=True), marker="o", ms=4, label=name, color=OURS, ls="--" if "bf16" in name else "-"
        )
    ax.axhline(LIMIT_MIB, color="0.6", lw=1)
    ax.annotate("1 GiB", (0.02, LIMIT_MIB), xycoords=("axes fraction", "data"), va="bottom", fontsize=8, color="0.4")
    ax.set_ylim(0, None)
    ax.set_xscale("log")
    ax.set_xlabel("K")
    ax.set_ylabel("peak memory of a fit, MiB")
    _finish(ax)


def _finish(ax: Axes) -> None:
    if ax.lines and ax.get_legend_handles_labels()[0]:
        ax.legend(frameon=False, fontsize=8)
    _bare(ax)


def _bare(ax: Axes) -> None:
    ax.spines[["top", "right"]].set_visible(False)


def main() -> None:
    """Read the file of `speed.py` and draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("json", type=Path, help="speed.json")
    parser.add_argument("png", type=Path, help="where to draw")
    arguments = parser.parse_args()
    written = json.loads(arguments.json.read_text())
    sections = {name: result["records"] for name, result in written.items()}
    about = next((result["about"] for result in written.values() if "about" in result), {})
    words = (about.get("processor"), f"{about.get('threads')} threads", f"torch {about.get('torch')}")
    line = ", ".join(str(word) for word in (*words, about.get("commit", "")[:12], about.get("date")))
    draw(sections, arguments.png, line)


if __name__ == "__main__":
    main()
