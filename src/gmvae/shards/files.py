"""One file of rows, read block by block: Parquet by its row groups, Arrow IPC by its batches, .npy by equal parts."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np

from gmvae.arrow import numbers_as_categories
from gmvae.foreign_errors import reason
from gmvae.formats import PANDAS_INDEX

if TYPE_CHECKING:
    import pyarrow as pa

_ROWS_OF_ARRAYS = 16_384
"""Rows of a block of .npy, which has none of its own."""


class ShardError(OSError):
    """A shard that cannot be read, or is no longer the file that was opened."""


@dataclass(frozen=True)
class Shard(ABC):
    """A file of rows.

    Attributes
    ----------
    path : Path
    size, modified : int
        Bytes, and the time of the last change in nanoseconds.
    types : dict of str to Any
        Arrow type of every column, by its name, but for a pandas index; of .npy numpy's one, by None.
    n_columns : int
    blocks : tuple of int
        Rows of every block.
    of_index : dict of str to Any
        Types of the columns of a pandas index that has names.
    """

    path: Path
    size: int
    modified: int
    types: dict[str | None, Any]
    n_columns: int
    blocks: tuple[int, ...]
    of_index: dict[str | None, Any] = field(default_factory=dict)

    @property
    def n_rows(self) -> int:
        return sum(self.blocks)

    @property
    def ids(self) -> dict[str | None, Any]:
        """Types of the columns that may identify rows."""
        return {**self.types, **self.of_index}

    @property
    def index(self) -> str | None:
        """Name of the column that identifies rows if none is named: the pandas index of one level."""
        return next(iter(self.of_index)) if len(self.of_index) == 1 else None

    def table(self, block: int, names: Sequence[str] | None = None) -> pa.Table:
        """A block as a table, by default with all its columns; ShardError if it is not what was opened."""
        with self._reading():
            return self._table(block, names)

    def array(self, block: int) -> np.ndarray:
        """A block of .npy, (b, p); ShardError as above."""
        with self._reading():
            return self._array(block)

    @abstractmethod
    def _table(self, block: int, names: Sequence[str] | None) -> pa.Table: ...

    def _array(self, block: int) -> np.ndarray:
        raise NotImplementedError

    @contextmanager
    def _reading(self) -> Iterator[None]:
        self._require_unchanged()
        try:
            yield
        except Exception as error:  # of Arrow and numpy, of many types
            self._require_unchanged()
            raise ShardError(
                f"{self.path} must be a file that can be read; got: {reason(error)}: take another copy."
            ) from error

    def _require_unchanged(self) -> None:
        try:
            found = self.path.stat()
        except OSError as error:
            raise ShardError(
                f"{self.path} must stay where it was when the source was opened; it is gone: put it back or start anew."
            ) from error
        if (found.st_size, found.st_mtime_ns) != (self.size, self.modified):
            how = "written anew" if found.st_size == self.size else f"from {self.size:,} to {found.st_size:,} bytes"
            raise ShardError(
                f"{self.path} must stay as it was when the source was opened; it has been changed since, {how}: start "
                "anew with the files as they are to be."
            )


@final
class _Parquet(Shard):
    def _table(self, block: int, names: Sequence[str] | None) -> pa.Table:
        from pyarrow import parquet

        with parquet.ParquetFile(self.path) as file:
            return file.read_row_group(block, columns=None if names is None else list(names), use_threads=False)


@final
class _Arrow(Shard):
    def _table(self, block: int, names: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa

        with pa.memory_map(str(self.path)) as file, pa.ipc.open_file(file) as reader:
            table = pa.Table.from_batches([reader.get_batch(block)])
            return table if names is None else table.select(list(names))


@final
class _Npy(Shard):
    def _table(self, block: int, names: Sequence[str] | None) -> pa.Table:
        import pyarrow as pa

        columns = self._array(block).T
        return pa.table([np.ascontiguousarray(column) for column in columns], [str(d) for d in range(len(columns))])

    def _array(self, block: int) -> np.ndarray:
        rows = np.lib.format.open_memmap(self.path, mode="r")
        first = block * _ROWS_OF_ARRAYS
        return np.array(rows[first : first + _ROWS_OF_ARRAYS])


def open_shard(path: Path, ending: str | None = None) -> Shard:
    """Look at what a file says of itself; nothing of its rows is read. By default its name tells its kind.

    Raises
    ------
    ValueError
        If it is no such file, or an array of another shape than (n, p).
    """
    try:
        return _opened(path, ending or path.suffix.lower())
    except Exception as error:
        raise ValueError(
            f"{path} must be a Parquet, Arrow IPC or .npy file that can be read; got: {reason(error)}: save it again."
        ) from error


def _opened(path: Path, ending: str) -> Shard:
    found = path.stat()
    about = (path, found.st_size, found.st_mtime_ns)
    if ending == ".npy":
        rows = np.lib.format.open_memmap(path, mode="r")
        if rows.ndim != 2:
            raise ValueError(f"an array of shape {rows.shape}, which must be (n, p)")
        blocks = [min(_ROWS_OF_ARRAYS, len(rows) - first) for first in range(0, len(rows), _ROWS_OF_ARRAYS)]
        return _Npy(*about, {None: rows.dtype}, rows.shape[1], tuple(blocks))
    if ending == ".parquet":
        from pyarrow import parquet

        with parquet.ParquetFile(path) as file:
            blocks = [file.metadata.row_group(index).num_rows for index in range(file.metadata.num_row_groups)]
            types, index = _types(file.schema_arrow)
        return _Parquet(*about, types, len(types), tuple(blocks), index)
    import pyarrow as pa

    first_column = pa.ipc.IpcReadOptions(included_fields=[0])  # no more is unpacked to count rows
    with pa.memory_map(str(path)) as source, pa.ipc.open_file(source) as reader:
        types, index = _types(reader.schema)
        source.seek(0)
        with pa.ipc.open_file(source, options=first_column) as first_columns:
            blocks = [first_columns.get_batch(index).num_rows for index in range(first_columns.num_record_batches)]
    return _Arrow(*about, types, len(types), tuple(blocks), index)


def _types(schema: pa.Schema) -> tuple[dict[Any, Any], dict[Any, Any]]:
    """Types of the columns, and of those of a pandas index that has names; numbers may be categories of pandas."""
    import pyarrow as pa

    if len({*schema.names}) < len(schema.names):
        name = next(name for name in schema.names if schema.names.count(name) > 1)
        raise ValueError(f"two columns named {name!r}")
    metadata = schema.pandas_metadata or {}
    index = {name for name in metadata.get("index_columns", []) if isinstance(name, str)}
    named = {name: schema.field(name).type for name in schema.names if not name.startswith(PANDAS_INDEX)}
    named |= {name: pa.dictionary(pa.int32(), named[name]) for name in numbers_as_categories(schema) if name in named}
    return (
        {name: kind for name, kind in named.items() if name not in index},
        {name: kind for name, kind in named.items() if name in index},
    )
