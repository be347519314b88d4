"""Images of one size as one array: a folder of them, or one file."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmvae import formats
from gmvae.data.dataset import Dataset, Ids
from gmvae.data.errors import DataError
from gmvae.data.order import natural_path
from gmvae.data.pixels import begins_as_image, looks, pages
from gmvae.data.table_cells import listed


class _Found(NamedTuple):
    """Names of files below a folder, with ``/`` between parts: images, and others."""

    images: list[str]
    others: list[str]


def read_folder(folder: Path, labels: str | Path | None) -> Dataset:
    """Read all images below a folder, in the natural order of their paths.

    DataError if there is no image, one cannot be read, or one differs from the first in size or mode.

    Parameters
    ----------
    folder : Path
        Searched with its sub-folders, symbolic links among them; hidden files are left out, others are counted in a
        note. A file without a suffix is an image if it begins as one.
    labels : str, Path or None
        ``"folder"`` makes the name of the folder that holds an image its label; other values are ignored here.

    Returns
    -------
    Dataset
        ``X``: (n, H, W) for grey images, (n, 3, H, W) for RGB and (n, 4, H, W) for RGBA; ``uint8``, or ``float32`` from
        0 to 1 for images of 16 bits. Palettes become RGB (RGBA if transparent), black-and-white images grey, grey with
        transparency RGBA. Every page of a TIFF and every frame of an animation is a row. Turned as they are shown.
    """
    found = _search(folder)
    if not found.images:
        raise DataError(
            f"Folder {folder.name} must hold images ({', '.join(formats.IMAGES)}) or parts of a table "
            f"({', '.join(formats.TABLES)}); got neither: name another folder."
        )
    notes = []
    if found.others:
        n = len(found.others)
        notes.append(
            f"Left out of {folder.name}: {n:,} file{'s' * (n > 1)} without the suffix of an image, "
            f"{listed(found.others, 4)}."
        )
    names, X = _stacked(folder, found.images)
    if len(names) > len(found.images):
        notes.append(f"{len(found.images):,} files hold {len(names):,} images: each page or frame is a row.")
    y = _folder_names(names) if labels == "folder" else None
    return Dataset(folder.resolve().name, X, y, ids=_files(names), notes=tuple(notes))


def read_image(path: Path) -> Dataset:
    """Read one file as `read_folder` reads a folder that holds it alone.

    DataError if it cannot be read.
    """
    names, X = _stacked(path.parent, [path.name])
    return Dataset(path.name, X, ids=_files(names))


def holds_images(folder: Path) -> bool:
    """Whether there is an image below a folder, by the suffix of its name."""
    return any(name.lower().endswith(formats.IMAGES) for name in _names(folder))


def _search(folder: Path) -> _Found:
    images: list[str] = []
    others: list[str] = []
    for name in sorted(_names(folder), key=natural_path):
        is_image = name.lower().endswith(formats.IMAGES) or (not Path(name).suffix and begins_as_image(folder / name))
        (images if is_image else others).append(name)
    return _Found(images, others)


def _names(folder: Path, below: str = "", above: tuple[tuple[int, int], ...] = ()) -> Iterator[str]:
    """Paths of files below a folder, hidden ones left out; links are followed but not round and round."""
    here = (folder / below).stat()
    place = (here.st_dev, here.st_ino)
    if place in above:
        return
    with os.scandir(folder / below) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            name = f"{below}{entry.name}"
            if entry.is_dir():
                yield from _names(folder, f"{name}/", (*above, place))
            else:
                yield name


def _stacked(folder: Path, files: list[str]) -> tuple[list[str], np.ndarray]:
    """Names of images, and images (n, …) of one size and mode, of which there may be several in a file."""
    names: list[str] = []
    X = np.empty(0)
    for file in files:
        for number, pixels in enumerate(images := pages(folder, file)):
            if not names:
                X = np.empty((len(files), *pixels.shape), pixels.dtype)
            elif pixels.shape != X.shape[1:] or pixels.dtype != X.dtype:
                raise DataError(
                    f"All images must be {looks(X[0])} like {names[0]}; got {looks(pixels)} in {file}: convert it."
                )
            if len(names) == len(X):
                X = np.concatenate([X, np.empty_like(X)])
            X[len(names)] = pixels
            names.append(file if len(images) == 1 else f"{file}#{number + 1}")
    return names, X[: len(names)]


def _files(names: list[str]) -> Ids:
    return Ids("file", np.array(names, dtype=object))


def _folder_names(names: list[str]) -> np.ndarray:
    loose = next((name for name in names if "/" not in name), None)
    if loose is not None:
        raise DataError(
            f"With labels 'folder' every image must be in a sub-folder; got {loose} in none: move it into one."
        )
    return np.array([Path(name).parent.name for name in names])
