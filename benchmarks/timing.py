"""How time and memory are measured: interleaved repetitions, and the peak memory of a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from statistics import median, quantiles
from typing import Any, NamedTuple

Call = Callable[[], object]

SLOW = 2.0
"""Seconds of one call from which `FEW` repetitions must do."""
FEW = 2


class Effort(NamedTuple):
    """How often to repeat, and for how long a repetition calls the same thing."""

    repetitions: int
    seconds: float


class Spread(NamedTuple):
    """Seconds of one call over the repetitions.

    Attributes
    ----------
    median, minimum, lower, upper : float
        Median, least value and quartiles over the repetitions, each of which is a mean over ``calls`` calls.
    first : float
        The very first call, with whatever it sets up or compiles.
    repetitions, calls : int
        Repetitions, and calls in each.
    """

    median: float
    minimum: float
    lower: float
    upper: float
    first: float
    repetitions: int
    calls: int


def spread(samples: Sequence[float], first: float, calls: int) -> Spread:
    """Median, least value and quartiles of ``samples``."""
    quarters = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else [samples[0]] * 3
    return Spread(median(samples), min(samples), quarters[0], quarters[2], first, len(samples), calls)


def interleaved(calls: Mapping[str, Call], effort: Effort) -> dict[str, Spread]:
    """Time every call in turn, A B C A B C ..., so that a drift of the machine meets all of them alike.

    Two calls warm up and set how many calls fill a repetition. In a repetition one call that is not timed comes
    first, because what ran before has emptied the caches.
    """
    first = {name: seconds(call, 1) for name, call in calls.items()}
    again = {name: seconds(call, 1) for name, call in calls.items()}
    counts = {name: max(1, round(effort.seconds / again[name])) for name in calls}
    repetitions = min(FEW, effort.repetitions) if max(again.values()) > SLOW else effort.repetitions
    samples: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(repetitions):
        for name, call in calls.items():
            if again[name] < SLOW:
                call()
            samples[name].append(seconds(call, counts[name]))
    return {name: spread(samples[name], first[name], counts[name]) for name in calls}


def seconds(call: Call, times: int) -> float:
    """Mean wall time of ``call`` over ``times`` calls."""
    started = time.perf_counter()
    for _ in range(times):
        call()
    return (time.perf_counter() - started) / times


def whole_process(commands: Mapping[str, Sequence[str]], repetitions: int) -> dict[str, Spread]:
    """Wall time of whole processes, from start to exit, in turn; a first round warms up."""
    samples: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(1 + repetitions):
        for name, command in commands.items():
            started = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            samples[name].append(time.perf_counter() - started)
    return {name: spread(each[1:], each[0], 1) for name, each in samples.items()}


class Peak(NamedTuple):
    """A process that has ended: its wall time, its peak resident memory and what it printed last."""

    seconds: float
    peak_mib: float
    said: dict[str, Any]


def peak(command: Sequence[str]) -> Peak:
    """Run ``command`` in a process of its own and read its peak resident memory.

    A small process starts it (`peak.py`): the kernel hands the peak of the process that forks down to its child, and
    this one is large.

    Raises
    ------
    RuntimeError
        If the command fails; the message is the end of what it said.
    """
    launcher = Path(__file__).with_name("peak.py")
    done = subprocess.run([sys.executable, str(launcher), *command], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command[1:3])} failed: {done.stderr[-2000:]}")
    measured = json.loads(done.stdout)
    lines = measured["said"].strip().splitlines()
    said = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return Peak(measured["seconds"], measured["peak_mib"], said)
