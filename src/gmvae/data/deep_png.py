"""PNG files of 16 bits per channel in colour or with transparency, which Pillow cuts to 8 bits."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_CHANNELS = {2: 3, 4: 2, 6: 4}
"""Of the colour types RGB, grey with transparency, and RGBA."""
_NONE, _SUB, _UP, _AVERAGE, _PAETH = range(5)


def read_deep_png(path: Path) -> np.ndarray | None:
    """Pixels (H, W, 3) or (H, W, 4), uint16; None for any other PNG, which Pillow reads with all its bits.

    ValueError if the file is damaged or interlaced.
    """
    with path.open("rb") as file:
        start = file.read(33)
        if start[:8] != _SIGNATURE or start[12:16] != b"IHDR":
            return None
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", start[16:29])
        if depth != 16 or colour not in _CHANNELS:
            return None
        if interlaced:
            raise ValueError("16 bits per channel and interlaced, which must be saved without interlacing")
        packed = _image_data(file.read())
    channels = _CHANNELS[colour]
    n_bytes = height * (1 + 2 * channels * width)
    unpack = zlib.decompressobj()
    content = unpack.decompress(packed, n_bytes)
    if len(content) != n_bytes:
        raise ValueError("image data cut short")
    lines = np.frombuffer(content, np.uint8).reshape(height, -1)
    plain = _unfiltered(lines[:, 0], lines[:, 1:].reshape(height, width, 2 * channels))
    pixels = plain.view(">u2").astype(np.uint16)
    return np.concatenate([pixels[..., [0, 0, 0]], pixels[..., 1:]], axis=-1) if channels == 2 else pixels


def _image_data(chunks: bytes) -> bytes:
    """The compressed pixels, which may lie in several chunks."""
    parts, at = [], 0
    while at + 12 <= len(chunks):
        (size,) = struct.unpack(">I", chunks[at : at + 4])
        if chunks[at + 4 : at + 8] == b"IDAT":
            parts.append(chunks[at + 8 : at + 8 + size])
        at += 12 + size
    return b"".join(parts)


def _unfiltered(filters: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Undo the filters of lines (H,) on bytes (H, W, B), by diagonals: a byte depends on those left of it and above.

    The PNG specification, section 9: each byte is the difference from a prediction by its neighbours, modulo 256.
    """
    if filters.max(initial=0) > _PAETH:
        raise ValueError("an unknown filter")
    height, width, _ = lines.shape
    # One row and one column of zeros around it stand for what is outside.
    plain = np.zeros((height + 1, width + 1, lines.shape[2]), np.int16)
    for diagonal in range(height + width - 1):
        rows = np.arange(max(0, diagonal - width + 1), min(height, diagonal + 1))
        columns = diagonal - rows
        left, above, corner = plain[rows + 1, columns], plain[rows, columns + 1], plain[rows, columns]
        kind = filters[rows, None]
        guess = left + above - corner
        to_left, to_above, to_corner = abs(guess - left), abs(guess - above), abs(guess - corner)
        paeth = np.where(
            (to_left <= to_above) & (to_left <= to_corner), left, np.where(to_above <= to_corner, above, corner)
        )
        predicted = np.select(
            [kind == _SUB, kind == _UP, kind == _AVERAGE, kind == _PAETH], [left, above, (left + above) // 2, paeth], 0
        )
        plain[rows + 1, columns + 1] = (lines[rows, columns] + predicted) % 256
    return plain[1:, 1:].astype(np.uint8)
