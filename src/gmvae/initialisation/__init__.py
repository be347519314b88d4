"""Where the components start, and how many there are: clusters found without a model. Labels never enter."""

from gmvae.initialisation.counting import MAX_COMPONENTS, Evidence, choose, evidence
from gmvae.initialisation.starts import MAX_ROWS, starting_clusters

__all__ = ["MAX_COMPONENTS", "MAX_ROWS", "Evidence", "choose", "evidence", "starting_clusters"]
