"""Where the components start: on clusters that are found without a model. Labels never enter."""

from gmvae.initialisation.starts import MAX_ROWS, starting_clusters

__all__ = ["MAX_ROWS", "starting_clusters"]
