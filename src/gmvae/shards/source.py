"""Files of rows as one source: their columns, and blocks of numbers."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from gmvae.arrow import becomes_numbers
from gmvae.shards.columns import kind_of, names_of, numbers_of, type_that_holds
from gmvae.shards.files import Shard, ShardError, open_shard
from gmvae.shards.survey import Survey, survey

if TYPE_CHECKING:
    import pyarrow as pa

T = TypeVar("T")


def no_coding(files: Sequence[Shard], names: Any) -> None:
    """Nothing is learned: all columns must hold numbers."""


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
    types : set of str
        Names of the types of the numbers.
    """

    names: list[str]
    key: str
    notes: list[str]
    types: set[str]

    def encode(self, table: pa.Table, where: str, dtype: np.dtype[Any]) -> np.ndarray:
        """Rows (n, p); NaN where a cell is missing."""
        ...


class KnownClasses(Protocol):
    """The classes of some rows, which a column has.

    Attributes
    ----------
    column : str
    names : sequence of int or str
        Of the classes, in order.
    n_rows : int
        How many rows have one.
    rows : ndarray of int
        Numbers of some of these rows, random ones, in order.
    """

    @property
    def column(self) -> str: ...

    @property
    def names(self) -> Sequence[int | str]: ...

    @property
    def n_rows(self) -> int: ...

    @property
    def rows(self) -> np.ndarray: ...

    def numbers(self, cells: pa.ChunkedArray) -> np.ndarray:
        """Number of the class of every cell, -1 where it is unknown."""
        ...


Learn = Callable[[Sequence[Shard], Sequence[str]], Coding | None]
"""From the files that hold rows and the columns to take to their coding; None where all hold numbers."""
LearnClasses = Callable[[Sequence[Shard], str], KnownClasses | None]
"""From the files that hold rows and a column to the classes in it; None without any."""


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
    weights, partial_labels : str, optional
        The columns that say how much every row counts, and the class of some; they are none of those that are taken.
    learn_classes : callable, optional
        Finds the classes in the latter.

    Attributes
    ----------
    files : list of Shard
        Those that hold rows, and those that hold none.
    names : list of str or None
        Of the columns; None for .npy.
    classes : KnownClasses or None
        Those of some rows.
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
        learn: Learn = no_coding,
        weights: str | None = None,
        partial_labels: str | None = None,
        learn_classes: LearnClasses = no_coding,
    ) -> None:
        self.name = name
        self.files = [open_shard(path, ending) for path in paths]
        full = [file for file in self.files if file.n_rows]
        if not full:
            raise ValueError(f"{name} must hold at least one row; got {len(self.files)} files without any: add rows.")
        beside = [each for each in (weights, partial_labels) if each is not None]
        self.names = names_of(full, columns, [*drop, *beside], name)
        self.weights = weights
        self.of_files = full[0].types
        self.of_ids = full[0].ids
        self.index = full[0].index
        self.coding = None if self.names is None else learn(full, self.names)
        of_numbers: Sequence[str | None] = self.names or (None,)
        if self.coding is not None:
            self.names = list(self.coding.names)
            of_numbers = [each for each in self.names if all(becomes_numbers(file.types[each]) for file in full)]
        self.n_columns = full[0].n_columns if self.names is None else len(self.names)
        kinds = {kind_of(file, column, name) for file in full for column in of_numbers}
        kinds |= set() if self.coding is None else self.coding.types
        odd = (
            None if weights is None else next((file for file in full if not becomes_numbers(file.types[weights])), None)
        )
        if odd is not None:
            raise ValueError(
                f"`sample_weight` must name a column of numbers; got {weights!r}, of type {odd.types[weights]} in "
                f"{odd.path.name}: name another."
            )
        self.dtype = np.dtype(np.uint8) if self.names is None and kinds == {"uint8"} else type_that_holds(kinds)
        self._blocks = [(file, block) for file in full for block, n in enumerate(file.blocks) if n]
        self._survey: Survey | None = None
        self.sizes = np.array([file.blocks[block] for file, block in self._blocks])
        self.starts = np.concatenate([[0], self.sizes.cumsum()])
        self.classes = None if partial_labels is None else learn_classes(full, partial_labels)

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
            first = sum(file.blocks[:own])
            where = f"{file.path.name}, from row {first + 1:,} on" if first else file.path.name
            rows = self.coding.encode(file.table(own, self.names), where, self.dtype)
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

    def label(self, block: int) -> np.ndarray | None:
        """Number of the class of the rows of a block, (b,), -1 where it is unknown; None where no row has one."""
        if self.classes is None:
            return None
        file, own = self._blocks[block]
        return self.classes.numbers(file.table(own, [self.classes.column]).column(0))

    def values(self, name: str, rows: np.ndarray) -> list[Any]:
        """The cells of a column in some rows, by their numbers in order."""
        found: list[Any] = []
        bounds = np.searchsorted(rows, self.starts)
        for block, (file, own) in enumerate(self._blocks):
            if bounds[block] < bounds[block + 1]:
                here = rows[bounds[block] : bounds[block + 1]] - self.starts[block]
                found += file.table(own, [name]).column(0).take(here).to_pylist()
        return found

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
        beside: tuple[np.ndarray, ...] = () if self.weights is None else (found.weight,)
        if self.classes is not None:
            total = zlib.crc32(repr((list(self.classes.names), self.classes.n_rows)).encode(), total)
            beside = found.weight, found.label
        for values in (self.sizes, found.n, found.mean, found.deviation, found.rows, *beside):
            total = zlib.crc32(np.ascontiguousarray(values).data, total)
        return f"{total:08x}"
