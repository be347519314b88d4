"""The kinds of files that hold observations or labels, by the endings of their names."""

from __future__ import annotations

import re

ARRAY, ARCHIVE = ".npy", ".npz"
CSV = (".csv", ".csv.gz", ".tsv", ".tsv.gz")
PARQUET = ".parquet"
ANNDATA, CELL_RANGER = ".h5ad", ".h5"
TABLES = (*CSV, PARQUET)
WRITTEN_TABLES = (".csv", PARQUET)
IN_PARTS = (PARQUET, ".arrow", ".feather", ARRAY)
"""Files of which a source that is read in parts may consist."""
PANDAS_INDEX = "__index_level_"
"""How pandas begins the name that it gives an index without one in a file of columns."""
TEXT = ".txt"
PACKED = (".zip", ".bz2", ".xz", ".zst", ".7z", ".tar", ".tgz", ".rar")
PERHAPS_TABLES = (TEXT, ".dat", ".data", ".tab", ".psv", ".asc")
"""Of names that tell little; others, as .xlsx, are to be saved as a table."""
IMAGES = (
    *(".png", ".jpg", ".jpeg", ".jfif", ".jpe", ".jif", ".bmp", ".dib", ".gif", ".tif", ".tiff", ".webp"),
    *(".pgm", ".ppm", ".pbm", ".pnm"),
)
IDX = re.compile(r"([.-]idx\d-\w+|\.idx)(\.gz)?$", re.IGNORECASE)
OBSERVATIONS = ", ".join((ARRAY, ARCHIVE, *TABLES, ANNDATA, CELL_RANGER, "IDX"))
"""For messages and help."""

_ENDINGS = "|".join(re.escape(each) for each in (ARRAY, ARCHIVE, *CSV, PARQUET, ANNDATA, CELL_RANGER, ".idx", ".gz"))


def without_ending(name: str) -> str:
    """The name of a file without the ending of its kind, which may stand before the name of a part."""
    return re.sub(rf"({_ENDINGS})(?=:|$)", "", name, flags=re.IGNORECASE)
