"""Figure 1: the generative model and the variational family, as graphical models."""

from __future__ import annotations

from gmvae import figures
from gmvae.figures import Edge, Node
from gmvae.paper.findings import Finding, draw
from gmvae.paper.scope import Scope

GENERATIVE = (
    {
        "w": Node(0, 2, "latent", "$w$"),
        "z": Node(1.6, 2, "latent", "$z$"),
        "x": Node(0.8, 0.8, "latent", "$x$"),
        "y": Node(0.8, -0.5, "observed", "$y$"),
        "beta": Node(-1.1, 0.8, "parameter", "$\\beta$"),
        "theta": Node(-1.1, -0.5, "parameter", "$\\theta$"),
    },
    (Edge("w", "x"), Edge("z", "x"), Edge("x", "y"), Edge("beta", "x"), Edge("theta", "y")),
)
RECOGNITION = (
    {
        "w": Node(0, 2, "latent", "$w$"),
        "z": Node(1.6, 2, "latent", "$z$"),
        "x": Node(1.6, 0.8, "latent", "$x$"),
        "y": Node(0.8, -0.5, "observed", "$y$"),
        "phi_w": Node(-1.1, 2, "parameter", "$\\phi_w$"),
        "phi_x": Node(2.9, 0.8, "parameter", "$\\phi_x$"),
        "beta": Node(2.9, 2, "parameter", "$\\beta$"),
    },
    (
        Edge("y", "w"),
        Edge("y", "x"),
        Edge("phi_w", "w"),
        Edge("phi_x", "x"),
        Edge("w", "z", dashed=True),
        Edge("x", "z", dashed=True),
        Edge("beta", "z", dashed=True),
    ),
)
"""Dashed: p(z|x, w) has no network; it is the exact posterior of the mixture p(x|w, z), with parameters β."""

_SPAN = (-1.9, 3.7)
"""Horizontal limits of both panels."""


def run(scope: Scope) -> Finding:
    """Draw both graphs."""
    figure = figures.new_figure(9.0, 4.0)
    panels = figure.subplots(1, 2)
    graphs = {"Generative model": GENERATIVE, "Variational family": RECOGNITION}
    for (title, graph), panel in zip(graphs.items(), panels, strict=True):
        figures.graphical_model(*graph, panel, plate="$N$")
        panel.set(title=title, xlim=_SPAN)
    figures.letter_panels(panels)
    caption = (
        "(a) p(w) p(z) p(x|w, z) p(y|x). (b) q(x|y) q(w|y) p(z|x, w); dashed: no network, but the exact posterior of "
        "the mixture."
    )
    return Finding(
        item="fig1",
        title="Figure 1: the graphical models",
        paper="the generative model and the variational family.",
        ours="the same graphs, drawn by code.",
        verdict="reproduced",
        figures=draw(scope.out, "fig1", figure, caption),
        run=scope.run(),
    )
