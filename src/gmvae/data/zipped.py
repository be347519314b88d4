"""Protection from compressed files that unpack to an extreme size: they are refused before they fill the memory."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path

from gmvae.data.errors import DataError

_BLOCK = 2**20
_HARMLESS = 2**30
_MOST_FOLD = 500
"""Largest ratio of unpacked to packed size: sparse tables reach a few hundred, files of zeros over a thousand."""


def unzipped(path: Path) -> Iterator[bytes]:
    """The content of a gzip file, block by block; raises as `check_growth` does."""
    size = 0
    with gzip.open(path) as file:
        while block := file.read(_BLOCK):
            size += len(block)
            check_growth(path, size)
            yield block


def check_growth(path: Path, size: int) -> None:
    """DataError if a file unpacks to a size above a gibibyte and above `_MOST_FOLD` times its own."""
    most = max(_HARMLESS, _MOST_FOLD * path.stat().st_size)
    if size > most:
        raise DataError(
            f"{path.name} must not unpack to more than {most:,} bytes, {_MOST_FOLD} times its size or a gibibyte; got "
            f"{size:,} or more: if it is what it should be, save the numbers as .npy, which stays on disk."
        )
