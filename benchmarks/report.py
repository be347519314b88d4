"""The tables that a run prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table
from setting import Record

UNITS = {"peers": (1.0, "s"), "startup": (1.0, "s")}
"""Unit of a section's times; milliseconds where none is named."""
TIMED_OVER = {"peers": ("rows",), "startup": (), "predict": ("workload", "n_components", "rows")}
"""What sets the rows of a section's table; a training step's where none is named."""
STEP = ("workload", "n_components", "n_mc_samples", "batch")


def show(sections: Mapping[str, Sequence[Record]], console: Console) -> None:
    """Print a table for every section."""
    for name, records in sections.items():
        if name == "bars":
            _bars(records, console)
        elif name == "memory":
            _memory(records, console)
        else:
            _times(name, records, console)
        for record in records:
            if "skipped" in record and name != "grid":
                console.print(f"{record['what']}: left out, {record['skipped']}")


def _times(section: str, records: Sequence[Record], console: Console) -> None:
    """A line for each thing timed: median, quartiles and least, and how often."""
    factor, unit = UNITS.get(section, (1e3, "ms"))
    keys = TIMED_OVER.get(section, STEP)
    table = Table(title=f"{section}, {unit}")
    for key in (*keys, "what"):
        table.add_column(key, justify="left" if key in ("workload", "what") else "right")
    for heading in ("median", "quartiles", "least", "first", "n"):
        table.add_column(heading, justify="right")
    before: list[Any] = []
    for record in records:
        if "seconds" not in record:
            continue
        place = [record.get(key) for key in keys]
        if before and place != before:
            table.add_section()
        spread = {name: _digits(value * factor) for name, value in record["seconds"].items()}
        quartiles = f"{spread['lower']}–{spread['upper']}"
        n = f"{record['seconds']['repetitions']} x {record['seconds']['calls']}"
        shown = ["" if place == before else str(value) for value in place]
        table.add_row(*shown, record["what"], spread["median"], quartiles, spread["minimum"], spread["first"], n)
        before = place
    console.print(table)


def _memory(records: Sequence[Record], console: Console) -> None:
    table = Table(title="peak resident memory, MiB")
    for heading in ("case", "at", "what"):
        table.add_column(heading)
    for heading in ("peak", "of it anonymous"):
        table.add_column(heading, justify="right")
    told = {"case", "what", "peak_mib", "peak_anonymous_mib", "wall_seconds"}
    for record in records:
        place = ", ".join(f"{key} {value}" for key, value in record.items() if key not in told)
        anonymous = record.get("peak_anonymous_mib")
        shown = "" if anonymous is None else f"{anonymous:.0f}"
        table.add_row(record["case"], place, record["what"], f"{record['peak_mib']:.0f}", shown)
    console.print(table)


def _bars(records: Sequence[Record], console: Console) -> None:
    table = Table(title="bars")
    for heading, side in (("what", "left"), ("measured", "right"), ("bar", "left"), ("", "left")):
        table.add_column(heading, justify=side)
    for record in records:
        verdict = "met" if record["met"] else "not met"
        table.add_row(record["about"], _digits(record["value"]), record["bound"], verdict)
    console.print(table)


def _digits(value: float) -> str:
    """Three significant digits, and whole numbers from a thousand."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
