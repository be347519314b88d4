"""Arrays of observations, which may be larger than memory: as tensors and blocks, their values and their shapes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmvae.domains import LARGEST
from gmvae.sparse_rows import AnyRows, SparseRows

FARTHEST = 1e12
"""Standard deviations from the mean of the fit, of which float32 holds the square with room for any weights."""
FLOAT32_IS_EXACT = ("bool", "int8", "uint8", "int16", "uint16", "float16", "float32")
"""Types of which it holds every number."""
MAX_CHANNELS = 4
_BLOCK_BYTES = 2**18
_ROWS_AT_ONCE = 8192


def as_tensor(batch: np.ndarray) -> Tensor:
    """Tensor of the smallest of uint8, float32, float64 that holds the values exactly enough."""
    if batch.dtype != np.uint8:
        batch = batch.astype(np.float32 if batch.dtype.name in FLOAT32_IS_EXACT else np.float64, copy=False)
    # In one order, because sums depend on it in their last bits: the same values give the same fit.
    return torch.from_numpy(np.ascontiguousarray(batch))


def random_rows(n: int, most: int, seed: int = 0) -> np.ndarray:
    """Numbers of at most so many of n rows, the same random ones each time, in order."""
    return np.sort(np.random.default_rng(seed).permutation(n)[:most])


def tensors_of(rows: AnyRows) -> Iterator[Tensor]:
    """Consecutive rows as tensors, 8,192 at once."""
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield as_tensor(np.array(rows[first : first + _ROWS_AT_ONCE]))


def blocks(rows: AnyRows) -> Iterator[np.ndarray]:
    """Consecutive rows as views of a quarter of a megabyte each: caches hold what is computed of them."""
    step = max(1, _BLOCK_BYTES // max(1, rows[:1].nbytes))
    return (rows[first : first + step] for first in range(0, len(rows), step))


def missing(rows: AnyRows) -> np.ndarray:
    """Which entries are NaN."""
    return np.isnan(np.asarray(rows)) if rows.dtype.kind == "f" else np.zeros(rows.shape, dtype=bool)


def has_missing(rows: AnyRows) -> bool:
    """Whether any entry is NaN."""
    if isinstance(rows, SparseRows):
        return rows.dtype.kind == "f" and bool(np.isnan(rows.values).any())
    return rows.dtype.kind == "f" and any(bool(np.isnan(block).any()) for block in blocks(rows))


def without_values(rows: AnyRows) -> np.ndarray:
    """Which rows (n, *event) have no entry at all, (n,)."""
    return np.concatenate([missing(block).reshape(len(block), -1).all(1) for block in blocks(rows)])


def first_unlike(rows: AnyRows, holds: Callable[[np.ndarray], np.ndarray]) -> tuple[int, ...] | None:
    """Place of the first value for which ``holds``, of blocks, is false; None if there is none."""
    start = 0
    for block in blocks(rows):
        wrong = ~holds(block)
        if wrong.any():
            row, *place = np.argwhere(wrong)[0].tolist()
            return (start + row, *place)
        start += len(block)
    return None


def named(value: np.generic) -> str:
    """A value as it stands in a message."""
    return "NaN" if np.isnan(value) else f"{value:g}".replace("inf", "infinity")


def check_finite(rows: AnyRows) -> None:
    """Raise unless all values are numbers that can be reckoned with, or NaN for missing ones."""
    if rows.dtype.kind != "f":
        return
    if isinstance(rows, SparseRows):
        if has_missing(rows):
            raise ValueError("X must have no missing entries where it is sparse; got NaN: drop its row.")
        if not rows.values.size or float(np.abs(rows.values).max()) <= LARGEST:
            return
    low, high = np.array(-LARGEST), np.array(LARGEST)
    first = first_unlike(rows, lambda block: ((block >= low) & (block <= high)) | np.isnan(block))
    if first is not None:
        raise ValueError(
            f"X must hold finite numbers of at most {LARGEST:g}; got {named(rows[first])} at X{[*first]}: replace it "
            "or drop its row."
        )


def image_shape(X: Any) -> tuple[int, ...] | None:
    """(C, H, W) of images (n, C, H, W) or (n, H, W); None for rows."""
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) <= 2:
        return None
    if 0 in shape[1:]:
        raise ValueError(f"X must hold images of at least one pixel; got shape {tuple(shape)}: reshape it.")
    if len(shape) == 3:
        return (1, int(shape[1]), int(shape[2]))
    if len(shape) == 4 and shape[1] <= MAX_CHANNELS:
        return (int(shape[1]), int(shape[2]), int(shape[3]))
    raise ValueError(
        f"X must have shape (n, p), (n, H, W) or (n, C, H, W) with at most {MAX_CHANNELS} channels; got "
        f"{tuple(shape)}: move the channels with `X.transpose(0, 3, 1, 2)` or flatten the rows."
    )


def image_shape_as_fitted(X: Any, event_shape: tuple[int, ...]) -> tuple[int, ...] | None:
    """What `image_shape` says, held to the shape of the fit."""
    shape = image_shape(X)
    if shape is not None and shape != event_shape:
        raise ValueError(
            f"X must have observations of shape {event_shape} as in `fit`; got {shape}: resize or reshape the images."
        )
    return shape
