"""Columns of a table as a fit learned them: tables to arrays of numbers, arrays back to tables, JSON and back."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NamedTuple, Self, final

import numpy as np
from numpy.typing import NDArray

from gmvae.data.coding import beyond, decode_column, encode_column
from gmvae.data.documents import column_of, document_of, texts_of
from gmvae.data.errors import DataError
from gmvae.data.kinds import Column, learn_column
from gmvae.data.remarks import Remarks
from gmvae.data.table_cells import Form, listed
from gmvae.domains import first_of

if TYPE_CHECKING:
    import pyarrow as pa

__all__ = ["Column", "Columns", "Encoded", "Learned"]

UNNAMED = "column_"
"""How names of columns begin that a file does not name; their number, from 1, follows."""


class Encoded(NamedTuple):
    """A table as numbers (n, D), in the smallest common type of the columns, and what was left out or is missing.

    These are numbers, codes of levels from 0, and 0 or 1 for yes/no; NaN where a cell is missing or its level unknown.
    """

    y: NDArray[Any]
    notes: list[str]  # a sentence each


class Learned(NamedTuple):
    """The kept columns of a table, and sentences on those that were left out or look like ids."""

    columns: Columns
    notes: list[str]


@final
@dataclass(frozen=True)
class Columns:
    """The kept columns in order.

    Parameters
    ----------
    columns : tuple of Column
    left_out : tuple of str
        Columns of the fit's table that were not kept.
    missing : tuple of str
        Marks of missing cells beside the usual ones.
    notes : tuple of str
        Sentences on those that were left out or look like ids; `document` is without them.
    """

    columns: tuple[Column, ...]
    left_out: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    notes: tuple[str, ...] = field(default=(), compare=False)

    def __iter__(self) -> Iterator[Column]:
        return iter(self.columns)

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def names(self) -> tuple[str, ...]:
        """Of the kept columns, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def of_numbers(self) -> bool:
        """Whether all columns hold numbers or truth values as they are, so that arrays of numbers stand for rows."""
        return all(column.kind == "number" or _is_truth(column) for column in self.columns)

    @property
    def families(self) -> list[str | None]:
        """The likelihood of every column of which its type decides; None for numbers and truth values as they are."""
        names = {"yes/no": "bernoulli", "category": "categorical"}
        return [None if _is_truth(column) else names.get(column.kind) for column in self.columns]

    @classmethod
    def learn(
        cls,
        table: pa.Table,
        *,
        where: str = "X",
        form: Form | None = None,
        wanted: Collection[str] = (),
        left_out: Sequence[str] = (),
        present: NDArray[np.bool_] | None = None,
    ) -> Learned:
        """Find the kind of each column.

        DataError if a column has no value, holds numbers beside a few other cells, or values that are none of the
        kinds; or if none is kept.

        Parameters
        ----------
        table : pyarrow.Table
            See `gmvae.data.frames.as_table`.
        where : str
            The table's name, for messages.
        form : Form, optional
            How cells of text are written.
        wanted : collection of str
            Columns named to be kept: text is then kept even if nearly every row has its own.
        left_out : sequence of str
            Columns that have been taken out of the table before.
        present : ndarray of shape (n,), optional
            Which rows have a weight above 0: the others are as if absent.
        """
        form = form or Form()
        if not table.num_rows:
            raise DataError(f"{where} must have rows; got none: add some.")
        if present is not None and not present.all():
            table = table.take(_places(present))
        remarks = Remarks()
        found = [
            learn_column(name, table.column(name), _place(where, name), form, remarks, wanted=name in wanted)
            for name in table.column_names
        ]
        kept = tuple(column for column in found if column is not None)
        if not kept:
            why = next(iter(remarks.sentences()), "name other columns.")
            raise DataError(f"{where} must have a column of numbers, truth values or categories; got none: {why}")
        names = {column.name for column in kept}
        others = (*left_out, *(name for name in table.column_names if name not in names))
        notes = remarks.sentences()
        return Learned(cls(kept, others, form.missing, tuple(notes)), notes)

    def encode(
        self, table: pa.Table, *, where: str = "X", form: Form | None = None, ignore: Collection[str] = ()
    ) -> Encoded:
        """Encode rows of a table that has these columns, in any order and among others.

        Columns that the fit's file did not name are found by their place where the table has other names. Columns to
        ignore are not noted as left out. DataError if a column is missing, or one of numbers holds something else.
        """
        form = form or Form(self.missing)
        names = self._found(table, where)
        arrays, notes = [], []
        for column, name in zip(self.columns, names, strict=True):
            values, unknown = encode_column(column, table.column(name), _place(where, name), form)
            arrays.append(values)
            if unknown:
                n = sum(unknown.values())
                notes.append(
                    f"Counted as missing: {n:,} cell{'s' * (n > 1)} of {name!r} whose value the fit did not have: "
                    f"{listed(sorted(unknown, key=str))}."
                )
            notes += beyond(column, values)
        expected = {*names, *self.left_out, *ignore}
        extra = [name for name in table.column_names if name not in expected]
        if extra:
            notes.insert(0, f"Left out, as the fit did not have them: {listed(extra)}.")
        return Encoded(np.column_stack(arrays), notes)

    def check_kept(self, drop: Collection[str], wanted: Collection[str]) -> None:
        """DataError if columns of the fit are to be dropped, or are not among those that are wanted, if any."""
        left_out = [name for name in self.names if name in drop or (wanted and name not in wanted)]
        if left_out:
            raise DataError(
                f"`--drop` and `--columns` must keep the columns of the fit; got {left_out[0]!r} left out: fit without "
                "it, or empty its cells."
            )

    def decode(self, y: NDArray[Any], observed: NDArray[np.bool_] | None = None) -> pa.Table:
        """Rows (n, D) as a table with the columns' names, types and levels.

        Numbers are clipped to the range that they had in the fit, and rounded to as many digits as they had there:
        whole numbers stay whole. Truth values are true from 0.5; codes are rounded to a level; NaN is a missing cell.
        Numbers that were ``observed``, (n, D), stay as they are.
        """
        import pyarrow as pa

        as_they_are = [None] * len(self.columns) if observed is None else observed.T
        decoded = (decode_column(*each) for each in zip(self.columns, y.T, as_they_are, strict=True))
        return pa.table(dict(zip(self.names, decoded, strict=True)))

    def document(self) -> dict[str, Any]:
        """The same as JSON values: of each column what is not its default."""
        return {
            "columns": [document_of(column) for column in self.columns],
            "left_out": list(self.left_out),
            "missing": list(self.missing),
        }

    @classmethod
    def from_document(cls, document: Any) -> Self:
        """Columns from what `document` gave.

        ValueError if it is something else.
        """
        try:
            columns = tuple(column_of(entry) for entry in document["columns"])
            others = {name: texts_of(document[name]) for name in ("left_out", "missing")}
            if not columns:
                raise ValueError("there are none")
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"Columns must be those of a fit; got {error!r}: fit again.") from error
        return cls(columns, **others)

    def _found(self, table: pa.Table, where: str) -> list[str]:
        """The name in the table of each column."""
        there = {name.strip(): name for name in table.column_names}
        names = [name if name in table.column_names else there.get(name.strip()) for name in self.names]
        if None in names and all(name.startswith(UNNAMED) for name in self.names):
            places = [int(name.removeprefix(UNNAMED)) - 1 for name in self.names]
            names = [table.column_names[i] if i < table.num_columns else None for i in places]
        lacking = [name for name, found in zip(self.names, names, strict=True) if found is None]
        if lacking:
            raise DataError(
                f"{where} must have the columns of the training; it lacks {first_of(lacking, 8)}: add what is missing, "
                "with empty cells where values are unknown."
            )
        return [name for name in names if name is not None]


def _place(where: str, name: str) -> str:
    return f"{where}, column {name!r}"


def _places(present: NDArray[np.bool_]) -> pa.Array:
    """Numbers of the rows; missing where they do not count."""
    import pyarrow as pa

    return pa.array(np.arange(len(present)), mask=~present)


def _is_truth(column: Column) -> bool:
    return column.kind == "yes/no" and not isinstance(column.levels[0], str) and list(column.levels) == [0, 1]
