"""A few named points in the plane."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from gmvae.figures.canvas import axes_or_new, open_frame
from gmvae.figures.palette import COLOURS
from gmvae.figures.points import annotate


def labelled_points(points: Mapping[str, tuple[float, float]], ax: Axes | None = None) -> Axes:
    """Draw points and number them; the legend gives their names.

    Parameters
    ----------
    points : mapping of str to (float, float)
        Horizontal and vertical coordinate by name.
    ax : Axes, optional
        Where to draw.

    Returns
    -------
    Axes
    """
    panel = axes_or_new(ax, 8.6, 4.6)
    for number, (name, (across, up)) in enumerate(points.items(), 1):
        panel.scatter(across, up, s=36, color=COLOURS[(number - 1) % len(COLOURS)], label=f"{number}  {name}", zorder=3)
    annotate(panel, np.array(list(points.values())), [str(number) for number in range(1, len(points) + 1)])
    panel.grid(color="0.92")
    panel.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False, fontsize="small")
    open_frame(panel)
    return panel
