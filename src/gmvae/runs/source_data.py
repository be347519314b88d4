"""Data of a source as observations of a fit: their kinds of columns, and what identifies their rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from gmvae.arrays import without_values
from gmvae.data import DataError, Dataset
from gmvae.data.dataset import Ids
from gmvae.data.kinds import KINDS
from gmvae.data.options import in_words_of_options
from gmvae.data.table_cells import listed
from gmvae.observations import Observations, observations_of, sampled

_WORDS = {"number": ("number", "numbers"), "yes/no": ("yes/no", "yes/no"), "category": ("category", "categories")}
_MOST_NAMES = 8


def checked_observations(data: Dataset, n_components: int | str) -> Observations:
    """The observations of a source, checked for a fit, with what its columns say of weights and labels.

    DataError, which names the source, if a row has no value at all, or weights or labels cannot be such.
    """
    if data.shards is not None:
        with in_words_of_options(data.name):
            return sampled(data.shards, n_components, data.columns)
    if data.columns is not None:
        empty = np.flatnonzero(without_values(data.X))
        if len(empty):
            name = "" if data.ids is None else f" ({data.ids.name} {data.ids.values[empty[0]]})"
            raise DataError(
                f"{data.name} must have a value in every row to fit; got none in data row {empty[0] + 1}{name}: remove "
                "the row."
            )
    observations = observations_of(data.X, data.feature_names, data.columns)
    if data.weights is None and data.partial_labels is None:
        observations.check(n_components)
        return observations
    with in_words_of_options(data.name):
        observations = observations.with_weights_and_labels(data.weights, data.partial_labels)
        observations.check(n_components)
    return observations


def kinds_of(data: Dataset) -> Iterator[str]:
    """What the columns of a table hold, a line for each kind, and how many of its cells are missing."""
    if data.columns is None:
        return
    for kind in KINDS:
        names = [column.name for column in data.columns if column.kind == kind]
        if names:
            yield f"{len(names):,} {_WORDS[kind][len(names) > 1]}: {listed(names, _MOST_NAMES)}"
    missing = missing_cells(data)
    if missing is not None:
        yield f"{missing}; they drop out of the likelihood and are not filled."


def missing_cells(data: Dataset) -> str | None:
    """How many cells of a table are missing, as part of a sentence; None where none is."""
    share = float(np.isnan(data.X).mean()) if data.columns is not None and data.X.dtype.kind == "f" else 0.0
    return f"{share:.1%} of cells are missing" if share else None


def row_ids(data: Dataset, taken: Collection[str]) -> Ids:
    """What identifies rows, by a name that is not taken."""
    name, values = data.row_ids
    return Ids(f"{name} (id)" if name in taken else name, values)
