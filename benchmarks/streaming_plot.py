"""Peak memory over the size of the source: ``python benchmarks/streaming_plot.py docs/scale.md docs/images/scale.png``.

It draws the table of the page, whose rows are those that `streaming.py` prints.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import NamedTuple

import matplotlib as mpl
from matplotlib import pyplot as plt

mpl.use("Agg")

PASS, FIT, IMPORTS = "#d9853b", "#1f6f8b", 378
_ROW = re.compile(
    r"^\| (10[⁰¹²³⁴⁵⁶⁷⁸⁹]+) \| ([\d,]+) \| ([\d.]+) GB \|.*\| ([\d,]+) MiB \| ([\d,]+) MiB \|$", re.MULTILINE
)


class Size(NamedTuple):
    """A source, and MiB of the process that fitted to it."""

    rows: str
    files: int
    gigabytes: float
    after_pass: int
    of_fit: int


def sizes(page: str) -> list[Size]:
    """The rows of the table of peaks."""
    found = [
        Size(
            rows, int(files.replace(",", "")), float(gigabytes), int(after.replace(",", "")), int(fit.replace(",", ""))
        )
        for rows, files, gigabytes, after, fit in _ROW.findall(page)
    ]
    if not found:
        raise ValueError("the page has no table of peaks")
    return found


def draw(found: list[Size], path: Path) -> None:
    """Bars of both peaks for every size."""
    figure, ax = plt.subplots(figsize=(7, 3.2), layout="constrained")
    peaks = [("after the first pass", PASS, [size.after_pass for size in found])]
    peaks += [("of the fit", FIT, [size.of_fit for size in found])]
    for shift, (name, colour, heights) in zip((-0.2, 0.2), peaks, strict=True):
        bars = ax.bar([place + shift for place in range(len(found))], heights, 0.38, color=colour, label=name)
        ax.bar_label(bars, fontsize=8)
    ax.axhline(IMPORTS, color="0.3", linewidth=1, linestyle=":", label="of Python, PyTorch and Arrow alone")
    names = [f"{size.rows} rows, {size.gigabytes:g} GB\n{size.files:,} files" for size in found]
    ax.set_xticks(range(len(found)), names, fontsize=8)
    ax.set_ylabel("peak memory, MiB")
    ax.legend(frameon=False, fontsize=8, loc="upper left", ncols=3)
    ax.set_ylim(0, 1.25 * max(size.of_fit for size in found))
    ax.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=150)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("page", type=Path)
    parser.add_argument("picture", type=Path)
    wanted = parser.parse_args()
    draw(sizes(wanted.page.read_text(encoding="utf-8")), wanted.picture)
