"""Curves and a table of `random_start.py` for its page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from pages import put_between

from gmvae.figures import new_figure, save
from gmvae.paper.quoted import TABLE_1, Cell

BEGIN, END = "<!-- random start: written by benchmarks/random_start.py -->", "<!-- random start: end -->"
COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#8c8c8c")
"""Colours of Okabe and Ito, which colour-blind readers tell apart."""

Record = dict[str, Any]


def write(records: Sequence[Record], page: Path) -> None:
    """Draw the picture beside a page, and write its section."""
    name = f"images/{page.stem}.png"
    _draw(records, page.parent / name)
    alt = "Exemplar accuracy against the epoch, a line for each training, and the paper's mean and deviation as a band."
    put_between(page, BEGIN, END, "\n".join([f"![{alt}]({name})", "", *_table(records), "", *_origin(records)]))


def _draw(records: Sequence[Record], path: Path) -> None:
    figure = new_figure(7.2, 4.2)
    axes = figure.subplots()
    quoted = TABLE_1[Cell(10, 1)]
    assert quoted.mean is not None
    low, high = quoted.mean - _deviation(), quoted.mean + _deviation()
    axes.axhspan(low, high, color="0.9", lw=0, label="the paper, M = 1, 100 epochs")
    axes.axhline(quoted.mean, color="0.5", lw=1)
    shared = set.intersection(*(set(_setting(record)) for record in records))
    for record, colour in zip(records, COLOURS, strict=False):
        epochs = [each["epoch"] for each in record["curve"]]
        own = [part for part in _setting(record) if part not in shared] or _setting(record)
        axes.plot(epochs, _exemplar(record), color=colour, label=", ".join(own))
    axes.set(xlabel="epoch", ylabel="exemplar accuracy in per cent", xlim=(1, None))
    axes.set_title(", ".join(part for part in _setting(records[0]) if part in shared))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    save(figure, path)


def _deviation() -> float:
    """The paper's standard deviation over its runs with K = 10 and M = 1, in per cent."""
    return float(str(TABLE_1[Cell(10, 1)].spread).partition("±")[2])


def _table(records: Sequence[Record]) -> Iterator[str]:
    yield "| K | M | factor | seed | epochs | exemplar | Hungarian | NMI | bound | z-prior | components in use |"
    yield "|" + "---|" * 11
    for record in records:
        cell, last = record["cell"], record["curve"][-1]
        scores = f"{100 * last['accuracy_exemplar']:.1f} | {100 * last['accuracy_hungarian']:.1f} | {last['nmi']:.3f}"
        ended = f"{last['lower_bound_held_out']:.1f} | {last['z_prior']:.2f} | {last['effective_components']:.1f}"
        setting = f"{cell['K']} | {cell['M']} | {cell['spread']:g} | {cell['seed']} | {last['epoch']:.0f}"
        yield f"| {setting} | {scores} | {ended} |"
    settings = [tuple(record["cell"][name] for name in ("K", "M", "spread")) for record in records]
    first = [record for record, setting in zip(records, settings, strict=True) if setting == (10, 1, 0.05)]
    if len(first) > 1:
        values = [_exemplar(record)[-1] for record in first]
        quoted = TABLE_1[Cell(10, 1)]
        yield ""
        yield (
            f"K = 10, M = 1, factor 0.05: {mean(values):.1f} ± {stdev(values):.1f} over {len(values)} seeds; the paper "
            f"has {quoted.spread} over ten, after 100 epochs."
        )


def _origin(records: Sequence[Record]) -> Iterator[str]:
    runs = [run for record in records for run in record["runs"]]
    commits, machines = ({run[name] for run in runs} for name in ("commit", "machine"))
    yield f"Commits {', '.join(sorted(commits))}; {runs[0]['versions']}; {', '.join(sorted(machines))}, one thread."


def _exemplar(record: Record) -> list[float]:
    return [100 * each["accuracy_exemplar"] for each in record["curve"]]


def _setting(record: Record) -> list[str]:
    cell = record["cell"]
    return [f"K = {cell['K']}", f"M = {cell['M']}", f"factor {cell['spread']:g}", f"seed {cell['seed']}"]
