"""Tables with named columns as arrays of numbers: what each column is for, and what the cells of the others are."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvae import formats
from gmvae.arrow import holds_numbers, holds_text, without_dictionary
from gmvae.data.columns import UNNAMED, Columns
from gmvae.data.dataset import Dataset, Ids, as_labels
from gmvae.data.errors import DataError
from gmvae.data.options import NO_OPTIONS, TableOptions, in_words_of_options
from gmvae.data.table_cells import Form, cleaned, listed
from gmvae.data.table_files import Opened, open_table
from gmvae.data.table_folders import columns_of_folders, parts_of
from gmvae.weights_and_labels import checked_weights

if TYPE_CHECKING:
    import pyarrow as pa


_TOTALS = {"total", "totals", "grand total", "sum", "summe", "gesamt", "insgesamt", "average", "mean"}


class _Roles(NamedTuple):
    """Columns by what they are for; of labels, weights and the like one at most."""

    label: Sequence[str]
    ids: Sequence[str]
    row_names: Sequence[str]
    weights: Sequence[str]
    partial_labels: Sequence[str]
    drop: Sequence[str]
    wanted: Sequence[str]

    @property
    def taken(self) -> list[str]:
        """All that are not learned from, unless they were asked for."""
        everything = (self.label, self.ids, self.row_names, self.weights, self.partial_labels, self.drop)
        return [name for names in everything for name in names if name not in self.wanted]


def read_table(
    path: Path,
    labels: str | Path | None = None,
    options: TableOptions = NO_OPTIONS,
    known: Columns | None = None,
) -> Dataset:
    """Read a table, one observation per row; a column that ``labels`` names is taken out as labels.

    Columns ``known`` of a fit encode it; without them their kinds are found. DataError if the file cannot be read, it
    is in doubt what it holds, or it has cells that its columns cannot have.
    """
    opened = open_table(path, options, known)
    table, form, where = opened.table, opened.form, path.name
    roles = _roles(opened, labels, options, where, lenient=known is not None)
    ids, notes = None, list[str]()
    if roles.ids:
        ids = _ids(table, roles.ids)
    elif options.id is not None:
        notes.append(f"{where} has no column {options.id!r}: its rows are numbered.")
    elif opened.row_names:
        ids = _ids(table, opened.row_names)
    weights = _cells(table, roles.weights, form)
    if known is None:
        wanted, taken = roles.wanted, roles.taken
        others = [name for name in table.column_names if wanted and name not in {*wanted, *taken}]
        features = table.select(wanted) if wanted else table.drop_columns(list(dict.fromkeys(taken)))
        if not features.num_columns:
            raise DataError(
                f"{where} must have at least one column to learn from; got none beside labels and ids: leave fewer out."
            )
        left_out = [*taken, *others]
        with in_words_of_options(where):
            present = None if weights is None else checked_weights(weights, len(weights)) > 0.0
        columns, said = Columns.learn(
            features, where=where, form=form, wanted=wanted, left_out=left_out, present=present
        )
        notes += said
        if path.is_dir():
            notes += columns_of_folders(parts_of(path), table.column_names)
    else:
        known.check_kept(roles.drop, roles.wanted)
        columns, features = known, table
    notes += _totals(table, where)
    X, said = columns.encode(features, where=where, form=form, ignore=roles.taken)
    notes += said
    if known is not None:
        notes += _empty_rows(X, where, ids)
    return Dataset(
        where,
        X,
        label_column(table, roles.label[0], where) if roles.label else None,
        columns.names,
        columns=columns,
        ids=ids,
        weights=weights,
        partial_labels=_cells(table, roles.partial_labels, form),
        notes=tuple(notes),
    )


def _roles(opened: Opened, labels: str | Path | None, options: TableOptions, where: str, *, lenient: bool) -> _Roles:
    """What is said of the columns; DataError for a name that the table does not have, unless that is let pass."""
    table = opened.table

    def named(names: Sequence[str | None], option: str) -> list[str]:
        found = []
        for name in names:
            column = None if name is None else _column_named(table, name)
            if column is not None:
                found.append(column)
            elif name is not None and not lenient:
                close = difflib.get_close_matches(name, table.column_names, n=1)
                hint = f" (did you mean {close[0]!r}?)" if close else ""
                raise DataError(
                    f"`{option}` must name columns of {where}, {listed(table.column_names, 12)}; got {name!r}{hint}: "
                    "name one of these."
                )
        return found

    label = _column_named(table, labels) if isinstance(labels, str) else None
    roles = _Roles(
        label=[] if label is None else [label],
        ids=named([options.id], "--id"),
        row_names=opened.row_names,
        weights=named([options.weights], "--weights"),
        partial_labels=named([options.partial_labels], "--partial-labels"),
        drop=named(options.drop, "--drop"),
        wanted=named(options.columns, "--columns"),
    )
    both = [name for name in roles.drop if name in roles.wanted]
    if both:
        raise DataError(
            f"`--columns` and `--drop` must name different columns; got {both[0]!r} in both: leave out one."
        )
    return roles


def label_column(table: pa.Table, name: str, where: str) -> np.ndarray:
    """One column as labels (n,); DataError if one is missing, or neither a whole number nor text."""
    import pyarrow as pa

    column = without_dictionary(table.column(name))
    if not (holds_numbers(column.type) or holds_text(column.type)):
        raise DataError(
            f"Labels in {where}, column {name!r}, must be whole numbers or text in UTF-8; got values of type "
            f"{column.type}: convert them."
        )
    if column.null_count:
        row = column.is_null().index(True).as_py() + 1
        raise DataError(
            f"Labels in {where}, column {name!r}, must not be missing; got none in data row {row}: fill it in."
        )
    if holds_text(column.type):
        from pyarrow import compute

        column = compute.utf8_trim_whitespace(column)
        return as_labels(np.asarray(column.to_pylist(), dtype=str), f"{where}, column {name!r}")
    assert isinstance(column, pa.ChunkedArray)
    return as_labels(np.asarray(column.to_pylist()), f"{where}, column {name!r}")


def _column_named(table: pa.Table, name: str) -> str | None:
    """The column of that name; of a file without a header, also by its number from 1."""
    stripped = {each.strip(): each for each in table.column_names}
    if name.strip() in stripped:
        return stripped[name.strip()]
    numbered = f"{UNNAMED}{name.strip()}"
    return numbered if numbered in table.column_names else None


def _cells(table: pa.Table, names: Sequence[str], form: Form) -> np.ndarray | None:
    """The cells of a column, (n,); None where one is missing, and without a column."""
    if not names:
        return None
    return np.array(cleaned(table.column(names[0]), form).to_pylist(), dtype=object)


def _ids(table: pa.Table, names: Sequence[str]) -> Ids:
    """What identifies rows; the values of several columns stand side by side."""
    lists = [table.column(name).to_pylist() for name in names]
    values = lists[0] if len(lists) == 1 else [", ".join(map(str, each)) for each in zip(*lists, strict=True)]
    name = ", ".join("index" if each.startswith(formats.PANDAS_INDEX) else each for each in names)
    kinds: set[type[Any]] = {type(value) for value in values}
    if kinds == {int}:
        return Ids(name, np.array(values))
    texts = ["" if value is None else value if isinstance(value, str) else str(value) for value in values]
    return Ids(name, np.array(texts, dtype=object))


def _totals(table: pa.Table, where: str) -> list[str]:
    """What is to be said of a last row that may sum up the others."""
    from pyarrow import compute

    for name, column in zip(table.column_names, table.columns, strict=True):
        last = column[-1].as_py() if holds_text(column.type) else None
        is_total = last is not None and last.strip(" :").lower() in _TOTALS
        if is_total and compute.sum(compute.equal(column, last)).as_py() == 1:
            return [f"The last row of {where} may be no observation, with {last!r} in {name!r}: if so, take it out."]
    return []


def _empty_rows(X: np.ndarray, where: str, ids: Ids | None) -> list[str]:
    if X.dtype.kind != "f":
        return []
    empty = np.flatnonzero(np.isnan(X).all(axis=1))
    if not len(empty):
        return []
    name = "" if ids is None else f" ({ids.name} {ids.values[empty[0]]})"
    rows = f"Data row {empty[0] + 1}{name} has" if len(empty) == 1 else f"{len(empty):,} rows have"
    return [f"{rows} no value at all in {where}: the answer is what holds for any row."]
