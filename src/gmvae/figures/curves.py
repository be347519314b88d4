"""Curves of training: the bound, its terms and accuracies against the epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.canvas import axes_or_new, columns_of, new_figure, open_frame, reference
from gmvae.figures.palette import COLOURS

_TRAIN, _HELD_OUT = COLOURS[0], COLOURS[5]
_TITLES = {
    "lower_bound": "Lower bound",
    "reconstruction": "Reconstruction",
    "conditional_prior": "Conditional prior (cost)",
    "w_prior": "w-prior (cost)",
    "effective_components": "Clusters in use",
}
_TRANSIENT = 4.0
"""The first tenth of a curve is cropped if the curve spans more than this many times the rest."""


def learning_curves(
    history: Mapping[str, ArrayLike], *, min_information: float = 0.0, n_components: int | None = None
) -> Figure:
    """Draw the bound, its four terms and the effective number of clusters against the epoch.

    ValueError if a column is missing.

    Parameters
    ----------
    history : mapping of str to array-like of shape (n_epochs,)
        Columns ``epoch``, ``lower_bound``, ``reconstruction``, ``conditional_prior``, ``w_prior``,
        ``z_prior``, ``effective_components`` and, if anything was held out, ``lower_bound_held_out``.
        The three priors are costs: the bound is the reconstruction less their sum.
    min_information : float
        Threshold λ of the z-prior in nats, drawn dotted unless 0.
    n_components : int, optional
        K; draws log K, the most that the z-prior can cost, and K, the most clusters in use.
    """
    columns = columns_of(history, ("epoch", *_TITLES, "z_prior"), "`history` must have a column for every term")
    epoch = columns["epoch"]
    figure = new_figure(10.5, 5.6)
    (bound, reconstruction, conditional), (style, information, usage) = figure.subplots(2, 3)
    for panel, (name, title) in zip((bound, reconstruction, conditional, style, usage), _TITLES.items(), strict=True):
        _curve(panel, epoch, columns[name], title)
    z_prior_curve(epoch, columns["z_prior"], information, min_information=min_information, n_components=n_components)
    held_out = columns.get("lower_bound_held_out")
    if held_out is not None and np.isfinite(held_out).any():
        bound.lines[0].set_label("training")
        bound.plot(epoch, held_out, color=_HELD_OUT, linestyle="--", label="held out", **_points(epoch))
        bound.legend(frameon=False, loc="lower right")
    usage.set_ylabel("effective number")
    _from_zero(usage, columns["effective_components"], n_components)
    if n_components is not None:
        reference(usage, n_components, f"K = {n_components}")
    return figure


def z_prior_curve(
    step: ArrayLike,
    z_prior: ArrayLike,
    ax: Axes | None = None,
    *,
    min_information: float = 0.0,
    n_components: int | None = None,
    step_name: str = "epoch",
) -> Axes:
    """Draw the z-prior cost against training (figure 3 of the paper).

    Parameters
    ----------
    step, z_prior : array-like of shape (n,)
        Epochs or gradient steps, and the unmodified cost there in nats per observation.
    min_information : float
        Threshold λ in nats, drawn dotted unless 0.
    n_components : int, optional
        K; draws log K, the most that the term can cost.
    step_name : str
        Name of the horizontal axis.
    """
    panel = axes_or_new(ax, 5.0, 3.6)
    cost = np.asarray(z_prior, dtype=np.float64)
    ceiling = None if n_components is None else math.log(n_components)
    if cost.ndim == 2:
        panel.plot(step, cost.T, color=_TRAIN, alpha=0.3, linewidth=0.9)
        cost = cost.mean(axis=0)
    _curve(panel, np.asarray(step), cost, "z-prior (cost)", step_name)
    _from_zero(panel, cost, max(min_information, ceiling or 0.0))
    if ceiling is not None:
        reference(panel, ceiling, f"log K = {ceiling:.2f}")
    if min_information > 0:
        reference(panel, min_information, f"λ = {min_information:g}", ":")
    return panel


def accuracy_curves(curves: Mapping[str, tuple[ArrayLike, ArrayLike]], ax: Axes | None = None) -> Axes:
    """Draw accuracies of several runs against the epoch (figure 4 of the paper).

    Parameters
    ----------
    curves : mapping of str to (epochs, accuracies), each array-like of shape (n,)
        One entry per run, by its name in the legend; accuracies as shares in [0, 1].
    """
    panel = axes_or_new(ax, 5.6, 4.0)
    dashes = ("-", "--", "-.", ":")
    for number, (name, (epoch, accuracy)) in enumerate(curves.items()):
        percent = 100 * np.asarray(accuracy, dtype=np.float64)
        hue, dash = COLOURS[number % len(COLOURS)], dashes[number % len(dashes)]
        panel.plot(epoch, percent, color=hue, linestyle=dash, label=name, **_points(np.asarray(epoch)))
    panel.set(title="Accuracy", xlabel="epoch", ylabel="accuracy (%)")
    panel.grid(axis="y", color="0.9")
    panel.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    panel.legend(frameon=False, loc="best")
    open_frame(panel)
    return panel


def _curve(ax: Axes, step: NDArray[Any], values: NDArray[np.float64], title: str, step_name: str = "epoch") -> None:
    ax.plot(step, values, color=_TRAIN, **_points(step))
    ax.set(title=title, xlabel=step_name, ylabel="nats per observation")
    ax.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    late = late_values([values])
    if late is not None:
        margin = 0.15 * np.ptp(late)
        ax.set_ylim(late.min() - margin, late.max() + margin)
    open_frame(ax)


def late_values(curves: Iterable[ArrayLike]) -> NDArray[np.float64] | None:
    """The finite values after the first tenth of each curve, on which axes are scaled where all span far more."""
    arrays = [np.asarray(curve, dtype=np.float64) for curve in curves]
    everything, late = (
        values[np.isfinite(values)]
        for values in map(np.concatenate, (arrays, [curve[len(curve) // 10 :] for curve in arrays]))
    )
    return late if len(late) and np.ptp(everything) > _TRANSIENT * np.ptp(late) > 0 else None


def _points(step: NDArray[Any]) -> dict[str, Any]:
    """Markers for the points of a short curve."""
    return {"marker": "o", "markersize": 3} if len(step) < 12 else {}


def _from_zero(ax: Axes, values: NDArray[np.float64], ceiling: float | None) -> None:
    """Scale from 0 to the highest value, with room for the label above a reference line."""
    highest = max(np.nanmax(values, initial=0.0), ceiling or 0.0)
    ax.set_ylim(0, 1.15 * highest or 1.0)
