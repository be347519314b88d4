"""Where the components start, and how many there are: clusters found without a model. Labels never enter."""

from gmvae.initialisation.counting import MAX_COMPONENTS, Evidence, choose, count, evidence
from gmvae.initialisation.starts import MAX_ROWS, Start, starting_clusters

__all__ = ["MAX_COMPONENTS", "MAX_ROWS", "Evidence", "Start", "choose", "count", "evidence", "starting_clusters"]
