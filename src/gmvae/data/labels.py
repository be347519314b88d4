"""Labels from a separate file."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmvae import formats
from gmvae.data.arrays import read_npy
from gmvae.data.dataset import as_labels
from gmvae.data.errors import DataError, refusing
from gmvae.data.idx import read_idx
from gmvae.data.table_files import open_table
from gmvae.data.tables import label_column


def read_labels(labels: str | Path, alternative: str = "") -> np.ndarray:
    """Read one label per observation, (n,) of int64 or str, in the order of the observations.

    A table has a header and one column, text one label per line. DataError if there is no such file, it is of another
    kind, or a label is missing; ``alternative`` tells what else ``labels`` might have been.
    """
    path = Path(labels).expanduser()
    if not path.is_file():
        raise DataError(f"`labels` must be {alternative}an existing file; got {str(labels)!r}: check the name.")
    name = path.name
    if formats.IDX.search(name):
        return as_labels(read_idx(path), name)
    match path.suffix.lower():
        case formats.ARRAY:
            return as_labels(read_npy(path), name)
        case formats.TEXT:
            return as_labels(_lines(path), name)
        case ".csv":
            table = open_table(path).table
            if table.num_columns != 1:
                names = ", ".join(table.column_names)
                raise DataError(f"{name} must have one column, the labels; got {names}: leave only that of the labels.")
            return label_column(table, table.column_names[0], name)
    raise DataError(f"A file of labels must be .npy, .csv, .txt or IDX; got {name}: save it as one of these.")


def _lines(path: Path) -> np.ndarray:
    with refusing(f"{path.name} must be text in UTF-8", "save it so"):
        # utf-8-sig also accepts the byte order mark that Windows editors write.
        lines = path.read_text(encoding="utf-8-sig").rstrip().splitlines()
    return np.array([line.strip() for line in lines], dtype=str)
