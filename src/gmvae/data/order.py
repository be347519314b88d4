"""Natural order: names as people sort them, 2 before 10."""

from __future__ import annotations

import re

_DIGITS = re.compile(r"([0-9]+)")

Key = tuple[tuple[str | int, ...], str]


def natural(text: str) -> Key:
    """Key to sort by.

    Examples
    --------
    >>> sorted(["b10", "b2", "a"], key=natural)
    ['a', 'b2', 'b10']
    """
    # Text and digits alternate and text comes first, so that equal places compare alike.
    pieces = _DIGITS.split(text)
    return tuple(int(piece) if i % 2 else piece for i, piece in enumerate(pieces)), text


def natural_path(path: str) -> tuple[Key, ...]:
    """Key of a path with ``/`` between folders, part by part."""
    return tuple(natural(part) for part in path.split("/"))
