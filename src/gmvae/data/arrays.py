"""NumPy's files: one array (.npy) or several (.npz). Pickles are never loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmvae.data.dataset import Dataset, as_labels
from gmvae.data.errors import DataError, refusing
from gmvae.data.sparse import is_sparse, read_sparse
from gmvae.data.zipped import check_growth
from gmvae.sparse_rows import SparseRows

_CHANNELS = (1, 3, 4)


def read_npy(path: Path) -> np.ndarray:
    """Read one array, memory-mapped; DataError if the file is none, or holds Python objects."""
    with refusing(f"{path.name} must be one array saved by numpy.save, without Python objects"):
        # Copy-on-write: the file stays as it is, and torch does not warn about an array that cannot be written.
        return np.lib.format.open_memmap(path, mode="c")


def read_npz(path: Path, part: str | None, labels: str | Path | None) -> Dataset:
    """Read one array of an archive as observations, and the one that ``labels`` names, if any, as labels.

    Without a part the array named ``X`` is taken, else a sparse matrix that SciPy saved, else the only array of two or
    more dimensions. DataError if the file is not an archive of arrays, holds Python objects, or has none that can be
    meant.
    """
    must = f"{path.name} must be arrays saved by numpy.savez, without Python objects"
    # Opened here, because numpy.load leaves the file open when it is not an archive after all.
    with refusing(must), path.open("rb") as file:
        archive = np.load(file, allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it is a single array, to be named .npy")
        assert archive.zip is not None
        check_growth(path, sum(member.file_size for member in archive.zip.infolist()))
        sparse = part is None and is_sparse(archive.files)
        name = part or ("X" if sparse else _only_candidate(archive, path.name))
        if not sparse and name not in archive.files:
            held = ", ".join(archive.files)
            raise DataError(f"{path.name} must hold the array {name!r}; got {held}: name one of these.")
        X = read_sparse(archive, path) if sparse else _array(archive, name)
        y = _array(archive, labels) if isinstance(labels, str) and labels in archive.files else None
    found = None if y is None else as_labels(y, f"{path.name}:{labels}")
    return Dataset(f"{path.name}:{name}", X if isinstance(X, SparseRows) else channels_first(X), found)


def channels_first(X: np.ndarray) -> np.ndarray:
    """Images of shape (n, H, W, C) as (n, C, H, W), and truth values as 0 and 1; anything else as it is."""
    if X.ndim == 4 and X.shape[-1] in _CHANNELS and X.shape[1] not in _CHANNELS:
        X = np.moveaxis(X, -1, 1)
    return X.view(np.uint8) if X.dtype == bool else X


def _array(archive: np.lib.npyio.NpzFile, name: str) -> np.ndarray:
    array = archive[name]
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{name!r} is no array")
    return array


def _only_candidate(archive: np.lib.npyio.NpzFile, where: str) -> str:
    if "X" in archive.files:
        return "X"
    shapes = {name: array.shape for name in archive.files if isinstance(array := archive[name], np.ndarray)}
    candidates = [name for name, shape in shapes.items() if len(shape) >= 2]
    if len(candidates) == 1:
        return candidates[0]
    listing = ", ".join(f"{name} {shape}" for name, shape in shapes.items())
    raise DataError(
        f"{where} must be followed by the array to use, as in {where}:NAME; got the arrays {listing}: name one."
    )
