"""Text and categories of sources that are read in parts: their levels by one look at all rows, and rows as numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from gmvae.arrow import becomes_numbers, holds_numbers, holds_text, without_dictionary
from gmvae.data.columns import Columns
from gmvae.data.errors import DataError
from gmvae.data.kinds import ENOUGH_ROWS, Column, digits_of, levels_column
from gmvae.data.numerals import numbers
from gmvae.data.remarks import DATES, MAYBE_ID, MOST_LEVELS, Remarks
from gmvae.data.table_cells import Form, cleaned

if TYPE_CHECKING:
    import pyarrow as pa

    from gmvae.shards import Shard, Shards, Survey  # PyTorch, which reading tables does without

_CELLS_LOOKED_AT = 1000
"""Of text, by the shares of its values, from which it is told whether they are numbers."""
_OF_TEXT = "int64"
"""Type of numbers in text, as long as all are whole."""


class CodedColumns:
    """Rows of tables as `Columns` has them: numbers, and codes of levels; NaN where a cell is missing.

    Parameters
    ----------
    columns : Columns
    notes : list of str
        What was left out.

    Attributes
    ----------
    types : set of str
        Arrow's names of the types of the numbers.
    """

    def __init__(self, columns: Columns, notes: Sequence[str] = ()) -> None:
        self.columns = columns
        self.notes = list(notes)
        self.names = list(columns.names)
        self.types = {column.dtype for column in columns if column.kind == "number"}
        self.key = repr([(column.name, column.kind, column.levels) for column in columns])

    def encode(self, table: pa.Table, where: str, dtype: np.dtype[Any]) -> NDArray[Any]:
        return self.columns.encode(table, where=where).y.astype(dtype, copy=False)

    def learned(self, survey: Survey) -> Columns:
        """The columns with the range of their numbers, whether all are whole, and the decimals of those looked at."""
        found = zip(self.columns, survey.low, survey.high, survey.fraction, survey.rows.T, strict=True)
        return Columns(tuple(_ranged(*each) for each in found), self.columns.left_out, notes=tuple(self.notes))


def _ranged(column: Column, low: float, high: float, fraction: float, seen: NDArray[Any]) -> Column:
    if column.kind != "number":
        return column
    whole = bool(np.isnan(fraction))
    dtype = "double" if column.dtype == _OF_TEXT and not whole else column.dtype
    return column._replace(
        dtype=dtype, low=float(low), high=float(high), digits=0 if whole else digits_of(seen[~np.isnan(seen)])
    )


def learned_columns(shards: Shards) -> Columns | None:
    """What the columns of a source hold, if not all hold numbers."""
    return shards.coding.learned(shards.survey) if isinstance(shards.coding, CodedColumns) else None


def possible_ids(shards: Shards) -> list[str]:
    """What is to be said of columns of whole numbers that differ in all rows: they fill their range without gaps."""
    survey, coding, remarks, n = shards.survey, shards.coding, Remarks(), len(shards)
    if shards.names is None or n < ENOUGH_ROWS:
        return []
    kinds = ["number"] * len(shards.names)
    if isinstance(coding, CodedColumns):
        kinds = [each.kind for each in coding.columns]
    fill = np.isnan(survey.fraction) & (survey.n == n) & (survey.high - survey.low == n - 1)
    for name, kind, fills in zip(shards.names, kinds, fill, strict=True):
        if kind == "number" and fills:
            remarks.add(MAYBE_ID, name)
    return remarks.sentences()


def coding_of(known: Columns, files: Sequence[Shard]) -> CodedColumns | None:
    """That of a fit's columns; None where all hold numbers as they are, in these files too."""
    plain = all(becomes_numbers(file.types[name]) for file in files for name in known.names)
    return None if known.of_numbers and plain else CodedColumns(known)


def learn_coding(files: Sequence[Shard], names: Sequence[str]) -> CodedColumns | None:
    """Look for the levels of all columns of text and categories, block by block; None if all columns hold numbers.

    Raises
    ------
    DataError
        If no column is left, or a column is text or categories in some files only, or neither these nor numbers.
    """
    from pyarrow import types

    kinds = {name: _kind(files, name) for name in names}
    of_levels = [name for name, kind in kinds.items() if _has_levels(kind)]
    of_times = [name for name in names if any(types.is_temporal(file.types[name]) for file in files)]
    if not of_levels and not of_times:
        return None
    remarks = Remarks()
    columns: list[Column] = []
    values = _values(files, of_levels)
    for name, kind in kinds.items():
        if name in values:
            found = _of_values(name, values[name], kind, remarks)
            columns += [] if found is None else [found]
        elif name in of_times:
            remarks.add(DATES, name)
        elif becomes_numbers(kind):
            truth = Column(name, "yes/no", "bool", (False, True))
            columns.append(truth if str(kind) == "bool" else Column(name, "number", str(kind)))
        else:
            raise DataError(
                f"Column {name!r} must hold numbers, truth values or text where it is read in parts; got values of "
                f"type {kind} in {files[0].path.name}: leave it out (`--drop`), or encode it as numbers."
            )
    if not columns:
        raise DataError(f"There must be a column to learn from; got none: {' '.join(remarks.sentences())}")
    kept = {column.name for column in columns}
    return CodedColumns(Columns(tuple(columns), tuple(name for name in names if name not in kept)), remarks.sentences())


def _kind(files: Sequence[Shard], name: str) -> pa.DataType:
    """The type of a column in the first file that has values; DataError if it has levels in some files only."""
    from pyarrow import types

    known = [file for file in files if not types.is_null(file.types[name])] or files[:1]
    with_levels = next((file for file in known if _has_levels(file.types[name])), None)
    other = next((file for file in known if not _has_levels(file.types[name])), None)
    if with_levels is not None and other is not None:
        what = "text" if _is_text(with_levels.types[name]) else "categories"
        raise DataError(
            f"Column {name!r} must be of one kind in all files; got {what}, and {other.types[name]} in "
            f"{other.path.name}: write them alike."
        )
    return known[0].types[name]


def _of_values(name: str, found: Counter[Any], kind: pa.DataType, remarks: Remarks) -> Column | None:
    """A column by how often every value occurs: numbers where their text says so, else of levels, as in memory."""
    from pyarrow import types

    of_codes = types.is_dictionary(kind)
    if not of_codes and _stands_for_numbers(found):
        return Column(name, "number", _OF_TEXT)
    dtype = "string" if _is_text(kind) else str(kind.value_type)
    return levels_column(name, list(found), found.total(), dtype, remarks, declared="unordered" if of_codes else "")


def _stands_for_numbers(found: Counter[str]) -> bool:
    """Whether these texts, or half of their cells and more, are numbers: reading names a cell that is none."""
    import pyarrow as pa

    shares = {text: -(-n * _CELLS_LOOKED_AT // found.total()) for text, n in found.items()}
    try:
        return numbers(pa.chunked_array([list(Counter(shares).elements())], pa.string()), "", Form()) is not None
    except DataError:
        return True


def _values(files: Sequence[Shard], names: Sequence[str]) -> dict[str, Counter[Any]]:
    """How often every value occurs, of columns with not too many; of others as many as are too many."""
    found = {name: Counter[Any]() for name in names}
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


def _has_levels(kind: Any) -> bool:
    from pyarrow import types

    return _is_text(kind) or (types.is_dictionary(kind) and holds_numbers(kind.value_type))


def _is_text(kind: Any) -> bool:
    from pyarrow import types

    return holds_text(kind) or (types.is_dictionary(kind) and holds_text(kind.value_type))
