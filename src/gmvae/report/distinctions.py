"""What tells every cluster from the others: of tables by column, of images by the mean."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.clusters import nearest_clusters
from gmvae.report.differences import differences
from gmvae.report.fold_changes import log2_fold_changes
from gmvae.report.records import Difference, Distinction
from gmvae.report.rows import rounded
from gmvae.report.separation import separation_shares

FEW = 5
"""Where no single row is shown, a mean of fewer rows is not shown either: it would tell them."""


def distinctions(seen: AnsweredRows, few: int = 0) -> list[Distinction]:
    """What tells every cluster from the others; nothing of clusters of fewer than ``few`` rows, nor against such."""
    found, nearest = seen.assignment, nearest_clusters(seen.assignment)
    sizes = np.bincount(found.first[found.weight > 0], minlength=found.K)
    large = [0 < sizes[k] >= few and (few == 0 or sizes.sum() - sizes[k] >= few) for k in range(found.K)]
    if seen.of_images:
        means = mean_images(seen)
        return [
            Distinction(k, other, [], _pixels(means, k, other) if large[k] else None) for k, other in enumerate(nearest)
        ]
    of_clusters = differences(seen.rows, found.first, found.K, seen.columns, found.weight)
    folds, number = log2_fold_changes(seen), {column.name: d for d, column in enumerate(seen.columns)}

    def under_the_model(k: int, own: list[Difference]) -> Iterator[Difference]:
        shares = separation_shares(seen.fitted, seen.rows[found.first == k], k, nearest[k])
        for each in own:
            d = number[each.column]
            fold = None if folds is None or not np.isfinite(folds[k, d]) else rounded(folds[k, d])
            yield each._replace(separation=None if shares is None else float(shares[d]), log2_fold_change=fold)

    return [
        Distinction(k, other, list(under_the_model(k, of_clusters[k])) if large[k] else [], None)
        for k, other in enumerate(nearest)
    ]


def mean_images(seen: AnsweredRows) -> NDArray[np.float64]:
    """Mean of every cluster's images, (K, C, H, W), missing pixels left out; NaN where there is none."""
    means = np.full((seen.assignment.K, *seen.fitted.event_shape), np.nan)
    for k in range(seen.assignment.K):
        members = np.flatnonzero(seen.assignment.first == k)
        total, n = np.zeros(seen.fitted.event_shape), np.zeros(seen.fitted.event_shape)
        for start in range(0, len(members), 1024):
            own = members[start : start + 1024]
            part, weight = seen.rows[own].astype(np.float64), seen.assignment.weight[own]
            total += np.tensordot(weight, np.nan_to_num(part), 1)
            n += np.tensordot(weight, (~np.isnan(part)).astype(np.float64), 1)
        np.divide(total, n, out=means[k], where=n > 0)
    return means


def _pixels(means: NDArray[np.float64], cluster: int, other: int | None) -> float | None:
    return None if other is None else float(np.sqrt(np.nanmean(np.square(means[cluster] - means[other]))))
