"""Tables from speed.json, below the mark in a page: `python benchmarks/speed_tables.py DIR/speed.json PAGE`."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from bars import bars

MARK = "<!-- Below this line: written by benchmarks/speed_tables.py from speed.json. -->"


def main(source: Path, page: Path) -> None:
    """Replace everything below the mark."""
    sections = json.loads(source.read_text())
    records = {name: section["records"] for name, section in sections.items() if name != "bars"}
    kept = page.read_text().split(MARK)[0]
    tables = (
        ("step", "Training step, ms", ("workload", "batch"), 1e3),
        ("peers", "An epoch of 9,984 rows, networks 784-500-500-10, batch 256, s", ("rows",), 1.0),
        ("predict", "Prediction, ms", ("workload", "n_components", "rows"), 1e3),
        ("together", "Three epochs of several seeds, s", ("workload", "seeds"), 1.0),
        ("startup", "Whole processes, s", (), 1.0),
        ("grid", "Training step over K, M and batch, ms", ("workload", "n_components", "n_mc_samples", "batch"), 1e3),
    )
    parts = [_about(sections), _bars(bars(records)), _memory(records.get("memory", ()))]
    parts += [_pivot(title, records[name], keys, factor) for name, title, keys, factor in tables if name in records]
    page.write_text(f"{kept}{MARK}\n\n" + "\n\n".join(parts) + "\n")


def _about(sections: dict[str, Any]) -> str:
    about = next(section["about"] for section in sections.values() if "about" in section)
    return (
        f"`{about['command']}`, commit {about['commit'][:7]}, {about['date'][:10]}, seed {about['seed']}; "
        f"{about['processor']}, {about['cores']} cores, {about['threads']} threads, {about['memory_gib']} GiB, "
        f"Python {about['python']}, PyTorch {about['torch']}. Medians; in brackets the quartiles."
    )


def _bars(judged: Iterable[dict[str, Any]]) -> str:
    rows = [[b["about"], _digits(b["value"]), b["bound"], "met" if b["met"] else "**not met**"] for b in judged]
    return "## Bars\n\n" + _table(["what", "measured", "bar", ""], rows)


def _pivot(title: str, records: Sequence[dict[str, Any]], keys: Sequence[str], factor: float) -> str:
    """A row for every setting, a column for everything timed at it; a single setting is turned on its side."""
    timed = [record for record in records if "seconds" in record]
    names = list(dict.fromkeys(record["what"] for record in timed))
    cells: dict[tuple[Any, ...], dict[str, str]] = {}
    for record in timed:
        cells.setdefault(tuple(record.get(key) for key in keys), {})[record["what"]] = _spread(record, factor)
    if len(cells) == 1:
        body = _table(["what", "median"], [[name, text] for name, text in next(iter(cells.values())).items()])
    else:
        heads = [{"n_components": "K", "n_mc_samples": "M"}.get(key, key) for key in keys]
        body = _table(
            [*heads, *names], [[*map(str, at), *(row.get(n, "–") for n in names)] for at, row in cells.items()]
        )
    left_out = [record for record in records if "skipped" in record]
    said = f"\n\nLeft out: {len(left_out)} ({left_out[0]['skipped']})." if left_out else ""
    return f"## {title}\n\n{body}{said}"


def _spread(record: dict[str, Any], factor: float) -> str:
    seconds = {name: record["seconds"][name] * factor for name in ("median", "lower", "upper")}
    return f"{_digits(seconds['median'])} ({_digits(seconds['lower'])}–{_digits(seconds['upper'])})"


def _memory(records: Iterable[dict[str, Any]]) -> str:
    told = {"case", "what", "peak_mib", "peak_anonymous_mib", "wall_seconds"}
    rows = [
        [
            record["case"],
            ", ".join(f"{key} {value}" for key, value in record.items() if key not in told),
            record["what"],
            f"{record['peak_mib']:.0f}",
            "–" if record.get("peak_anonymous_mib") is None else f"{record['peak_anonymous_mib']:.0f}",
        ]
        for record in records
    ]
    return "## Peak resident memory, MiB\n\n" + _table(["case", "at", "what", "peak", "of it anonymous"], rows)


def _digits(value: float) -> str:
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
