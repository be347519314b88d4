"""Text and categories of sources that are read in parts: their levels by one look at all rows, and rows as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvae.arrow import becomes_numbers, holds_text, without_dictionary
from gmvae.data.columns import Columns
from gmvae.data.errors import DataError
from gmvae.data.kinds import DATES, MOST_LEVELS, Column, Remarks, levels_column
from gmvae.data.table_cells import Form, cleaned

if TYPE_CHECKING:
    import pyarrow as pa

    from gmvae.shards import Shard, Shards, Survey  # PyTorch, which reading tables does without


class CodedColumns:
    """Rows of tables as `Columns` has them: numbers, and codes of levels; NaN where a cell is missing.

    Parameters
    ----------
    columns : Columns
    notes : list of str
        What was left out.
    """

    def __init__(self, columns: Columns, notes: Sequence[str] = ()) -> None:
        self.columns = columns
        self.notes = list(notes)
        self.names = list(columns.names)
        self.key = repr([(column.name, column.kind, column.levels) for column in columns])

    def encode(self, table: pa.Table, where: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        return self.columns.encode(table, where=where).y.astype(dtype, copy=False)

    def learned(self, survey: Survey) -> Columns:
        """The columns with the range of their numbers over all rows, and whether all are whole."""
        found = zip(self.columns, survey.low, survey.high, survey.fraction, strict=True)
        return Columns(
            tuple(
                column._replace(low=float(low), high=float(high), digits=0 if np.isnan(fraction) else None)
                if column.kind == "number"
                else column
                for column, low, high, fraction in found
            ),
            self.columns.left_out,
        )


def learned_columns(shards: Shards) -> Columns | None:
    """What the columns of a source hold, if not all hold numbers."""
    return shards.coding.learned(shards.survey) if isinstance(shards.coding, CodedColumns) else None


def coding_of(known: Columns) -> CodedColumns | None:
    """That of a fit's columns; None where all hold numbers as they are."""
    return None if known.of_numbers else CodedColumns(known)


def learn_coding(files: Sequence[Shard], names: Sequence[str]) -> CodedColumns | None:
    """Look for the levels of all columns of text and categories, block by block; None if all columns hold numbers.

    Raises
    ------
    DataError
        If no column is left, or a column is text in some files only, or neither numbers nor text.
    """
    from pyarrow import types

    of_text = [name for name in names if any(_is_text(file.types[name]) for file in files)]
    of_times = [name for name in names if any(types.is_temporal(file.types[name]) for file in files)]
    if not of_text and not of_times:
        return None
    for name in of_text:
        other = next(
            (file for file in files if not (_is_text(file.types[name]) or types.is_null(file.types[name]))), None
        )
        if other is not None:
            raise DataError(
                f"Column {name!r} must be of one kind in all files; got text, and {other.types[name]} in "
                f"{other.path.name}: write them alike."
            )
    remarks = Remarks()
    columns: list[Column] = []
    levels = _levels(files, of_text)
    for name in names:
        if name in levels:
            found = levels_column(name, list(levels[name]), levels[name].total(), "string", remarks)
            columns += [] if found is None else [found]
        elif name in of_times:
            remarks.add(DATES, name)
        else:
            found_types = (file.types[name] for file in files)
            kind = next((kind for kind in found_types if not types.is_null(kind)), files[0].types[name])
            if not becomes_numbers(kind):
                raise DataError(
                    f"Column {name!r} must hold numbers, truth values or text where it is read in parts; got values of "
                    f"type {kind} in {files[0].path.name}: leave it out (`--drop`), or encode it as numbers."
                )
            truth = Column(name, "yes/no", "bool", (False, True))
            columns.append(truth if str(kind) == "bool" else Column(name, "number", str(kind)))
    if not columns:
        raise DataError(f"There must be a column to learn from; got none: {' '.join(remarks.sentences())}")
    kept = {column.name for column in columns}
    return CodedColumns(Columns(tuple(columns), tuple(name for name in names if name not in kept)), remarks.sentences())


def _levels(files: Sequence[Shard], names: Sequence[str]) -> dict[str, Counter[str]]:
    """How often every text occurs, of columns with not too many; of others as many as are too many."""
    found = {name: Counter[str]() for name in names}
    for file in files:
        for block in range(len(file.blocks)):
            sought = [name for name in names if len(found[name]) <= MOST_LEVELS]
            table = file.table(block, sought)
            for name in sought:
                for each in plain_cells(table.column(name)).value_counts().to_pylist():
                    if each["values"] is not None:
                        found[name][each["values"]] += each["counts"]
    return found


def plain_cells(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """The cells of a column without a dictionary, missing where a mark of missing ones stands."""
    return cleaned(without_dictionary(column), Form())


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return holds_text(kind) or (types.is_dictionary(kind) and holds_text(kind.value_type))
