"""Residuals of counts from what mean shares lead to, which differ between clusters and hardly with a row's size."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import torch
from torch import Tensor

from gmvae.likelihoods.columns import moments

DISPERSIONS = (1.0, 100.0)
"""Bounds on θ of residuals."""
_MAX_RESIDUAL = 50.0
"""Where residuals are clipped: about the root of the number of rows of a start."""


def pearson_residuals(count: Tensor, mean: Tensor, dispersion: float) -> Tensor:
    """Pearson residuals of the negative binomial of such a mean and inverse dispersion θ.

    Lause, Berens and Kobak 2021, who clip, too. Their θ = 100 is of technical noise; here it is that of the median
    column, between 1 and 100, as the large counts of cells that vary more than that hide small ones.
    """
    residual = (count - mean) / (mean + mean.square() / dispersion).sqrt()
    return residual.clamp(-_MAX_RESIDUAL, _MAX_RESIDUAL)


def typical_dispersion(
    parts: Iterable[tuple[Tensor, Tensor]], counted: Tensor, weights: np.ndarray | None = None
) -> float:
    """θ of the median of the ``counted`` columns, by moments: the mean of (y - μ)² - μ is that of μ² / θ.

    Parameters
    ----------
    parts : iterable of pairs of Tensor (b, p), float64
        Counts and their means, in parts of the rows.
    counted : Tensor of shape (p,), bool
    weights : ndarray of shape (n,), optional
        How much every row counts.
    """
    squares = (torch.cat([(count - mean).square() - mean, mean.square()], -1) for count, mean in parts)
    excess, square = moments(squares, weights)[0].chunk(2)
    of_columns = (excess / square)[counted]
    low, high = DISPERSIONS
    return 1.0 / float(of_columns.median().clamp(1.0 / high, 1.0 / low)) if len(of_columns) else high
