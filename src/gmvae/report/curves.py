"""Still drawings of a report as lines within a box: curves of training, the map without JavaScript, calibration."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gmvae.arrays import random_rows
from gmvae.figures.curves import late_values
from gmvae.figures.reliability import LEAST_ROWS
from gmvae.projection import View
from gmvae.report.records import Agreement, Map

WIDTH, HEIGHT = 320, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 8, 10, 24
_LEAST_SPAN = 1e-3
"""Share of the values that an axis spans at least: what changes less is a flat line."""
_STILL_POINTS = 3000
_STILL_SIDE = 400


class _Curves(NamedTuple):
    """Columns of the history that share a panel, and whether its axis begins at 0 and ends at a whole number."""

    title: str
    names: tuple[str, ...]
    about: str
    counts: bool = False


_PANELS = (
    _Curves(
        "Bound",
        ("lower_bound", "lower_bound_held_out"),
        "What the log-probability of one row is at least: in training, and held-out (dashed). Higher is better.",
    ),
    _Curves(
        "Reconstruction", ("reconstruction",), "Log-probability of one row, given its embedding. Higher is better."
    ),
    _Curves("Conditional prior", ("conditional_prior",), "Cost of the embedding x within its cluster."),
    _Curves("w-prior", ("w_prior",), "Cost of the style w: near 0 where it is not used."),
    _Curves(
        "z-prior", ("z_prior",), "Cost of the cluster z: near 0 where clusters are all alike, high where they are sure."
    ),
    _Curves(
        "Clusters in use",
        ("effective_components",),
        "Their effective number: fewer where sizes differ much.",
        counts=True,
    ),
)
DRAWN = ("epoch", *(name for panel in _PANELS for name in panel.names))
"""Columns of the history that the panels show."""


class Line(NamedTuple):
    """A line as the points of an SVG polyline; dashed or not."""

    points: str
    dashed: bool = False


class Tick(NamedTuple):
    """A mark on an axis: its place in the drawing, and its text."""

    place: float
    text: str


class Panel(NamedTuple):
    """A drawing with axes."""

    title: str
    about: str
    lines: list[Line]
    across: list[Tick]
    up: list[Tick]
    dots: str = ""  # an SVG path


def training_panels(training: Mapping[str, Sequence[float]]) -> list[Panel]:
    """A panel for each term of the bound against the epoch."""
    epochs = list(training["epoch"])
    panels = []
    for drawn in _PANELS:
        curves = [list(training[name]) for name in drawn.names]
        if epochs and any(math.isfinite(value) for curve in curves for value in curve):
            panels.append(_panel(drawn, epochs, curves))
    return panels


def calibration_panel(agreement: Agreement) -> Panel:
    """Accuracy against confidence in bins of enough rows, with the diagonal dashed."""
    bins = zip(agreement.confidence, agreement.accuracy, agreement.counts, strict=True)
    known = [(a, b) for a, b, n in bins if a is not None and b is not None and n >= LEAST_ROWS]
    about = (
        "Share of rows in the cluster matched to their class, by the probability of their cluster, in bins of "
        f"{LEAST_ROWS} rows or more; dashed: where both are equal."
    )
    box = _Box((0.0, 1.0), (0.0, 1.0))
    lines = [Line(box.polyline([a for a, _ in known], [b for _, b in known])), Line(box.polyline([0, 1], [0, 1]), True)]
    ticks = [0.0, 0.5, 1.0]
    return Panel(
        "Calibration",
        about,
        lines,
        [Tick(box.x(v), f"{v:g}") for v in ticks],
        [Tick(box.y(v), f"{v:g}") for v in ticks],
        "".join(f"M{box.x(a)} {box.y(b)}h0" for a, b in known),
    )


def still_map(found: Map, n_clusters: int) -> list[str]:
    """For every cluster its points as one SVG path of dots, in a square of 400; at most 3,000 points in all."""
    drawn = random_rows(found.n, _STILL_POINTS)
    places = np.round(unit_square(found) * (_STILL_SIDE - 16) + 8).astype(int)
    clusters = np.array(found.cluster)
    paths = []
    for k in range(n_clusters):
        own = places[drawn[clusters[drawn] == k]]
        paths.append("".join(f"M{x} {_STILL_SIDE - y}h0" for x, y in own.tolist()))
    return paths


def unit_square(found: Map) -> np.ndarray:
    """Points of the map (n, 2) on one scale within the unit square, in its middle."""
    seen = _view(found)
    span = float((seen.high - seen.low).max()) or 1.0
    return (seen.points - (seen.low + seen.high) / 2) / span + 0.5


def n_at_border(found: Map) -> int:
    """How many points of the map lie so far out that they are drawn at its border."""
    return _view(found).n_at_border


def _view(found: Map) -> View:
    return View.of(np.column_stack([found.x, found.y]))


class _Box(NamedTuple):
    """Ranges of both axes, from which places in the drawing follow."""

    across: tuple[float, float]
    up: tuple[float, float]

    def x(self, value: float) -> float:
        return round(_LEFT + (WIDTH - _LEFT - _RIGHT) * _share(value, self.across), 1)

    def y(self, value: float) -> float:
        return round(HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * _share(value, self.up), 1)

    def polyline(self, xs: Sequence[float], ys: Sequence[float]) -> str:
        return " ".join(f"{self.x(x)},{self.y(y)}" for x, y in zip(xs, ys, strict=True) if math.isfinite(y))


def _share(value: float, span: tuple[float, float]) -> float:
    return (value - span[0]) / ((span[1] - span[0]) or 1.0)


def _panel(drawn: _Curves, epochs: Sequence[float], curves: Sequence[Sequence[float]]) -> Panel:
    low, high = _range(curves)
    span = (0.0, float(math.ceil(high))) if drawn.counts else (low, high)
    box = _Box((epochs[0], max(epochs[-1], epochs[0] + 1)), span)
    middle = (box.up[0] + box.up[1]) / 2
    up = [Tick(box.y(value), _short(value, box.up[1] - box.up[0])) for value in (box.up[0], middle, box.up[1])]
    across = [Tick(box.x(value), f"{value:g}") for value in dict.fromkeys((epochs[0], epochs[-1]))]
    lines = [Line(box.polyline(*_within(epochs, curve, box.up)), dashed=i > 0) for i, curve in enumerate(curves)]
    return Panel(drawn.title, drawn.about, [line for line in lines if line.points], across, up)


def _within(
    epochs: Sequence[float], curve: Sequence[float], span: tuple[float, float]
) -> tuple[Sequence[float], Sequence[float]]:
    """The curve from where it enters the range of the axis for good."""
    low, high = span
    outside = [i for i, value in enumerate(curve) if math.isfinite(value) and not low <= value <= high]
    if not outside:
        return epochs, curve
    last = outside[-1]
    after = slice(last + 1, None)
    if last + 1 == len(curve) or not math.isfinite(curve[last + 1]):
        return epochs[after], curve[after]
    edge = low if curve[last] < low else high
    way = (edge - curve[last]) / (curve[last + 1] - curve[last])
    crossing = epochs[last] + way * (epochs[last + 1] - epochs[last])
    return [crossing, *epochs[after]], [edge, *curve[after]]


def _range(curves: Sequence[Sequence[float]]) -> tuple[float, float]:
    """Lowest and highest value, without the first tenth where that would flatten the rest."""
    late = late_values(curves)
    shown = [value for curve in curves for value in curve if math.isfinite(value)] if late is None else late.tolist()
    low, high = min(shown), max(shown)
    middle = (low + high) / 2
    least = _LEAST_SPAN * abs(middle)
    if high - low >= least and high > low:
        return low, high
    return middle - (least or 1.0) / 2, middle + (least or 1.0) / 2


def _short(value: float, span: float) -> str:
    digits = max(0, 1 - math.floor(math.log10(span))) if span > 0 else 1
    if digits > 3 and abs(value) < 0.1:
        return f"{value:.2g}"
    digits = min(digits, 4)
    return f"{value:,.{digits}f}" if abs(value) < 1e6 else f"{value:.3g}"
