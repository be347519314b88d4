"""The figures of one fitted model: which of them its data and its labels allow."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from gmvae import figures
from gmvae.estimator import GMVAE
from gmvae.likelihoods import LIKELIHOODS
from gmvae.metrics import match, reliability

_EMBEDDED_ROWS = 5000
"""As many points as the figures draw; more would be embedded in vain."""

_SAMPLES_PER_COMPONENT = 10
_STYLES = np.linspace(-2.0, 2.0, 9)
_USED_STYLE = 0.1
"""Nats of the w-prior below which the style says next to nothing about an observation."""

_GRID = 100
_MARGIN = 0.1
"""How far the grid of the density reaches beyond the data, as a share of their range."""

IMPORTANCE_SAMPLES = 256
"""Enough for a picture without specks: all points of the grid share the samples' noise."""


def draw_run(
    estimator: GMVAE, X: NDArray[Any], proba: NDArray[Any], folder: Path, labels: NDArray[Any] | None = None
) -> list[Path]:
    """Draw every figure that fits the data into a folder.

    Always learning curves, cluster sizes and the latent space; for images samples of every component and a grid
    over the style; for two-dimensional data the clusters and, if the model has one, the density; with labels the
    confusion of classes and clusters, and whether clusters are as certain as they are right.

    Parameters
    ----------
    estimator : GMVAE
        A fitted model.
    X : ndarray of shape (n, p), (n, H, W) or (n, C, H, W)
        The observations.
    proba : ndarray of shape (n, K)
        What `predict_proba` says of them.
    folder : Path
        Where the PNG files go; it is made if it is missing.
    labels : ndarray of shape (n,), optional
        True classes.

    Returns
    -------
    list of Path
        The files, in the order in which they are best looked at.
    """
    clusters = proba.argmax(axis=1)
    drawn = [
        ("learning-curves", _learning_curves(estimator)),
        ("cluster-sizes", figures.cluster_sizes(np.bincount(clusters, minlength=estimator.n_components_))),
        ("latent-space", _latent_space(estimator, X, clusters)),
        *_images(estimator, X, clusters),
        *_plane(estimator, X, clusters),
    ]
    if labels is not None:
        drawn.append(("confusion", figures.confusion(match(labels, clusters))))
        drawn.append(("reliability", figures.reliability_diagram(reliability(labels, proba))))
    return [figures.save(figure, folder / f"{name}.png") for name, figure in drawn]


def component_images(estimator: GMVAE, X: NDArray[Any], n: int = _SAMPLES_PER_COMPONENT) -> NDArray[np.float64]:
    """Mean images of n latents of every component at w = 0, as shades within [0, 1].

    Parameters
    ----------
    estimator : GMVAE
        A model fitted to images.
    X : ndarray
        The images; see `shades`.
    n : int
        Images per component.

    Returns
    -------
    ndarray of shape (K, n, C, H, W)
    """
    K = estimator.n_components_
    images, _ = estimator.sample(K * n, np.repeat(np.arange(K), n), np.zeros(estimator.style_dim_), mean=True)
    return shades(images, X).reshape(K, n, *images.shape[1:])


