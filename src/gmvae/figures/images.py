"""Sheets of generated images: a row per component, or a grid over the style."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.canvas import axes_or_new


def component_samples(
    images: ArrayLike,
    ax: Axes | None = None,
    *,
    shares: ArrayLike | None = None,
    names: Sequence[str] | None = None,
) -> Axes:
    """Draw a row of images per component (figures 5a and 6 of the paper).

    ValueError if the shape is wrong or a pixel is missing.

    Parameters
    ----------
    images : array-like of shape (K, n, H, W) or (K, n, C, H, W)
        Integers in [0, 255], or numbers that are clipped to [0, 1]. One channel is drawn grey, three as RGB, four as
        RGBA; of two only the first is drawn.
    shares : array-like of shape (K,), optional
        Share of the data in each component, written beside its row.
    names : sequence of K str, optional
        Names of the rows; by default their numbers.
    """
    tiles = _pixels(images)
    names = [str(component) for component in range(len(tiles))] if names is None else list(names)
    if shares is not None:
        names = [
            f"{name}  ({share:.0%})" for name, share in zip(names, _one_each("shares", shares, tiles, 0), strict=True)
        ]
    panel = _sheet(tiles, ax, names)
    panel.set(title="Samples of each component", ylabel="component")
    return panel


def style_grid(
    images: ArrayLike,
    ax: Axes | None = None,
    *,
    component: int | None = None,
    values: tuple[Sequence[float], Sequence[float]] | None = None,
) -> Axes:
    """Draw one component's images over a grid of two style coordinates (figure 5b of the paper).

    ValueError if the shape is wrong or a pixel is missing.

    Parameters
    ----------
    images : array-like of shape (R, C, H, W) or (R, C, channels, H, W)
        Rows from top to bottom, columns from left to right; values as in `component_samples`.
    component : int, optional
        Its number, for the title.
    values : pair of sequences of lengths R and C, optional
        The coordinate of each row (w₂) and column (w₁), written along the edges.
    """
    tiles = _pixels(images)
    names = [] if values is None else [map("{:.2g}".format, _one_each("values", values[i], tiles, i)) for i in (0, 1)]
    panel = _sheet(tiles, ax, *names)
    whose = "" if component is None else f" of component {component}"
    panel.set(title=f"Style{whose}", xlabel="$w_1$", ylabel="$w_2$")
    return panel


def shades(images: NDArray[Any], data: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Images of any units as shades within [0, 1]: probabilities as they are, others scaled to a range.

    Parameters
    ----------
    images : ndarray of any shape
        Generated images; all of them share one scale.
    data : ndarray, optional
        Data whose range becomes black and white; by default that of the images.
    """
    low, high = min(float(images.min()), 0.0), float(images.max())
    if low == 0.0 and high <= 1.0:
        return images.astype(np.float64)
    if data is not None:
        low, high = float(data.min()), float(data.max())
    return np.clip((images - low) / ((high - low) or 1.0), 0.0, 1.0)


def _pixels(images: ArrayLike) -> NDArray[np.float64]:
    """Bring images to shape (R, C, H, W, 1, 3 or 4) with values in [0, 1]."""
    array = np.asarray(images)
    if array.ndim == 4:
        array = array[:, :, None]
    if array.ndim != 5 or not array.size or array.shape[2] not in (1, 2, 3, 4):
        raise ValueError(
            "`images` must have shape (rows, columns, height, width) or (rows, columns, channels, height, width) "
            f"with 1 to 4 channels; got {np.shape(images)}; reshape them or choose channels."
        )
    if array.shape[2] == 2:
        array = array[:, :, :1]
    pixels = array.astype(np.float64) / (255 if array.dtype.kind in "iu" else 1)
    if np.isnan(pixels).any():
        raise ValueError(f"`images` must have no missing pixels; got {int(np.isnan(pixels).sum())} NaN: fill them.")
    return np.clip(np.moveaxis(pixels, 2, -1), 0, 1)


def _one_each(name: str, numbers: ArrayLike, tiles: NDArray[np.float64], axis: int) -> NDArray[np.float64]:
    array = np.asarray(numbers, dtype=np.float64)
    if array.shape != (tiles.shape[axis],):
        line = ("row", "column")[axis]
        raise ValueError(
            f"`{name}` must have one number per {line}, {tiles.shape[axis]}; got shape {array.shape}: give as many."
        )
    return array


def _sheet(
    tiles: NDArray[np.float64], ax: Axes | None, row_names: Iterable[str] = (), column_names: Iterable[str] = ()
) -> Axes:
    """Lay the tiles out as one picture with gaps between them, and name its rows and columns."""
    n_rows, n_columns, height, width, channels = tiles.shape
    gap = max(1, width // 14)
    shape = (n_rows * (height + gap) - gap, n_columns * (width + gap) - gap, channels)
    sheet = np.ones(shape)
    for row, column in np.ndindex(n_rows, n_columns):
        top, left = row * (height + gap), column * (width + gap)
        sheet[top : top + height, left : left + width] = tiles[row, column]
    size = 0.5 if max(n_rows, n_columns) <= 16 else 8 / max(n_rows, n_columns)
    panel = axes_or_new(ax, 1.2 + size * n_columns * width / height, 0.9 + size * n_rows)
    panel.imshow(sheet if channels > 1 else sheet[..., 0], cmap="gray", vmin=0, vmax=1)
    rows, columns = list(row_names), list(column_names)
    panel.set_yticks((height - 1) / 2 + np.arange(len(rows)) * (height + gap), rows)
    panel.set_xticks((width - 1) / 2 + np.arange(len(columns)) * (width + gap), columns)
    panel.tick_params(length=0, labelsize="small")
    panel.spines[:].set_visible(False)
    return panel
