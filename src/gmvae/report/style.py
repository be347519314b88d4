"""Style: means of every cluster over the two style coordinates that vary most."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.arrays import random_rows
from gmvae.config import COUNTS
from gmvae.fitted.fitted import Fitted
from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.records import Style
from gmvae.report.rows import drawn_cells

STEPS = (-2.0, -1.0, 0.0, 1.0, 2.0)
"""Values of a style coordinate in standard deviations of its prior."""
USED = 0.1
"""Nats of the w-prior below which the style carries next to no information about a row."""
_MOST_ROWS = 5000
_MOST_COLUMNS = 30
_COUNT_DECIMALS = 3
"""Of expected counts: what is rarer than one in two thousand rows is 0."""


Values = Sequence[float] | NDArray[np.float64]


class StyleGrid(NamedTuple):
    """Means (K, S, S, *event), by cluster, second coordinate and first; (K, 1, S, *event) with one coordinate."""

    directions: NDArray[np.int64]
    deviations: NDArray[np.float64]
    means: NDArray[np.float64]


def style_deviations(fitted: Fitted, rows: NDArray[Any]) -> NDArray[np.float64]:
    """Standard deviations over rows (n, *event), of many some, of the means of q(w|y); (D_w,)."""
    return fitted.style(rows[random_rows(len(rows), _MOST_ROWS)]).std(axis=0)


def style_directions(deviations: NDArray[np.float64]) -> NDArray[np.int64]:
    """The two style coordinates that vary most, or the only one there is."""
    return np.argsort(-deviations, kind="stable")[:2]


def style_places(fitted: Fitted, directions: NDArray[np.int64], across: Values, up: Values) -> NDArray[np.float64]:
    """Means of all components at styles whose two coordinates take these values, (K, up · across, D_x).

    With one coordinate they are (K, across, D_x); other coordinates stay 0.
    """
    means = []
    for second in up if len(directions) > 1 else [0.0]:
        for first in across:
            w = np.zeros(fitted.config.D_w)
            w[directions] = (first, second)[: len(directions)]
            means.append(fitted.components(w).means)
    return np.stack(means, axis=1)


def style_grid(seen: AnsweredRows) -> StyleGrid:
    """Decode every component's mean over a grid of the two style coordinates that vary most over the rows."""
    fitted, deviations = seen.fitted, style_deviations(seen.fitted, seen.rows)
    directions = style_directions(deviations)
    places = style_places(fitted, directions, STEPS, STEPS)
    means = seen.unit * fitted.decode(places.reshape(-1, places.shape[-1]))
    shape = (len(places), -1, len(STEPS), *fitted.event_shape)
    return StyleGrid(directions, deviations[directions], means.reshape(shape))


def columns_that_change(means: NDArray[np.float64], counts: NDArray[np.bool_]) -> list[int]:
    """Columns of means (K, S, S, D) that change most with the style of a cluster, beside how much they vary at all.

    Counts vary around their mean, too: those that are next to 0 everywhere have nothing to show.
    """
    variance = means.var(axis=(0, 1, 2)) + np.where(counts, means.mean(axis=(0, 1, 2)), 0.0)
    change = means.std(axis=(1, 2)).max(axis=0) / np.sqrt(np.maximum(variance, 1e-24))
    return np.sort(np.argsort(-change, kind="stable")[:_MOST_COLUMNS]).tolist()


def describe_style(seen: AnsweredRows, grid: StyleGrid) -> Style:
    """The grid as a record; of tables with its cells, of the columns that change most with the style."""
    fitted, columns = seen.fitted, seen.columns
    w_prior = float(fitted.history["w_prior"][-1]) if fitted.history.epochs else 0.0
    shown: list[int] = []
    values = None
    if columns:
        means = grid.means.copy()
        counts = np.array([column.likelihood in COUNTS for column in columns])
        shown = columns_that_change(means, counts)
        means[..., counts] = means[..., counts].round(_COUNT_DECIMALS)
        values = [
            [[[row[d] for d in shown] for row in drawn_cells(fitted, columns, line)] for line in cluster]
            for cluster in means
        ]
    return Style(
        directions=grid.directions.tolist(),
        deviations=grid.deviations.astype(float).tolist(),
        steps=list(STEPS),
        w_prior=w_prior,
        used=w_prior >= USED,
        columns=[columns[d].name for d in shown],
        cells=values,
    )
