"""Several trainings at once: models of equal shape trained as one, with parameters stacked along a leading axis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap

from gmvae.objective import Terms
from gmvae.training.adam import adam, optimizer_tensors, restore_optimizer
from gmvae.training.divergence import DivergedError
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.loop import Trainer
from gmvae.training.minibatch_objective import minibatch_objective
from gmvae.training.minibatches import Minibatch
from gmvae.training.state import State


class ResumableTraining(NamedTuple):
    """A trainer, its state if the training was interrupted, and what gets its state after every epoch."""

    trainer: Trainer
    resume: State | None
    on_epoch: Callable[[State], None]


class Stack:
    """Trainers whose models and steps have one shape, advanced together by one gradient step each.

    Each of them, a member of the stack, keeps its own minibatches, noise and optimiser's moments, so that its result
    is that of a training of its own, up to rounding.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = trainers
        self.first = trainers[0]
        for trainer in trainers:
            trainer.model.train()
        self.parameters, self.buffers = stack_module_state([trainer.model for trainer in trainers])
        self.optimizer = adam(self.parameters.values(), self.first.config.learning_rate)
        moments = [optimizer_tensors(trainer.optimizer) for trainer in trainers]
        restore_optimizer(
            self.optimizer,
            {
                name: tensor if _is_count(name) else torch.stack([each[name] for each in moments])
                for name, tensor in moments[0].items()
            },
        )

    def train_epoch(self, states: Sequence[State]) -> list[EpochSums]:
        """Train every member for one epoch from its state, and copy weights and moments back to its trainer."""
        self.first.model.train()
        sums = EpochSums(self.first.config.K, self.first.fabric.device, len(self.trainers))
        for minibatches in zip(*map(Trainer.minibatches, self.trainers, states), strict=True):
            minibatch = _stacked(minibatches)
            sums.add(self.step(minibatch), minibatch.weight)
        self._scatter()
        return [sums.member(member) for member in range(len(self.trainers))]

    def step(self, minibatch: Minibatch) -> Terms:
        """One gradient step of every member; tensors have a leading axis of members."""
        for group in self.optimizer.param_groups:
            group["lr"] = minibatch.learning_rate
        self.optimizer.zero_grad()
        with self.first.fabric.autocast():
            output = vmap(self._output, randomness="different")(self.parameters, self.buffers, minibatch.inputs())
        terms, bounds = minibatch_objective(output, minibatch, self.first.config.min_information)
        self.first.fabric.backward(-bounds.sum())
        if self.first.config.max_grad_norm is not None:
            self._clip(self.first.config.max_grad_norm)
        self.optimizer.step()
        return terms

    def _output(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], inputs: dict[str, Any]) -> Any:
        return functional_call(self.first.model, (parameters, buffers), kwargs=inputs)

    def _clip(self, max_norm: float) -> None:
        """Clip the norm of every member's gradient, as `torch.nn.utils.clip_grad_norm_` does for one."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        factor = (max_norm / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))

    @torch.no_grad()
    def _scatter(self) -> None:
        moments = optimizer_tensors(self.optimizer)
        for member, trainer in enumerate(self.trainers):
            for name, stacked in self.parameters.items():
                trainer.model.get_parameter(name).copy_(stacked[member])
            for name, stacked in self.buffers.items():
                trainer.model.get_buffer(name).copy_(stacked[member])
            own = {name: tensor if _is_count(name) else tensor[member] for name, tensor in moments.items()}
            restore_optimizer(trainer.optimizer, own)
            trainer.set_learning_rate(self.optimizer.param_groups[0]["lr"])


def _is_count(moment: str) -> bool:
    """Whether an optimiser's tensor counts its steps, which all members share."""
    return moment.endswith("/step")


def _stacked(parts: Sequence[Any]) -> Any:
    """Minibatches as one, tensors stacked; all else, such as the learning rate, is the same in all."""
    if isinstance(parts[0], Tensor):
        return torch.stack(list(parts))
    if isinstance(parts[0], tuple):
        return type(parts[0])(*map(_stacked, zip(*parts, strict=True)))
    return parts[0]


def train_together(trainings: Sequence[ResumableTraining]) -> list[State | DivergedError]:
    """Run trainers of equal shape and configuration; those at the same epoch and learning rate as one stacked model.

    Returns
    -------
    outcomes : list of State or DivergedError
        What `Trainer.run` would have returned or raised for each, up to rounding.
    """
    if len(trainings) == 1:
        trainer, resume, on_epoch = trainings[0]
        try:
            return [trainer.run(resume, on_epoch)]
        except DivergedError as error:
            return [error]
    outcomes: list[State | DivergedError] = [each.trainer.begin(each.resume) for each in trainings]
    stack, stacked = None, tuple[int, ...]()
    while active := {i: each for i, each in enumerate(outcomes) if isinstance(each, State) and not each.finished}:
        pace = min(map(_pace, active.values()))
        group = tuple(index for index, state in active.items() if _pace(state) == pace)
        if stack is None or group != stacked:
            stack, stacked = Stack([trainings[index].trainer for index in group]), group
        started = time.perf_counter()
        sums = stack.train_epoch([active[index] for index in group])
        for index, epoch_sums in zip(group, sums, strict=True):
            trainer, _, on_epoch = trainings[index]
            try:
                outcomes[index] = trainer.finish_epoch(active[index], epoch_sums, started, on_epoch)
            except DivergedError as error:
                outcomes[index] = error
    for training, outcome in zip(trainings, outcomes, strict=True):
        if isinstance(outcome, State):
            training.trainer.end(outcome)
    return outcomes


def _pace(state: State) -> tuple[int, int, int]:
    """Epochs, reductions of the learning rate, and whether it falls: trainings that agree have equal learning rates."""
    return len(state.history.epochs), state.reductions, state.settled
