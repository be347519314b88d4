"""What users know of single rows: how much each counts, and labels of some."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

UNKNOWN = -1
_UNKNOWN_IN_TEXT = ("", "-1", "nan")  # arrays of text make these of -1 and NaN


class KnownLabels(NamedTuple):
    """Numbers of the classes of rows (n,), -1 where it is unknown, and the classes' names; None without any label."""

    label: np.ndarray | None
    classes: Sequence[int | str]


def checked_weights(sample_weight: Any, n_rows: int) -> np.ndarray:
    """Weights (n,) in float64; ValueError unless there is one for each row, none negative and not all 0."""
    shape = np.asarray(sample_weight).shape
    if shape != (n_rows,):
        raise ValueError(f"`sample_weight` must have shape ({n_rows},), one for each row; got {shape}: give as many.")
    try:
        weights = np.asarray(sample_weight).astype(np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(f"`sample_weight` must hold numbers; got other values: convert them ({error}).") from error
    odd = np.flatnonzero(~(np.isfinite(weights) & (weights >= 0.0)))
    if len(odd):
        raise ValueError(
            f"`sample_weight` must hold finite numbers of at least 0; got {weights[odd[0]]:g} in row {odd[0]}: "
            "replace it, or give the row weight 0."
        )
    if not weights.any():
        raise ValueError("`sample_weight` must hold a number above 0; got zeros alone: give rows that count a weight.")
    return weights / weights.max()


def known_labels(partial_labels: Any, n_rows: int, weight: np.ndarray | None = None) -> KnownLabels:
    """Numbers of the classes in sorted order, whole numbers or text; of rows with weight 0 none is taken.

    -1, None, NaN and "" are unknown, as text, too. ValueError unless there is an entry for each row and all are of one
    kind.
    """
    if partial_labels is None:
        return KnownLabels(None, [])
    labels = np.asarray(partial_labels, dtype=object)
    shape = labels.shape
    if shape != (n_rows,):
        raise ValueError(f"`partial_labels` must have shape ({n_rows},), one for each row; got {shape}: give as many.")
    named: dict[int, int | str] = {}
    for row, value in enumerate(labels.tolist()):
        name = class_of(value, f"row {row}")
        if name is not None and (weight is None or weight[row] > 0.0):
            named[row] = name
    classes = sorted_classes(named.values())
    if not classes:
        return KnownLabels(None, [])
    number = {name: index for index, name in enumerate(classes)}
    label = np.full(n_rows, UNKNOWN)
    label[list(named)] = [number[name] for name in named.values()]
    return KnownLabels(label, classes)


def sorted_classes(names: Iterable[int | str]) -> list[int | str]:
    """The different classes among some, in order; ValueError unless all are of one kind."""
    found: set[Any] = set(names)
    if len({type(name) for name in found}) > 1:
        raise ValueError("`partial_labels` must be whole numbers or text; got both: convert them to one kind.")
    return sorted(found)


def class_of(value: Any, where: str) -> int | str | None:
    """The class that a partial label names; None where it is unknown. ValueError, which says where, if it is none."""
    if value is None or type(value).__name__ in ("NAType", "NaTType"):  # of pandas, which need not be there
        return None
    if isinstance(value, str):
        return None if value.strip() in _UNKNOWN_IN_TEXT else value
    try:
        if value != value:
            return None
        whole = int(value)
        if whole == value and whole >= UNKNOWN:
            return None if whole == UNKNOWN else whole
    except (TypeError, ValueError, OverflowError):
        pass
    raise ValueError(
        "`partial_labels` must be whole numbers from 0 on or text, and -1, None, NaN or '' where unknown; got "
        f"{value!r} in {where}: name the class, or mark the row as unknown."
    )
