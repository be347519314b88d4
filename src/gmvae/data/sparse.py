"""Sparse matrices in NumPy archives, as SciPy saves them or by the parts of their rows."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from gmvae.data.errors import DataError
from gmvae.sparse_rows import SparseRows

_PARTS = {"data", "indices", "indptr", "shape"}
_MOST_COLUMNS = 2**20


def is_sparse(names: Collection[str]) -> bool:
    """Whether an archive with arrays of these names holds one sparse matrix."""
    return "X" not in names and ({"format", "shape", "data"} <= {*names} or {*names} >= _PARTS)


def read_sparse(archive: np.lib.npyio.NpzFile, path: Path) -> SparseRows:
    """The matrix of an archive.

    DataError if a row has more columns than a network can.
    """
    from scipy import sparse

    rows, columns = map(int, archive["shape"])
    if columns > _MOST_COLUMNS:
        raise DataError(
            f"{path.name} must hold a matrix of at most {_MOST_COLUMNS:,} columns; got {columns:,}: take fewer."
        )
    if "format" in archive.files:
        with path.open("rb") as file:
            matrix = sparse.load_npz(file)
    else:
        matrix = sparse.csr_matrix(tuple(archive[name] for name in ("data", "indices", "indptr")), (rows, columns))
    matrix = matrix.tocsr()
    matrix.check_format(full_check=True)
    return SparseRows(matrix)
