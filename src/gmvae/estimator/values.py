"""Arrays of rows: their shape, and whether a model can take their values.

Nothing here needs scikit-learn; see `gmvae.estimator.answers`. Arrays may be larger than memory.
"""

from __future__ import annotations

import math
import zlib
from typing import Any

import numpy as np

from gmvae.likelihoods import Likelihood
from gmvae.networks import Shape
from gmvae.observations import LARGEST, blocks, first_outside, named

MAX_CHANNELS = 4


def file_rows(X: np.ndarray, event_shape: Shape, likelihood: Likelihood) -> np.ndarray:
    """Check an array from a file against a model and return rows (n, *event_shape); flat rows of images pass too.

    Raises
    ------
    ValueError
        If the shape is another than in the fit, or the values are not numeric, not finite or not of the likelihood.
    """
    n_features = math.prod(event_shape)
    if image_shape_as_fitted(X, event_shape) is None and X.shape[1:] != (n_features,):
        raise ValueError(f"X must have shape (n, {n_features}) as in `fit`; got {X.shape}: name the right source.")
    if not len(X) or X.dtype.kind not in "biuf":
        raise ValueError(f"X must hold numbers, in one row or more; got {len(X)} rows of type {X.dtype}.")
    check_finite(X)
    rows = X.reshape(len(X), *event_shape)
    likelihood.check(rows)
    return rows


def check_finite(rows: np.ndarray) -> None:
    """Raise unless all values are numbers that can be reckoned with."""
    if rows.dtype.kind != "f":
        return
    first = first_outside(rows, np.array(-LARGEST), np.array(LARGEST))
    if first is not None:
        raise ValueError(
            f"X must hold finite numbers of at most {LARGEST:g}; got {named(rows[first])} at X{[*first]}: replace it "
            "or drop its row."
        )


def image_shape(X: Any) -> Shape | None:
    """(C, H, W) of images (n, C, H, W) or (n, H, W); None for rows."""
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) <= 2:
        return None
    if 0 in shape[1:]:
        raise ValueError(f"X must hold images of at least one pixel; got shape {tuple(shape)}.")
    if len(shape) == 3:
        return (1, int(shape[1]), int(shape[2]))
    if len(shape) == 4 and shape[1] <= MAX_CHANNELS:
        return (int(shape[1]), int(shape[2]), int(shape[3]))
    raise ValueError(
        f"X must have shape (n, p), (n, H, W) or (n, C, H, W) with at most {MAX_CHANNELS} channels; got "
        f"{tuple(shape)}: move the channels with `X.transpose(0, 3, 1, 2)` or flatten the rows."
    )


def image_shape_as_fitted(X: Any, event_shape: Shape) -> Shape | None:
    """What `image_shape` says, held to the shape of the fit."""
    shape = image_shape(X)
    if shape is not None and shape != event_shape:
        raise ValueError(
            f"X must have observations of shape {event_shape} as in `fit`; got {shape}: resize or reshape the images."
        )
    return shape


def checksum(rows: np.ndarray) -> str:
    """CRC-32 of the values in order."""
    total = zlib.crc32(f"{rows.dtype.str} {rows.shape}".encode())
    for block in blocks(rows):
        total = zlib.crc32(np.ascontiguousarray(block).data, total)
    return f"{total:08x}"
