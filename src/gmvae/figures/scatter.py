"""Scatter plots: data by cluster, and a few named points."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gmvae.figures.canvas import axes_or_new, open_frame
from gmvae.figures.palette import COLOURS
from gmvae.figures.points_by_cluster import MOST_POINTS, annotate, dots, name_clusters, numbered, subsample


def scatter_clusters(points: ArrayLike, clusters: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw two-dimensional data, each point in the colour of its cluster.

    ValueError if the shapes do not fit.

    Parameters
    ----------
    points : array-like of shape (N, 2)
        The data; of many points always the same ones are drawn.
    clusters : array-like of shape (N,)
        Component numbers, or any names, such as true classes.
    """
    plane, numbers, names = numbered(points, clusters)
    if plane.shape[1] != 2:
        raise ValueError(f"`points` must have shape (n_samples, 2); got {plane.shape}; use `latent_space` to project.")
    panel = axes_or_new(ax, 5.6, 5.0)
    kept = subsample(len(plane), MOST_POINTS)
    dots(panel, plane[kept], numbers[kept])
    panel.set_aspect("equal", adjustable="datalim")
    name_clusters(panel, plane, numbers, names)
    panel.set(title="Clusters", xlabel="$y_1$", ylabel="$y_2$")
    open_frame(panel)
    return panel


def labelled_points(points: Mapping[str, tuple[float, float]], ax: Axes | None = None) -> Axes:
    """Draw points, coordinates by name, and number them; the legend gives their names."""
    panel = axes_or_new(ax, 8.6, 4.6)
    for number, (name, (across, up)) in enumerate(points.items(), 1):
        panel.scatter(across, up, s=36, color=COLOURS[(number - 1) % len(COLOURS)], label=f"{number}  {name}", zorder=3)
    annotate(panel, np.array(list(points.values())), [str(number) for number in range(1, len(points) + 1)])
    panel.grid(color="0.92")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    open_frame(panel)
    return panel
