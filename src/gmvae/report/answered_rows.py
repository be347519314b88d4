"""What a report looks at: rows of the data, or a sample of them, with all that the model says of each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.arrays import random_rows
from gmvae.data import Dataset
from gmvae.fitted.fitted import Fitted
from gmvae.report.clusters import Assignment, assignment
from gmvae.report.plane import MOST_POINTS, Plane, plane
from gmvae.report.rows import ShownColumn, shown_columns
from gmvae.sparse_rows import select
from gmvae.weights_and_labels import UNKNOWN, checked_weights, known_labels

MOST_ROWS = 100_000
"""Rows that are looked at; of more a sample is drawn."""
MOST_SCORED = 5_000
"""Rows whose density is estimated, which takes far longer than everything else."""


class AnsweredRows(NamedTuple):
    """The rows that were looked at."""

    fitted: Fitted
    data: Dataset  # all rows of the source
    kept: NDArray[np.int64]  # (n,), the rows of the source that were looked at, in order
    rows: NDArray[Any]  # (n, *event)
    columns: list[ShownColumn]  # of tables; empty for images
    assignment: Assignment
    embedding: NDArray[np.float64]  # (n, D_x)
    mapped: NDArray[np.int64]  # (m,), places within `kept` of the points of the map
    plane: Plane  # of these points
    novel: NDArray[np.float64]  # (n,), 1 or 0; NaN where the density was not estimated
    labels: NDArray[Any] | None  # (n,)
    known: NDArray[np.bool_]  # (n,), whether the fit knew the class

    @property
    def of_images(self) -> bool:
        return not self.columns

    @property
    def novel_share(self) -> float | None:
        """Share of novel rows among those whose density was estimated; None if there is none that counts."""
        share = self.assignment.mean(self.novel, np.flatnonzero(~np.isnan(self.novel)))
        return None if share is None else float(share)

    @property
    def unit(self) -> float:
        """By which means and draws of the model are multiplied to be in the units of the rows: 255 for grey levels."""
        return self.fitted.model.likelihood.unit(self.rows.dtype)


def answered_rows(
    fitted: Fitted,
    data: Dataset,
    proba: NDArray[Any] | None = None,
    *,
    umap: bool = True,
    mapped: bool = True,
) -> AnsweredRows:
    """Ask a fitted model about the rows of a source.

    Parameters
    ----------
    data : Dataset
        Encoded by the columns of the fit.
    proba : ndarray of shape (n, K), optional
        Probabilities of all rows, where they are known.
    umap : bool
        Whether UMAP may draw the map if it is installed.
    mapped : bool
        Whether rows are embedded and their densities estimated, as the map needs it.
    """
    kept = random_rows(len(data.X), MOST_ROWS)
    rows = fitted.rows(data.X if len(kept) == len(data.X) else select(data.X, kept))
    weight = None if data.weights is None else checked_weights(data.weights, len(data.X))[kept]
    weight = None if weight is None or not weight.any() else weight
    chances = fitted.proba(rows) if proba is None else proba[kept]
    found = assignment(np.asarray(chances, dtype=np.float64), weight)
    embedding = fitted.embedding(rows).astype(np.float64) if mapped else np.zeros((len(rows), 2))
    points = random_rows(len(rows), MOST_POINTS)
    novel = np.full(len(rows), np.nan)
    if mapped and len(fitted.held_out_log_likelihoods):
        scored = points[random_rows(len(points), MOST_SCORED)]
        novel[scored] = fitted.novel(rows[scored])
    return AnsweredRows(
        fitted=fitted,
        data=data,
        kept=kept,
        rows=rows,
        columns=shown_columns(fitted, data),
        assignment=found,
        embedding=embedding,
        mapped=points,
        plane=plane(embedding[points], umap=umap),
        novel=novel,
        labels=None if data.labels is None else data.labels[kept],
        known=_known(data)[kept],
    )


def _known(data: Dataset) -> NDArray[np.bool_]:
    label = known_labels(data.partial_labels, len(data.X)).label
    return np.zeros(len(data.X), dtype=bool) if label is None else label != UNKNOWN
