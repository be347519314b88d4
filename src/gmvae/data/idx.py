"""IDX files, the format of MNIST: a magic number, the dimensions, then the values in big-endian order."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from gmvae.data.errors import DataError, refusing
from gmvae.data.zipped import unzipped

_TYPES = {0x08: "u1", 0x09: "i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MOST_DIMENSIONS = 4
_LONGEST_HEADER = 4 + 4 * _MOST_DIMENSIONS


def read_idx(path: Path) -> np.ndarray:
    """Read an IDX file, gzipped or not: the shape and type of its header, in native byte order.

    Uncompressed values of one byte each are memory-mapped. DataError if the header is not IDX, or the file's size does
    not follow from it.
    """
    zipped = path.suffix.lower() == ".gz"
    with refusing(f"{path.name} must be a readable IDX file"):
        content = b"".join(unzipped(path)) if zipped else b""
        with path.open("rb") as file:
            start = content[:_LONGEST_HEADER] if zipped else file.read(_LONGEST_HEADER)
        size = len(content) if zipped else path.stat().st_size
    dtype, shape = _header(start, path.name)
    offset = 4 + 4 * len(shape)
    expected = offset + math.prod(shape) * dtype.itemsize
    if size != expected:
        raise DataError(
            f"{path.name} must have {expected} bytes by its header, shape {shape}; got {size}: take a whole copy."
        )
    values: np.ndarray
    if zipped:
        # A bytearray, because torch warns about arrays that cannot be written.
        values = np.frombuffer(bytearray(content), dtype, offset=offset).reshape(shape)
    else:
        values = np.memmap(path, dtype, mode="c", offset=offset, shape=shape)
    return values if dtype.itemsize == 1 else values.astype(dtype.newbyteorder("="))


def _header(start: bytes, name: str) -> tuple[np.dtype, tuple[int, ...]]:
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] not in _TYPES or not 1 <= start[3] <= _MOST_DIMENSIONS:
        magic = start[:4].hex() or "none"
        raise DataError(
            f"{name} must start with an IDX magic number like 00000803; got {magic}: take an IDX file, or rename it."
        )
    nbytes = 4 + 4 * start[3]
    if len(start) < nbytes:
        raise DataError(
            f"{name} must have an IDX header of {nbytes} bytes; got a file of {len(start)}: take a whole copy."
        )
    shape = struct.unpack(f">{start[3]}I", start[4:nbytes])
    if 0 in shape:
        raise DataError(f"{name} must hold at least one value; got shape {shape}: take another file.")
    return np.dtype(_TYPES[start[2]]), shape
