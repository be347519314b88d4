"""Validation of the arguments of scores: labels and clusters, one per observation, and probabilities."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

_ROW_SUM_TOLERANCE = 1e-2
"""Wide enough for probabilities rounded to bfloat16, narrow enough to catch logits."""


class NumberedNames(NamedTuple):
    """Sorted distinct names and, for each entry, the position of its name among them."""

    names: NDArray[Any]
    codes: NDArray[np.int64]


def encode(name: str, values: ArrayLike) -> NumberedNames:
    """Check and number names; ``name`` is the argument's, for the error."""
    array = np.asarray(values)
    if array.ndim != 1 or not array.size:
        raise ValueError(
            f"`{name}` must be one-dimensional with at least one entry; got shape {array.shape}; "
            "pass one name or number per observation."
        )
    sentence = f"`{name}` must hold only strings or only numbers, none missing; got {{}}; drop the rows without one."
    try:
        names, codes = np.unique(array, return_inverse=True)
    except TypeError as error:
        types = sorted({type(value).__name__ for value in array.tolist()})
        raise ValueError(sentence.format(", ".join(types))) from error
    if (names != names).any():
        raise ValueError(sentence.format("NaN"))
    return NumberedNames(names, codes)


def pair(labels: ArrayLike, clusters: ArrayLike) -> tuple[NumberedNames, NumberedNames]:
    """Check true classes and clusters of the same observations and number them."""
    truth, found = encode("labels", labels), encode("clusters", clusters)
    if len(truth.codes) != len(found.codes):
        raise ValueError(
            "`labels` and `clusters` must have one entry per observation; "
            f"got {len(truth.codes)} and {len(found.codes)}; pass both for the same observations."
        )
    return truth, found


def distribution(proba: ArrayLike, n_samples: int) -> NDArray[np.float64]:
    """Check the probability of every cluster for ``n_samples`` observations, (n_samples, K)."""
    chances = np.asarray(proba, dtype=np.float64)
    problem = ""
    if chances.ndim != 2 or not chances.size or len(chances) != n_samples:
        problem = f"shape {chances.shape} for {n_samples} labels"
    elif not np.isfinite(chances).all():
        problem = f"NaN or infinity in {int((~np.isfinite(chances)).any(axis=1).sum())} of {n_samples} rows"
    elif chances.min() < 0 or np.abs(chances.sum(axis=1) - 1).max() > _ROW_SUM_TOLERANCE:
        low, high = chances.sum(axis=1).min(), chances.sum(axis=1).max()
        problem = f"a least entry of {chances.min():.3g} and row sums in [{low:.3g}, {high:.3g}]"
    if problem:
        raise ValueError(
            "`proba` must have shape (n_samples, n_components) and finite, non-negative rows that sum to 1; "
            f"got {problem}; pass the result of `predict_proba` for the labelled observations."
        )
    return chances
