"""Files of rows as one source: their columns, and blocks of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from gmvae.shards.files import Shard, ShardError, open_shard
from gmvae.shards.survey import Survey, survey

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


def _no_coding(files: Sequence[Shard], names: Sequence[str]) -> None:
    """All columns must hold numbers."""


_ROWS_TURNED = 4096
"""Rows of which columns become rows at once, as many as caches hold: it takes less than half the time."""

_FLOAT32_IS_EXACT = ("bool", "int8", "uint8", "int16", "uint16", "halffloat", "float", "float16", "float32", "null")


class Coding(Protocol):
    """How columns of a table, text and categories among them, become numbers.

    Attributes
    ----------
    names : list of str
        Of the columns that are taken, in order.
    key : str
        Tells codings apart.
    notes : list of str
        What was left out, a sentence each.
    """

    names: list[str]
    key: str
    notes: list[str]

    def encode(self, table: pa.Table, where: str, dtype: np.dtype[Any]) -> np.ndarray:
        """Rows (n, p); NaN where a cell is missing."""
        ...


Learn = Callable[[Sequence[Shard], Sequence[str]], Coding | None]
"""From the files that hold rows and the columns to take to their coding; None where all hold numbers."""


class Shards:
    """Rows (n, p) of numbers in files; a block of one file is in memory at a time.

    Parameters
    ----------
    paths : sequence of Path
        Parquet, Arrow IPC or .npy files (n_i, p), in the order of the rows; some may be empty.
    columns : sequence of str
        Columns to take, in this order; all where it is empty.
    drop : collection of str
        Columns to leave out.
    name : str
        Of the source, for messages.
    ending : str, optional
        Of the kind of all files, where their names do not say it.
    learn : callable, optional
        Finds the coding of columns that are not all numbers; without it these are refused.
    weights : str, optional
        The column that says how much every row counts; it is none of those that are taken.

    Attributes
    ----------
    files : list of Shard
        Those that hold rows, and those that hold none.
    names : list of str or None
        Of the columns; None for .npy.
    dtype : numpy.dtype
        float32 where it holds all types of numbers exactly, else float64; uint8 of .npy files of it.

    Raises
    ------
    ValueError
        If a file cannot be read, has other columns than the first, or one that does not hold numbers; or all are empty.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        columns: Sequence[str] = (),
        drop: Sequence[str] = (),
        name: str = "X",
        ending: str | None = None,
        learn: Learn = _no_coding,
        weights: str | None = None,
    ) -> None:
        self.name = name
        self.files = [open_shard(path, ending) for path in paths]
        full = [file for file in self.files if file.n_rows]
        if not full:
            raise ValueError(f"{name} must hold at least one row; got {len(self.files)} files without any: add rows.")
        self.names = _names(full, columns, drop if weights is None else [*drop, weights], name)
        self.weights = weights
        self.known = full[0].types  # columns of the files
        self.coding = None if self.names is None else learn(full, self.names)
        of_numbers: Sequence[str | None] = self.names or (None,)
        if self.coding is not None:
            self.names = list(self.coding.names)
            of_numbers = [each for each in self.names if is_number(full[0].types[each])]
        self.n_columns = full[0].n_columns if self.names is None else len(self.names)
        kinds = {_kind_of(file, column, name) for file in full for column in of_numbers}
        odd = None if weights is None else next((file for file in full if not is_number(file.types[weights])), None)
        if odd is not None:
            raise ValueError(
                f"`--weights` must name a column of numbers; got {weights!r}, of type {odd.types[weights]} in "
                f"{odd.path.name}: name another."
            )
        self.dtype = np.dtype(np.float32 if kinds <= {*_FLOAT32_IS_EXACT} else np.float64)
        if self.names is None and kinds == {"uint8"}:
            self.dtype = np.dtype(np.uint8)
        self._blocks = [(file, block) for file in full for block, n in enumerate(file.blocks) if n]
        self._survey: Survey | None = None
        self.sizes = np.array([file.blocks[block] for file, block in self._blocks])
        self.starts = np.concatenate([[0], self.sizes.cumsum()])

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.n_columns

    def read(self, block: int) -> np.ndarray:
        """The rows (b, p) of a block of the source; ShardError if its file cannot be read or has been changed."""
        file, own = self._blocks[block]
        if self.names is None:
            rows = file.array(own).astype(self.dtype, copy=False)
        elif self.coding is not None:
            rows = self.coding.encode(file.table(own, self.names), file.path.name, self.dtype)
        else:
            rows = numbers_of(file.table(own, self.names), self.dtype)
        if rows.shape != (self.sizes[block], self.n_columns):
            raise ShardError(
                f"{file.path} must hold {self.sizes[block]:,} rows in block {own}; got {len(rows):,}: write it anew."
            )
        return rows

    def weight(self, block: int) -> np.ndarray | None:
        """How much the rows of a block count, (b,) in float64, as the files have it; None where all count alike."""
        if self.weights is None:
            return None
        file, own = self._blocks[block]
        return numbers_of(file.table(own, [self.weights]), np.dtype(np.float64))[:, 0]

    def values(self, name: str, rows: np.ndarray) -> np.ndarray:
        """The cells of a column in some rows, by their numbers in order: whole numbers, or objects."""
        found: list[Any] = []
        bounds = np.searchsorted(rows, self.starts)
        for block, (file, own) in enumerate(self._blocks):
            if bounds[block] < bounds[block + 1]:
                here = rows[bounds[block] : bounds[block + 1]] - self.starts[block]
                found += file.table(own, [name]).column(name).take(here).to_pylist()
        whole = all(type(value) is int for value in found)
        return np.array(found, dtype=np.int64 if whole else object)

    def place(self, row: int) -> str:
        """Where a row of the source is, in words."""
        block = int(np.searchsorted(self.starts, row, side="right")) - 1
        file, own = self._blocks[block]
        return f"row {row - int(self.starts[block]) + sum(file.blocks[:own]) + 1:,} of {file.path.name}"

    def look(self, shown: Callable[[Iterable[T]], Iterable[T]] = iter) -> Survey:
        """What one pass over all rows finds, and a random sample of them; ``shown`` shows how many blocks have been."""
        if self._survey is None:
            self._survey = survey(self, shown)
        return self._survey

    @property
    def survey(self) -> Survey:
        """The same, in silence."""
        return self.look()

    def identity(self) -> list[tuple[str, int, int]]:
        """Names, sizes and times of the files."""
        return [(str(file.path.resolve()), file.size, file.modified) for file in self.files]

    def checksum(self) -> str:
        """CRC-32 of what the survey found and of the blocks, on which the order of the rows depends."""
        found = self.survey
        about = (self.names, self.dtype.str) if self.coding is None else (self.coding.key, self.dtype.str)
        total = zlib.crc32(repr(about).encode())
        weight = () if self.weights is None else (found.weight,)
        for values in (self.sizes, found.n, found.mean, found.deviation, found.rows, *weight):
            total = zlib.crc32(np.ascontiguousarray(values).data, total)
        return f"{total:08x}"


