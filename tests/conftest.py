"""What every test may rely on: a quiet machine, the same random numbers, the real data where it is at hand."""

from __future__ import annotations

import json
import os
import subprocess
from collections import Counter

# One thread for each worker, before anything imports torch, or the workers fight over the cores.
if "PYTEST_XDIST_WORKER" in os.environ:
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(variable, "1")
os.environ.setdefault("MPLBACKEND", "Agg")

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from hypothesis import settings

# A busy machine is slow, not wrong.
settings.register_profile("no-deadline", settings.default, deadline=None)
settings.load_profile("no-deadline")


@pytest.fixture(scope="session")
def data_home() -> Path:
    """The folder of real data sets: $GMVAE_DATA, else shared/data beside the repository."""
    named = os.environ.get("GMVAE_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "shared" / "data"
    if not folder.is_dir():
        if named:
            pytest.fail(f"GMVAE_DATA names {named}, which is not a folder")
        pytest.skip("the real data sets are not here; GMVAE_DATA can name their folder")
    return folder


@pytest.fixture(autouse=True)
def reproducible_weights() -> Iterator[None]:
    """The same random networks in every run and in every order of the tests."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a disk of a size such as "100k"; the test is skipped where none can be mounted."""
    disk = tmp_path / "disk"

    def mount(size: str) -> Path:
        disk.mkdir()
        try:
            subprocess.run(
                ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", disk], check=True, capture_output=True
            )
        except (OSError, subprocess.CalledProcessError):
            pytest.skip("only root can mount a disk")
        return disk

    yield mount
    if disk.is_mount():
        subprocess.run(["umount", "-l", disk], check=True)


# ---------------------------------------------------------------- counts of attacks: `make attack`

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
