"""The section of docs/tables.md that `tables.py` writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from pages import put_between
from tables_methods import METHODS, OURS

Record = dict[str, Any]
BEGIN, END = "<!-- tables: written by benchmarks/tables.py -->", "<!-- tables: end -->"
LEVEL = 0.02
"""Share of the best error within which an error is level with it."""
LEVEL_ARI = 0.02


class Scores:
    """Means over masks of one score, by line and method."""

    def __init__(self, records: Iterable[Record], score: str) -> None:
        self.values: dict[tuple[str, float], dict[str, list[float]]] = {}
        for each in records:
            if each.get(score) is not None:
                line = self.values.setdefault((each["set"], each["share"]), {})
                line.setdefault(each["method"], []).append(each[score])

    def means(self, line: tuple[str, float]) -> dict[str, float]:
        return {method: mean(values) for method, values in self.values[line].items()}

    def masks(self, line: tuple[str, float]) -> str:
        """How many masks: 3, or from the fewest to the most of any method."""
        numbers = sorted({len(values) for values in self.values[line].values()})
        return "–".join(str(number) for number in (numbers[0], *numbers[1:][-1:]))


def write_section(source: Path, page: Path) -> None:
    """Replace what stands between the marks of a page."""
    written = json.loads(source.read_text())
    of_task: dict[str, list[Record]] = {}
    for each in written["records"]:
        of_task.setdefault(each["task"], []).append(each)
    parts = [_about(written)]
    if "impute" in of_task:
        parts += ["## Imputation", *_imputation(of_task["impute"])]
    if "mixed" in of_task:
        parts += ["## Clusters and densities of mixed tables", *_mixed(of_task["mixed"])]
    if "gaps" in of_task:
        parts += ["## Clusters under gaps", *_gaps(of_task["gaps"])]
    failed = sorted({f"- {each['set']}, {each['method']}: {each['not_run']}" for each in written["not_run"]})
    if failed:
        parts += ["## Not run", "\n".join(failed)]
    parts += ["## Settings", "\n".join(f"- **{name}**: {how}." for name, how in written["about"]["settings"].items())]
    put_between(page, BEGIN, END, "\n\n".join(parts))


def _about(written: Mapping[str, Any]) -> str:
    commits: dict[str, set[str]] = {}
    for about in (each["about"] for each in written["records"]):
        where = "{machine}, threads: {threads}; {versions}".format(**about)
        commits.setdefault(where, set()).add(about["commit"])
    measured = [f"{where}; commits {', '.join(sorted(commits[where]))}." for where in sorted(commits)]
    sets = _table(
        ["set", "rows", "numbers", "categories", "groups", "gaps"],
        [
            [name, *(str(of[key]) for key in ("rows", "numbers", "categories", "K")), f"{100 * of['gaps']:.0f} %"]
            for name, of in written["about"]["sets"].items()
        ],
    )
    return "\n\n".join([f"`{written['about']['command']}`", *measured, sets])


def _imputation(records: Sequence[Record]) -> list[str]:
    parts = []
    titles = {
        "numeric": "Root mean square error of hidden numbers over the range of their column, mean over columns:",
        "nominal": "Share of hidden categories that are filled wrongly, mean over columns:",
    }
    lines: list[tuple[float, float, float]] = []
    for score, title in titles.items():
        scores = Scores(records, score)
        methods = _methods(records)
        rows = []
        for line in scores.values:
            means = scores.means(line)
            rows.append([*_line(line), scores.masks(line), *_best_bold(methods, means, min, 4)])
            if OURS in means:
                others = [value for method, value in means.items() if method != OURS]
                lines.append((means[OURS], min(others), means["mean/mode"]))
        if rows:
            parts += [title, _table(["set", "hidden", "masks", *methods], rows)]
    best = sum(ours < other for ours, other, _ in lines)
    level = sum(ours <= other * (1 + LEVEL) for ours, other, _ in lines)
    worse = sum(ours > simple for ours, _, simple in lines)
    said = (
        f"Of {len(lines)} lines gmvae is first on {best}, first or within {100 * LEVEL:.0f} % of the first on {level}, "
        f"and worse than mean/mode on {worse}."
    )
    return [*parts, said]


def _mixed(records: Sequence[Record]) -> list[str]:
    methods = _methods(records)
    parts = []
    titles = {
        "ari": (3, "Adjusted Rand index between clusters and known groups, on the rows of the fit:"),
        "log_likelihood": (
            2,
            "Mean log-likelihood of held-out rows in nats, densities of numbers in the data's units and probabilities "
            "of categories:",
        ),
        "seconds": (1, "Seconds of a fit:"),
    }
    for score, (digits, title) in titles.items():
        scores = Scores(records, score)
        best = min if score == "seconds" else max
        kept = [method for method in methods if any(method in of for of in scores.values.values())]
        bold = [method for method in kept if method != "known mixture"]
        rows = [[line[0], *_best_bold(kept, scores.means(line), best, digits, bold)] for line in scores.values]
        parts += [title, _table(["set", *kept], rows)]
    return parts


def _gaps(records: Sequence[Record]) -> list[str]:
    scores, methods, rows = Scores(records, "ari"), _methods(records), []
    lost: dict[str, list[float]] = {method: [] for method in methods}
    left: dict[str, list[float]] = {method: [] for method in methods}
    first, n = 0, 0
    for line in sorted(scores.values, key=lambda line: ([*scores.values].index((line[0], 0.0)), line[1])):
        known, complete = scores.means(line), scores.means((line[0], 0.0))
        whole = {method: _of_complete(method, complete) for method in methods}
        means = {method: known.get(method, whole[method] if not line[1] else None) for method in methods}
        means = {method: value for method, value in means.items() if value is not None}
        rows.append([*_line(line), scores.masks(line), *_best_bold(methods, means, max, 3)])
        if line[1] and OURS in means:
            n += 1
            first += means[OURS] >= max(means.values()) - LEVEL_ARI
        if line[1] and all(method in means and whole[method] is not None for method in methods):
            for method in methods:
                lost[method].append(whole[method] - means[method])
                left[method].append(means[method])
    said = f"On {first} of {n} lines with gaps gmvae is first or within {LEVEL_ARI} of the first."
    if all(lost.values()):
        fell, reached = (
            ", ".join(f"{method} {mean(values):z.3f}" for method, values in each.items()) for each in (lost, left)
        )
        said += (
            f" Over the {len(lost[OURS])} lines with gaps that all methods have, the mean loss of ARI against no gaps "
            f"is {fell}; the mean ARI is {reached}."
        )
    return [
        "Adjusted Rand index between clusters and known groups:",
        _table(["set", "hidden", "masks", *methods], rows),
        said,
    ]


def _of_complete(method: str, complete: Mapping[str, float]) -> float | None:
    """What a method reaches without gaps, where all ways to impute are alike."""
    then = method.rpartition(" + ")[2]
    return next((value for name, value in complete.items() if name.rpartition(" + ")[2] == then), None)


def _methods(records: Sequence[Record]) -> list[str]:
    known = {each["method"] for each in records}
    return [method for method in METHODS[records[0]["task"]] if method in known]


def _line(line: tuple[str, float]) -> list[str]:
    return [line[0], f"{100 * line[1]:.0f} %"]


def _best_bold(
    methods: Sequence[str], means: Mapping[str, float], best: Any, digits: int, among: Sequence[str] | None = None
) -> list[str]:
    """Cells of a line; the best is bold."""
    shown = {method: f"{value:z.{digits}f}" for method, value in means.items()}
    judged = [value for method, value in means.items() if among is None or method in among]
    top = f"{best(judged):z.{digits}f}"
    bold = {method for method in shown if shown[method] == top and (among is None or method in among)}
    return [f"**{shown[method]}**" if method in bold else shown.get(method, "–") for method in methods]


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *rows])
