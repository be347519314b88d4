"""Strip plot: repeated measurements of several groups, a dot for each."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from gmvae.figures.canvas import axes_or_new, open_frame
from gmvae.figures.palette import COLOURS

_SCATTER = 0.16


def strip_plot(groups: Mapping[str, ArrayLike], ax: Axes | None = None) -> Axes:
    """Draw the values (n,) of each group in a row of dots, from top to bottom, its mean as a bar."""
    panel = axes_or_new(ax, 5.0, 1.2 + 0.5 * len(groups))
    for row, values in enumerate(groups.values()):
        numbers = np.asarray(values, dtype=np.float64)
        heights = row + np.linspace(-_SCATTER, _SCATTER, len(numbers))
        hue = COLOURS[row % len(COLOURS)]
        panel.scatter(numbers, heights, color=hue, s=28, alpha=0.8, linewidths=0, zorder=3)
        panel.vlines(numbers.mean(), row - 0.3, row + 0.3, color=hue, linewidth=2.5, zorder=2)
    panel.set_yticks(range(len(groups)), list(groups))
    panel.set_ylim(len(groups) - 0.5, -0.5)
    panel.grid(axis="x", color="0.9")
    open_frame(panel)
    return panel
