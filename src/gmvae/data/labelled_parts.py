"""Partial labels of sources that are read in parts: the classes in a column, and some of the rows that have one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.data.coded_parts import plain_cells
from gmvae.data.errors import DataError
from gmvae.data.remarks import MOST_LEVELS
from gmvae.weights_and_labels import UNKNOWN, class_of, sorted_classes

if TYPE_CHECKING:
    import pyarrow as pa

    from gmvae.shards import Shard  # PyTorch, which reading tables does without

MAX_LABELLED = 10_000
"""Rows of known classes that are kept: the start and the guidance by labels need no more."""


class ClassColumn(NamedTuple):
    """The classes of some rows; see `gmvae.shards.KnownClasses`."""

    column: str
    names: list[int | str]
    n_rows: int
    rows: NDArray[np.int64]

    def numbers(self, cells: pa.ChunkedArray) -> NDArray[np.int64]:
        number: dict[int | str | None, int] = {name: index for index, name in enumerate(self.names)}
        values, codes = _encoded(cells)
        of_values = [number.get(class_of(value, f"column {self.column!r}"), UNKNOWN) for value in values]
        return np.array([*of_values, UNKNOWN])[codes]


def learn_classes(files: Sequence[Shard], column: str) -> ClassColumn | None:
    """Look at the cells of a column, block by block, for the classes that they name; None without any.

    Raises
    ------
    ValueError
        If a cell names no class, there are too many, or some are numbers and some text.
    """
    found, n_rows, first = set[int | str](), 0, 0
    rng = np.random.default_rng(0)
    rows, ranks = np.empty(0, dtype=np.int64), np.empty(0)
    for file in files:
        for block in range(len(file.blocks)):
            values, codes = _encoded(file.table(block, [column]).column(0))
            names = [class_of(value, f"column {column!r} of {file.path.name}") for value in values]
            found.update(name for name in names if name is not None)
            if len(found) > MOST_LEVELS:
                raise DataError(
                    f"`partial_labels` must name at most {MOST_LEVELS:,} classes; got more in column {column!r}: name "
                    "a column of classes."
                )
            known = first + np.flatnonzero(np.array([*(name is not None for name in names), False])[codes])
            # Of all such rows those with the lowest random numbers: as many are kept as are needed, whatever n is.
            rows, ranks = np.concatenate([rows, known]), np.concatenate([ranks, rng.random(len(known))])
            kept = np.argsort(ranks)[:MAX_LABELLED]
            rows, ranks = rows[kept], ranks[kept]
            n_rows, first = n_rows + len(known), first + len(codes)
    return ClassColumn(column, sorted_classes(found), n_rows, np.sort(rows)) if found else None


def labels_as_read(values: Sequence[Any]) -> NDArray[Any]:
    """Cells of a column of labels as they are, (n,); None where a mark of missing ones stands."""
    import pyarrow as pa

    return np.array(plain_cells(pa.chunked_array([pa.array(values)])).to_pylist(), dtype=object)


def _encoded(cells: pa.ChunkedArray) -> tuple[list[Any], NDArray[np.int64]]:
    """The different values, and for every cell which it has; the number of values where it is missing."""
    encoded = plain_cells(cells).combine_chunks().dictionary_encode()
    values = encoded.dictionary.to_pylist()
    return values, encoded.indices.fill_null(len(values)).to_numpy(zero_copy_only=False).astype(np.int64)
