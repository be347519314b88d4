"""The tables that `assignments.py` prints."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

PLUG_IN = "plug-in"
SCORED = (PLUG_IN, "mean-field", "sobol 64, w alone", "sobol 16", "pseudo 256")
MEASURES = {"accuracy": "accuracy", "log_loss": "log-loss", "calibration_error": "ECE"}


def tables(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Scores; agreement with the average over the most draws; time; and who comes close to the model's posterior."""
    yield from _scores(records)
    yield from _agreement(records)
    yield from _times(records)
    yield from _judged(records)


def _scores(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    yield from _head("set, seed", *(f"{title}: {name}" for title in MEASURES.values() for name in SCORED))
    for record in records:
        if "accuracy" in record["meanings"][PLUG_IN]:
            numbers = [record["meanings"][name][measure] for measure in MEASURES for name in SCORED]
            yield _line(_name(record), *(f"{number + 0.0:.3f}" for number in numbers))
    yield ""


def _agreement(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = [name for name, of in records[0]["meanings"].items() if "agreement" in of]
    yield from _head("agreement: set, seed", *names, "pseudo 256 anew")
    for record in records:
        numbers = [np.mean(record["meanings"][name]["agreement"]) for name in names]
        again = record["two_references"]["agreement"]
        yield _line(_name(record), *(f"{number:.3f}" for number in (*numbers, again)))
    yield ""


def _times(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    names = [name for name in records[0]["milliseconds"] if name != PLUG_IN]
    yield from _head("time: set, seed", f"{PLUG_IN}, ms", *(f"{name}, ×" for name in names))
    for record in records:
        spent = record["milliseconds"]
        ratios = [f"{spent[name] / spent[PLUG_IN]:.1f}" for name in names]
        yield _line(_name(record), f"{spent[PLUG_IN]:.1f}", *ratios)
    yield ""


def _judged(records: Sequence[dict[str, Any]]) -> Iterator[str]:
    """On training and held-out rows: agreement with the reference, and distance from the model's own posterior."""
    names = list(records[0]["parts"]["train"]["meanings"])
    yield from _head("agreement, own agreement (distance): set, seed, rows", "effective samples", *names)
    for record in records:
        for part, found in record["parts"].items():
            cells = [
                f"{of['agreement']:.3f}, {of['agreement_own']:.3f} ({of['distance_own']:.3f})"
                for of in found["meanings"].values()
            ]
            where = f"{_name(record)}, {part.replace('_', ' ')}"
            yield _line(where, f"{found['median_effective_samples']:.0f}", *cells)
    yield ""


def _name(record: dict[str, Any]) -> str:
    return f"{record['set']}, {record['seed']}"


def _head(*cells: str) -> Iterator[str]:
    yield _line(*cells)
    yield _line(*["---"] * len(cells))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
