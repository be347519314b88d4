"""Markdown tables from quality.json, put below the mark in a page: `quality_tables.py DIR/quality.json PAGE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from statistics import mean, stdev
from typing import Any, NamedTuple

from quality_methods import METHODS
from quality_sets import SETS

MARK = "<!-- Below this line: written by benchmarks/quality_tables.py from quality.json. -->"
PICTURE = "images/quality.png"

Record = dict[str, Any]


class Column(NamedTuple):
    """One thing to tell of every case: its name, how to read it, how to write it, and whether more is better."""

    title: str
    value: Callable[[Record], float]
    form: str
    score: bool


def scored(record: Record) -> dict[str, float]:
    """Scores on the test rows where the set defines some, else on the rows of the fit."""
    return record["test"] or record["train"]


TABLES = (
    Column("Hungarian accuracy, %", lambda record: 100 * scored(record)["hungarian"], "z.1f", True),
    Column("NMI, %", lambda record: 100 * scored(record)["nmi"], "z.1f", True),
    Column("ARI, %", lambda record: 100 * scored(record)["ari"], "z.1f", True),
    Column("Seconds of the fit", lambda record: record["seconds"], "z.1f", False),
    Column("Peak resident memory of the process, MiB", lambda record: record["peak_mib"], "z.0f", False),
)


def main(source: Path, page: Path) -> None:
    """Replace everything below the mark."""
    written = json.loads(source.read_text())
    records = written["records"]
    kept = page.read_text().split(MARK)[0]
    parts = [_about(records, written["quick"]), *_picture(page), _sets(records)]
    parts += [f"## {each.title}\n\n{_scores(records, written['not_run'], each)}" for each in TABLES]
    parts += [_not_run(written["not_run"]), _epochs(records)]
    page.write_text(f"{kept}{MARK}\n\n" + "\n\n".join(part for part in parts if part) + "\n")


def _about(records: Iterable[Record], quick: bool) -> str:
    """The machine and the versions, with every commit that a case was run at."""
    machines: dict[str, list[str]] = {}
    versions: dict[str, None] = {}
    for record in records:
        about = record["about"]
        machine = (
            f"{about['processor']}, {about['cores']} cores, {about['memory_gib']} GiB, {about['system']}, threads "
            f"of a case: {about['threads']}"
        )
        changed = " with changes" if about["changed_since"] else ""
        run = f"commit {about['commit'][:7]}{changed}, {about['date'][:10]}"
        machines.setdefault(machine, []).append(run)
        versions |= {f"{package} {version}": None for package, version in record["versions"].items()}
    lines = [f"{machine}; {'; '.join(sorted(set(runs)))}." for machine, runs in machines.items()]
    warning = ["**A smoke test: few rows, few epochs. Its numbers mean nothing.**"] if quick else []
    return "\n\n".join([*warning, *lines, f"{', '.join(sorted(versions))}."])


def _picture(page: Path) -> list[str]:
    here = (page.parent / PICTURE).is_file()
    return [f"![Hungarian accuracy of every method on every set, a small dot for each seed.]({PICTURE})"] * here


def _sets(records: Iterable[Record]) -> str:
    known = {record["set"]: record for record in records}
    rows = [
        [
            source.title,
            source.words,
            str(known[name]["n_components"]),
            _count(known[name]["n_train"]),
            _test(known[name]),
        ]
        for name, source in SETS.items()
        if name in known
    ]
    return "## Sets\n\n" + _table(["set", "what it is", "K", "rows to fit", "rows to score"], rows)


def _test(record: Record) -> str:
    return f"{_count(record['n_test'])} others" if record["n_test"] else "the same"


def _count(n: int) -> str:
    return f"{n:,}"


def _scores(records: Sequence[Record], failed: Sequence[Record], column: Column) -> str:
    """Methods against sets: mean ± standard deviation over the seeds, and how many; the best score of a set in bold."""
    known = {part: {case[part] for case in (*records, *failed)} for part in ("set", "method")}
    names = [name for name in SETS if name in known["set"]]
    values: dict[str, dict[str, list[float]]] = {
        method: {name: [] for name in names} for method in METHODS if method in known["method"]
    }
    for record in records:
        values[record["method"]][record["set"]].append(column.value(record))
    best = {name: max((mean(row[name]) for row in values.values() if row[name]), default=0.0) for name in names}
    rows = []
    for method, row in values.items():
        cells = [_cell(row[name], column.form, best[name] if column.score else None) for name in names]
        whole = f"{mean(map(mean, row.values())):{column.form}}" if all(row.values()) else "–"
        rows.append([METHODS[method].title, *cells, whole])
    return _table(["method", *(SETS[name].title for name in names), "mean over the sets"], rows)


def _cell(values: Sequence[float], form: str, best: float | None) -> str:
    if not values:
        return "not run"
    middle = f"{mean(values):{form}}"
    if best is not None and middle == f"{best:{form}}":
        middle = f"**{middle}**"
    spread = f" ± {stdev(values):{form}}" if len(values) > 1 else ""
    return f"{middle}{spread} ({len(values)})"


def _not_run(failed: Iterable[Record]) -> str:
    """Reasons, each with what it kept from running."""
    reasons: dict[tuple[str, str], dict[str, list[str]]] = {}
    for each in failed:
        reasons.setdefault((each["method"], each["not_run"]), {}).setdefault(each["set"], []).append(str(each["seed"]))
    lines = [
        f"- {METHODS[method].title}: {reason} ("
        + "; ".join(f"{SETS[name].title}, seeds {', '.join(seeds)}" for name, seeds in cases.items())
        + ")"
        for (method, reason), cases in reasons.items()
    ]
    return "\n".join(["## Not run", "", *lines]) if lines else ""


def _epochs(records: Sequence[Record]) -> str:
    """Passes over the rows of the methods that train a network; pretraining and clustering apart."""
    told = {(record["method"], record["set"]): record["settings"].get("epochs") for record in records}
    names = [name for name in SETS if any(found == name for _, found in told)]
    rows = [
        [METHODS[method].title, *(" + ".join(map(str, told.get((method, name)) or ["–"])) for name in names)]
        for method in METHODS
        if any(told.get((method, name)) for name in names)
    ]
    return "## Epochs\n\n" + _table(["method", *(SETS[name].title for name in names)], rows) if rows else ""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
