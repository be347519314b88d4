"""The data sets of `quality.py`: rows as a user loads them, the split that the set defines, labels kept apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch.nn import functional

from gmvae.atomic import replacing
from gmvae.data import DataError, Dataset, arcs, load
from gmvae.data.sets import resolve_home
from gmvae.paper.figure6 import recropped_grey

N_GENES = 2000
N_QUICK = 300


class Split(NamedTuple):
    """Rows and labels to fit, and others to score; none of the latter where the set defines none."""

    X_train: np.ndarray
    y_train: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


class Prepared(NamedTuple):
    """A set on disk: its rows, what is known about them, and its labels, which no method is shown."""

    rows: Path
    n_components: int
    y_train: np.ndarray
    y_test: np.ndarray


def prepared(name: str, folder: Path, data_home: Path | None, quick: bool) -> Prepared:
    """Write a set to the folder once; a quick one is the first rows of it.

    Raises
    ------
    DataError
        If a file of the set is missing.
    """
    rows, labels = folder / f"{name}.npz", folder / f"{name}-labels.npz"
    if not (rows.is_file() and labels.is_file()):
        split = SETS[name].read(resolve_home(data_home))
        n_components = len(np.unique(split.y_train))
        if quick:
            split = Split(*(part[:N_QUICK] for part in split))
        _write(rows, X_train=split.X_train, X_test=split.X_test)
        _write(labels, y_train=split.y_train, y_test=split.y_test, n_components=n_components)
    with np.load(labels) as content:
        return Prepared(rows, int(content["n_components"]), content["y_train"], content["y_test"])


def readable(sources: Mapping[str, Any], home: Path) -> Iterator[tuple[Any, Any]]:
    """Every source whose files are in the data home, and what it reads; those left out are named."""
    for source in sources.values():
        try:
            found = source.read(home)
        except DataError as error:
            print(f"{source.title}: left out, {error}")
        else:
            yield source, found


def _write(path: Path, **arrays: Any) -> None:
    with replacing(path) as temporary:
        np.savez(temporary, **arrays)


def _whole(X: np.ndarray, y: np.ndarray | None) -> Split:
    """A set that defines no test rows."""
    assert y is not None
    return Split(X, y, X[:0], y[:0])


def _halves(train: Dataset, test: Dataset) -> Split:
    assert train.labels is not None
    assert test.labels is not None
    return Split(train.X, train.labels, test.X, test.labels)


def existing(path: Path) -> Path:
    """The path, if there is such a file; DataError if not."""
    if not path.is_file():
        raise DataError(f"{'/'.join(path.parts[-2:])} is not in the data home")
    return path


def _arcs(home: Path) -> Split:
    return _whole(*arcs(2000, seed=0))


def _digits(home: Path) -> Split:
    digits = load("digits")
    return _whole(digits.X, digits.labels)


def _builtin(name: str) -> Callable[[Path], Split]:
    def read(home: Path) -> Split:
        train, test = (load(f"{name}:{part}", data_home=home) for part in ("train", "test"))
        return _halves(train, test)

    return read


def small_images(name: str, home: Path, n: int = 3000, size: int = 16) -> tuple[np.ndarray, np.ndarray]:
    """Some training images (n, 1, size, size) of a set that the library reads, made smaller, and their labels."""
    train = load(f"{name}:train", data_home=home)
    assert train.labels is not None
    drawn = np.random.default_rng(0).permutation(len(train.X))[:n]
    images = torch.from_numpy(train.X[drawn])[:, None].float()
    smaller = functional.interpolate(images, size=(size, size), mode="bilinear", antialias=True)
    return smaller.round().to(torch.uint8).numpy(), train.labels[drawn]


def _pendigits(home: Path) -> Split:
    path = existing(home / "tabular" / "pendigits.npz")
    return _halves(*(load(f"{path}:X_{part}", labels=f"y_{part}") for part in ("train", "test")))


def _svhn(home: Path) -> Split:
    edition = recropped_grey(existing(home / "svhn" / "svhn_test_recrop_grey32.npz"))
    return _halves(edition.train, edition.test)


def _worm_neuron(home: Path) -> Split:
    """Counts scaled to the median cell's total, log(1 + x), the genes that vary most."""
    with np.load(existing(home / "scrna" / "worm_neuron.npz"), allow_pickle=False) as content:
        counts = csr_matrix(tuple(content[part] for part in ("data", "indices", "indptr")), shape=content["shape"])
        labels = content["y"]
    totals = np.asarray(counts.sum(axis=1), dtype=np.float64)
    logs = np.log1p(counts.multiply(np.median(totals) / totals)).toarray()
    genes = np.sort(np.argsort(logs.var(axis=0))[-N_GENES:])
    return _whole(logs[:, genes].astype(np.float32), labels)


class Source(NamedTuple):
    """A set's name on the page, what it is, and how it is read from the data home."""

    title: str
    words: str
    read: Callable[[Path], Split]


SETS = {
    "arcs": Source("arcs", "2,000 points of the paper's five noisy arcs, in the plane", _arcs),
    "digits": Source("digits", "scikit-learn's 1,797 digits of 8×8 grey levels", _digits),
    "pendigits": Source("pendigits", "UCI's 7,494 + 3,498 digits drawn with a pen, 16 columns", _pendigits),
    "worm_neuron": Source("worm_neuron", "4,186 neurons of a worm, gene counts (Cao et al. 2017)", _worm_neuron),
    "svhn": Source("SVHN grey", "SVHN's test digits, re-cropped and grey, 32×32, split by photograph", _svhn),
    "mnist": Source("MNIST", "60,000 + 10,000 handwritten digits of 28×28 pixels", _builtin("mnist")),
    "fashion-mnist": Source("Fashion", "60,000 + 10,000 pictures of clothes, 28×28", _builtin("fashion-mnist")),
}
"""From cheap to dear."""
