"""Loading the built-in sets from the data home."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from gmvae.data.dataset import Dataset, as_labels
from gmvae.data.download import fetch
from gmvae.data.errors import DataError
from gmvae.data.idx import read_idx
from gmvae.data.sets import BuiltIn
from gmvae.data.synthetic import arcs


def load_builtin(known: BuiltIn, part: str | None, data_home: Path | None) -> Dataset:
    """Load one part of a built-in set, by default its first; files that are missing are downloaded first."""
    if known.name == "synthetic":
        return Dataset("synthetic", *arcs(), ("y1", "y2"))
    if known.name == "digits":
        from sklearn.datasets import load_digits

        digits = load_digits()
        return Dataset("digits", (digits.images / 16).astype(np.float32), as_labels(digits.target, "digits"))
    name = f"{known.name}:{part or next(iter(known.parts))}"
    paths = fetch(name, data_home)
    if known.name == "svhn":
        return _svhn(name, *paths)
    images, labels = paths
    return Dataset(name, read_idx(images), as_labels(read_idx(labels), labels.name))


def _svhn(name: str, path: Path) -> Dataset:
    """One official MATLAB v5 file: X of shape (32, 32, 3, n) and y, where 10 stands for the digit 0."""
    from scipy.io import loadmat

    try:
        content = loadmat(path, variable_names=("X", "y"))
        X, y = content["X"].transpose(3, 2, 0, 1), content["y"].ravel()
    except Exception as error:  # loadmat's parser raises many types: KeyError, TypeError, zlib.error, …
        raise DataError(
            f"{path.name} must be SVHN's MATLAB v5 file with X (32, 32, 3, n) and y; got: {error}: download it again."
        ) from error
    return Dataset(name, np.ascontiguousarray(X), as_labels(np.where(y == 10, 0, y), path.name))
