"""Bar chart of cluster sizes, and confusion of classes and clusters."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from gmvae.figures.canvas import axes_or_new, open_frame, reference
from gmvae.figures.palette import colour
from gmvae.metrics import Confusion

_MOST_LABELLED_BARS = 32
_MOST_LABELLED_CELLS = 40


def cluster_sizes(counts: ArrayLike, ax: Axes | None = None) -> Axes:
    """Draw a bar per component, labelled with its share.

    ValueError if `counts` is not one-dimensional, or has a negative or missing entry.

    Parameters
    ----------
    counts : array-like of shape (K,)
        Observations per component.
    """
    heights = np.asarray(counts, dtype=np.float64)
    if heights.ndim != 1 or not heights.size or not (heights >= 0).all():
        raise ValueError(
            "`counts` must be a one-dimensional array of non-negative numbers; "
            f"got {np.array2string(heights, threshold=10)}; pass one count per component."
        )
    K = len(heights)
    panel = axes_or_new(ax, max(4.0, min(12.0, 1.5 + 0.45 * K)), 3.6)
    bars = panel.bar(np.arange(K), heights, color=[colour(k) for k in range(K)])
    total = heights.sum()
    if total > 0:
        reference(panel, total / K, "equal shares", "--", xytext=(4, 0), ha="left", va="center")
        if K <= _MOST_LABELLED_BARS:
            shares = [_percent(share) for share in heights / total]
            outline = [withStroke(linewidth=2.5, foreground="white")]
            panel.bar_label(bars, shares, padding=2, fontsize="x-small", path_effects=outline)
    numbers = range(0, K, -(-K // _MOST_LABELLED_BARS))
    panel.set_xticks(numbers, [str(k) for k in numbers])
    panel.set(title="Cluster sizes", xlabel="component", ylabel="observations")
    panel.margins(x=0.01, y=0.1)
    open_frame(panel)
    return panel


def confusion(table: Confusion, ax: Axes | None = None) -> Axes:
    """Draw how many of each class are in each matched cluster; the shade is the share of the class.

    Clusters beyond the number of classes stand to the right of a dashed line.
    """
    n_classes, n_clusters = table.matrix.shape
    shares = table.matrix / np.maximum(table.matrix.sum(axis=1, keepdims=True), 1)
    panel = axes_or_new(ax, 2.0 + 0.48 * n_clusters, 1.4 + 0.42 * n_classes)
    heat = panel.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    if max(n_classes, n_clusters) <= _MOST_LABELLED_CELLS:
        for row, column in np.argwhere(table.matrix > 0):
            ink = "white" if shares[row, column] > 0.55 else "0.15"
            words = str(table.matrix[row, column])
            panel.text(column, row, words, ha="center", va="center", fontsize="x-small", color=ink)
    panel.set_xticks(range(n_clusters), [str(name) for name in table.clusters])
    panel.set_yticks(range(n_classes), [str(name) for name in table.classes])
    panel.set_xticks(np.arange(0.5, n_clusters - 1), minor=True)
    panel.set_yticks(np.arange(0.5, n_classes - 1), minor=True)
    panel.grid(which="minor", color="white", linewidth=1)
    if n_clusters > n_classes:
        panel.axvline(n_classes - 0.5, color="0.4", linestyle="--", linewidth=1)
    panel.tick_params(which="both", length=0)
    panel.spines[:].set_visible(False)
    panel.set(title="Classes and clusters (observations)", xlabel="cluster, in the order of its class", ylabel="class")
    bar = panel.figure.colorbar(heat, ax=panel, format=PercentFormatter(1), fraction=0.04, pad=0.02, aspect=30)
    bar.set_label("share of the class")
    bar.outline.set_visible(False)
    return panel


def _percent(share: float) -> str:
    return "<1%" if 0 < share < 0.005 else f"{100 * share:.0f}%"
