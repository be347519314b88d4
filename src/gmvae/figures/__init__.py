"""Figures: arrays or a record in, Axes or a Figure out.

Nothing here touches pyplot or the global settings of matplotlib. Functions draw into the Axes ``ax``
where they are given them, else into a new figure; component k has the same colour in all of them.
"""

from gmvae.figures.canvas import letter_panels, new_figure, save
from gmvae.figures.choose_k import choice_of_k
from gmvae.figures.cluster_counts import cluster_sizes, confusion
from gmvae.figures.curves import accuracy_curves, learning_curves, z_prior_curve
from gmvae.figures.density import density_2d
from gmvae.figures.graphical_models import Edge, Node, graphical_model
from gmvae.figures.images import component_samples, shades, style_grid
from gmvae.figures.latent import latent_space
from gmvae.figures.reliability import reliability_diagram
from gmvae.figures.scatter import labelled_points, scatter_clusters
from gmvae.figures.strips import strip_plot

__all__ = [
    "Edge",
    "Node",
    "accuracy_curves",
    "choice_of_k",
    "cluster_sizes",
    "component_samples",
    "confusion",
    "density_2d",
    "graphical_model",
    "labelled_points",
    "latent_space",
    "learning_curves",
    "letter_panels",
    "new_figure",
    "reliability_diagram",
    "save",
    "scatter_clusters",
    "shades",
    "strip_plot",
    "style_grid",
    "z_prior_curve",
]
