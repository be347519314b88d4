"""Density of two-dimensional data under a model."""

from __future__ import annotations

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from numpy.typing import ArrayLike

from gmvae.figures.canvas import axes_or_new
from gmvae.figures.points_by_cluster import MOST_POINTS, subsample

_PALE_BLUES = ListedColormap(mpl.colormaps["Blues"](np.linspace(0, 0.75, 256)))
"""Light at the top of the scale, so that dark points are visible."""


def density_2d(
    xx: ArrayLike,
    yy: ArrayLike,
    log_density: ArrayLike,
    ax: Axes | None = None,
    *,
    points: ArrayLike | None = None,
    peak: float | None = None,
) -> Axes:
    """Draw a density on a grid, with the data on top (figures 2b and 2c of the paper).

    ValueError if the shapes do not fit or a density is missing.

    Parameters
    ----------
    xx, yy : array-like of shape (W,) and (H,), or both of shape (H, W)
        Coordinates of the grid, evenly spaced.
    log_density : array-like of shape (H, W)
        Natural logarithm of the density there.
    points : array-like of shape (N, 2), optional
        Data to draw on top; of many always the same ones.
    peak : float, optional
        Log-density at the top of the scale, to compare panels or to ignore peaks away from the data; by default the
        highest on the grid.
    """
    heights = np.asarray(log_density, dtype=np.float64)
    across, up = np.asarray(xx), np.asarray(yy)
    grid = (across.shape, up.shape)
    if heights.ndim != 2 or grid not in [(heights.shape,) * 2, (heights.shape[1:], heights.shape[:1])]:
        raise ValueError(
            "`xx`, `yy` and `log_density` must have shapes (W,), (H,) and (H, W), or all (H, W); "
            f"got {across.shape}, {up.shape} and {heights.shape}; use `numpy.meshgrid`."
        )
    highest = float(heights.max())
    if not np.isfinite(highest):
        raise ValueError(f"`log_density` must have a finite highest value and no NaN; got {highest}; check the model.")
    panel = axes_or_new(ax, 5.8, 5.0)
    top = highest if peak is None else peak
    look = {"cmap": _PALE_BLUES, "vmin": 0.0, "vmax": np.exp(top)}
    mesh = panel.pcolormesh(across, up, np.exp(heights), **look, shading="gouraud", rasterized=True, zorder=0)
    if points is not None:
        data = np.asarray(points, dtype=np.float64)
        data = data[subsample(len(data), MOST_POINTS)]
        size, opacity = float(np.clip(4000 / len(data), 1, 8)), float(np.clip(1000 / len(data), 0.2, 0.6))
        panel.scatter(data[:, 0], data[:, 1], s=size, color="#1a1a1a", alpha=opacity, linewidths=0, rasterized=True)
    panel.set_xlim(across.min(), across.max())
    panel.set_ylim(up.min(), up.max())
    panel.set_aspect("equal", adjustable="box")
    panel.set(title="Learnt density", xlabel="$y_1$", ylabel="$y_2$")
    extend = "max" if highest > top else "neither"
    bar = panel.figure.colorbar(mesh, ax=panel, fraction=0.04, pad=0.02, aspect=30, extend=extend)
    bar.set_label("density")
    return panel
