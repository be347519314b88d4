"""Training steps on a device: gmvae's beside plain eager PyTorch, and their share of the device's measured ceiling."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import floor
import ours
import reference
import torch
from reference import Reference, as_floats
from timing import Call, Effort, interleaved, seconds
from torch import nn
from workloads import WORKLOADS, Workload

BATCHES = (50, 100, 256, 1024, 4096)
EFFORT, QUICK = Effort(5, 0.2), Effort(2, 0.01)
DTYPES = {"float32": torch.float32, "bf16": torch.bfloat16}
CALLS = 20
"""Products that are timed together for the ceiling."""


def cells(quick: bool) -> list[tuple[str, int]]:
    """Workloads and batch sizes."""
    return [(name, batch) for name in WORKLOADS for batch in ((50,) if quick else BATCHES)]


def timed(name: str, batch: int, device: torch.device, quick: bool) -> dict[str, Any]:
    """Seconds of a step in every way, and the share of the ceiling that its products alone would need."""
    workload = WORKLOADS[name]
    torch.compiler.reset()
    calls = dict(_calls(workload, batch, device))
    spreads = interleaved(calls, QUICK if quick else EFFORT)
    ceilings = {what: ceiling(device, dtype, quick) for what, dtype in DTYPES.items()}
    work = multiplications(workload, batch)
    share = {
        what: work / ceilings["bf16" if "bf16" in what else "float32"] / spread.median
        for what, spread in spreads.items()
    }
    return {
        "workload": name,
        "batch": batch,
        "seconds": {what: spread._asdict() for what, spread in spreads.items()},
        "multiplications": work,
        "multiplications_a_second": ceilings,
        "share_of_ceiling": share,
    }


def _calls(workload: Workload, batch: int, device: torch.device) -> Iterator[tuple[str, Call]]:
    compiled = ours.COMPILED if device.type == "cuda" else {}
    for precision in {**ours.PRECISIONS, **compiled}:
        yield f"ours {precision}", _finished(ours.training_step(workload, batch, precision, 0, str(device)), device)
    yield "plain eager float32", _finished(reference.training_step(workload, batch, 0, device=device), device)


def _finished(call: Call, device: torch.device) -> Callable[[], None]:
    """The call, and the wait until the device has done what it asked for."""

    def run() -> None:
        call()
        if device.type == "cuda":
            torch.cuda.synchronize(device)

    return run


@cache
def ceiling(device: torch.device, dtype: torch.dtype, quick: bool) -> float:
    """Multiplications a second of a large matrix product, as fast as it gets here."""
    size = 256 if quick else 8192 if device.type == "cuda" else 2048
    left, right = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    out = torch.empty_like(left)

    def products() -> None:
        for _ in range(CALLS):
            torch.mm(left, right, out=out)

    call = _finished(products, device)
    call()
    return CALLS * size**3 / min(seconds(call, 1) for _ in range(3))


def multiplications(workload: Workload, batch: int) -> int:
    """In the products and convolutions of a step, forward and backward."""
    y = as_floats(torch.from_numpy(workload.rows(batch, 0)))
    met = floor.layers_met(Reference(workload).train(), y, batch)
    return sum(_forward(each) * (3 if each.needs_input_gradient else 2) for each in met)


def _forward(met: floor.Met) -> int:
    layer, shape = met.layer, met.input_shape
    if isinstance(layer, nn.Linear):
        return math.prod(shape[:-1]) * layer.in_features * layer.out_features
    with torch.no_grad():
        output = layer(torch.zeros(1, *shape[1:])).shape
    # Every value of the smaller side meets every weight once: the input's of a transposed convolution.
    places = math.prod(shape[-2:]) if isinstance(layer, nn.ConvTranspose2d) else math.prod(output[-2:])
    return shape[0] * places * layer.weight.numel()
