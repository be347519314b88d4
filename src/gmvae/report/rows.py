"""Rows of the data as a report shows them: what identifies them, and their values by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.data import Dataset
from gmvae.fitted.fitted import Fitted

_DIGITS = 6


class ShownColumn(NamedTuple):
    """A column of a table: its name, its likelihood, and what its codes stand for (none: it holds numbers)."""

    name: str
    likelihood: str
    levels: tuple[str, ...] = ()


def shown_columns(fitted: Fitted, data: Dataset) -> list[ShownColumn]:
    """The columns of a table in order, by the names of the fit, else by those of the data; none for images."""
    if len(fitted.event_shape) > 1:
        return []
    n = fitted.event_shape[0]
    likelihood = fitted.model.likelihood
    families = likelihood.of_columns(n)
    names = list(fitted.feature_names or data.feature_names or (f"column {d}" for d in range(n)))
    levels = [tuple(map(str, range(n_levels))) for n_levels in likelihood.levels_of_columns(n)]
    if fitted.columns is not None:
        names = list(fitted.columns.names)
        levels = [tuple(map(str, column.levels)) for column in fitted.columns]
    return [ShownColumn(*each) for each in zip(names, families, levels, strict=True)]


def cells(columns: Sequence[ShownColumn], y: NDArray[Any]) -> list[Any]:
    """The values of one row (D,) of a table: numbers, names of levels, None where a cell is missing."""
    return [cell(column, value) for column, value in zip(columns, y.tolist(), strict=True)]


def cell(column: ShownColumn, value: float) -> Any:
    """One value: a number to six digits, the name of a level, or None for a missing one."""
    if value != value:
        return None
    if column.levels:
        code = round(value)
        return column.levels[code] if 0 <= code < len(column.levels) else str(value)
    return rounded(value)


def drawn_cells(fitted: Fitted, columns: Sequence[ShownColumn], y: NDArray[Any]) -> list[list[Any]]:
    """Rows (n, D) of the model as `cells`: numbers within the range of the fit and with its digits, levels by name."""
    if fitted.columns is None:
        return [cells(columns, row) for row in y]
    decoded = [column.to_pylist() for column in fitted.columns.decode(y).columns]
    named = [
        [str(value) if c.levels else rounded(value) for value in own] for c, own in zip(columns, decoded, strict=True)
    ]
    return [list(row) for row in zip(*named, strict=True)]


def rounded(value: float) -> float | int:
    """To six digits, and whole numbers without a fraction."""
    if float(value).is_integer() and abs(value) < 2**53:
        return int(value)
    return float(f"{value:.{_DIGITS}g}")


def identities(data: Dataset, rows: NDArray[np.int64]) -> list[str]:
    """What identifies these rows."""
    return list(map(str, np.asarray(data.row_ids.values)[rows]))
