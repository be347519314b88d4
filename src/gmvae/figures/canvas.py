"""Figures and Axes outside pyplot, and figures as files."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure

from gmvae.atomic import replacing

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
