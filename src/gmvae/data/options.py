"""How a table is read: what users say about it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from gmvae.config import SIZES_WITHOUT_COLUMN
from gmvae.data.errors import DataError

_TEXTS = ("id", "separator", "decimal", "weights", "partial_labels", "layer")
_OPTIONS = {
    "`sample_weight`": "`--weights`",
    "`partial_labels`": "`--partial-labels`",
    "`layer`": "`--layer`",
    "layer='counts'": "--layer counts",
    "`size_factor_key`": "`--size-factors`",
    "`batch_key`": "`--covariate`",
    "put NaN in its place": "name it by `--missing`",
}
"""Of the command line, by how the library speaks of what they do."""
_IN_PARENTHESES = re.compile(r" \(`--[^)]*\)")
_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "space": " "}


class TableOptions(NamedTuple):
    """What is known of a table beside its content."""

    columns: tuple[str, ...] = ()  # to keep; all where it is empty
    drop: tuple[str, ...] = ()  # columns to leave out
    id: str | None = None  # the column that identifies rows; it is no feature
    header: bool | None = None  # whether the first row of a text file holds names; None: found by its content
    separator: str | None = None  # between columns of a text file; None: found by its content
    decimal: str | None = None  # the decimal mark in cells of text, "." or ","
    missing: tuple[str, ...] = ()  # marks of missing cells beside the usual ones
    weights: str | None = None  # the column that says how much every row counts; it is no feature
    partial_labels: str | None = None  # that with the class of some rows; it is none either
    layer: str | None = None  # of AnnData, the one that holds counts; its X by default

    def checked(self) -> TableOptions:
        """The same with the separator as one character.

        DataError if separator or decimal mark cannot be one.
        """
        separator = None if self.separator is None else _NAMED.get(self.separator, self.separator)
        if separator is not None and (len(separator) != 1 or ord(separator) > 127 or separator in '"\r\n.'):
            raise DataError(f"`--separator` must be one character or 'tab'; got {self.separator!r}.")
        if self.decimal not in (None, ".", ","):
            raise DataError(f"`--decimal` must be . or ,; got {self.decimal!r}.")
        return self._replace(separator=separator)

    def or_else(self, other: TableOptions) -> TableOptions:
        """The same, with what is not said here taken from ``other``."""
        return other._replace(**self._said())

    def document(self) -> dict[str, Any]:
        """What is said, as JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in self._said().items()}

    def arguments(self) -> list[str]:
        """The options as they are typed."""
        flags = {None: [], True: ["--header"], False: ["--no-header"]}
        typed = list(flags[self.header])
        for name in ("columns", "drop"):
            names = getattr(self, name)
            typed += [f"--{name}", ",".join(f'"{each}"' if "," in each else each for each in names)] if names else []
        for name in _TEXTS:
            value = getattr(self, name)
            option = f"--{name.replace('_', '-')}"
            typed += [option, "tab" if value == "\t" else value] if value is not None else []
        return [*typed, *(each for mark in self.missing for each in ("--missing", mark))]

    @classmethod
    def from_document(cls, document: Any) -> TableOptions:
        """Options from what `document` gave.

        ValueError if it is something else.
        """
        try:
            said: Any = {name: tuple(each) if isinstance(each, list) else each for name, each in document.items()}
            options = cls()._replace(**said)
            texts = (*options.columns, *options.drop, *options.missing)
            single = (getattr(options, name) for name in _TEXTS)
            if not all(isinstance(text, str) for text in texts) or not all(isinstance(t, str | None) for t in single):
                raise TypeError("no text")
        except (AttributeError, TypeError, ValueError) as error:
            raise ValueError(f"Options of a table must be those of a fit; got {document!r}: fit again.") from error
        return options

    def _said(self) -> dict[str, Any]:
        return {name: value for name, value in self._asdict().items() if value != self._field_defaults[name]}


class CellColumns(NamedTuple):
    """Columns of ``obs`` that stand beside the genes of cells, after them.

    Attributes
    ----------
    size_factors, covariate : str, optional
        With the size factors and the experimental batches of cells.
    batches : tuple of str, optional
        Names of the batches of a fit, in the order of their numbers; without them those of the cells are taken.
    """

    size_factors: str | None = None
    covariate: str | None = None
    batches: tuple[str, ...] | None = None

    @classmethod
    def of(cls, size_factors: str, covariate: str | None, batches: Iterable[str] | None = None) -> CellColumns:
        """The columns that hyperparameters of these names say."""
        column = None if size_factors in SIZES_WITHOUT_COLUMN else size_factors
        return cls(column, covariate, None if batches is None else tuple(batches))


def with_options(said: str) -> str:
    """A sentence of the library in the words of the command line."""
    for words, option in _OPTIONS.items():
        said = said.replace(words, option)
    return said


def without_options(said: str) -> str:
    """A sentence as Python says it: without the options of the command line that it names in parentheses."""
    return _IN_PARENTHESES.sub("", said)


@contextmanager
def in_words_of_python() -> Iterator[None]:
    """Raise what names options of the command line without them."""
    try:
        yield
    except ValueError as error:
        said = without_options(str(error))
        if said == str(error):
            raise
        raise DataError(said) from None


@contextmanager
def in_words_of_options(name: str = "") -> Iterator[None]:
    """Raise what is said of parameters as `DataError` in the words of the command line, behind the name of a source."""
    try:
        yield
    except ValueError as error:
        said = with_options(str(error))
        raise DataError(f"{name}: {said}" if name else said) from error


NO_OPTIONS = TableOptions()
