"""A folder of images of one size as one array."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from gmvae import formats
from gmvae.data.record import DataError, Dataset, refusing

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "BMP", "GIF", "TIFF", "PPM", "WEBP")
"""Formats that Pillow may try, whatever the suffix: some others start external programs."""
_PLAIN = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "1": "L", "LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_CHANNELS = {3: "RGB", 4: "RGBA"}


def read_folder(folder: Path, labels: str | Path | None = None) -> Dataset:
    """Read all images below a folder, in the order of their paths; other files and hidden ones are ignored.

    ``X`` is ``uint8``: (n, H, W) for grey images, (n, 3, H, W) for RGB and (n, 4, H, W) for RGBA. Palettes become RGB
    (RGBA if transparent), black-and-white images grey, grey with transparency RGBA. With the labels ``"folder"`` the
    label of an image is the name of the folder that holds it. DataError if there is no image, one cannot be read, or
    one differs from the first in size or mode.
    """
    inside = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))
    named = [name for name in inside if name.lower().endswith(formats.IMAGES) and "/." not in f"/{name}"]
    names = [name for name in named if not (folder / name).is_dir()]
    if not names:
        raise DataError(f"Folder {folder.name} must hold images ({', '.join(formats.IMAGES)}); got none.")
    first = _pixels(folder, names[0])
    X = np.empty((len(names), *first.shape), np.uint8)
    for i, name in enumerate(names):
        pixels = _pixels(folder, name)
        if pixels.shape != first.shape:
            raise DataError(
                f"All images must be {_looks(first)} like {names[0]}; got {_looks(pixels)} in {name}: convert it."
            )
        X[i] = pixels
    return Dataset(folder.resolve().name, X, _folder_names(names) if labels == "folder" else None)


def _folder_names(names: list[str]) -> np.ndarray:
    loose = next((name for name in names if "/" not in name), None)
    if loose is not None:
        raise DataError(f"With labels 'folder' every image must be in a sub-folder; got {loose} in none.")
    return np.array([Path(name).parent.name for name in names])


def _pixels(folder: Path, name: str) -> np.ndarray:
    """One image as (H, W) or (C, H, W)."""
    from PIL import Image, UnidentifiedImageError

    if not (folder / name).is_file():  # reading a pipe would block
        raise DataError(f"{name} must be an image that can be read; got no file: remove it.")
    with refusing(f"{name} must be an image that can be read"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with (folder / name).open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                got, mode = image.mode, _plain_mode(image)
                pixels = None if mode is None else np.asarray(image.convert(mode))
        except UnidentifiedImageError as error:
            raise DataError(
                f"{name} must be one of {', '.join(_FORMATS)}; it is none: convert or remove it."
            ) from error
    if pixels is None:
        raise DataError(f"{name} must have 8 bits per channel; got mode {got}: convert it.")
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _plain_mode(image: Image.Image) -> str | None:
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    return _PLAIN.get(image.mode)


def _looks(pixels: np.ndarray) -> str:
    mode = "grey" if pixels.ndim == 2 else _CHANNELS[len(pixels)]
    return f"{pixels.shape[-1]}x{pixels.shape[-2]} {mode}"
