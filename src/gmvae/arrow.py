"""Columns of Arrow: which types hold numbers or text, and what stands behind a dictionary."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pyarrow as pa


def holds_numbers(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers or truth values, or all missing."""
    from pyarrow import types

    return any(test(kind) for test in (types.is_integer, types.is_floating, types.is_boolean, types.is_null))


def becomes_numbers(kind: pa.DataType) -> bool:
    """Whether values of the type are numbers, or decimals, which can be read as numbers."""
    from pyarrow import types

    return holds_numbers(kind) or bool(types.is_decimal(kind))


def holds_text(kind: pa.DataType) -> bool:
    """Whether values of the type are text."""
    from pyarrow import types

    return bool(types.is_string(kind) or types.is_large_string(kind))


def without_dictionary(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column with its values in the place of their numbers in a dictionary."""
    from pyarrow import types

    return column.cast(column.type.value_type) if types.is_dictionary(column.type) else column


def numbers_as_categories(schema: pa.Schema) -> list[str]:
    """The columns of numbers and truth values that are categories in pandas, of which Parquet keeps a note alone."""
    from pyarrow import types

    entries = (schema.pandas_metadata or {}).get("columns", [])
    named = [str(entry["name"]) for entry in entries if entry["pandas_type"] == "categorical"]
    kinds = {name: schema.field(name).type for name in named if name in schema.names}
    return [name for name, kind in kinds.items() if holds_numbers(kind) and not types.is_null(kind)]
