"""The tables that `assignments.py` prints: means over the seeds of a set."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

PLUG_IN = "plug-in"
SCORED = (PLUG_IN, "sobol 16, w alone", "sobol 16", "pseudo 256")
MEASURES = {"accuracy": "accuracy", "log_loss": "log-loss", "calibration_error": "calibration error"}
AGREEING = (PLUG_IN, "mean-field", "sobol 16, w alone", "sobol 8", "sobol 16", "sobol 64")

Records = Sequence[dict[str, Any]]


def tables(records: Records) -> Iterator[str]:
    """Scores, agreement and time of a set; then training and held-out rows apart."""
    sets: dict[str, list[dict[str, Any]]] = {}
    for record in records:
        sets.setdefault(record["set"], []).append(record)
    yield f"Scores are those of {'; '.join(SCORED)}. Agreement with the average over the most draws, and time as"
    yield f"a multiple of the plug-in's, are those of {'; '.join(AGREEING)}."
    yield ""
    yield from _head("set (K; seeds)", "rows", *MEASURES.values(), "agreement", "time")
    for name, each in sets.items():
        yield _line(_title(name, each), str(each[0]["n_scored"]), *_scores(each), _agreement(each), _times(each))
    yield ""
    yield "Agreement with the average over the most draws; in brackets agreement with the model's own posterior, and"
    yield "the distance from it."
    yield ""
    judged = list(records[0]["parts"]["train"]["meanings"])
    yield from _head("set (K; seeds), rows", *judged)
    for name, each in sets.items():
        for part in ("train", "held_out"):
            found = [record["parts"][part]["meanings"] for record in each]
            where = f"{_title(name, each)}, {part.replace('_', ' ')}"
            yield _line(where, *(_beside([of[meaning] for of in found]) for meaning in judged))


def _title(name: str, records: Records) -> str:
    return f"{name} ({records[0]['K']}; {len(records)})"


def _scores(records: Records) -> Iterator[str]:
    for measure in MEASURES:
        if measure in records[0]["meanings"][PLUG_IN]:
            yield " / ".join(f"{_mean([r['meanings'][name][measure] for r in records]):.3f}" for name in SCORED)
        else:
            yield "–"


def _agreement(records: Records) -> str:
    return " / ".join(f"{_mean([r['meanings'][name]['agreement'] for r in records]):.3f}" for name in AGREEING)


def _times(records: Records) -> str:
    spent = [record["milliseconds"] for record in records]
    return " / ".join(f"{np.median([each[name] / each[PLUG_IN] for each in spent]):.1f}" for name in AGREEING)


def _beside(found: Records) -> str:
    same, own, apart = (_mean([of[key] for of in found]) for key in ("agreement", "agreement_own", "distance_own"))
    return f"{same:.3f} ({own:.3f}, {apart:.3f})"


def _mean(values: Sequence[Any]) -> float:
    """Mean over the seeds, and over those of the noise where there are several; 0 without a sign."""
    return float(np.mean([np.mean(each) for each in values])) + 0.0


def _head(*cells: str) -> Iterator[str]:
    yield _line(*cells)
    yield _line(*["---"] * len(cells))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"
