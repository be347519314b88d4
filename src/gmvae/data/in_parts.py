"""Sources that are read in parts: folders and patterns of files of numbers, and tables too large for memory."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from gmvae.data.coded_parts import coding_of, learn_coding, learned_columns
from gmvae.data.columns import Columns
from gmvae.data.dataset import Dataset, Ids
from gmvae.data.errors import DataError
from gmvae.data.options import NO_OPTIONS, TableOptions
from gmvae.data.order import natural_path
from gmvae.data.parts import visible_files
from gmvae.formats import ARRAY, CSV, IMAGES, IN_PARTS, PARQUET

SHARE_OF_MEMORY = 0.25
"""Share of the memory of the machine above which the numbers of a table, of 8 bytes each, are read in parts: reading it
whole takes up to three times as much."""
_CELL_BYTES, _USUAL_MEMORY = 8, 2**33
_CHOSEN = ("header", "separator", "decimal", "missing", "partial_labels", "layer")
_OTHERS = (*CSV, *IMAGES)
_PATTERN = re.compile(r"[*?\\[]")


def files_of(text: str) -> list[Path]:
    """The files of a folder or a pattern, in the natural order of their names; none if it holds images or CSV."""
    path = Path(text).expanduser()
    if path.is_file():
        return [path] if _is_shard(path.name) else []
    if path.is_dir():
        visible = visible_files(path)
    elif _PATTERN.search(text):
        visible, path = glob.glob(os.path.expanduser(text), recursive=True), Path()
    else:
        return []
    if any(name.lower().endswith(_OTHERS) for name in visible):
        return []
    return [path / name for name in sorted(visible, key=natural_path) if _is_shard(name)]


def is_read_in_parts(text: str) -> bool:
    """Whether a source is read in parts: by a pattern, as a folder of .npy or Arrow, or for the size of its tables."""
    files = files_of(text)
    if not files:
        return False
    path = Path(text).expanduser()
    if path.is_dir() and not all(file.name.lower().endswith(PARQUET) for file in files):
        return True
    if path.is_file() and not path.name.lower().endswith(PARQUET):
        return False  # one .npy stays on disk by itself
    return not path.exists() or _n_cells(files) * _CELL_BYTES > SHARE_OF_MEMORY * _memory()


def read_in_parts(
    text: str,
    labels: str | Path | None = None,
    options: TableOptions = NO_OPTIONS,
    known: Columns | None = None,
) -> Dataset:
    """Look at all rows of a source once, and hold a sample of them.

    DataError if the files cannot be used, or an option is given that needs rows in memory.
    """
    from gmvae.shards import Shards, open_shard  # PyTorch, which reading tables does without

    name = Path(text).name if Path(text).exists() else text
    said = [each for each in _CHOSEN if each in options.document()] if known is None else []
    if labels is not None or said:
        option = "labels" if labels is not None else said[0].replace("_", "-")
        raise DataError(
            f"`--{option}` must be left out for {name}, which is read in parts, for its size or its kind; got it: "
            "leave it out, and take a column that is no feature out by `--drop`."
        )
    try:
        if known is not None:
            files = files_of(text)
            weights = options.weights if options.weights in open_shard(files[0]).types else None
            shards = Shards(files, known.names, name=name, learn=lambda *_: coding_of(known), weights=weights)
        else:
            others = [each for each in (options.id,) if each is not None]
            shards = Shards(
                files_of(text),
                options.columns,
                [*options.drop, *others],
                name,
                learn=learn_coding,
                weights=options.weights,
            )
        found = shards.look(partial(_with_bar, n=len(shards.sizes), name=name))
    except ValueError as error:
        raise DataError(str(error)) from error
    held = f"{len(found.rows):,} random ones are" if len(found.rows) < len(shards) else "all are"
    note = (
        f"Read in parts: {len(shards):,} rows of {shards.n_columns} columns in {len(shards.files):,} files; {held} "
        "held in memory, for the start, the held-out rows, figures and reports."
    )
    shown = name if len(found.rows) == len(shards) else f"{name}, {len(found.rows):,} of {len(shards):,} rows"
    ids = Ids("row", found.numbers + 1)
    if options.id is not None and options.id in shards.known:
        ids = Ids(str(options.id), shards.values(str(options.id), found.numbers))
    return Dataset(
        shown,
        found.rows,
        feature_names=None if shards.names is None else tuple(shards.names),
        columns=None if shards.coding is None else known or learned_columns(shards),
        ids=ids,
        weights=None if shards.weights is None else found.weight,
        notes=(note, *(() if shards.coding is None else shards.coding.notes)),
        shards=shards,
    )


def _with_bar(blocks: Iterable[Any], n: int, name: str) -> Iterable[Any]:
    """The same, with a bar on a terminal until they end."""
    from rich.console import Console
    from rich.progress import track

    console = Console(stderr=True)
    about = f"looking at {name}"
    return track(blocks, about, n, console=console, transient=True, disable=not console.is_terminal)


def _is_shard(name: str) -> bool:
    return name.lower().endswith(IN_PARTS)


def _n_cells(files: list[Path]) -> int:
    from pyarrow import parquet

    n = 0
    for file in files:
        if not file.name.lower().endswith(ARRAY):
            try:
                with parquet.ParquetFile(file) as table:
                    n += table.metadata.num_rows * table.metadata.num_columns
            except Exception:  # what is wrong with it is said where it is read
                return 0
    return n


def _memory() -> int:
    """Bytes of memory that the machine has, or that its group of processes may take."""
    try:
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):  # Windows
        return _USUAL_MEMORY
    try:
        return min(memory, int(Path("/sys/fs/cgroup/memory.max").read_text(encoding="ascii")))
    except (OSError, ValueError):
        return memory
