"""The split of the rows, and the minibatch of one gradient step."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor

from gmvae.model import Noise
from gmvae.objective import Guidance


class Split(NamedTuple):
    """Indices of training rows and of held-out rows; they overlap where nothing is held out.

    Attributes
    ----------
    train, held_out : Tensor of int
        Indices.
    seed : int
        Seed of the noise of held-out rows, the same every epoch, so that their bounds compare.
    """

    train: Tensor
    held_out: Tensor
    seed: int


class Part(NamedTuple):
    """The rows of a minibatch of ``n`` that this process computes; ``slice(None)`` where it is alone."""

    n: int
    own: slice


class Minibatch(NamedTuple):
    """The input of one gradient step, or this process's part of it.

    Attributes
    ----------
    n : int
        Rows of the whole minibatch; B of them are in the part.
    y : Tensor of shape (B, *event)
    noise : Noise
    guided : Tensor of shape (B, *event) or None
        Observations, as the networks see them, whose posteriors are guided.
    guidance : Guidance or None
        What these are drawn to.
    warm_up : float
        Weight of the x- and w-terms.
    learning_rate : float
        Adam's step size.
    weight : Tensor of shape (B,) or None
        How much every observation counts.
    label : Tensor of shape (B,) or None
        Known components; -1 where there is none.
    """

    n: int
    y: Tensor
    noise: Noise
    guided: Tensor | None
    guidance: Guidance | None
    warm_up: float
    learning_rate: float
    weight: Tensor | None = None
    label: Tensor | None = None
