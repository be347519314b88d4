"""One column as an array of numbers, and back: codes of levels, truth values as 0 and 1, NaN for what is missing."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.arrow import holds_numbers, holds_text, without_dictionary
from gmvae.data.errors import DataError
from gmvae.data.kinds import Column
from gmvae.data.numerals import numbers
from gmvae.data.table_cells import Form, check_finite, cleaned

if TYPE_CHECKING:
    import pyarrow as pa

_ENOUGH_BEYOND = 5
"""Numbers beyond those of the fit below which nothing is said: single rows may be unlike all others."""


class Coded(NamedTuple):
    """A column as numbers (n,), and the cells, by value, whose level the fit did not have."""

    values: NDArray[Any]
    unknown: dict[Any, int]


def encode_column(known: Column, column: pa.ChunkedArray, where: str, form: Form) -> Coded:
    """Encode a column of any type that can hold what the fit's column held.

    DataError if a column of numbers holds something else, or one of levels what cannot be any.

    Parameters
    ----------
    known : Column
        The column of the fit.
    where : str
        The file and the column, for messages.
    """
    import pyarrow as pa
    from pyarrow import types

    column = cleaned(without_dictionary(column), form)
    if types.is_null(column.type):
        return Coded(np.full(len(column), np.nan), {})
    if types.is_decimal(column.type):
        column = column.cast(pa.float64())
    if known.kind == "number":
        if holds_text(column.type):
            column = cleaned(numbers(column, where, form, certain=True), form)
        if not holds_numbers(column.type):
            raise DataError(
                f"{where}, must hold numbers as in the fit; got values of type {column.type}: encode them as then."
            )
        values = _array(column)
        if values.dtype.kind == "f":
            check_finite(values, where)
        return Coded(values, {})
    of_text = isinstance(known.levels[0], str)
    has_words = of_text and (types.is_date(column.type) or types.is_timestamp(column.type))
    if not (holds_text(column.type) or holds_numbers(column.type) or has_words):
        raise DataError(
            f"{where}, must hold values as in the fit, such as {known.levels[0]!r}; got values of type {column.type}: "
            "encode them as then."
        )
    if holds_text(column.type) and not of_text:
        if isinstance(known.levels[0], bool):
            from pyarrow import compute

            column = compute.utf8_lower(column)
            known = known._replace(levels=tuple(str(level).lower() for level in known.levels))
        else:
            column = numbers(column, where, form, certain=True)
    return _codes(known, column)


def beyond(known: Column, values: NDArray[Any]) -> list[str]:
    """A sentence if most numbers of a column lie beyond those of the fit, as they do in another unit; else none."""
    if known.kind != "number" or known.low == known.high:
        return []
    present = values[~np.isnan(values)] if values.dtype.kind == "f" else values
    n = int(((present < known.low) | (present > known.high)).sum())
    if n < _ENOUGH_BEYOND or 2 * n <= len(present):
        return []
    return [
        f"Perhaps in another unit: {n:,} of {len(present):,} numbers of {known.name!r} lie beyond those of the fit, "
        f"from {known.low:g} to {known.high:g}."
    ]


def decode_column(known: Column, values: NDArray[Any], observed: NDArray[np.bool_] | None = None) -> pa.Array:
    """Values of the column's own type; see `Columns.decode`."""
    import pyarrow as pa

    values = values.astype(np.float64)
    missing = np.isnan(values)
    if known.kind == "number":
        inside = np.clip(values, known.low, known.high)
        if known.digits is not None:
            inside = np.round(inside, known.digits)
        kind = _type_of(known.dtype)
        if pa.types.is_integer(kind):
            # Numbers of 64 bits end between two floats.
            end = np.iinfo(kind.to_pandas_dtype()).max
            inside = np.minimum(inside, float(end) if int(float(end)) <= end else np.nextafter(float(end), 0.0))
        numbers = pa.array(inside if observed is None else np.where(observed, values, inside), mask=missing)
        try:
            return numbers.cast(kind)
        except pa.ArrowInvalid:  # observed values that the type of the fit does not hold
            return numbers
    codes = np.where(missing, 0, values >= 0.5 if known.kind == "yes/no" else np.round(values))
    codes = np.clip(codes, 0, len(known.levels) - 1).astype(np.int32)
    order = known.type_levels or known.levels
    levels = pa.array(list(order)).cast(_type_of(known.dtype))
    places = np.array([order.index(level) for level in known.levels], np.int32)
    indices = pa.array(places[codes], mask=missing)
    coded = pa.DictionaryArray.from_arrays(indices, levels, ordered=known.declared == "ordered")
    return coded if known.declared else coded.cast(levels.type)


def _array(column: pa.ChunkedArray) -> NDArray[Any]:
    """Numbers in their own type where none is missing; truth values as 0 and 1."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_boolean(column.type):
        column = column.cast(pa.uint8())
    if column.null_count and not types.is_floating(column.type):
        column = column.cast(pa.float64(), safe=False)
    return column.to_numpy()


def _codes(known: Column, column: pa.ChunkedArray) -> Coded:
    import pyarrow as pa
    from pyarrow import compute

    if isinstance(known.levels[0], str) and not holds_text(column.type):
        column = cleaned(column.cast(pa.string()), Form())
    levels = list(known.levels)
    if not isinstance(levels[0], str):
        column, levels = column.cast(pa.float64(), safe=False), [float(level) for level in levels]
        column = compute.if_else(compute.is_nan(column), pa.scalar(None, pa.float64()), column)
    codes = compute.index_in(column, value_set=pa.array(levels, column.type))
    strange = compute.and_(codes.is_null(), column.is_valid())
    unknown: dict[Any, int] = {}
    if compute.any(strange).as_py():
        counts = compute.value_counts(compute.filter(column, strange)).to_pylist()
        unknown = {each["values"]: each["counts"] for each in counts}
    if codes.null_count:
        return Coded(codes.cast(pa.float64()).to_numpy(), unknown)
    whole = codes.to_numpy()
    return Coded(whole.astype(_smallest(known, len(levels))), unknown)


def _smallest(known: Column, n_levels: int) -> np.dtype:
    """Truth values as uint8 and numbers in their own type, as tables of them are; other codes as integers."""
    if known.dtype == "bool" or isinstance(known.levels[0], str):
        return np.dtype(np.uint8 if n_levels <= 256 else np.int64)
    return np.dtype(np.int64) if known.declared else np.dtype(_type_of(known.dtype).to_pandas_dtype())


def _type_of(name: str) -> pa.DataType:
    import pyarrow as pa

    decimal = re.fullmatch(r"decimal(\d+)\((\d+), (-?\d+)\)", name)
    if decimal is None:
        return pa.type_for_alias(name)
    bits, precision, scale = map(int, decimal.groups())
    return pa.decimal256(precision, scale) if bits == 256 else pa.decimal128(precision, scale)
