"""A column of a fit as JSON values, and back."""

from __future__ import annotations

from typing import Any, get_args

from gmvae.data.kinds import KINDS, Column, Declared


def document_of(column: Column) -> dict[str, Any]:
    """What of a column is not its default."""
    defaults = Column._field_defaults
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in column._asdict().items()
        if name not in defaults or value != defaults[name]
    }


def column_of(entry: dict[str, Any]) -> Column:
    """The column of which `document_of` told; TypeError or ValueError if it cannot be one."""
    levels = {name: tuple(entry.get(name, ())) for name in ("levels", "type_levels")}
    column = Column(**{**entry, **levels})
    sound = (
        isinstance(column.name, str)
        and column.kind in KINDS
        and isinstance(column.dtype, str)
        and all(isinstance(level, str | int | float) for level in (*column.levels, *column.type_levels))
        and (not column.type_levels or {*column.type_levels} >= {*column.levels})
        and (len(column.levels) == 2 if column.kind == "yes/no" else (column.kind == "number") != bool(column.levels))
        and column.declared in get_args(Declared)
        and isinstance(column.digits, int | None)
        and all(isinstance(value, int | float) for value in (column.low, column.high))
    )
    if not sound:
        raise ValueError(f"the column {entry}")
    return column


def texts_of(values: Any) -> tuple[str, ...]:
    """Texts of a list; TypeError if it is none of them."""
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise TypeError(f"{values!r} for texts")
    return tuple(values)
