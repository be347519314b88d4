"""Training on Lightning Fabric: the loop, its state and its view of the data.

Names are imported on first use: a fitted model predicts without loading Fabric.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmvae.training.auto import resolve_auto
    from gmvae.training.divergence import DivergedError, TrainingWarning
    from gmvae.training.fabric import make_fabric
    from gmvae.training.guidance import StartingClusters
    from gmvae.training.loop import Trainer, converged
    from gmvae.training.minibatches import Split
    from gmvae.training.stack import Member, train_together
    from gmvae.training.state import State

_HOMES = {
    "DivergedError": "divergence",
    "Member": "stack",
    "Split": "minibatches",
    "StartingClusters": "guidance",
    "State": "state",
    "Trainer": "loop",
    "TrainingWarning": "divergence",
    "converged": "loop",
    "make_fabric": "fabric",
    "resolve_auto": "auto",
    "train_together": "stack",
}

__all__ = [
    "DivergedError",
    "Member",
    "Split",
    "StartingClusters",
    "State",
    "Trainer",
    "TrainingWarning",
    "converged",
    "make_fabric",
    "resolve_auto",
    "train_together",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
