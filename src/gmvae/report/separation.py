"""How much every column separates a cluster from another one under the model."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gmvae.arrays import has_missing, random_rows
from gmvae.fitted.fitted import Fitted
from gmvae.fitted.gaps import with_gaps
from gmvae.fitted.map_rows import map_rows

MOST_ROWS = 200
"""Rows of a cluster over which log-ratios are averaged."""


def log_ratios(fitted: Fitted, rows: NDArray[Any], cluster: int, other: int) -> NDArray[np.float64]:
    """log p(y_c | x = μ_cluster(w)) − log p(y_c | x = μ_other(w)) of every entry of rows (n, D), in nats; (n, D).

    w is the mean of a row's q(w|y): its style stays, and only the cluster changes. Missing entries have 0.
    """
    model = with_gaps(fitted.model, fitted.event_shape) if has_missing(rows) else fitted.model
    likelihood = model.likelihood

    def ratio(y: Tensor) -> Tensor:
        seen = model.standardised(y)
        means = model.generative.mixture(model.recognition(seen).w.mean).components.mean
        observations = (model.observation(means[:, k], likelihood.batch_of(y)) for k in (cluster, other))
        own, others = (likelihood.entry_log_prob(each, y, seen).double() for each in observations)
        return own - others

    return map_rows(ratio, rows, model.device).astype(np.float64)


def separation_shares(
    fitted: Fitted, rows: NDArray[Any], cluster: int, other: int | None
) -> NDArray[np.float64] | None:
    """Share of every column in what separates a cluster from another one, (D,); they sum to 1.

    The mean log-ratio of a column over the cluster's ``rows`` is how much less probable its values would be had the
    rows come from the other cluster; columns that speak for the other one count 0. None where there is no other
    cluster, no row, or no column that separates.
    """
    if other is None or not len(rows):
        return None
    drawn = random_rows(len(rows), MOST_ROWS)
    with torch.inference_mode():
        carried = np.maximum(log_ratios(fitted, rows[drawn], cluster, other).mean(axis=0), 0.0)
    total = carried.sum()
    return carried / total if total > 0 and np.isfinite(total) else None
