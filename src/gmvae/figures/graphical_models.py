"""Directed graphical models: circles, arrows and a plate (figure 1 of the paper)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch
from numpy.typing import NDArray

from gmvae.figures.canvas import axes_or_new

_RADIUS = 0.32
_DOT = 0.07
_INK = "#1a1a1a"
_SEEN = "#c9d8e6"
_MARGIN = 0.55


class Node(NamedTuple):
    """A node: a variable, as an empty circle or a shaded one, or a parameter, as a dot outside the plate."""

    x: float
    y: float
    kind: str  # "latent", "observed" or "parameter"
    label: str  # with mathematics between dollar signs


class Edge(NamedTuple):
    """An arrow between nodes, by their names; dashed for a conditional without parameters of its own."""

    tail: str
    head: str
    dashed: bool = False


def graphical_model(
    nodes: Mapping[str, Node], edges: Sequence[Edge], ax: Axes | None = None, *, plate: str | None = None
) -> Axes:
    """Draw a directed graphical model.

    ValueError if an edge names an unknown node.

    Parameters
    ----------
    edges : sequence of Edge
        Between names of nodes.
    plate : str, optional
        Number of repetitions of all nodes but the parameters, written in the corner of a frame around them.
    """
    unknown = sorted({name for edge in edges for name in edge[:2]} - nodes.keys())
    if unknown:
        raise ValueError(f"`edges` must join names among {', '.join(nodes)}; got {', '.join(unknown)}.")
    panel = axes_or_new(ax, 4.4, 4.2)
    panel.set_aspect("equal")
    panel.set_axis_off()
    circles = {name: _node(panel, node) for name, node in nodes.items()}
    for edge in edges:
        _arrow(panel, circles[edge.tail], circles[edge.head], dashed=edge.dashed)
    if plate is not None:
        _plate(panel, [node for node in nodes.values() if node.kind != "parameter"], plate)
    (left, bottom), (right, top) = _corners(nodes.values(), _RADIUS + _MARGIN)
    panel.set(xlim=(left, right), ylim=(bottom, top))
    return panel


def _corners(nodes: Iterable[Node], margin: float) -> NDArray[np.float64]:
    """Lower left and upper right corner of a frame around nodes."""
    places = np.array([node[:2] for node in nodes])
    return np.stack([places.min(axis=0) - margin, places.max(axis=0) + margin])


def _node(ax: Axes, node: Node) -> Circle:
    place = (node.x, node.y)
    if node.kind == "parameter":
        circle = Circle(place, _DOT, facecolor=_INK, edgecolor=_INK, zorder=3)
        ax.annotate(node.label, place, (0, 7), textcoords="offset points", ha="center", fontsize="x-large")
    else:
        face = _SEEN if node.kind == "observed" else "white"
        circle = Circle(place, _RADIUS, facecolor=face, edgecolor=_INK, linewidth=1.4, zorder=3)
        ax.text(*place, node.label, ha="center", va="center", fontsize="xx-large", zorder=4)
    ax.add_patch(circle)
    return circle


def _arrow(ax: Axes, tail: Circle, head: Circle, *, dashed: bool) -> None:
    """An arrow between the rims of two nodes."""
    arrow = FancyArrowPatch(tail.center, head.center, arrowstyle="-|>", mutation_scale=16, zorder=2)
    arrow.set(patchA=tail, patchB=head, color=_INK, linewidth=1.4, linestyle=(0, (4, 3)) if dashed else "-")
    arrow.shrinkA = arrow.shrinkB = 0
    ax.add_patch(arrow)


def _plate(ax: Axes, inside: Iterable[Node], words: str) -> None:
    (left, bottom), (right, top) = _corners(inside, _MARGIN)
    box = FancyBboxPatch((left, bottom), right - left, top - bottom, boxstyle="round,pad=0,rounding_size=0.15")
    box.set(fill=False, edgecolor=_INK, linewidth=1.2, zorder=1)
    ax.add_patch(box)
    ax.text(right - 0.12, bottom + 0.1, words, ha="right", va="bottom", fontsize="x-large")
