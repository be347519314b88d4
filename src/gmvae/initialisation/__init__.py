"""Starting clusters and the number of clusters, found without a model. Classes are never used."""

from gmvae.initialisation.gaps import completed
from gmvae.initialisation.n_clusters import MAX_COMPONENTS, Criteria, choose, count, criteria
from gmvae.initialisation.starts import MAX_ROWS, Start, comparable, start_on_classes, starting_clusters

__all__ = [
    "MAX_COMPONENTS",
    "MAX_ROWS",
    "Criteria",
    "Start",
    "choose",
    "comparable",
    "completed",
    "count",
    "criteria",
    "start_on_classes",
    "starting_clusters",
]
