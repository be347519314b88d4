"""What training sees: which rows, and what of them in one gradient step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from gmvae.model import Noise
from gmvae.objective import Guidance


class Split(NamedTuple):
    """Which rows to learn from and which to hold out; without the latter the former serve as both.

    Attributes
    ----------
    train, held_out : Tensor of int
        Indices.
    seed : int
        Seed of the noise under which held-out rows are always seen, so that bounds compare.
    """

    train: Tensor
    held_out: Tensor
    seed: int


class Minibatch(NamedTuple):
    """What one gradient step sees.

    Attributes
    ----------
    y : Tensor of shape (B, *event)
    noise : Noise
    view : Tensor of shape (V, *event) or None
        Observations whose posterior is guided.
    guidance : Guidance or None
        Where to.
    warmth : float
        Weight of the x- and w-terms.
    learning_rate : float
        Adam's step size.
    """

    y: Tensor
    noise: Noise
    view: Tensor | None
    guidance: Guidance | None
    warmth: float
    learning_rate: float
