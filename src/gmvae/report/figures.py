"""The figures of one fitted model: those that its data and its labels allow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvae import figures
from gmvae.arrays import random_rows
from gmvae.figures import shades
from gmvae.fitted.fitted import Fitted
from gmvae.fitted.sampling import log_density
from gmvae.metrics import match, reliability
from gmvae.report.style import USED, style_deviations, style_directions, style_places

_EMBEDDED_ROWS = 5000
"""As many points as the figures draw."""

_SAMPLES_PER_COMPONENT = 10
_STYLES = np.linspace(-2.0, 2.0, 9)

_GRID = 100
_MARGIN = 0.1
"""How far the grid of the density reaches beyond the data, as a share of their range."""


def draw_run(
    fitted: Fitted, X: NDArray[Any] | Any, proba: NDArray[Any], folder: Path, labels: NDArray[Any] | None
) -> list[Path]:
    """Draw every figure that fits the observations X (n, *event) as a PNG file, in the order in which to look at them.

    Always learning curves, cluster sizes and the latent space; for images samples of every component and a grid
    over the style; for two-dimensional data the clusters and, if the model has one, the density; with labels (n,) the
    confusion of classes and clusters, and the reliability of the probabilities (n, K).
    """
    K, clusters = fitted.config.K, proba.argmax(axis=1)
    sizes = np.bincount(clusters, minlength=K)
    rows, components = random_rows(len(X), _EMBEDDED_ROWS), fitted.components()
    drawn: dict[str, Any] = {
        "learning-curves": figures.learning_curves(
            fitted.history, min_information=fitted.config.min_information, n_components=K
        ),
        "cluster-sizes": figures.cluster_sizes(sizes),
        "latent-space": figures.latent_space(
            fitted.embedding(X[rows]), clusters[rows], means=components.means, scales=components.scales
        ),
    }
    if len(fitted.event_shape) == 3:
        drawn["samples"] = figures.component_samples(component_images(fitted, X), shares=sizes / sizes.sum())
        drawn["style"] = _style_grid(fitted, X, int(sizes.argmax()))
    whole = ~np.isnan(X).any(axis=1) if fitted.event_shape == (2,) else np.empty(0, dtype=bool)
    if whole.any():
        drawn["clusters"] = figures.scatter_clusters(X[whole], clusters[whole])
        if fitted.model.likelihood.continuous:
            drawn["density"] = _density(fitted, X[whole])
    if labels is not None:
        drawn["confusion"] = figures.confusion(match(labels, clusters))
        drawn["reliability"] = figures.reliability_diagram(reliability(labels, proba))
    return [figures.save(figure, folder / f"{name}.png") for name, figure in drawn.items()]


def component_images(fitted: Fitted, X: NDArray[Any]) -> NDArray[np.float64]:
    """Mean images of ten latents of every component at w = 0, as shades (K, 10, C, H, W) on the scale of images X."""
    return shades(fitted.draw_each(_SAMPLES_PER_COMPONENT, mean=True), X)


def style_images(
    fitted: Fitted, X: NDArray[Any], component: int, directions: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Images of one component's mean over one or two style coordinates; the others stay 0.

    The result has shape (n, n, C, H, W), or (1, n, C, H, W) for one coordinate: of the ``directions`` the first runs
    from left to right, the second from bottom to top, each over the ``values`` (n,). For X see `shades`.
    """
    images = shades(fitted.decode(style_places(fitted, directions, values, values[::-1])[component]), X)
    return images.reshape(-1, len(values), *images.shape[1:])


def name_directions(panel: Any, directions: NDArray[np.int64]) -> None:
    """Label the axes of a style grid by its style coordinates."""
    panel.set(**{f"{axis}label": f"$w_{{{k + 1}}}$" for axis, k in zip("xy", directions, strict=False)})


def _style_grid(fitted: Fitted, X: NDArray[Any], component: int) -> Any:
    directions = style_directions(style_deviations(fitted, X))
    sheet = style_images(fitted, X, component, directions, _STYLES)
    upwards = _STYLES[::-1].tolist() if len(sheet) > 1 else [0.0]
    panel = figures.style_grid(sheet, component=component, values=(upwards, _STYLES.tolist()))
    name_directions(panel, directions)
    if len(sheet) == 1:
        panel.set(ylabel="", yticks=[])
    w_prior = fitted.history["w_prior"][-1]
    if w_prior < USED:
        panel.set_title(f"Style of component {component}: not used (w-prior {w_prior:.3f} nats)")
    return panel


def _density(fitted: Fitted, X: NDArray[Any]) -> Any:
    low, high = X.min(axis=0), X.max(axis=0)
    margin = _MARGIN * np.where(high > low, high - low, 1)
    across, up = np.linspace(low - margin, high + margin, _GRID).T
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
    heights = log_density(fitted.model, grid)
    peak = float(log_density(fitted.model, X[random_rows(len(X), _EMBEDDED_ROWS)]).max())
    return figures.density_2d(across, up, heights.reshape(_GRID, _GRID), points=X, peak=peak)
