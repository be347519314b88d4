"""Sources larger than memory: files of numbers, of which some rows are in memory at a time.

A fit to them has a random sample of the rows in memory, for all that needs no more, and gradient steps on all.
"""

from gmvae.shards.dataset import is_dataset, shards_of
from gmvae.shards.files import Shard, ShardError, open_shard
from gmvae.shards.order import Stream
from gmvae.shards.source import Coding, KnownClasses, Shards
from gmvae.shards.survey import Survey

__all__ = [
    "Coding",
    "KnownClasses",
    "Shard",
    "ShardError",
    "Shards",
    "Stream",
    "Survey",
    "is_dataset",
    "open_shard",
    "shards_of",
]
