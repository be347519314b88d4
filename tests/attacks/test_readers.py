"""Damaged files: each is read, or refused in one sentence; none hangs, fills the memory or shows a parser's error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import fuzz_readers
import pytest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits of memory and time are Linux's")


# Slow: a minute for each kind.
@pytest.mark.parametrize("n", [300, pytest.param(10_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("kind", fuzz_readers.KINDS)
def test_damaged_files_are_read_or_refused(
    kind: str, n: int, tmp_path: Path, tally: Callable[[str, int], None]
) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    command = [sys.executable, fuzz_readers.__file__, kind, str(n), str(tmp_path)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60 + n / 10, check=False)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["faults"] == {}
    assert outcome["read"] + outcome["refused"] == n
    assert min(outcome["read"], outcome["refused"]) > n // 200  # else the damage is of no use
    tally(f"damaged files read or refused: {kind}", n)


def test_the_harness_notices(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object, **__: object) -> None:
        raise KeyError("inside")

    def untaught(*_: object, **__: object) -> None:
        from gmvae.data import DataError

        raise DataError("no name\nand two lines")

    monkeypatch.setattr(fuzz_readers.resource, "setrlimit", lambda *_: None)
    for fault, named in ((fails, "KeyError in fails"), (untaught, "not one sentence that names the file")):
        monkeypatch.setattr("gmvae.data.load", fault)
        folder = tmp_path / fault.__name__
        folder.mkdir()
        outcome = fuzz_readers.attack("idx", 5, folder)
        assert outcome["faults"][named]["times"] >= 5
