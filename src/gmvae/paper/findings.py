"""The result of an item of the paper: numbers, figures and a verdict, as JSON and CSV."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import fmean, stdev
from typing import Any, Literal, NamedTuple

from gmvae import figures
from gmvae.atomic import write_csv, write_text

Verdict = Literal["reproduced", "in part", "not reached", "not run", "not in the paper"]
FOLDER = "reproduction"
"""Folder of the items' files, beside the page."""


class Table(NamedTuple):
    """A table, by the name of its CSV file: in every row a number, words or None per column."""

    name: str
    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]


@dataclass
class Finding:
    """The result of one item."""

    item: str  # its name on the command line
    title: str
    paper: str  # the paper's result, in a sentence or two
    ours: str  # this one
    verdict: Verdict
    tables: list[Table] = field(default_factory=list)
    figures: dict[str, str] = field(default_factory=dict)  # captions by file name
    notes: list[str] = field(default_factory=list)  # what a reader needs to know to interpret the numbers
    run: dict[str, Any] = field(default_factory=dict)  # from `Scope.run`

    def write(self, out: Path) -> None:
        """Write ``<item>.json`` and a CSV file per table below ``out``."""
        folder = out / FOLDER
        for table in self.tables:
            write_csv(folder / f"{table.name}.csv", table.columns, table.rows)
        document = asdict(self) | {"tables": [table._asdict() for table in self.tables]}
        write_text(folder / f"{self.item}.json", json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def draw(out: Path, name: str, figure: Any, caption: str) -> dict[str, str]:
    """Save a figure as PNG and PDF below ``out``, and return its caption by the name of the PNG file."""
    for ending in ("png", "pdf"):
        figures.save(figure, out / FOLDER / f"{name}.{ending}")
    return {f"{name}.png": caption}


MIN_RUNS = 3
"""Runs of a setting below which nothing that differs from run to run counts as reproduced."""


def judge(reached: Iterable[bool]) -> Verdict:
    """Whether all of the paper's claims were reached, some, or none."""
    met = list(reached)
    return "reproduced" if all(met) else "in part" if any(met) else "not reached"


def read(path: Path) -> Finding:
    """Read a file of `Finding.write`."""
    document = json.loads(path.read_text(encoding="utf-8"))
    return Finding(**{**document, "tables": [Table(**table) for table in document["tables"]]})


def spread(values: Sequence[float]) -> str:
    """Mean and sample standard deviation, rounded."""
    digits = 3 if max(map(abs, values)) < 10 else 2
    deviation = f" ± {stdev(values):.{digits}f}" if len(values) > 1 else ""
    return f"{fmean(values):.{digits}f}{deviation}"
