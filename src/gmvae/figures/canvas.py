"""Figures and Axes outside pyplot, and figures as files."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from numpy.typing import ArrayLike, NDArray

from gmvae.atomic import replacing

_REFERENCE = "0.4"
_DPI = 150
_VECTOR_FORMATS = ("pdf", "svg")


def new_figure(width: float = 6.4, height: float = 4.8) -> Figure:
    """Return an empty figure of a size in inches, outside pyplot; `Figure.subplots` lays out panels."""
    return Figure(figsize=(width, height), layout="constrained")


def axes_or_new(ax: Axes | None, width: float = 6.4, height: float = 4.8) -> Axes:
    """Return `ax`, or the only Axes of a new figure."""
    return new_figure(width, height).add_subplot() if ax is None else ax


def open_frame(ax: Axes) -> None:
    """Hide the top and right spines."""
    ax.spines[["top", "right"]].set_visible(False)


def reference(ax: Axes, value: float, words: str, dash: str = "-", *, upright: bool = False, **placed: Any) -> None:
    """Draw a named grey line: across at a height, or upright; the name is above its end unless ``placed`` elsewhere."""
    draw, end, axis, anchor = (
        (ax.axvline, (value, 1), ax.get_xaxis_transform(), "center")
        if upright
        else (ax.axhline, (1, value), ax.get_yaxis_transform(), "right")
    )
    draw(value, color=_REFERENCE, linestyle=dash, linewidth=1.5 if dash == ":" else 0.8, zorder=0.5)
    placement = {"xytext": (0, 2), "ha": anchor, **placed}
    ax.annotate(words, end, xycoords=axis, textcoords="offset points", color=_REFERENCE, fontsize="small", **placement)


def columns_of(table: Mapping[str, ArrayLike], needed: Iterable[str], sentence: str) -> dict[str, NDArray[np.float64]]:
    """Columns as arrays; without all that are needed a ValueError of this sentence and the names of the others."""
    missing = [name for name in needed if name not in table]
    if missing:
        raise ValueError(f"{sentence}; got none named {', '.join(missing)}.")
    return {name: np.asarray(column, dtype=np.float64) for name, column in table.items()}


def letter_panels(panels: Iterable[Axes]) -> None:
    """Write (a), (b), … at the upper left of panels."""
    for letter, panel in zip("abcdefghijklmnopqrstuvwxyz", panels, strict=False):
        panel.set_title(f"({letter})", loc="left", fontweight="bold")


def save(figure: Figure | SubFigure | Axes, path: str | os.PathLike[str]) -> Path:
    """Write a figure to a file, completely or not at all.

    Parameters
    ----------
    figure : Figure, SubFigure or Axes
        A figure, or a part of one.
    path : path-like
        Missing folders are made. The format is PNG at 150 dpi unless the name ends in ``.svg`` or
        ``.pdf``.

    Returns
    -------
    Path
        The file.
    """
    target = Path(path)
    root = figure.get_figure(root=True)
    if root is None:
        raise ValueError("`figure` must be part of a figure; got Axes that were removed; draw it anew.")
    ending = target.suffix.lower().removeprefix(".")
    with replacing(target) as partial:
        root.savefig(partial, format=ending if ending in _VECTOR_FORMATS else "png", dpi=_DPI)
    return target
