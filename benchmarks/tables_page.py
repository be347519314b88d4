"""The section of docs/tables.md that `tables.py` writes."""

from __future__ import annotations

from pathlib import Path


def write_section(source: Path, page: Path) -> None:
    """Replace what stands between the marks of a page."""
    raise NotImplementedError
