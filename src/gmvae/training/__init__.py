"""Training: the loop, its state and what guides it.

`gmvae.training.fabric`, which imports Lightning, is imported where a fit begins.
"""

from gmvae.training.auto import augments, resolve_auto
from gmvae.training.divergence import DivergedError, TrainingWarning
from gmvae.training.guidance import ClusteredRows
from gmvae.training.loop import Trainer
from gmvae.training.minibatches import Split, steps_of
from gmvae.training.stack import ResumableTraining, train_together
from gmvae.training.state import State

__all__ = [
    "ClusteredRows",
    "DivergedError",
    "ResumableTraining",
    "Split",
    "State",
    "Trainer",
    "TrainingWarning",
    "augments",
    "resolve_auto",
    "steps_of",
    "train_together",
]
