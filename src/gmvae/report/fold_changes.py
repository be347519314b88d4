"""How much larger the shares of counts are in a cluster than in the others, under the model."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.separation import MOST_ROWS


def log2_fold_changes(seen: AnsweredRows) -> NDArray[np.float64] | None:
    """log2 of the mean share ρ in every cluster over that in all others, (K, D); None without size factors.

    ρ is what the model gives to rows, of a covariate in the largest batch, so that depth and batch do not count. Means
    are over at most 200 rows of every cluster; those outside are weighted by the sizes of their clusters. NaN where a
    cluster has no rows, and in columns that are not counted.
    """
    found, likelihood = seen.assignment, seen.fitted.model.likelihood
    if seen.of_images or likelihood.sizes(seen.rows[:1]) is None:
        return None
    random = np.random.default_rng(0)
    mean = np.full((found.K, seen.rows.shape[1]), np.nan)
    size = np.bincount(found.first, found.weight, minlength=found.K)
    for k in np.flatnonzero(size):
        members = random.permutation(np.flatnonzero((found.first == k) & (found.weight > 0)))[:MOST_ROWS]
        members = np.sort(members)
        shares = likelihood.shares(seen.fitted.decode(seen.fitted.embedding(seen.rows[members])))
        assert shares is not None
        mean[k] = np.average(shares, axis=0, weights=found.weight[members])
    others = size * ~np.eye(found.K, dtype=bool)  # merged, so that nothing cancels
    with np.errstate(divide="ignore", invalid="ignore"):
        outside = others @ np.nan_to_num(mean) / others.sum(1, keepdims=True)
        return np.log2(mean) - np.log2(outside)
