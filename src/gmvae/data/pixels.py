"""One image file as arrays of pixels: every page, every bit, turned as it is shown."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.data.deep_png import read_deep_png
from gmvae.data.errors import DataError, refusing

if TYPE_CHECKING:
    from PIL import Image

_FORMATS = ("PNG", "JPEG", "BMP", "DIB", "GIF", "TIFF", "PPM", "WEBP")
"""Formats that Pillow may try, whatever the suffix: some others start external programs."""
_WITH_PAGES = ("GIF", "TIFF", "WEBP", "PNG")
"""A JPEG may hold a second image, too, but it is a preview or a depth map of the first."""
_BEGINNINGS = (b"\x89PNG\r\n", b"\xff\xd8\xff", b"BM", b"GIF8", b"II*\0", b"MM\0*", b"P2", b"P3", b"P5", b"P6")
_PLAIN = {"L": "L", "RGB": "RGB", "RGBA": "RGBA", "1": "L", "LA": "RGBA", "CMYK": "RGB", "YCbCr": "RGB", "HSV": "RGB"}
_CHANNELS = {3: "RGB", 4: "RGBA"}
_DEEP = ("I;16", "I;16B", "I;16L", "I;16N")
_LARGEST = 65535
_ORIENTATION = 0x0112
_BITS_PER_SAMPLE = 258


def pages(folder: Path, name: str) -> list[np.ndarray]:
    """The images of a file, each (H, W) or (C, H, W), uint8 or, of 16 bits, float32 from 0 to 1.

    DataError if it cannot be read, is of another format, or has bits that would be lost.
    """
    from PIL import Image, UnidentifiedImageError

    path = folder / name
    if not path.is_file():  # reading a pipe would block
        raise DataError(f"{name} must be an image that can be read; got no file: remove it.")
    with refusing(f"{name} must be an image that can be read", "convert or remove it"), warnings.catch_warnings():
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        try:
            with path.open("rb") as file, Image.open(file, formats=_FORMATS) as image:
                n = getattr(image, "n_frames", 1) if image.format in _WITH_PAGES else 1
                found = []
                for number in range(n):
                    if number:
                        image.seek(number)
                    found.append(_pixels(image, path, name))
                return found
        except UnidentifiedImageError as error:
            formats = ", ".join(each for each in _FORMATS if each != "DIB")
            raise DataError(f"{name} must be one of {formats}; it is none: convert or remove it.") from error


def begins_as_image(path: Path) -> bool:
    """Whether a file begins as one of the formats do."""
    if not path.is_file():
        return False
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except OSError:
        return False
    return head.startswith(_BEGINNINGS) or (head[:4] == b"RIFF" and head[8:] == b"WEBP")


def looks(pixels: np.ndarray) -> str:
    """Size and mode, for messages."""
    mode = "grey" if pixels.ndim == 2 else _CHANNELS[len(pixels)]
    return f"{pixels.shape[-1]}x{pixels.shape[-2]} {'' if pixels.dtype == np.uint8 else '16-bit '}{mode}"


def _pixels(image: Image.Image, path: Path, name: str) -> np.ndarray:
    """The page at which an image stands, its channels first."""
    deep = read_deep_png(path) if image.format == "PNG" and not image.is_animated else None  # type: ignore[attr-defined]
    if deep is not None:
        pixels = deep
    elif image.mode in _DEEP or (image.mode == "I" and image.format in ("PNG", "PPM")):
        pixels = np.asarray(image)
    else:
        mode = _plain_mode(image)
        if mode is None or _loses_bits(image):
            got = f"mode {image.mode}" if mode is None else "16 bits per channel"
            raise DataError(
                f"{name} must have 8 bits per channel, or 16 in grey or in a PNG; got {got}: convert it, or save the "
                "numbers as .npy."
            )
        pixels = np.asarray(image.convert(mode))
    if pixels.dtype != np.uint8:
        pixels = pixels.astype(np.float32) / np.float32(_LARGEST)
    pixels = _turned(pixels, image.getexif().get(_ORIENTATION, 1))
    return pixels if pixels.ndim == 2 else np.moveaxis(pixels, -1, 0)


def _turned(pixels: np.ndarray, orientation: Any) -> np.ndarray:
    """An image (H, W, …) as it is shown, by the EXIF tag: 2 to 4 mirror or turn it, 5 to 8 also swap its axes."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    return pixels


def _loses_bits(image: Image.Image) -> bool:
    """Whether Pillow cuts channels of 16 bits to 8, as it does with colours."""
    if image.format == "TIFF":
        bits = image.tag_v2.get(_BITS_PER_SAMPLE, (8,))  # type: ignore[attr-defined]
        return max(bits if isinstance(bits, tuple) else (bits,)) > 8
    if image.format == "PPM":
        tiles = image.tile  # type: ignore[attr-defined]
        return any(isinstance(tile[3], tuple) and tile[3][-1] > 255 for tile in tiles)
    return False


def _plain_mode(image: Image.Image) -> str | None:
    if image.mode in ("P", "PA"):
        return "RGBA" if image.has_transparency_data else "RGB"
    return _PLAIN.get(image.mode)
