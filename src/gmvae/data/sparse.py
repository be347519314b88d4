"""Sparse matrices in NumPy archives, as SciPy saves them or by the parts of their rows, as dense arrays."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import numpy as np

from gmvae.data.errors import DataError

_PARTS = {"data", "indices", "indptr", "shape"}
_MOST_BYTES = 2**33


def is_sparse(names: Collection[str]) -> bool:
    """Whether an archive with arrays of these names holds one sparse matrix."""
    return "X" not in names and ({"format", "shape", "data"} <= {*names} or {*names} >= _PARTS)


def read_sparse(archive: np.lib.npyio.NpzFile, path: Path) -> np.ndarray:
    """The matrix of an archive, zeros and all.

    Raises
    ------
    DataError
        If it would take more than eight gibibytes.
    """
    from scipy import sparse

    rows, columns = map(int, archive["shape"])
    n_bytes = rows * columns * archive["data"].dtype.itemsize
    if n_bytes > _MOST_BYTES:
        raise DataError(
            f"{path.name} must hold a matrix of at most {_MOST_BYTES:,} bytes with its zeros; got {rows:,} x "
            f"{columns:,} values, {n_bytes:,} bytes: take fewer columns."
        )
    if "format" in archive.files:
        with path.open("rb") as file:
            matrix = sparse.load_npz(file)
    else:
        matrix = sparse.csr_matrix(tuple(archive[name] for name in ("data", "indices", "indptr")), (rows, columns))
    matrix = matrix.tocsr()
    matrix.check_format(full_check=True)
    dense: np.ndarray = matrix.toarray()
    return dense
