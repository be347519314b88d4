"""Latent space in the plane: points, component means and 2σ ellipses."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Ellipse
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.canvas import axes_or_new, open_frame
from gmvae.figures.palette import colour
from gmvae.figures.points_by_cluster import MOST_POINTS, annotate, dots, name_clusters, numbered, subsample
from gmvae.projection import Projection, View


def latent_space(
    x: ArrayLike,
    clusters: ArrayLike,
    ax: Axes | None = None,
    *,
    means: ArrayLike | None = None,
    scales: ArrayLike | None = None,
) -> Axes:
    """Draw embedded observations by cluster, with the components (figure 2d-f of the paper).

    Two dimensions are drawn as they are, more are projected on the first two principal components of the points, one is
    drawn as a row per cluster. Where a few points lie so far out that the others would fill less than half of the
    picture, they are drawn at its border, and counted below. ValueError if the shapes do not fit.

    Parameters
    ----------
    x : array-like of shape (N, D)
        Embedded observations; of many always the same ones are drawn.
    clusters : array-like of shape (N,)
        Their components, numbered from 0; any names if no means are given.
    means, scales : array-like of shape (K, D), optional
        Means and standard deviations of the components, for example at w = 0. Means are drawn as stars with 2σ
        ellipses; those of components without observations are dashed and do not extend the axes.
    """
    points, numbers, names = numbered(x, clusters)
    if means is not None and any(name != str(number) for number, name in names.items()):
        raise ValueError(f"`clusters` must be numbered from 0 when `means` are given; got {', '.join(names.values())}.")
    centres, spreads = _components(points.shape[1], numbers, means, scales)
    panel = axes_or_new(ax, 5.6, 5.0)
    kept = subsample(len(points), MOST_POINTS)
    if points.shape[1] == 1:
        _rows(panel, points[kept, 0], numbers[kept], centres, spreads)
        return panel
    if points.shape[1] == 2:
        plane = Projection(np.zeros(2), np.eye(2), ("$x_1$", "$x_2$"))
    else:
        plane = Projection.principal(points[kept])
    panel.set_aspect("equal", adjustable="datalim")
    seen = View.of(plane.points(points[kept]))
    dots(panel, seen.points, numbers[kept])
    if centres is None:
        name_clusters(panel, plane.points(points), numbers, names)
    else:
        if spreads is not None:
            _ellipses(panel, plane.points(centres), plane.covariances(spreads), np.unique(numbers))
        _stars(panel, plane.points(centres))
        panel.autoscale_view()
        annotate(panel, plane.points(centres), [str(k) for k in range(len(centres))])
    far = f"\npoints far out, drawn at the border: {seen.n_at_border}" if seen.n_at_border else ""
    panel.set(title="Latent space", xlabel=plane.axes[0] + far, ylabel=plane.axes[1])
    open_frame(panel)
    return panel


def ellipse(mean: NDArray[np.float64], covariance: NDArray[np.float64]) -> Ellipse:
    """Return the contour of a normal density at two standard deviations, from mean (2,) and covariance (2, 2)."""
    variances, axes = np.linalg.eigh(covariance)
    minor, major = 4.0 * np.sqrt(np.maximum(variances, 0))
    angle = float(np.degrees(np.arctan2(axes[1, 1], axes[0, 1])))
    return Ellipse((mean[0], mean[1]), major, minor, angle=angle)


def _components(
    dimension: int, numbers: NDArray[np.int64], means: ArrayLike | None, scales: ArrayLike | None
) -> tuple[NDArray[np.float64] | None, NDArray[np.float64] | None]:
    if means is None:
        if scales is not None:
            raise ValueError("`means` must be given with `scales`; got None; pass both.")
        return None, None
    centres = np.asarray(means, dtype=np.float64)
    spreads = None if scales is None else np.asarray(scales, dtype=np.float64)
    fits = centres.ndim == 2 and centres.shape[1] == dimension and len(centres) > numbers.max()
    if not fits or (spreads is not None and spreads.shape != centres.shape):
        raise ValueError(
            f"`means` and `scales` must have shape (n_components, {dimension}) with n_components above the highest "
            f"cluster number, {numbers.max()}; got {centres.shape} and {None if spreads is None else spreads.shape}; "
            "pass those of every component."
        )
    return centres, spreads


def _ellipses(ax: Axes, means: NDArray[np.float64], covariances: NDArray[np.float64], used: NDArray[np.int64]) -> None:
    for k, (mean, covariance) in enumerate(zip(means, covariances, strict=True)):
        contour = ellipse(mean, covariance)
        contour.set(fill=False, edgecolor=colour(k), linewidth=1.6, linestyle="-" if k in used else "--")
        contour.set(zorder=3 if k in used else 2, path_effects=[withStroke(linewidth=3.2, foreground="white")])
        if k in used:
            ax.add_patch(contour)
        else:
            ax.add_artist(contour)  # unlike add_patch, leaves the limits of the axes alone


def _stars(ax: Axes, places: NDArray[np.float64]) -> None:
    hues = [colour(k) for k in range(len(places))]
    ax.scatter(places[:, 0], places[:, 1], c=hues, marker="*", s=130, edgecolors="black", linewidths=0.8, zorder=4)


def _rows(
    ax: Axes,
    x: NDArray[np.float64],
    numbers: NDArray[np.int64],
    means: NDArray[np.float64] | None,
    scales: NDArray[np.float64] | None,
) -> None:
    jitter = np.random.default_rng(0).uniform(-0.3, 0.3, len(x))
    dots(ax, np.column_stack([x, numbers + jitter]), numbers)
    rows = np.unique(numbers) if means is None else np.arange(len(means))
    if means is not None:
        if scales is not None:
            ax.hlines(rows, means[:, 0] - 2 * scales[:, 0], means[:, 0] + 2 * scales[:, 0], colors="black", linewidth=1)
        _stars(ax, np.column_stack([means[:, 0], rows]))
    ax.set_yticks(rows, [str(k) for k in rows])
    ax.set(title="Latent space", xlabel="$x_1$", ylabel="component")
    open_frame(ax)