def shades(images: NDArray[Any], X: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Images of any units as shades within [0, 1]: probabilities as they are, others by a range.

    Parameters
    ----------
    images : ndarray of any shape
        What a model generated; all of them share one scale.
    X : ndarray, optional
        Data whose range becomes black and white; by default that of the images.
    """
    low, high = min(float(images.min()), 0.0), float(images.max())
    if low == 0.0 and high <= 1.0:
        return images.astype(np.float64)
    if X is not None:
        low, high = float(X.min()), float(X.max())
    return np.clip((images - low) / ((high - low) or 1.0), 0.0, 1.0)


def _some_rows(X: NDArray[Any]) -> NDArray[np.int64]:
    """The same random rows each time, in their order."""
    return np.sort(np.random.default_rng(0).permutation(len(X))[:_EMBEDDED_ROWS])


def name_directions(panel: Any, directions: NDArray[np.int64]) -> None:
    """Write which style coordinates the axes of a style grid are."""
    panel.set(**{f"{axis}label": f"$w_{{{k + 1}}}$" for axis, k in zip("xy", directions, strict=False)})


def _learning_curves(estimator: GMVAE) -> Any:
    return figures.learning_curves(
        estimator.history_, min_information=estimator.min_information, n_components=estimator.n_components_
    )


def _latent_space(estimator: GMVAE, X: NDArray[Any], clusters: NDArray[np.int64]) -> Any:
    rows = _some_rows(X)
    components = estimator.components()
    return figures.latent_space(
        estimator.transform(X[rows]), clusters[rows], means=components.means, scales=components.scales
    )


def _images(estimator: GMVAE, X: NDArray[Any], clusters: NDArray[np.int64]) -> Iterator[tuple[str, Any]]:
    if len(estimator.event_shape_) != 3:
        return
    sizes = np.bincount(clusters, minlength=estimator.n_components_)
    yield "samples", figures.component_samples(component_images(estimator, X), shares=sizes / sizes.sum())
    yield "style", _style_grid(estimator, X, int(sizes.argmax()))


def style_directions(estimator: GMVAE, X: NDArray[Any]) -> NDArray[np.int64]:
    """The two style coordinates that vary most over rows of X, or the only one there is."""
    return np.argsort(-estimator.transform_style(X[_some_rows(X)]).var(axis=0), kind="stable")[:2]


def style_images(
    estimator: GMVAE, X: NDArray[Any], component: int, directions: NDArray[np.int64], values: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Images of one component's mean over two style coordinates, or over one; the others stay 0.

    Parameters
    ----------
    estimator : GMVAE
        A model fitted to images.
    X : ndarray
        The images; see `shades`.
    component : int
    directions : ndarray of int of shape (1,) or (2,)
        Which coordinates: the first runs from left to right, the second from bottom to top.
    values : ndarray of shape (n,)
        Where.

    Returns
    -------
    ndarray of shape (n, n, C, H, W), or (1, n, C, H, W) for one coordinate
    """
    latents = []
    for second in values[::-1] if len(directions) > 1 else np.zeros(1):
        for first in values:
            style = np.zeros(estimator.style_dim_)
            style[directions] = (first, second)[: len(directions)]
            latents.append(estimator.components(style).means[component])
    images = shades(estimator.inverse_transform(np.stack(latents)), X)
    return images.reshape(-1, len(values), *images.shape[1:])


def _style_grid(estimator: GMVAE, X: NDArray[Any], component: int) -> Any:
    directions = style_directions(estimator, X)
    sheet = style_images(estimator, X, component, directions, _STYLES)
    upwards = _STYLES[::-1].tolist() if len(sheet) > 1 else [0.0]
    panel = figures.style_grid(sheet, component=component, values=(upwards, _STYLES.tolist()))
    name_directions(panel, directions)
    if len(sheet) == 1:
        panel.set(ylabel="", yticks=[])
    w_prior = estimator.history_["w_prior"][-1]
    if w_prior < _USED_STYLE:
        panel.set_title(f"Style of component {component}: not used (w-prior {w_prior:.3f} nats)")
    return panel


def _plane(estimator: GMVAE, X: NDArray[Any], clusters: NDArray[np.int64]) -> Iterator[tuple[str, Any]]:
    if estimator.event_shape_ != (2,):
        return
    yield "clusters", figures.scatter_clusters(X, clusters)
    if LIKELIHOODS[estimator.likelihood_].continuous:
        low, high = X.min(axis=0), X.max(axis=0)
        margin = _MARGIN * np.where(high > low, high - low, 1)
        across, up = np.linspace(low - margin, high + margin, _GRID).T
        grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2)
        heights = estimator.score_samples(grid, n_importance_samples=IMPORTANCE_SAMPLES)
        peak = float(estimator.score_samples(X[_some_rows(X)], n_importance_samples=IMPORTANCE_SAMPLES).max())
        yield "density", figures.density_2d(across, up, heights.reshape(_GRID, _GRID), points=X, peak=peak)
