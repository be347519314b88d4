"""Attacks: what is promised in docs/reliability.md, tried. `make attack` runs them all and prints what was counted."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

_COUNTED = "counted: "

Tally = Callable[[str, int], None]
"""Adds to what is counted under a name, such as ``tally("model files mutated", 300)``."""


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Tally:
    """Count what a test has tried; it is told at the end of the run, for the tests that passed."""

    def count(what: str, n: int) -> None:
        record_property(_COUNTED + what, n)

    return count


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--tally", type=Path, metavar="FILE", help="write what the attacks counted to this JSON file")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: Counter[str] = Counter()
    for report in terminalreporter.getreports("passed"):
        for name, n in report.user_properties:
            if name.startswith(_COUNTED):
                counts[name.removeprefix(_COUNTED)] += n
    if not counts:
        return
    terminalreporter.section("attacks survived")
    for name, n in sorted(counts.items()):
        terminalreporter.write_line(f"{n:>10,}  {name}")
    path = terminalreporter.config.getoption("--tally", None)
    if path is not None:
        path.write_text(json.dumps(dict(sorted(counts.items())), indent=1) + "\n", encoding="utf-8")
