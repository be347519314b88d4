"""Readers: any source (array, table, IDX file, image folder, built-in set) becomes a `Dataset`.

Importing it costs NumPy only; pyarrow, Pillow, scipy, scikit-learn and Rich are imported where they are used.
"""

from gmvae.data.dataset import Dataset
from gmvae.data.download import fetch
from gmvae.data.errors import DataError
from gmvae.data.sets import BuiltIn, catalogue
from gmvae.data.sources import load
from gmvae.data.synthetic import arcs

__all__ = ["BuiltIn", "DataError", "Dataset", "arcs", "catalogue", "fetch", "load"]
