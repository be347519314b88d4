"""Access to rows as tensors by index: from the device's memory, or from an array on the host or on disk."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import torch
from torch import Tensor

_FLOAT32_IS_EXACT = ("bool", "int8", "int16", "uint16", "float16", "float32")
_SHARE_OF_FREE_MEMORY = 0.5


class Rows(Protocol):
    """Random access to observations; rows come as uint8, float32 or float64.

    Attributes
    ----------
    home : torch.device
        Where indices must be.
    """

    home: torch.device

    def __len__(self) -> int: ...

    def take(self, indices: Tensor) -> Tensor:
        """Observations (len(indices), *event) on the device."""
        ...


class HostRows:
    """Rows of an array in memory or memory-mapped from disk; only the rows asked for are read.

    Parameters
    ----------
    array : ndarray of shape (n, *event)
    device : torch.device
        Where the rows go.
    """

    def __init__(self, array: np.ndarray, device: torch.device) -> None:
        self.array = array
        self.device = device
        self.home = torch.device("cpu")

    def __len__(self) -> int:
        return len(self.array)

    def take(self, indices: Tensor) -> Tensor:
        """Rows at ``indices``, in their order."""
        return as_tensor(self.array[indices.numpy()]).to(self.device)


class DeviceRows:
    """Rows as one tensor on the device."""

    def __init__(self, rows: Tensor) -> None:
        self.rows = rows
        self.home = rows.device

    def __len__(self) -> int:
        return len(self.rows)

    def take(self, indices: Tensor) -> Tensor:
        """Rows at ``indices``, in their order."""
        return self.rows[indices]


def rows_for(array: np.ndarray, device: torch.device) -> Rows:
    """Rows of ``array``: on a GPU if they fit in half of its free memory, else where the array is."""
    if device.type == "cuda":
        n_bytes = array.size * as_tensor(array[:1]).element_size()
        if n_bytes < _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
            return DeviceRows(as_tensor(np.array(array)).to(device))
    return HostRows(array, device)


def as_tensor(batch: np.ndarray) -> Tensor:
    """Tensor of the smallest of uint8, float32, float64 that holds the values exactly, if any does."""
    if batch.dtype != np.uint8:
        batch = batch.astype(np.float32 if batch.dtype.name in _FLOAT32_IS_EXACT else np.float64, copy=False)
    # One memory order, because the last bits of sums depend on it: equal values must give equal fits.
    return torch.from_numpy(np.ascontiguousarray(batch))
