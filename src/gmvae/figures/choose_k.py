"""Criteria against the number of clusters."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure, SubFigure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.canvas import new_figure, open_frame
from gmvae.figures.palette import COLOURS

_HALVES, _FITS, _SCORE, _REFERENCE = COLOURS[0], COLOURS[5], COLOURS[2], "0.4"
_NEEDED = ("n_components", "stability", "stability_error", "separation", "score")

Columns = dict[str, NDArray[np.float64]]


def choice_of_k(
    table: Mapping[str, ArrayLike],
    n_components: int | None = None,
    fig: Figure | SubFigure | None = None,
    *,
    held_out: bool = True,
) -> Figure | SubFigure:
    """Draw stability, separation and, where there are fits, their bound against the number of clusters.

    Parameters
    ----------
    table : mapping of str to array-like of shape (n_numbers,)
        Columns ``n_components``, ``stability``, ``stability_error``, ``separation``, ``score``, and those of fits
        where there are any: ``agreement``, ``lower_bound_mean``, ``lower_bound_worst`` and ``lower_bound_best``. NaN
        where a value is missing.
    n_components : int, optional
        The chosen number, drawn dotted.
    fig : Figure or SubFigure, optional
        Where to draw.
    held_out : bool
        Whether the bound is that of rows held out of the fits.

    Raises
    ------
    ValueError
        If a column is missing.
    """
    missing = [name for name in _NEEDED if name not in table]
    if missing:
        raise ValueError(f"`table` must have a column for all evidence; got none named {', '.join(missing)}.")
    columns = {name: np.asarray(column, dtype=np.float64) for name, column in table.items()}
    bounds = columns.get("lower_bound_mean")
    fitted = bounds is not None and bool(np.isfinite(bounds).any())
    canvas = _new_figure(3 if fitted else 2) if fig is None else fig
    panels = canvas.subplots(1, 3 if fitted else 2, sharex=True)
    _stability(panels[0], columns)
    _score(panels[1], columns)
    if fitted:
        _bound(panels[2], columns, held_out=held_out)
    for panel in panels:
        panel.set_xlabel("number of clusters, K")
        panel.xaxis.set_major_locator(MaxNLocator(10, integer=True))
        open_frame(panel)
        if n_components is not None:
            _mark(panel, n_components)
    return canvas


def _new_figure(n_panels: int) -> Figure:
    figure = new_figure(3.8 * n_panels, 3.6)
    figure.set_layout_engine("constrained", wspace=0.06)
    return figure


def _stability(ax: Axes, columns: Columns) -> None:
    number, mean, error = (columns[name] for name in ("n_components", "stability", "stability_error"))
    _band(ax, number, mean - error, mean + error, _HALVES)
    ax.plot(number, mean, color=_HALVES, label="between halves of the data, ± standard error", **_marks("o"))
    agreement = columns.get("agreement")
    if agreement is not None and np.isfinite(agreement).any():
        ax.plot(number, agreement, color=_FITS, linestyle="--", label="between fits", **_marks("s"))
    ax.set(ylabel="adjusted Rand index")
    ax.set_title("Stability", pad=14)
    ax.set_ylim(min(0.0, 1.05 * float(np.nanmin(mean - error, initial=0.0))), 1.05)
    _legend(ax)


def _score(ax: Axes, columns: Columns) -> None:
    number, separation, score = (columns[name] for name in ("n_components", "separation", "score"))
    ax.plot(number, separation, color=_HALVES, label="separation", **_marks("o"))
    ax.plot(
        number, score, color=_SCORE, linestyle="--", label="score: stability × separation × (1 − 1/K²)", **_marks("^")
    )
    if np.isfinite(score).any():
        best = int(np.nanargmax(score))
        enough = score[best] - columns["stability_error"][best] * separation[best] * (1.0 - 1.0 / number[best] ** 2)
        ax.axhline(enough, color=_SCORE, linewidth=0.8, zorder=1, label="best score − standard error")
    ax.set_title("Separation and score", pad=14)
    low = np.nanmin(np.concatenate([separation, score]), initial=0.0)
    ax.set_ylim(min(0.0, 1.05 * float(low)), 1.05)
    _legend(ax)


def _bound(ax: Axes, columns: Columns, *, held_out: bool) -> None:
    number = columns["n_components"]
    _band(ax, number, columns["lower_bound_worst"], columns["lower_bound_best"], _FITS)
    ax.plot(
        number,
        columns["lower_bound_mean"],
        color=_FITS,
        linestyle="--",
        label="mean of the fits, worst to best",
        **_marks("s"),
    )
    ax.set(ylabel="nats per observation")
    ax.set_title("Held-out bound" if held_out else "Bound on training rows", pad=14)
    _legend(ax)


def _mark(ax: Axes, n_components: int) -> None:
    ax.axvline(n_components, color=_REFERENCE, linestyle=":", linewidth=1.5, zorder=1)
    ax.annotate(
        f"K = {n_components}",
        (n_components, 1),
        xytext=(0, 3),
        xycoords=ax.get_xaxis_transform(),
        textcoords="offset points",
        ha="center",
        color=_REFERENCE,
        fontsize="small",
    )


def _band(ax: Axes, number: NDArray[Any], low: NDArray[Any], high: NDArray[Any], colour: str) -> None:
    ax.fill_between(number, low, high, color=colour, alpha=0.2, linewidth=0)


def _marks(shape: str) -> dict[str, Any]:
    return {"marker": shape, "markersize": 4, "linewidth": 1.5}


def _legend(ax: Axes) -> None:
    ax.legend(frameon=False, fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.2))
