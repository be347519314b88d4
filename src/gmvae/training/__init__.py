"""Training on Lightning Fabric: the loop, its history, its state and its view of the data.

Names are imported on first use, because a fitted model needs its history and a device, but not Fabric.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmvae.training.choices import decide
    from gmvae.training.device import device_for
    from gmvae.training.fabric import make_fabric
    from gmvae.training.guard import DivergedError, TrainingWarning
    from gmvae.training.guide import StartingClusters
    from gmvae.training.history import Epoch, History
    from gmvae.training.loop import Trainer, converged
    from gmvae.training.minibatches import Split
    from gmvae.training.rows import Rows, rows_for
    from gmvae.training.stack import Member, train_together
    from gmvae.training.state import State

_HOMES = {
    "DivergedError": "guard",
    "Epoch": "history",
    "History": "history",
    "Member": "stack",
    "Rows": "rows",
    "Split": "minibatches",
    "StartingClusters": "guide",
    "State": "state",
    "Trainer": "loop",
    "TrainingWarning": "guard",
    "converged": "loop",
    "decide": "choices",
    "device_for": "device",
    "make_fabric": "fabric",
    "rows_for": "rows",
    "train_together": "stack",
}

__all__ = [
    "DivergedError",
    "Epoch",
    "History",
    "Member",
    "Rows",
    "Split",
    "StartingClusters",
    "State",
    "Trainer",
    "TrainingWarning",
    "converged",
    "decide",
    "device_for",
    "make_fabric",
    "rows_for",
    "train_together",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
