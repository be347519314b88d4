"""The bars: what was measured held against what was asked for, with met or not met."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from comparison import PEERS
from setting import Record
from steps import REFERENCE
from workloads import PAPER, WORKLOADS

SPEEDUP = 2.0
NEAR = 1.3
LINEAR = 1.1
"""Exponent of K up to which a cost counts as linear."""
CONSTANT = 1.1
"""Factor up to which memory counts as constant while the rows grow tenfold."""
MAX_MIB = 1024.0
TRAINED_AGAINST = PEERS[0], PEERS[2]

Sections = Mapping[str, Sequence[Record]]


class Bar(NamedTuple):
    """One bar: what it is about, the value, the bound and whether the value keeps it."""

    about: str
    value: float
    bound: str
    met: bool


def bars(sections: Sections) -> list[Record]:
    """Every bar of which the measurements are there."""
    kinds = (_steps, _peers, _growth, _memory, _prediction, _constant)
    return [bar._asdict() for kind in kinds for bar in kind(sections)]


def _at_least(about: str, value: float, bound: float) -> Bar:
    return Bar(about, value, f">= {bound:g}", value >= bound)


def _at_most(about: str, value: float, bound: float) -> Bar:
    return Bar(about, value, f"<= {bound:g}", value <= bound)


def medians(sections: Sections, section: str, **where: Any) -> dict[str, float]:
    """Median seconds by what was timed, of the records that are as wanted."""
    records = sections.get(section, ())
    wanted = [each for each in records if "seconds" in each and all(each.get(k) == v for k, v in where.items())]
    return {each["what"]: each["seconds"]["median"] for each in wanted}


def _steps(sections: Sections) -> Iterator[Bar]:
    batches = sorted({each["batch"] for each in sections.get("step", ())})
    for workload in PAPER:
        for batch in batches:
            timed = medians(sections, "step", workload=workload, batch=batch)
            for name in timed if batch >= 100 else ():
                if name.startswith("ours"):
                    floor = timed["floor bf16" if "bf16" in name else "floor float32"]
                    about = f"step of {workload}, batch {batch}, {name}"
                    yield _at_least(
                        f"{about}: times faster than the reference", timed[REFERENCE] / timed[name], SPEEDUP
                    )
                    yield _at_most(f"{about}: times its floor", timed[name] / floor, NEAR)


def _peers(sections: Sections) -> Iterator[Bar]:
    timed = medians(sections, "peers")
    for name in timed:
        for peer in TRAINED_AGAINST:
            if name.startswith("ours") and peer in timed:
                yield _at_least(f"epoch, {name}: times faster than {peer}", timed[peer] / timed[name], SPEEDUP)


def _growth(sections: Sections) -> Iterator[Bar]:
    """Exponent of the part of a cost that grows with K, between K = 100 and K = 1000."""
    line = {
        K: medians(sections, "grid", workload="default-table", batch=256, n_components=K, n_mc_samples=1)
        for K in (10, 100, 1000)
    }
    for name in line[1000]:
        if name.startswith("ours"):
            value = _exponent(*(line[K][name] for K in (10, 100, 1000)))
            yield _at_most(f"step with K, {name}: exponent of what grows with K", value, LINEAR)
    fits = {(each["n_components"], each["what"]): each["peak_mib"] for each in _cases(sections, "fit")}
    for name in sorted({what for _, what in fits}):
        if {(K, name) for K in (10, 100, 1000)} <= set(fits):
            value = _exponent(*(fits[K, name] for K in (10, 100, 1000)))
            yield _at_most(f"memory with K, {name}: exponent of what grows with K", value, LINEAR)


def _exponent(at_10: float, at_100: float, at_1000: float) -> float:
    least = 1e-9
    return math.log(max(at_1000 - at_10, least) / max(at_100 - at_10, least)) / math.log(990 / 90)


def _memory(sections: Sections) -> Iterator[Bar]:
    for each in _cases(sections, "fit"):
        if each["n_components"] == 1000:
            about = f"training with K = 1000, D_x = 10, batch 256, {each['what']}: MiB at the peak"
            yield Bar(about, each["peak_mib"], f"< {MAX_MIB:g}", each["peak_mib"] < MAX_MIB)


def _prediction(sections: Sections) -> Iterator[Bar]:
    """Prediction against the fastest forward pass of an encoder alone, ours or the reference's."""
    predictions = [each for each in sections.get("predict", ()) if each["what"].startswith("predict")]
    n_rows = max((each["rows"] for each in predictions), default=0)
    for name, workload in WORKLOADS.items():
        timed = medians(sections, "predict", workload=name, rows=n_rows, n_components=workload.n_components)
        encoders = [value for what, value in timed.items() if what.startswith("encoder alone")]
        for what, value in timed.items():
            if what.startswith("predict"):
                yield _at_most(f"{name}, {n_rows} rows, {what}: times the encoder alone", value / min(encoders), NEAR)


def _constant(sections: Sections) -> Iterator[Bar]:
    cases = _cases(sections, "predict")
    for what in sorted({each["what"] for each in cases}):
        by_rows = {each["rows"]: each["peak_mib"] for each in cases if each["what"] == what}
        few, many = min(by_rows), max(by_rows)
        about = f"predicting {many} rows x 50 from a file, {what}: times the peak memory of {few} rows"
        yield _at_most(about, by_rows[many] / by_rows[few], CONSTANT)


def _cases(sections: Sections, case: str) -> list[Record]:
    return [each for each in sections.get("memory", ()) if each["case"] == case]
