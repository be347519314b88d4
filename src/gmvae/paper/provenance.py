"""Provenance of a number: commit, versions and machine."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from functools import cache
from pathlib import Path

import torch

from gmvae.version import __version__


@cache
def provenance() -> dict[str, str]:
    """Commit, versions and machine of this process."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "commit": _commit(),
        "versions": f"gmvae {__version__}, torch {torch.__version__}, Python {platform.python_version()}",
        "machine": f"{len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count()} cores of "
        f"{_processor()}, {device}",
    }


def _commit() -> str:
    """Short hash of the package's commit, with "+" if files have changed since; "unknown" outside git."""
    git, home = shutil.which("git"), Path(__file__).parents[1]
    if git is None:
        return "unknown"

    def ask(*words: str) -> str:
        answer = subprocess.run([git, "-C", str(home), *words], capture_output=True, text=True, check=False)  # noqa: S603
        return answer.stdout.strip()

    commit = ask("rev-parse", "--short", "HEAD") if ask("ls-files", __file__) else ""
    return f"{commit}{'+' if ask('status', '--porcelain', '.') else ''}" if commit else "unknown"


def _processor() -> str:
    """The processor's name, as Linux gives it."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text(encoding="utf-8").splitlines() if cpuinfo.is_file() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()
