"""`Dataset`, the record that every reader returns, and `DataError`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np


class DataError(ValueError):
    """Data that cannot be used; the message says what is required, what was found and what to do."""


def reason(error: Exception) -> str:
    """The first line of another library's error, as the end of a sentence."""
    return next(iter(str(error).splitlines()), "").rstrip(". ") or type(error).__name__


@contextmanager
def refusing(must: str) -> Iterator[None]:
    """Raise what fails in the block as `DataError`, "<must>; got: <reason>."; parsers raise errors of many types."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{must}; got: {reason(error)}.") from error


@dataclass(frozen=True, eq=False)
class Dataset:
    """Observations with their name, labels and feature names.

    Parameters
    ----------
    name : str
        Origin of the data, for titles and messages.
    X : numpy.ndarray, shape (n, p), (n, H, W) or (n, C, H, W)
        The observations, in the units of the source (images usually ``uint8``); may be a ``numpy.memmap``.
    labels : numpy.ndarray of int or str, shape (n,), optional
        True classes, for evaluation only: nothing is ever trained on them.
    feature_names : tuple of str, optional
        Names of the p columns.

    Raises
    ------
    DataError
        If `X` is not a non-empty numeric array of 2 to 4 dimensions, or the lengths disagree.
    """

    name: str
    X: np.ndarray
    labels: np.ndarray | None = None
    feature_names: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        shape = self.X.shape
        if self.X.dtype.kind not in "uif":
            raise DataError(f"{self.name} must hold real numbers; got an array of type {self.X.dtype}.")
        if self.X.ndim not in (2, 3, 4) or 0 in shape:
            raise DataError(
                f"{self.name} must be a non-empty array of shape (n, p), (n, height, width) or "
                f"(n, channels, height, width); got shape {shape}."
            )
        if self.labels is not None and self.labels.shape != shape[:1]:
            hint = " (the first row of a CSV file is its header)" if self.labels.shape == (shape[0] - 1,) else ""
            raise DataError(
                f"{self.name} has {shape[0]} observations and must have as many labels; "
                f"got labels of shape {self.labels.shape}{hint}."
            )
        if self.feature_names is not None and (len(self.feature_names),) != shape[1:]:
            raise DataError(
                f"{self.name} must have one feature name per column, {shape[1:]}; got {len(self.feature_names)}."
            )


def as_labels(values: np.ndarray, where: str) -> np.ndarray:
    """Labels (n,) or (n, 1) as an array (n,) of int64 or str.

    DataError if one is missing, or neither a whole number nor text; ``where`` tells their origin.
    """
    values = np.asarray(values)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1:
        raise DataError(f"Labels in {where} must be one per observation; got an array of shape {values.shape}.")
    if values.dtype.kind == "U":
        missing = np.flatnonzero(values == "")
        if len(missing):
            raise DataError(f"Labels in {where} must not be missing; got an empty one in row {missing[0] + 1}.")
        return values
    if values.dtype.kind == "f":
        odd = np.flatnonzero(~(np.abs(values) < 2.0**63) | (values != np.floor(values)))  # NaN compares false
        if len(odd):
            raise DataError(
                f"Labels in {where} must be whole numbers or text; got {values[odd[0]]} in row {odd[0] + 1}."
            )
    elif values.dtype.kind not in "bui":
        raise DataError(f"Labels in {where} must be whole numbers or text; got values of type {values.dtype}.")
    return values.astype(np.int64)
