"""Datasets of Arrow, which users have opened, as shards."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from gmvae.shards.source import Learn, LearnClasses, Shards


def is_dataset(X: Any) -> bool:
    """Whether X is a `pyarrow.dataset.Dataset`."""
    module = sys.modules.get("pyarrow.dataset")
    return module is not None and isinstance(X, module.Dataset)


def shards_of(
    dataset: Any,
    learn: Learn,
    weights: str | None,
    partial_labels: str | None,
    learn_classes: LearnClasses,
) -> Shards:
    """The files of a dataset as shards; what is learned of their columns, and columns beside them, are as of `Shards`.

    Raises
    ------
    ValueError
        If it is no dataset of local Parquet or Arrow IPC files as they are: filtered, or with columns that are not in
        the files but in names of folders.
    """
    from pyarrow import dataset as ds
    from pyarrow.fs import LocalFileSystem

    formats = (ds.ParquetFileFormat, ds.IpcFileFormat)
    plain = isinstance(dataset, ds.FileSystemDataset) and isinstance(dataset.format, formats)
    if not plain or not isinstance(dataset.filesystem, LocalFileSystem):
        raise ValueError(
            f"X must be a Dataset of local Parquet or Arrow IPC files; got {type(dataset).__name__}: write it with "
            "`pyarrow.dataset.write_dataset` and open that."
        )
    if getattr(dataset, "_scan_options", {}).get("filter") is not None:
        raise ValueError(
            "X must be a Dataset without a filter, whose files are read wholly; got one with a filter: write what it "
            "leaves with `pyarrow.dataset.write_dataset` and open that."
        )
    ending = ".parquet" if isinstance(dataset.format, ds.ParquetFileFormat) else ".arrow"
    source = Shards(
        [Path(path) for path in dataset.files],
        ending=ending,
        learn=learn,
        weights=weights,
        partial_labels=partial_labels,
        learn_classes=learn_classes,
    )
    beside = [name for name in dataset.schema.names if source.names is not None and name not in source.of_files]
    if beside:
        raise ValueError(
            f"X must be a Dataset with all columns in its files; got {beside[0]!r}, which is in names of folders: open "
            "it without `partitioning`."
        )
    return source
