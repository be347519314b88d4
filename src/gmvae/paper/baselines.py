"""Gaussian mixtures, with which the density of GMVAE is compared."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.mixture import GaussianMixture

from gmvae import figures
from gmvae.estimator import GMVAE
from gmvae.fitted.sampling import log_density


def gaussian_mixture(
    X: NDArray[Any], n_components: int, seed: int, covariance_type: str = "full", n_init: int = 5
) -> GaussianMixture:
    """Gaussian mixture with k-means starts, fitted to rows (n, p).

    Covariances are regularised by 1e-3 of the data's mean variance: with constant pixels they are singular under
    scikit-learn's absolute 1e-6.
    """
    reg_covar = 1e-3 * float(np.var(X, axis=0).mean())
    mixture = GaussianMixture(
        n_components, covariance_type=covariance_type, n_init=n_init, reg_covar=reg_covar, random_state=seed
    )
    return mixture.fit(X)


def draw_densities(
    model: GMVAE,
    mixture: GaussianMixture,
    panels: Iterable[Any],
    axis: NDArray[np.float64],
    peak: float | None = None,
) -> None:
    """Draw the densities of both on a square of the plane, on one colour scale; by default up to GMVAE's peak."""
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    density = log_density(model.fitted_.model, grid)
    top = float(density.max()) if peak is None else peak
    for (name, heights), panel in zip(
        {"GMVAE": density, "a Gaussian mixture": mixture.score_samples(grid)}.items(), panels, strict=True
    ):
        figures.density_2d(axis, axis, heights.reshape(len(axis), -1), panel, peak=top)
        panel.set_title(f"Density of {name}, K = {model.n_components_}")
