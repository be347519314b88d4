"""Training steps: ours beside the reference and the floor, and ours over the grid of batch, K, M and precision."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable, Iterable
from typing import Any

import floor
import ours
import reference
import torch
from agreement import agrees
from setting import Record, Setting
from timing import Call, Effort, Spread, interleaved
from workloads import BATCHES, COMPONENTS, SAMPLES, WORKLOADS, Workload

REFERENCE = "reference"
UNBOUNDED = "reference, log-variance"
TENSORS_AT_ONCE = 16
"""Tensors over samples, rows, components and latent dimensions that a training step may hold, generously."""
OPTIMISER_COPIES = 6
"""Copies of its weights that a model in training may hold: weights, gradients, moments and a snapshot, with room."""
GRID = Effort(5, 0.1)
"""The grid has some two hundred cells, so each gets less than a step by itself."""
COMPILED_BATCH = 100
"""Compiling takes tens of seconds, so one batch size must do."""
TOO_MANY = 10**11
"""Multiplications from which a cell of the grid is left out: a step takes seconds there."""
GRID_BATCHES = (50, 256)
"""Of the batches in the grid; `step` has them all."""
LARGE = 2**22
"""Numbers in one such tensor from which the reference is left out of the grid: it would take seconds a step."""


def step(setting: Setting) -> list[Record]:
    """Seconds of a step for every workload and batch, at the workload's own K and M.

    Nothing is timed unless the reference and gmvae compute the same.
    """
    records = []
    for workload in WORKLOADS.values():
        agrees(workload, "float32")
        agrees(workload.at(n_components=7, n_mc_samples=3), "float32")
        for batch in (100,) if setting.quick else BATCHES:
            compiled = ours.COMPILED if batch == COMPILED_BATCH and not setting.quick else {}
            makers = _of_ours(workload, batch, setting.seed, {**ours.PRECISIONS, **compiled})
            makers |= _beside(workload, batch, setting.seed)
            records += _timed(makers, workload, batch, setting.effort)
    return records


def grid(setting: Setting) -> list[Record]:
    """Seconds of a step for every workload, batch, K and M, with the reference where it takes less than seconds."""
    records = []
    for name, batch, K, M in _cells(setting.quick):
        workload = WORKLOADS[name].at(K, M)
        if _products(workload, batch) > TOO_MANY:
            records.append(_about(workload, batch) | {"what": "ours", "skipped": "a step would take many seconds"})
            continue
        makers = _of_ours(workload, batch, setting.seed, ours.PRECISIONS)
        if workload.mixture_elements(batch) < LARGE:
            makers[REFERENCE] = _beside(workload, batch, setting.seed)[REFERENCE]
        if not _fits(workload, batch, n_models=1):
            records.append(_about(workload, batch) | {"what": "ours", "skipped": "more memory than this machine has"})
            continue
        # Models too large to lie side by side are timed one after the other.
        side_by_side = _fits(workload, batch, len(makers))
        for group in [makers] if side_by_side else [{what: maker} for what, maker in makers.items()]:
            records += _timed(group, workload, batch, setting.effort if setting.quick else GRID)
    return records


def _cells(quick: bool) -> list[tuple[str, int, int, int]]:
    cells = [(name, batch, K, M) for name in WORKLOADS for batch in BATCHES for K in COMPONENTS for M in SAMPLES]
    cells = [cell for cell in cells if cell[1] in GRID_BATCHES]
    if quick:
        cells = [("paper-mlp", 100, K, 1) for K in COMPONENTS[:2]]
    # How the cost grows with K is judged on rows with a latent of ten dimensions, so this line is there in any case.
    line = [("default-table", 256, K, 1) for K in (10, 30, 100, 300, 1000)]
    return [*cells, *(cell for cell in line if cell not in cells)]


def _of_ours(workload: Workload, batch: int, seed: int, precisions: Iterable[str]) -> dict[str, Callable[[], Call]]:
    return {
        f"ours {precision}": lambda precision=precision: ours.training_step(workload, batch, precision, seed)
        for precision in precisions
    }


def _products(workload: Workload, batch: int) -> int:
    """Multiplications in the mixture network's last layer, forward and backward."""
    outputs = 2 * workload.n_components * workload.latent_dim
    return 3 * workload.n_mc_samples * batch * workload.hidden[-1] * outputs


def _beside(workload: Workload, batch: int, seed: int) -> dict[str, Callable[[], Call]]:
    return {
        REFERENCE: lambda: reference.training_step(workload, batch, seed),
        UNBOUNDED: lambda: reference.training_step(workload, batch, seed, reference.half_log_variance),
        "floor float32": lambda: floor.training_step(workload, batch, "float32", seed),
        "floor bf16": lambda: floor.training_step(workload, batch, "bf16", seed),
    }


def _timed(makers: dict[str, Callable[[], Call]], workload: Workload, batch: int, effort: Effort) -> list[Record]:
    """Time what the makers make, side by side, and let it go."""
    torch.compiler.reset()  # functions compiled for many models reach the compiler's limit, and run uncompiled
    timed: dict[str, Spread] = interleaved({name: make() for name, make in makers.items()}, effort)
    gc.collect()
    return [_about(workload, batch) | {"what": name, "seconds": spread._asdict()} for name, spread in timed.items()]


def _about(workload: Workload, batch: int) -> dict[str, Any]:
    return {
        "workload": workload.name,
        "batch": batch,
        "n_components": workload.n_components,
        "n_mc_samples": workload.n_mc_samples,
    }


def _fits(workload: Workload, batch: int, n_models: int) -> bool:
    """Whether so many models, of which one trains at a time, are sure to fit into the machine's memory."""
    weights = 2 * workload.n_components * workload.latent_dim * workload.hidden[-1]
    numbers = TENSORS_AT_ONCE * workload.mixture_elements(batch) + n_models * OPTIMISER_COPIES * weights
    return 4 * numbers < 0.8 * os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
