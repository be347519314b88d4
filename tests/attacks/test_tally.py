"""The counts themselves."""

from __future__ import annotations

import json

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
