"""What a fit or a query reads: observations by index and by block, and whether their values can be reckoned with.

Arrays may be larger than memory: all here look at a few megabytes at a time.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.generative import Family
from gmvae.networks import Shape
from gmvae.units import Standardise, UnitInterval

MAX_CHANNELS = 4
LARGEST = 1e150
"""Its square can be summed over rows in float64."""
FARTHEST = 1e12
"""Standard deviations from the mean of the fit, of which float32 holds the square with room for any weights."""
MIN_BLACK_OR_WHITE = 0.1
"""Share of zeros and ones from which flat rows within [0, 1] count as images; those of digits and clothes have half."""
_BLOCK_BYTES = 2**24
_FLOAT32_IS_EXACT = ("bool", "int8", "int16", "uint16", "float16", "float32")
_SHARE_OF_FREE_MEMORY = 0.5
_HOST = torch.device("cpu")


class Rows(NamedTuple):
    """Some observations on the device where they are computed with.

    Attributes
    ----------
    y : Tensor of shape (n, *event), uint8, float32 or float64
    """

    y: Tensor


class Observations:
    """Rows of an array, in memory or memory-mapped from disk; only those asked for are read.

    Parameters
    ----------
    y : ndarray of shape (n, *event)
        Numbers that have been checked.
    names : sequence of str, optional
        Of the columns of a table.
    device : torch.device
        Where `take` brings rows. A GPU holds all of them where they fit into half of its free memory.

    Attributes
    ----------
    home : torch.device
        Where indices are wanted.
    """

    def __init__(self, y: np.ndarray, names: Sequence[str] | None = None, device: torch.device = _HOST) -> None:
        self.y = y
        self.names = None if names is None else list(names)
        self.device = device
        self._resident: Tensor | None = None
        if device.type == "cuda":
            n_bytes = y.size * as_tensor(y[:1]).element_size()
            if n_bytes < _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
                self._resident = as_tensor(np.array(y)).to(device)
        self.home = _HOST if self._resident is None else device

    def __len__(self) -> int:
        return len(self.y)

    @property
    def event_shape(self) -> Shape:
        """Shape of one observation."""
        return self.y.shape[1:]

    def check_size(self, n_components: int | str) -> None:
        """Raise ValueError unless there are two rows, and one for each component."""
        if len(self) < 2:
            raise ValueError(f"X must have at least 2 rows to fit; got {len(self)}: add some.")
        if isinstance(n_components, int) and len(self) < n_components:
            raise ValueError(
                f"`n_components` must be at most the number of rows; got {n_components} for {len(self)} rows: "
                "take fewer components."
            )

    def take(self, indices: Tensor) -> Rows:
        """Observations at ``indices``, in their order."""
        if self._resident is not None:
            return Rows(self._resident[indices])
        return Rows(as_tensor(self.y[indices.numpy()]).to(self.device))

    def blocks(self) -> Iterator[np.ndarray]:
        """Consecutive rows, a few megabytes at once."""
        return _blocks(self.y)

    def checksum(self) -> str:
        """CRC-32 of the values in order."""
        total = zlib.crc32(f"{self.y.dtype.str} {self.y.shape}".encode())
        for block in self.blocks():
            total = zlib.crc32(np.ascontiguousarray(block).data, total)
        return f"{total:08x}"

    def on(self, device: torch.device) -> Observations:
        """The same, brought to a device."""
        return Observations(self.y, self.names, device)


def as_tensor(batch: np.ndarray) -> Tensor:
    """Tensor of the smallest of uint8, float32, float64 that holds the values exactly enough."""
    if batch.dtype != np.uint8:
        batch = batch.astype(np.float32 if batch.dtype.name in _FLOAT32_IS_EXACT else np.float64, copy=False)
    # In one order, because sums depend on it in their last bits: the same values give the same fit.
    return torch.from_numpy(np.ascontiguousarray(batch))


def checked(X: np.ndarray, n_components: int | str, names: Sequence[str] | None = None) -> Observations:
    """Check an array for a fit: rows (n, p), or images (n, H, W) or (n, C, H, W).

    Raises
    ------
    ValueError
        If X is not numeric, not finite, of another shape, or of too few rows for the components.
    """
    shape = image_shape(X) or X.shape[1:]
    if X.dtype.kind not in "biuf" or X.ndim < 2 or 0 in shape:
        raise ValueError(f"X must hold numbers, in rows or images; got shape {X.shape} and type {X.dtype}.")
    check_finite(X)
    observations = Observations(X.reshape(len(X), *shape), names)
    observations.check_size(n_components)
    return observations


def file_rows(X: np.ndarray, event_shape: Shape, units: UnitInterval | Standardise) -> np.ndarray:
    """Check an array from a file against a model and return rows (n, *event_shape); flat rows of images pass too.

    Raises
    ------
    ValueError
        If the shape is another than in the fit, or the values are not numeric, not finite or in other units.
    """
    n_features = math.prod(event_shape)
    if image_shape_as_fitted(X, event_shape) is None and X.shape[1:] != (n_features,):
        raise ValueError(f"X must have shape (n, {n_features}) as in `fit`; got {X.shape}: name the right source.")
    if not len(X) or X.dtype.kind not in "biuf":
        raise ValueError(f"X must hold numbers, in one row or more; got {len(X)} rows of type {X.dtype}.")
    check_finite(X)
    rows = X.reshape(len(X), *event_shape)
    check_units(rows, units)
    return rows


def check_finite(rows: np.ndarray) -> None:
    """Raise unless all values are numbers that can be reckoned with."""
    if rows.dtype.kind != "f":
        return
    first = _first_outside(rows, np.array(-LARGEST), np.array(LARGEST))
    if first is not None:
        raise ValueError(
            f"X must hold finite numbers of at most {LARGEST:g}; got {_named(rows[first])} at X{[*first]}: replace it "
            "or drop its row."
        )


def family_for(likelihood: str, rows: np.ndarray) -> Family:
    """Resolve ``likelihood='auto'``: Bernoulli for booleans, uint8 images and grey levels within [0, 1].

    Images within [0, 1] hold grey levels; flat rows do where a tenth or more of the values are exactly 0 or 1, as in
    images and unlike measurements that were scaled to [0, 1].

    Raises
    ------
    ValueError
        If Bernoulli is asked for and values lie outside [0, 1].
    """
    if likelihood == "gaussian":
        return "gaussian"
    if likelihood == "auto":
        grey_levels = rows.dtype == np.uint8 and rows.ndim == 4
        return "bernoulli" if grey_levels or (_within_unit_interval(rows) and _black_or_white(rows)) else "gaussian"
    check_bernoulli(rows, 255.0)
    return "bernoulli"


def top_level(rows: np.ndarray) -> float:
    """What uint8 values are divided by under a Bernoulli likelihood: 1 for zeros and ones, else 255."""
    return 255.0 if rows.dtype == np.uint8 and rows.max() > 1 else 1.0


def check_units(rows: np.ndarray, units: UnitInterval | Standardise) -> None:
    """Raise unless ``rows`` can be in the units that the model was fitted in."""
    if isinstance(units, UnitInterval):
        check_bernoulli(rows, float(units.top_level))
        return
    low, high = units.limits(FARTHEST, LARGEST)
    first = _first_outside(rows, low.cpu().numpy(), high.cpu().numpy())
    if first is not None:
        raise ValueError(
            f"X must lie within {FARTHEST:g} standard deviations of the mean in `fit`; got {_named(rows[first])} at "
            f"X{[*first]}: replace it or drop its row."
        )


def check_bernoulli(rows: np.ndarray, level: float) -> None:
    """Raise unless values, uint8 ones divided by ``level``, lie in [0, 1]."""
    if not (_within_unit_interval(rows) or (rows.dtype == np.uint8 and rows.max() <= level)):
        raise ValueError(
            f"X must lie in [0, 1] for a Bernoulli likelihood; got values from {rows.min()} to {rows.max()}: rescale "
            "X as in `fit`, or fit with `likelihood='gaussian'`."
        )


def _within_unit_interval(rows: np.ndarray) -> bool:
    return rows.dtype == np.bool_ or all(bool(block.min() >= 0 and block.max() <= 1) for block in _blocks(rows))


def _black_or_white(rows: np.ndarray) -> bool:
    if rows.ndim == 4:
        return True
    extremes = sum(int(((block == 0) | (block == 1)).sum()) for block in _blocks(rows))
    return extremes >= MIN_BLACK_OR_WHITE * rows.size


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


def _first_outside(rows: np.ndarray, low: np.ndarray, high: np.ndarray) -> tuple[int, ...] | None:
    """Place of the first value outside the bounds, which are float64 of shape event or ()."""
    start = 0
    for block in _blocks(rows):
        if not ((block.min(0) >= low) & (block.max(0) <= high)).all():  # NaN compares false
            row, *place = np.argwhere(~((block >= low) & (block <= high)))[0].tolist()
            return (start + row, *place)
        start += len(block)
    return None


def _named(value: np.generic) -> str:
    return "NaN" if np.isnan(value) else f"{value:g}".replace("inf", "infinity")


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive rows, a few megabytes at once, because the array may be larger than memory."""
    step = max(1, _BLOCK_BYTES // max(1, rows[:1].nbytes))
    return (rows[first : first + step] for first in range(0, len(rows), step))
