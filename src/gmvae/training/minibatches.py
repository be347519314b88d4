"""The split of the rows, their steps, and the minibatch of one gradient step."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from gmvae.config import Config
from gmvae.model import Noise
from gmvae.objective import Guidance
from gmvae.observations import Observations
from gmvae.shards import Stream

MIN_STEPS, MIN_EPOCHS = 3000, 20
MIN_STEPS_OF_EPOCH = 10
"""Fewer took longer to evaluate than to train, and 20 epochs without a gain were too few steps to stop after."""
MAX_STEPS_IN_PARTS = 5000
"""Steps after which a fit to rows that are read in parts evaluates, keeps a checkpoint and begins another epoch. In 20
such epochs the model sees 12.8 million rows, by 128."""


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
    warm_up: float  # weight of the conditional prior and the w-prior
    learning_rate: float  # Adam's step size
    weight: Tensor | None = None  # (B,), how much every observation counts
    label: Tensor | None = None  # (B,), known components; -1 where there is none

    def inputs(self) -> dict[str, Any]:
        """What a model's forward pass takes of it."""
        named = {name: getattr(self, name) for name in ("y", "noise", "guided", "label")}
        named["target"] = self.guidance and self.guidance.target
        return {name: each for name, each in named.items() if each is not None}


class Steps(NamedTuple):
    """Rows of a gradient step, steps of an epoch, and epochs at most."""

    batch_size: int
    per_epoch: int
    epochs: int


def steps_for(config: Config, n_rows: int, *, in_parts: bool = False) -> Steps:
    """Resolve `max_iter`, and a batch that is too large for ``n_rows`` training rows.

    An epoch is a pass over the rows; under "auto" it is several where one has fewer than `MIN_STEPS_OF_EPOCH` steps. Of
    rows that are read in parts, which may be very many, it has `MAX_STEPS_IN_PARTS` steps at most.
    """
    batch_size = min(config.B, n_rows)
    per_epoch = n_rows // batch_size
    if in_parts:
        per_epoch = min(per_epoch, MAX_STEPS_IN_PARTS)
    if not isinstance(config.max_iter, str):
        return Steps(batch_size, per_epoch, config.max_iter)
    per_epoch *= math.ceil(MIN_STEPS_OF_EPOCH / per_epoch)
    return Steps(batch_size, per_epoch, max(MIN_EPOCHS, math.ceil(MIN_STEPS / per_epoch)))


def steps_of(config: Config, observations: Observations, split: Split) -> Steps:
    """The steps of a training on all rows of which the split holds none out, in memory or not."""
    n_training = len(split.train) + observations.n_beyond
    return steps_for(config, n_training, in_parts=observations.shards is not None)


def stream_of(observations: Observations, split: Split, batch_size: int, seed: int) -> Stream | None:
    """The minibatches of a source in shards, without its held-out rows; None for other rows."""
    if observations.shards is None:
        return None
    held_out = np.setdiff1d(split.held_out.numpy(), split.train.numpy())
    known = observations.shards.classes
    numbers = None if known is None else [observations.classes.index(name) for name in known.names]
    return Stream(observations.shards, observations.shards.survey.numbers[held_out], batch_size, seed, numbers)
