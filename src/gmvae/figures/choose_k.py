"""Criteria against the number of clusters."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.canvas import columns_of, new_figure, open_frame, reference
from gmvae.figures.palette import COLOURS

_HALVES, _FITS, _SCORE = COLOURS[0], COLOURS[5], COLOURS[2]
_BAND: dict[str, Any] = {"alpha": 0.2, "linewidth": 0}
_NEEDED = ("n_components", "stability", "stability_error", "separation", "score")

Columns = dict[str, NDArray[np.float64]]


def choice_of_k(
    table: Mapping[str, ArrayLike],
    n_components: int | None = None,
    *,
    held_out: bool = True,
) -> Figure:
    """Draw stability, separation and, where there are fits, their bound against the number of clusters.

    ValueError if a column is missing.

    Parameters
    ----------
    table : mapping of str to array-like of shape (n_numbers,)
        Columns ``n_components``, ``stability``, ``stability_error``, ``separation``, ``score``, and those of fits
        where there are any: ``agreement``, ``lower_bound_mean``, ``lower_bound_worst`` and ``lower_bound_best``. NaN
        where a value is missing.
    n_components : int, optional
        The chosen number, drawn dotted.
    held_out : bool
        Whether the bound is that of rows held out of the fits.
    """
    columns = columns_of(table, _NEEDED, "`table` must have a column for every criterion")
    draw: list[Callable[[Axes, Columns], None]] = [_stability, _score]
    if np.isfinite(columns.get("lower_bound_mean", np.nan)).any():
        draw.append(partial(_bound, title="Held-out bound" if held_out else "Bound on training rows"))
    fig = new_figure(3.8 * len(draw), 3.6)
    fig.set_layout_engine("constrained", wspace=0.06)
    for draw_into, panel in zip(draw, fig.subplots(1, len(draw), sharex=True), strict=True):
        draw_into(panel, columns)
        panel.set_title(panel.get_title(), pad=14)
        panel.set_xlabel("number of clusters, K")
        panel.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        panel.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
        open_frame(panel)
        if n_components is not None:
            reference(panel, n_components, f"K = {n_components}", ":", upright=True, xytext=(0, 3))
    return fig


def _stability(ax: Axes, columns: Columns) -> None:
    number, mean, error = (columns[name] for name in ("n_components", "stability", "stability_error"))
    ax.fill_between(number, mean - error, mean + error, color=_HALVES, **_BAND)
    _line(ax, number, mean, "between halves of the data, ± standard error", color=_HALVES, marker="o")
    agreement = columns.get("agreement")
    if agreement is not None and np.isfinite(agreement).any():
        _line(ax, number, agreement, "between fits", color=_FITS, marker="s", linestyle="--")
    ax.set(title="Stability", ylabel="adjusted Rand index", ylim=_to_one(mean - error))


def _score(ax: Axes, columns: Columns) -> None:
    number, separation, score = (columns[name] for name in ("n_components", "separation", "score"))
    _line(ax, number, separation, "separation", color=_HALVES, marker="o")
    words = "score: stability × separation × (1 − 1/K)"
    _line(ax, number, score, words, color=_SCORE, marker="^", linestyle="--")
    if np.isfinite(score).any():
        best = int(np.nanargmax(score))
        enough = score[best] - columns["stability_error"][best] * separation[best] * (1.0 - 1.0 / number[best] ** 2)
        ax.axhline(enough, color=_SCORE, linewidth=0.8, zorder=1, label="best score − standard error")
    ax.set(title="Separation and score", ylim=_to_one(np.concatenate([separation, score])))


def _bound(ax: Axes, columns: Columns, title: str) -> None:
    number, mean = columns["n_components"], columns["lower_bound_mean"]
    ax.fill_between(number, columns["lower_bound_worst"], columns["lower_bound_best"], color=_FITS, **_BAND)
    _line(ax, number, mean, "mean of the fits, worst to best", color=_FITS, marker="s", linestyle="--")
    ax.set(title=title, ylabel="nats per observation")


def _line(ax: Axes, number: NDArray[Any], values: NDArray[Any], label: str, **style: Any) -> None:
    ax.plot(number, values, label=label, markersize=4, linewidth=1.5, **style)


def _to_one(values: NDArray[np.float64]) -> tuple[float, float]:
    """Limits from 0, or the lowest value if it is negative, to 1."""
    return min(0.0, 1.05 * float(np.nanmin(values, initial=0.0))), 1.05
