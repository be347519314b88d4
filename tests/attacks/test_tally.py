"""The counts themselves."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]


def test_only_what_passed_is_counted(pytester: pytest.Pytester, request: pytest.FixtureRequest) -> None:
    pytester.makeconftest(request.path.parents[1].joinpath("conftest.py").read_text(encoding="utf-8"))
    pytester.makepyfile(
        """
        def test_kept(tally):
            tally("eggs thrown", 3)
            tally("eggs thrown", 4)

        def test_lost(tally):
            tally("eggs thrown", 100)
            assert False
        """
    )
    result = pytester.runpytest_subprocess("--tally", "counts.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*attacks survived*", "*7  eggs thrown"])
    assert json.loads((pytester.path / "counts.json").read_text()) == {"eggs thrown": 7}


def test_the_page_has_the_counts_of_the_file() -> None:
    docs = Path(__file__).resolve().parents[2] / "docs"
    counts = json.loads((docs / "reliability.json").read_text(encoding="utf-8"))
    _, told = (docs / "reliability.md").read_text(encoding="utf-8").split("| counted | tried |")
    rows = [line for line in told.splitlines() if line.startswith("| ")]
    assert rows == [f"| {what} | {n:,} |" for what, n in counts.items()]
