"""Directed graphical models: circles, arrows and a plate (figure 1 of the paper)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.patches import Circle, FancyArrowPatch, FancyBboxPatch

from gmvae.figures.canvas import axes_or_new

_RADIUS = 0.32
_DOT = 0.07
_INK = "#1a1a1a"
_SEEN = "#c9d8e6"
_PLATE_MARGIN = 0.55


class Node(NamedTuple):
    """A node: a variable or a parameter.

    Attributes
    ----------
    x, y : float
        Position; circles have radius 0.32.
    kind : {"latent", "observed", "parameter"}
        An empty circle, a shaded one, or a dot outside the plate.
    label : str
        Text, with mathematics between dollar signs.
    """

    x: float
    y: float
    kind: str
    label: str


class Edge(NamedTuple):
    """An arrow between nodes, by their names; dashed for a conditional without parameters of its own."""

    tail: str
    head: str
    dashed: bool = False


def graphical_model(
    nodes: Mapping[str, Node], edges: Sequence[Edge], ax: Axes | None = None, *, plate: str | None = None
) -> Axes:
    """Draw a directed graphical model.

    Parameters
    ----------
    nodes : mapping of str to Node
    edges : sequence of Edge
        Between names of nodes.
    ax : Axes, optional
        Where to draw.
    plate : str, optional
        Number of repetitions of all nodes but the parameters, written in the corner of a frame around them.

    Raises
    ------
    ValueError
        If an edge names an unknown node.
    """
    unknown = sorted({name for edge in edges for name in edge[:2]} - nodes.keys())
    if unknown:
        raise ValueError(f"`edges` must join names among {', '.join(nodes)}; got {', '.join(unknown)}.")
    panel = axes_or_new(ax, 4.4, 4.2)
    panel.set_aspect("equal")
    panel.set_axis_off()
    for edge in edges:
        _arrow(panel, nodes[edge.tail], nodes[edge.head], dashed=edge.dashed)
    for node in nodes.values():
        _node(panel, node)
    if plate is not None:
        _plate(panel, [node for node in nodes.values() if node.kind != "parameter"], plate)
    across, up = [node.x for node in nodes.values()], [node.y for node in nodes.values()]
    margin = _RADIUS + _PLATE_MARGIN
    panel.set_xlim(min(across) - margin, max(across) + margin)
    panel.set_ylim(min(up) - margin, max(up) + margin)
    return panel


def _node(ax: Axes, node: Node) -> None:
    if node.kind == "parameter":
        ax.add_patch(Circle((node.x, node.y), _DOT, facecolor=_INK, edgecolor=_INK, zorder=3))
        ax.annotate(
            node.label, (node.x, node.y), xytext=(0, 7), textcoords="offset points", ha="center", fontsize="x-large"
        )
        return
    face = _SEEN if node.kind == "observed" else "white"
    ax.add_patch(Circle((node.x, node.y), _RADIUS, facecolor=face, edgecolor=_INK, linewidth=1.4, zorder=3))
    ax.text(node.x, node.y, node.label, ha="center", va="center", fontsize="xx-large", zorder=4)


def _arrow(ax: Axes, tail: Node, head: Node, *, dashed: bool) -> None:
    """An arrow between the rims of two nodes."""
    length = ((head.x - tail.x) ** 2 + (head.y - tail.y) ** 2) ** 0.5
    along = ((head.x - tail.x) / length, (head.y - tail.y) / length)
    start, end = (_DOT if node.kind == "parameter" else _RADIUS for node in (tail, head))
    ax.add_patch(
        FancyArrowPatch(
            (tail.x + start * along[0], tail.y + start * along[1]),
            (head.x - end * along[0], head.y - end * along[1]),
            arrowstyle="-|>",
            mutation_scale=16,
            linewidth=1.4,
            linestyle=(0, (4, 3)) if dashed else "-",
            color=_INK,
            shrinkA=0,
            shrinkB=0,
            zorder=2,
        )
    )


def _plate(ax: Axes, inside: Sequence[Node], words: str) -> None:
    left, right = min(node.x for node in inside), max(node.x for node in inside)
    bottom, top = min(node.y for node in inside), max(node.y for node in inside)
    margin = _PLATE_MARGIN
    frame = FancyBboxPatch(
        (left - margin, bottom - margin),
        right - left + 2 * margin,
        top - bottom + 2 * margin,
        boxstyle="round,pad=0,rounding_size=0.15",
        fill=False,
        edgecolor=_INK,
        linewidth=1.2,
        zorder=1,
    )
    ax.add_patch(frame)
    ax.text(right + margin - 0.12, bottom - margin + 0.1, words, ha="right", va="bottom", fontsize="x-large")
