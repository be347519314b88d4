"""Sources that are read in parts: folders and patterns of files of numbers, and tables too large for memory."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvae.data.coded_parts import coding_of, learn_coding, learned_columns, possible_ids
from gmvae.data.columns import Columns
from gmvae.data.dataset import Dataset, Ids
from gmvae.data.errors import DataError, refusing
from gmvae.data.labelled_parts import labels_as_read, learn_classes
from gmvae.data.options import TableOptions, in_words_of_options
from gmvae.data.order import natural_path
from gmvae.data.table_folders import columns_of_folders, visible_files
from gmvae.data.tables import label_column
from gmvae.formats import ARRAY, CSV, IMAGES, IN_PARTS, PARQUET

if TYPE_CHECKING:
    from gmvae.shards import Shards  # PyTorch, which reading tables does without

SHARE_OF_MEMORY = 0.25
"""Share of the memory of the machine above which the numbers of a table, of 8 bytes each, are read in parts: reading it
whole takes up to three times as much."""
_CELL_BYTES, _USUAL_MEMORY = 8, 2**33
_CHOSEN = ("header", "separator", "decimal", "missing", "layer")
_OTHERS = (*CSV, *IMAGES)
PATTERN = re.compile(r"[*?\[]")


def files_of(text: str) -> list[Path]:
    """The files of a folder or a pattern, in the natural order of their names; none if it holds images or CSV."""
    path = Path(text).expanduser()
    if path.is_file():
        return [path] if _is_shard(path.name) else []
    if path.is_dir():
        visible = visible_files(path)
    elif PATTERN.search(text):
        visible, path = glob.glob(os.path.expanduser(text), recursive=True), Path()
    else:
        return []
    if any(name.lower().endswith(_OTHERS) for name in visible):
        return []
    return [path / name for name in sorted(visible, key=natural_path) if _is_shard(name)]


def is_read_in_parts(text: str) -> bool:
    """Whether a source is read in parts: by a pattern, as .npy in a folder or Arrow, or for the size of its tables."""
    files = files_of(text)
    if not files:
        return False
    path = Path(text).expanduser()
    if path.is_dir() and not all(file.name.lower().endswith(PARQUET) for file in files):
        return True
    if path.is_file() and not path.name.lower().endswith(PARQUET):
        return not path.name.lower().endswith(ARRAY)  # one .npy stays on disk by itself
    return not path.exists() or _n_cells(files) * _CELL_BYTES > SHARE_OF_MEMORY * _memory()


def read_in_parts(text: str, labels: str | Path | None, options: TableOptions, known: Columns | None) -> Dataset:
    """Look at all rows of a source once, and hold a sample of them, with their labels.

    DataError if the files cannot be used, or an option is given that needs rows in memory.
    """
    name = Path(text).name if Path(text).exists() else text
    said = [each for each in _CHOSEN if each in options.document()] if known is None else []
    if said:
        raise DataError(
            f"`--{said[0]}` must be left out for {name}, which is read in parts, for its size or its kind; got it: "
            "leave it out, and take a column that is no feature out by `--drop`."
        )
    with in_words_of_options():
        shards = _shards(files_of(text), name, labels, options, known)
        found = shards.look(partial(_with_bar, n=len(shards.sizes), name=name))
    n = len(found.rows)
    ids, name_of_ids = Ids("row", found.numbers + 1), shards.index if options.id is None else options.id
    if name_of_ids is not None and name_of_ids in shards.of_ids:
        ids = Ids(name_of_ids, _as_ids(shards.values(name_of_ids, found.numbers)))
    files = [file.path for file in shards.files]
    on_columns = [] if known is not None else [*possible_ids(shards), *columns_of_folders(files, shards.of_files)]
    partial_labels = None
    if shards.classes is not None:
        partial_labels = np.array([*shards.classes.names, None], dtype=object)[found.label]
    elif options.partial_labels is not None and options.partial_labels in shards.of_files:
        partial_labels = labels_as_read(shards.values(options.partial_labels, found.numbers))
    return Dataset(
        name if n == len(shards) else f"{name}, {n:,} of {len(shards):,} rows",
        found.rows,
        None if labels is None else _labels(shards, str(labels), found.numbers),
        feature_names=None if shards.names is None else tuple(shards.names),
        columns=None if shards.coding is None else known or learned_columns(shards),
        ids=ids,
        weights=None if shards.weights is None and shards.classes is None else found.weight,
        partial_labels=partial_labels,
        notes=(_note(shards, n), *(() if shards.coding is None else shards.coding.notes), *on_columns),
        shards=shards,
    )


def _shards(
    files: list[Path], name: str, labels: str | Path | None, options: TableOptions, known: Columns | None
) -> Shards:
    """The files as a source: the columns of a fit, or those to learn from, without what stands beside them."""
    from gmvae.shards import Shards, open_shard

    # Files without rows may be without columns, too.
    first = next((shard for shard in map(open_shard, files) if shard.n_rows), open_shard(files[0]))
    of_files = first.types
    if labels is not None and labels not in of_files:
        raise DataError(
            f"`--labels` must name a column of {name}, which is read in parts; got {str(labels)!r}: write labels into "
            "its files as a column."
        )
    if known is not None:
        weights = options.weights if options.weights in of_files else None
        return Shards(files, known.names, name=name, learn=lambda files, _: coding_of(known, files), weights=weights)
    return Shards(
        files,
        options.columns,
        [*options.drop, *(str(each) for each in (options.id, labels) if each not in (None, *first.of_index))],
        name,
        learn=learn_coding,
        weights=options.weights,
        partial_labels=options.partial_labels,
        learn_classes=learn_classes,
    )


def _note(shards: Shards, n: int) -> str:
    held = "all are" if n == len(shards) else f"{n:,} random ones are"
    if shards.classes is not None:
        held = f"{shards.classes.n_rows:,} have a known class; {held}"
    return (
        f"Read in parts: {len(shards):,} rows of {shards.n_columns} columns in {len(shards.files):,} files; {held} "
        "held in memory, for the start, the held-out rows, scores, figures and reports."
    )


def _as_ids(values: list[Any]) -> NDArray[Any]:
    return np.array(values, dtype=np.int64 if all(type(value) is int for value in values) else object)


def _labels(shards: Shards, column: str, rows: NDArray[np.int64]) -> NDArray[Any]:
    """Labels of some rows; DataError if one is missing, or neither a whole number nor text."""
    import pyarrow as pa

    values = shards.values(column, rows)
    for row, value in zip(rows.tolist(), values, strict=True):
        if value is None or value != value or value == "":
            raise DataError(
                f"Labels must not be missing; got none in column {column!r}, {shards.place(row)}: fill it in, or drop "
                "the row."
            )
    with refusing(f"Labels in {shards.name}, column {column!r}, must be whole numbers or text in all files"):
        return label_column(pa.table([pa.array(values)], [column]), column, shards.name)


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
