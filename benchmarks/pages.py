"""Sections that a command writes between two marks of a page."""

from __future__ import annotations

from pathlib import Path


def put_between(page: Path, begin: str, end: str, section: str) -> None:
    """Replace what stands between two marks."""
    before, found, rest = page.read_text().partition(begin)
    _, closed, after = rest.partition(end)
    if not (found and closed):
        raise SystemExit(f"{page.name} must hold the lines {begin} and {end}.")
    page.write_text(f"{before}{begin}\n\n{section}\n\n{end}{after}")
