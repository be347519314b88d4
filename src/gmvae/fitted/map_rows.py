"""Rows through a fitted model, some at a time, so that memory does not grow with their number."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from gmvae.arrays import as_tensor
from gmvae.device import torch_defaults
from gmvae.domains import Domain, require
from gmvae.sparse_rows import AnyRows

ACTIVATION_BYTES = {"cpu": 3 * 2**20, "cuda": 2**26}
"""What the widest result of a layer may take for one batch. On a CPU that is so little that caches hold it and that it
needs no fresh pages from the system every time; on a GPU so much that computing takes longer than starting to."""
MAX_ROWS = {"cpu": 1024, "cuda": 8192}
"""Of narrow layers, too: 4,096 rows of a default table took 14 ms with 3,072 at once and 9 ms with 1,024."""
_GROUP = 16
"""Rows that a batch is a multiple of. In whole groups a row's results are the same bits however many are asked about;
otherwise matrix products and exponentials treat the last rows in another way, and two clusters that are level may swap.
The first group shows how wide the layers are: enough to be answered on the way, too few to fill memory."""

_log = logging.getLogger("gmvae")


@torch_defaults()
@torch.inference_mode()
def map_rows(
    function: Callable[[Tensor], Tensor], rows: AnyRows, device: torch.device, batch_size: int | None = None
) -> np.ndarray:
    """Results (n, ...) of ``function``, which maps rows (B, *event) on ``device`` one by one, for ``rows`` (n, *event).

    ``batch_size`` rows at a time, rounded up to whole groups; by default as many as `ACTIVATION_BYTES` and `MAX_ROWS`
    allow.
    """
    require("batch_size", Domain("None or an integer of at least 1", low=1, integral=True, optional=True), batch_size)

    def answer(part: np.ndarray) -> np.ndarray:
        # A copy, because torch takes no read-only arrays, and a layer of the user's own may work in place.
        filled = np.concatenate([part, np.repeat(part[-1:], -len(part) % _GROUP, axis=0)])
        return function(as_tensor(filled).to(device))[: len(part)].cpu().numpy()

    with _Widest() as widest:
        first = answer(rows[:_GROUP])
    results = np.empty((len(rows), *first.shape[1:]), first.dtype)
    results[: len(first)] = first
    if len(first) < len(rows):
        size = _GROUP * math.ceil((batch_size or _batch_size(widest.n_bytes // _GROUP, device)) / _GROUP)
        for start in range(_GROUP, len(rows), size):
            results[start : start + size] = answer(rows[start : start + size])
    return results


def _batch_size(bytes_per_row: int, device: torch.device) -> int:
    size = min(MAX_ROWS[device.type], max(1, ACTIVATION_BYTES[device.type] // bytes_per_row))
    _log.debug("%s rows at a time: %.1f MiB in the widest layer", f"{size:,}", size * bytes_per_row / 2**20)
    return size


class _Widest(TorchFunctionMode):
    """Notes the largest tensor that is computed in this thread."""

    n_bytes = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = function(*args, **(kwargs or {}))
        if isinstance(result, Tensor):
            self.n_bytes = max(self.n_bytes, result.nbytes)
        return result
