"""Kinds of columns: number, yes/no or category, by the type and the values of a column."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from gmvae.arrow import holds_numbers, holds_text, without_dictionary
from gmvae.data.errors import DataError
from gmvae.data.numerals import are_codes, are_dates, have_units, numbers
from gmvae.data.order import natural
from gmvae.data.remarks import (
    CASE,
    CODES,
    DATES,
    IDS,
    LIKE_MARK,
    MANY,
    MAYBE_DAYS,
    MAYBE_ID,
    MAYBE_MARKS,
    MEASURES,
    MOST_LEVELS,
    ONE,
    UNITS,
    Remarks,
)
from gmvae.data.table_cells import Form, check_finite, cleaned, listed
from gmvae.domains import LARGEST

if TYPE_CHECKING:
    import pyarrow as pa

Kind = Literal["number", "yes/no", "category"]
Declared = Literal["", "unordered", "ordered"]
Level = str | int | float | bool

KINDS: tuple[Kind, ...] = get_args(Kind)
_FEW_LEVELS = 12
"""As many may all differ from row to row, in tables of few rows."""
_A_FEW = 1000
_MOST_DIGITS = 6
ENOUGH_ROWS = 20
"""Rows from which whole numbers that nearly all differ are remarkable."""
_NEARLY_ALL = 0.9
"""Share of different whole numbers from which they may be ids: of horses, say, some of which come twice."""


class Column(NamedTuple):
    """One column of a fit."""

    name: str
    kind: Kind
    dtype: str  # Arrow's name of the type of the values
    levels: tuple[Level, ...] = ()  # what the codes 0, 1, … stand for: levels that the fit had, text or its own values
    declared: Declared = ""  # whether the type names the levels, as `category` of pandas
    type_levels: tuple[Level, ...] = ()  # all levels of such a type in its order, where the fit had some of them only
    digits: int | None = None  # most behind the decimal mark of its numbers; 0 if all are whole, None for more than six
    low: float = 0.0  # the range of the numbers in the fit
    high: float = 0.0


def learn_column(
    name: str, column: pa.ChunkedArray, where: str, form: Form, remarks: Remarks, *, wanted: bool
) -> Column | None:
    """The kind of a column; None where it is left out, with a remark.

    DataError if it has no value, infinite numbers, numbers beside a few other cells, or values of another type.

    Parameters
    ----------
    where : str
        The file and the column, for messages.
    remarks : Remarks
        What is to be said of it is added.
    wanted : bool
        Whether it was named as one to keep.
    """
    from pyarrow import types

    declared: Declared = ""
    order = None
    if types.is_dictionary(column.type) and _may_be_levels(column.type.value_type):
        declared = "ordered" if column.type.ordered else "unordered"
        order = _declared_levels(column, form)
    column = cleaned(without_dictionary(column), form)
    if column.null_count == len(column) or (types.is_floating(column.type) and np.isnan(column.to_numpy()).all()):
        raise DataError(f"{where}, must have a value in some row; got none: leave it out (`--drop`).")
    if holds_text(column.type) and not declared:
        read = numbers(column, where, form)
        column = column if read is None else cleaned(read, form)
    if declared:
        return _levels(name, column, where, remarks, wanted, declared, order)
    if types.is_boolean(column.type):
        return Column(name, "yes/no", "bool", (False, True))
    if types.is_integer(column.type) or types.is_floating(column.type) or types.is_decimal(column.type):
        return _number(name, column, where, remarks)
    if holds_text(column.type):
        return _levels(name, column, where, remarks, wanted)
    if types.is_temporal(column.type) and not wanted:
        remarks.add(DATES, name)
        return None
    if types.is_binary(column.type):
        raise DataError(
            f"{where}, must hold numbers, or text in UTF-8; got other bytes: save the file as UTF-8, or leave the "
            "column out (`--drop`)."
        )
    raise DataError(
        f"{where}, must hold numbers, text or truth values; got values of type {column.type}: encode the column or "
        "leave it out (`--drop`)."
    )


def _number(name: str, column: pa.ChunkedArray, where: str, remarks: Remarks) -> Column:
    import pyarrow as pa
    from pyarrow import types

    dtype = str(column.type)
    scale = column.type.scale if types.is_decimal(column.type) else 0
    if types.is_decimal(column.type):
        column = column.cast(pa.float64())
    values = column.drop_null().to_numpy()
    if values.dtype.kind == "f":
        check_finite(column.to_numpy(), where)
        values = values[~np.isnan(values)]
    low, high = values.min(), values.max()
    if max(-float(low), float(high)) > LARGEST:
        row = int(np.nanargmax(np.abs(column.to_numpy()))) + 1
        raise DataError(
            f"{where}, must hold numbers of at most {LARGEST:g}; got {max(low, high, key=abs):g} in data row {row}: "
            "replace it, or leave the column out (`--drop`)."
        )
    whole = values.dtype.kind in "iu" or bool((values == np.floor(values)).all())
    if whole and low == 0 and high == 1:
        return Column(name, "yes/no", dtype, (0, 1))
    least = _NEARLY_ALL * len(values)
    if whole and _are_days(values, low, high):
        remarks.add(MAYBE_DAYS, name)
    # So many different numbers span as many, which is found faster.
    elif whole and len(values) >= ENOUGH_ROWS and int(high) - int(low) >= least - 1 and len(np.unique(values)) >= least:
        remarks.add(MAYBE_ID, name)
    return Column(name, "number", dtype, digits=scale or digits_of(values), low=float(low), high=float(high))


def _are_days(values: NDArray[Any], low: Any, high: Any) -> bool:
    """Whether whole numbers are days, written year, month, day without a mark between."""
    if not (low >= 1900_01_01 and high <= 2100_12_31 and low < high):
        return False
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def digits_of(values: NDArray[Any]) -> int | None:
    """Decimals that values without gaps have; None if they have many."""
    if values.dtype.kind in "iu":
        return 0
    few = values[:_A_FEW]
    with np.errstate(over="ignore", invalid="ignore"):  # extreme numbers have no such digits
        for digits in range(_MOST_DIGITS + 1):
            if (np.round(few, digits) == few).all() and (np.round(values, digits) == values).all():
                return digits
    return None


def _levels(
    name: str,
    column: pa.ChunkedArray,
    where: str,
    remarks: Remarks,
    wanted: bool,
    declared: Declared = "",
    order: list[Any] | None = None,
) -> Column | None:
    found = [value for value in column.unique().to_pylist() if value is not None]
    n = len(column) - column.null_count
    if wanted and len(found) > MOST_LEVELS:
        raise DataError(
            f"{where}, must have at most {MOST_LEVELS:,} different texts; got {len(found):,}: group them, or leave "
            "the column out."
        )
    return levels_column(name, found, n, _plain(column.type), remarks, wanted=wanted, declared=declared, order=order)


def levels_column(
    name: str,
    found: list[Any],
    n: int,
    dtype: str,
    remarks: Remarks,
    *,
    wanted: bool = False,
    declared: Declared = "",
    order: list[Any] | None = None,
) -> Column | None:
    """A column of these levels in n cells; None where it is left out, with a remark."""
    levels = sorted(found, key=natural if dtype == "string" else None)
    if order is not None:
        seen = {*found}
        levels = [level for level in order if level in seen]
    if len(found) < 2:
        remarks.add(ONE, name)
        return None
    if dtype == "string" and are_dates(levels) and not wanted:
        remarks.add(DATES, name)
        return None
    if len(found) > max(_FEW_LEVELS, n / 2) and not wanted:
        remarks.add(MEASURES if dtype == "string" and have_units(levels) and not are_codes(levels) else IDS, name)
        return None
    if len(levels) > MOST_LEVELS:
        remarks.add(MANY, name)
        return None
    if dtype == "string":
        if are_codes(levels) and not declared:
            remarks.add(CODES, name)
        elif len(levels) > 2 and have_units(levels) and not declared:
            remarks.add(UNITS, name)
        if len({level.casefold() for level in levels}) < len(levels):
            remarks.add(CASE, name)
        marks = [level for level in levels if LIKE_MARK.fullmatch(level)]
        if marks and len(levels) > len(marks) + 1:
            remarks.add(MAYBE_MARKS % listed(marks), name)
    kind: Kind = "yes/no" if len(levels) == 2 else "category"
    others = tuple(order) if order is not None and len(order) > len(levels) else ()
    return Column(name, kind, dtype, tuple(levels), declared, others)


def _declared_levels(column: pa.ChunkedArray, form: Form) -> list[Any]:
    """Levels in the order of the type, each once."""
    import pyarrow as pa

    values = cleaned(pa.chunked_array([column.unify_dictionaries().chunk(0).dictionary]), form).to_pylist()
    return [value for value in dict.fromkeys(values) if value is not None]


def _may_be_levels(kind: pa.DataType) -> bool:
    from pyarrow import types

    return holds_text(kind) or (holds_numbers(kind) and not types.is_null(kind))


def _plain(kind: pa.DataType) -> str:
    return "string" if holds_text(kind) else str(kind)
