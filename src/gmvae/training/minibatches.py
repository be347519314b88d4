"""The split of the rows, and the minibatch of one gradient step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from gmvae.model import Noise
from gmvae.objective import Guidance


class Split(NamedTuple):
    """Indices of training rows and of held-out rows; they overlap where nothing is held out."""

    train: Tensor
    held_out: Tensor
    seed: int  # of the noise of held-out rows, the same every epoch, so that their bounds compare


class Part(NamedTuple):
    """The rows of a minibatch of ``n`` that this process computes; ``slice(None)`` where it is alone."""

    n: int
    own: slice


class Minibatch(NamedTuple):
    """The input of one gradient step, or this process's part of it."""

    n: int  # rows of the whole minibatch; B of them are in the part
    y: Tensor  # (B, *event)
    noise: Noise
    guided: Tensor | None  # (B, *event), observations as the networks see them, whose posteriors are guided
    guidance: Guidance | None  # what these are drawn to
    warm_up: float  # weight of the x- and w-terms
    learning_rate: float  # Adam's step size
    weight: Tensor | None = None  # (B,), how much every observation counts
    label: Tensor | None = None  # (B,), known components; -1 where there is none
