"""`load`: from a path or a name to a `Dataset`, by the reader of its kind."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gmvae import formats
from gmvae.config import Config
from gmvae.data.arrays import channels_first, read_npy, read_npz
from gmvae.data.builtin import load_builtin
from gmvae.data.cell_files import holds_cells, read_cells
from gmvae.data.dataset import Dataset
from gmvae.data.errors import DataError
from gmvae.data.idx import read_idx
from gmvae.data.images import holds_images, read_folder, read_image
from gmvae.data.in_parts import PATTERN, files_of, is_read_in_parts, read_in_parts
from gmvae.data.labels import read_labels
from gmvae.data.options import NO_OPTIONS, CellColumns, TableOptions
from gmvae.data.sets import BUILT_IN, find
from gmvae.data.table_files import open_table
from gmvae.data.table_folders import parts_of
from gmvae.data.tables import read_table
from gmvae.domains import first_of

if TYPE_CHECKING:
    import pyarrow as pa

    from gmvae.data.columns import Columns

_GENES_ALONE = CellColumns()


def load(
    source: str | Path,
    *,
    labels: str | Path | None = None,
    data_home: Path | None = None,
    table: TableOptions = NO_OPTIONS,
    known: Columns | None = None,
    in_parts: bool | None = None,
    of_cells: CellColumns = _GENES_ALONE,
) -> Dataset:
    """Load observations from a file, a folder of images or a built-in set.

    Parameters
    ----------
    source : str or Path
        A path: ``.npy`` (memory-mapped), ``.npz`` (sparse matrices, too), ``.csv``, ``.tsv``, ``.parquet``, IDX (text
        and IDX ``.gz`` or not), an image, a folder of images, or a folder of parts of a table; counts of cells in
        ``.h5ad``, or in ``.h5`` or a folder of Cell Ranger. A pattern such as ``parts/*.parquet``, a folder of
        ``.npy`` or Arrow IPC files, and Parquet that takes more than a quarter of memory are read in parts. Or the name
        of a built-in set (see `catalogue`), which wins over a file of that name; write ``./mnist`` for the file. A part
        may follow: ``mnist:test``, ``file.npz:X_train``.
    labels : str or Path, optional
        Labels for evaluation: a column of the table (then removed from the observations), an array of the ``.npz``,
        the word ``folder`` for images, or a file (``.npy``, one-column ``.csv``, ``.txt``, IDX).
        Built-in sets bring their own.
    data_home : Path, optional
        Folder of the built-in sets; by default ``GMVAE_DATA``, else the user's cache folder.
    table : TableOptions
        How a table is read, and which of its columns.
    known : Columns, optional
        Columns of a fit, by which a table is encoded; without them their kinds are found.
    in_parts : bool, optional
        Whether a source is read in parts; by default as its kind, size and the memory of this machine say.
    of_cells : CellColumns
        Columns of ``obs`` that stand beside the genes, where the source holds cells.

    Returns
    -------
    Dataset
        Images of shape (n, H, W, C) in an array file are returned as (n, C, H, W).

    Raises
    ------
    DataError
        If the source cannot be used; the message says why and what to do.
    """
    text = os.fspath(source)
    # A colon in an existing file's name is part of the name; a bare built-in name is the set.
    named = isinstance(source, str) and source in BUILT_IN
    built_in = find(text) if named or not Path(text).exists() else None
    if built_in is not None:
        if labels is not None:
            raise DataError(f"`labels` must be left out for the built-in set {text!r}, which brings its own.")
        if known is None:
            _refuse_options(table, text)
        return load_builtin(*built_in, data_home)
    if is_read_in_parts(text) if in_parts is None else in_parts:
        return read_in_parts(text, labels, table, known)
    path, part = _place(text)
    try:
        cells = _is_of_cells(path)
        if table.layer is not None and not cells:
            raise DataError(f"`--layer` must be for .h5ad; got {path.name}: leave it out.")
        data = read_cells(path, labels, table, known, of_cells) if cells else _read(path, part, labels, table, known)
        if labels is not None and data.labels is None:
            data = replace(data, labels=read_labels(labels, _alternative(data, path)))
    except MemoryError as error:
        raise DataError(
            f"{path.name} and its labels must fit into memory; they do not: take fewer rows, smaller images or .npy, "
            "which stays on disk."
        ) from error
    if data.columns is None and known is None and not cells:
        _refuse_options(table, data.name)
    return data


class Source(NamedTuple):
    """Data as the user names them; the fields are parameters of `load`."""

    name: str
    labels: str | None = None
    data_home: Path | None = None
    table: TableOptions = NO_OPTIONS

    def load(
        self,
        config: Config,
        *,
        known: Columns | None = None,
        batches: Iterable[str] | None = None,
        in_parts: bool | None = None,
    ) -> Dataset:
        """The data, of cells with the columns that a fit's hyperparameters name, and the names of its batches."""
        of_cells = CellColumns.of(config.size_factors, config.covariate, batches)
        name, labels, data_home, table = self
        return load(
            name, labels=labels, data_home=data_home, table=table, known=known, in_parts=in_parts, of_cells=of_cells
        )


def exists(source: str) -> bool:
    """Whether there is something under the name of a source: a built-in set, a path, or files of a pattern."""
    paths = (Path(text).expanduser() for text in (source, source.rpartition(":")[0]) if text)
    return any(path.exists() for path in paths) or bool(files_of(source)) or find(source) is not None


def columns_of(source: str | Path, options: TableOptions = NO_OPTIONS, known: Columns | None = None) -> pa.Table:
    """The columns of a table as its file has them, by the names of a fit's; DataError if the source is none."""
    path = Path(source).expanduser()
    if not path.exists() or not (path.is_dir() or path.name.lower().endswith(formats.TABLES)) or _is_of_images(path):
        raise DataError(f"`--keep-columns` must be for a table; got {os.fspath(source)!r}: leave it out.")
    return open_table(path, options, known).table


def _refuse_options(table: TableOptions, name: str) -> None:
    for said in table.document():
        raise DataError(f"`--{said}` must be for a table; got {name}: leave it out.")


def _is_of_cells(path: Path) -> bool:
    if path.is_dir():
        return holds_cells(path)
    return path.is_file() and path.name.lower().endswith((formats.ANNDATA, formats.CELL_RANGER))


def _is_of_images(path: Path) -> bool:
    return path.is_dir() and (holds_images(path) or not parts_of(path))


def _place(text: str) -> tuple[Path, str | None]:
    """The path and the part, where a colon separates them."""
    whole = Path(text).expanduser()
    if whole.exists():
        return whole, None
    head, colon, part = text.rpartition(":")
    drive_letter = len(head) == 1
    if colon and not drive_letter and Path(head).expanduser().exists():
        return Path(head).expanduser(), part
    if PATTERN.search(text):
        raise DataError(
            f"A pattern must match Parquet, Arrow IPC or .npy files and no others; got {text!r}: name the folder in "
            "place of CSV files or images, or check the pattern."
        )
    close = difflib.get_close_matches(text.partition(":")[0], BUILT_IN, n=1)
    hint = f" (did you mean {close[0]!r}?)" if close else ""
    known = ", ".join(BUILT_IN)
    raise DataError(f"The source must be an existing path or one of {known}; got {text!r}{hint}: check the name.")


def _read(
    path: Path, part: str | None, labels: str | Path | None, options: TableOptions, known: Columns | None
) -> Dataset:
    name = path.name.lower()
    if not (path.is_file() or path.is_dir()):  # a pipe would block, and can be read only once
        raise DataError(f"The source must be a file or a folder; {path.name} is neither: save what it gives to a file.")
    if name.endswith(formats.ARCHIVE):
        return read_npz(path, part, labels)
    if part is not None:
        raise DataError(f"Only .npz files and built-in sets have parts; got {path.name}:{part}: leave out :{part}.")
    if path.is_dir():
        if _is_of_images(path):
            return read_folder(path, labels)
        return read_table(path, labels, options, known)
    if name.endswith(formats.TABLES):
        return read_table(path, labels, options, known)
    if name.endswith(formats.IMAGES):
        return read_image(path)
    if name.endswith(formats.ARRAY):
        return Dataset(path.name, channels_first(read_npy(path)))
    if formats.IDX.search(name):
        return Dataset(path.name, read_idx(path))
    remedy = "save it as one of these"
    if name.endswith(formats.PACKED):
        remedy = "unpack it, or pack one table by gzip"
    elif name.endswith(formats.PERHAPS_TABLES):
        remedy = "if it is a table of text, let its name end in .csv"
    raise DataError(f"A source must be {formats.OBSERVATIONS}, an image or a folder; got {path.name}: {remedy}.")


def _alternative(data: Dataset, path: Path) -> str:
    if data.feature_names is not None:
        return f"a column of {path.name} ({first_of(data.feature_names)}) or "
    if path.is_dir():
        return "the word 'folder' or "
    return f"an array in {path.name} or " if path.suffix.lower() == formats.ARCHIVE else ""
