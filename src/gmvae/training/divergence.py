"""Divergence: back to the last finite state with a lower learning rate, and an error after several reductions."""

from __future__ import annotations

import dataclasses

from gmvae.training.state import State
from gmvae.user_warnings import warn_user

MAX_REDUCTIONS = 2
REDUCTION = 0.1


class DivergedError(FloatingPointError):
    """Training became non-finite again after the learning rate had been lowered."""


class TrainingWarning(UserWarning):
    """Training goes on otherwise than asked: from its last finite state, uncompiled, or without a restart."""


class NonFiniteError(Exception):
    """A term, the gradient or the held-out bound is not finite; the message names it."""


def lower_learning_rate(state: State, failure: NonFiniteError, learning_rate: float) -> State:
    """The last finite state with a lower learning rate than ``learning_rate``, the schedule's peak; a warning says so.

    DivergedError if the rate has been lowered `MAX_REDUCTIONS` times.
    """
    epoch = len(state.history.epochs) + 1
    if state.reductions == MAX_REDUCTIONS:
        raise DivergedError(
            f"Training must stay finite; {failure} became non-finite in epoch {epoch} even after the learning "
            f"rate was lowered {MAX_REDUCTIONS} times: lower `learning_rate`, set `max_grad_norm` or look for "
            "extreme values in the data."
        )
    lowered = dataclasses.replace(state, reductions=state.reductions + 1)
    warn_user(
        f"{failure} became non-finite in epoch {epoch}; restored the state before it and lowered the learning "
        f"rate to {learning_rate * REDUCTION**lowered.reductions:g}.",
        TrainingWarning,
    )
    return lowered
