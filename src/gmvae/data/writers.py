"""Columns to CSV or Parquet and arrays to .npy, block by block, wholly or not at all."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterable, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from gmvae import formats
from gmvae.atomic import replacing

Block = Sequence[NDArray[Any]]
"""One array of shape (n,) per column."""


def check_target(path: Path, suffixes: Sequence[str], source: str | None = None) -> str:
    """Return the ending of a file to write; ValueError if it is none of those, or the file cannot be written there.

    Nor may it be the ``source`` of what is written, of which columns would be lost.
    """
    suffix = path.suffix.lower()
    if suffix not in suffixes:
        raise ValueError(f"`-o` must end in {', '.join(suffixes)}; got {path.name!r}: change the ending.")
    if path.is_dir():
        raise ValueError(f"`-o` must be a file; {path} is a folder: name a file in it.")
    if path.parent.exists() and not path.parent.is_dir():
        raise ValueError(f"`-o` must be in a folder; {path.parent} is a file: name another place.")
    if source is not None and path.exists() and path.resolve() == Path(source).expanduser().resolve():
        raise ValueError(f"`-o` must be another file than the source; got {path} for both: choose another name.")
    return suffix


def write_table(path: Path | None, names: Sequence[str], blocks: Iterable[Block]) -> None:
    """Write columns as CSV, or as Parquet where the path says so; without a path as CSV to standard output."""
    if path is None and sys.stdout is None:
        raise ValueError("`-o` must be a file where standard output is closed; got -: name one.")
    if path is None:
        try:
            _write_csv(sys.stdout, names, blocks)
        except UnicodeEncodeError as error:
            letter = error.object[error.start]
            raise ValueError(
                f"Standard output must take all letters of the table; got {error.encoding}, without {letter!a}: "
                "set PYTHONIOENCODING=utf-8, or name a file by `-o`."
            ) from error
    elif path.suffix.lower() == formats.PARQUET:
        with replacing(path) as temporary:
            _write_parquet(temporary, names, blocks)
    else:
        with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
            _write_csv(file, names, blocks)


def write_array(path: Path, n: int, parts: Iterable[NDArray[Any]]) -> None:
    """Write arrays (n_i, ...) that follow one another as one .npy file of n rows."""
    remaining = iter(parts)
    first = next(remaining)
    header = {
        "descr": np.lib.format.dtype_to_descr(first.dtype),
        "fortran_order": False,
        "shape": (n, *first.shape[1:]),
    }
    # Written, not memory-mapped: a disk that is full would end the process by a signal.
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for part in chain([first], remaining):
            file.write(np.ascontiguousarray(part).data)


def _write_csv(file: TextIO, names: Sequence[str], blocks: Iterable[Block]) -> None:
    remaining = iter(blocks)
    first = next(remaining)  # where this fails, nothing has been written yet
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    for block in chain([first], remaining):
        writer.writerows(zip(*(column.tolist() for column in block), strict=True))


def _write_parquet(path: Path, names: Sequence[str], blocks: Iterable[Block]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    tables = (pa.table(list(block), names=list(names)) for block in blocks)
    first = next(tables)
    with parquet.ParquetWriter(path, first.schema) as writer:
        for table in chain([first], tables):
            writer.write_table(table)