def numbers_of(table: pa.Table, dtype: np.dtype[Any]) -> np.ndarray:
    """Columns of numbers as an array (n, p); NaN where one is missing."""
    from pyarrow import types

    def values(column: pa.ChunkedArray) -> np.ndarray:
        if types.is_null(column.type):
            return np.full(len(column), np.nan)
        return (column.cast("uint8") if types.is_boolean(column.type) else column).to_numpy()

    columns = [values(column) for column in table.columns]
    rows = np.empty((table.num_rows, table.num_columns), dtype)
    for first in range(0, len(rows), _ROWS_TURNED):
        part = slice(first, first + _ROWS_TURNED)
        for place, column in enumerate(columns):
            rows[part, place] = column[part]
    return rows


def _names(files: Sequence[Shard], columns: Sequence[str], drop: Sequence[str], name: str) -> list[str] | None:
    """The columns to take, which all files have; None where they have no names."""
    first = files[0]
    for file in files[1:]:
        if file.types.keys() != first.types.keys() or file.n_columns != first.n_columns:
            other = next((each for each in file.types.keys() ^ first.types.keys() if each is not None), None)
            what = f"{file.n_columns} and {first.n_columns} of them" if other is None else f"{other!r} in one of them"
            raise ValueError(
                f"All files of {name} must have the same columns; got {what}, {first.path.name} and {file.path.name}: "
                "take out the others."
            )
    if None in first.types:
        if columns or drop:
            raise ValueError(f"Columns of {name} must have names to be chosen; .npy files have none: choose none.")
        return None
    known = [str(each) for each in first.types]
    for each in (*columns, *drop):
        if each not in known:
            shown = ", ".join(known[:12]) + (", …" if len(known) > 12 else "")
            raise ValueError(f"{name} must have the columns that are named, of {shown}; got {each!r}: name another.")
    taken = [each for each in columns or known if each not in drop]
    if not taken:
        raise ValueError(f"{name} must have at least one column to learn from; got none: leave fewer out.")
    return taken


def is_number(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers or truth values."""
    from pyarrow import types

    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_null))


def _kind_of(file: Shard, column: str | None, name: str) -> str:
    """Name of the type of a column; ValueError unless it is one of numbers."""
    kind = file.types[column]
    if column is None:
        if kind.kind not in "biuf":
            raise ValueError(f"{file.path} must hold numbers; got values of type {kind}: encode them as numbers.")
        return str(kind.name)
    if not is_number(kind):
        raise ValueError(
            f"{name} must have columns of numbers, truth values or text where it is read in parts; got {column!r} "
            f"of type {kind} in {file.path.name}: leave it out (`--drop`), or encode it as numbers."
        )
    return str(kind)
