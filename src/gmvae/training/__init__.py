"""Training on Lightning Fabric: the loop, its history, its state and its view of the data."""

from gmvae.training.choices import decide
from gmvae.training.device import device_for, make_fabric
from gmvae.training.guard import DivergedError, TrainingWarning
from gmvae.training.history import Epoch, History
from gmvae.training.loop import Split, Trainer, converged
from gmvae.training.rows import Rows, as_tensor, rows_for
from gmvae.training.stack import Member, train_together
from gmvae.training.state import State

__all__ = [
    "DivergedError",
    "Epoch",
    "History",
    "Member",
    "Rows",
    "Split",
    "State",
    "Trainer",
    "TrainingWarning",
    "as_tensor",
    "converged",
    "decide",
    "device_for",
    "make_fabric",
    "rows_for",
    "train_together",
]
