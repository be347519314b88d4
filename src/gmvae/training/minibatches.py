"""The split of the rows, their steps, and the minibatch of one gradient step."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from gmvae.config import Config, Steps, steps_for
from gmvae.model import Noise
from gmvae.objective import Guidance
from gmvae.observations import Observations
from gmvae.shards import Stream


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

    def inputs(self) -> dict[str, Any]:
        """What a model's forward pass takes of it."""
        named = {name: getattr(self, name) for name in ("y", "noise", "guided", "label")}
        named["target"] = self.guidance and self.guidance.target
        return {name: each for name, each in named.items() if each is not None}


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
