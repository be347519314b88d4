"""Reliability diagram: accuracy against confidence."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes

from gmvae.figures.canvas import axes_or_new, open_frame
from gmvae.figures.palette import COLOURS
from gmvae.metrics import Reliability

LEAST_ROWS = 10
"""Rows of a bin below which its accuracy says next to nothing, and is not drawn."""


def reliability_diagram(found: Reliability, ax: Axes | None = None) -> Axes:
    """Draw accuracy against confidence, in bins of 10 observations or more, with the share of the observations in each.

    Bars below the diagonal are overconfident.
    """
    panel = axes_or_new(ax, 4.8, 4.4)
    filled = found.counts >= LEAST_ROWS
    confidence, accuracy = found.confidence[filled], found.accuracy[filled]
    width = 1 / len(filled)
    left, shares = width * np.arange(len(filled)), found.counts / found.counts.sum()
    panel.bar(left, shares, width, align="edge", color="0.85", label="share of the observations")
    panel.bar(left[filled], accuracy, width, align="edge", facecolor="none", edgecolor=COLOURS[0], label="accuracy")
    panel.plot([0, 1], [0, 1], color="0.4", linestyle="--", linewidth=0.8, label="as certain as right")
    panel.plot(confidence, accuracy, "o", color=COLOURS[0], markersize=4)
    panel.set(
        title=f"Reliability: calibration error {found.error:.3f}",
        xlabel="confidence: probability of the most probable cluster",
        ylabel="share",
        xlim=(0, 1),
        ylim=(0, 1.02),
    )
    panel.legend(frameon=False, loc="upper left", fontsize="small")
    open_frame(panel)
    return panel
