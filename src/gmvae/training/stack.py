"""Several runs at once: models of equal shape trained as one, with parameters stacked along a leading axis."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import Parameter

from gmvae.model import Noise
from gmvae.objective import Guidance, Terms, lower_bound
from gmvae.training.adam import adam
from gmvae.training.divergence import DivergedError
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.loop import Trainer
from gmvae.training.minibatches import Minibatch
from gmvae.training.state import State

_MOMENTS = ("exp_avg", "exp_avg_sq")


class Member(NamedTuple):
    """One of the runs.

    Attributes
    ----------
    trainer : Trainer
    resume : State or None
        Its state, if it was interrupted.
    on_epoch : callable
        Called with its state after every epoch.
    """

    trainer: Trainer
    resume: State | None
    on_epoch: Callable[[State], None]


class Stack:
    """Trainers whose models and steps have one shape, advanced together by one gradient step each.

    Every member keeps its own minibatches, noise and optimiser's moments, so that its result is that of a run of its
    own, up to rounding.
    """

    def __init__(self, trainers: Sequence[Trainer]) -> None:
        self.trainers = trainers
        self.first = trainers[0]
        for trainer in trainers:
            trainer.model.train()
        self.parameters, self.buffers = stack_module_state([trainer.model for trainer in trainers])
        self.optimizer = adam(self.parameters.values(), self.first.config.learning_rate)
        for name, stacked in self.parameters.items():
            moments = [trainer.optimizer.state.get(_parameter(trainer, name), {}) for trainer in trainers]
            if all(moments):
                self.optimizer.state[stacked] = {
                    "step": moments[0]["step"].clone(),
                    **{moment: torch.stack([each[moment] for each in moments]) for moment in _MOMENTS},
                }

    def train_epoch(self, states: Sequence[State]) -> list[EpochSums]:
        """Train every member for one epoch from its state, and copy weights and moments back to its trainer."""
        self.first.model.train()
        sums = EpochSums(self.first.config.K, self.first.fabric.device, len(self.trainers))
        for minibatches in zip(*map(Trainer.minibatches, self.trainers, states), strict=True):
            sums.add(self.step(minibatches))
        self._scatter()
        return [sums.member(member) for member in range(len(self.trainers))]

    def step(self, minibatches: Sequence[Minibatch]) -> Terms:
        """One gradient step of every member; terms have a leading axis of members."""
        for group in self.optimizer.param_groups:
            group["lr"] = minibatches[0].learning_rate
        self.optimizer.zero_grad()
        y = torch.stack([minibatch.y for minibatch in minibatches])
        noise = Noise(*(torch.stack(parts) for parts in zip(*(m.noise for m in minibatches), strict=True)))
        shown = [minibatch.view for minibatch in minibatches if minibatch.view is not None]
        views = [torch.stack(shown)] if shown else []
        with self.first.fabric.autocast():
            terms = vmap(self._terms, randomness="different")(self.parameters, self.buffers, y, noise, *views)
        self.first.fabric.backward(-self._lower_bounds(terms, minibatches).sum())
        if self.first.config.max_grad_norm is not None:
            self._clip(self.first.config.max_grad_norm)
        self.optimizer.step()
        return terms

    def _terms(self, parameters: dict[str, Tensor], buffers: dict[str, Tensor], *inputs: Any) -> Terms:
        return functional_call(self.first.model, (parameters, buffers), inputs)

    def _lower_bounds(self, terms: Terms, minibatches: Sequence[Minibatch]) -> Tensor:
        min_information, warm_up = self.first.config.min_information, minibatches[0].warm_up
        guidance = minibatches[0].guidance
        targets = [m.guidance.target for m in minibatches if m.guidance is not None and m.guidance.target is not None]
        if not targets:
            return vmap(lambda terms: lower_bound(terms, min_information, guidance, warm_up))(terms)

        def bound(terms: Terms, target: Tensor) -> Tensor:
            assert guidance is not None
            return lower_bound(terms, min_information, Guidance(target, guidance.weight), warm_up)

        return vmap(bound)(terms, torch.stack(targets))

    def _clip(self, max_norm: float) -> None:
        """Clip the norm of every member's gradient, as `torch.nn.utils.clip_grad_norm_` does for one."""
        gradients = [p.grad for p in self.parameters.values() if p.grad is not None]
        squares = torch.stack([gradient.flatten(1).square().sum(1) for gradient in gradients]).sum(0)
        factor = (max_norm / (squares.sqrt() + 1e-6)).clamp(max=1.0)
        for gradient in gradients:
            gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))

    @torch.no_grad()
    def _scatter(self) -> None:
        for member, trainer in enumerate(self.trainers):
            for name, stacked in self.parameters.items():
                parameter = _parameter(trainer, name)
                parameter.copy_(stacked[member])
                moments = self.optimizer.state.get(stacked)
                if moments:  # a parameter that nothing uses has none
                    trainer.optimizer.state[parameter] = {
                        "step": moments["step"].clone(),
                        **{moment: moments[moment][member].clone() for moment in _MOMENTS},
                    }
            for name, stacked in self.buffers.items():
                trainer.model.get_buffer(name).copy_(stacked[member])
            trainer.set_learning_rate(self.optimizer.param_groups[0]["lr"])


def _parameter(trainer: Trainer, name: str) -> Parameter:
    return trainer.model.get_parameter(name)


def train_together(members: Sequence[Member]) -> list[State | DivergedError]:
    """Run trainers of equal shape and configuration; those at the same epoch and learning rate as one stacked model.

    Returns
    -------
    outcomes : list of State or DivergedError
        What `Trainer.run` would have returned or raised for each, up to rounding.
    """
    if len(members) == 1:
        trainer, resume, on_epoch = members[0]
        try:
            return [trainer.run(resume, on_epoch)]
        except DivergedError as error:
            return [error]
    states = [member.trainer.begin(member.resume) for member in members]
    outcomes: dict[int, State | DivergedError] = {}
    stack, stacked = None, tuple[int, ...]()
    while active := [index for index in range(len(members)) if index not in outcomes and not states[index].finished]:
        pace = min(_pace(states[index]) for index in active)
        group = tuple(index for index in active if _pace(states[index]) == pace)
        if stack is None or group != stacked:
            stack, stacked = Stack([members[index].trainer for index in group]), group
        started = time.perf_counter()
        sums = stack.train_epoch([states[index] for index in group])
        for index, epoch_sums in zip(group, sums, strict=True):
            try:
                trainer, _, on_epoch = members[index]
                states[index] = trainer.finish_epoch(states[index], epoch_sums, started, on_epoch)
            except DivergedError as error:
                outcomes[index] = error
    for index, member in enumerate(members):
        if index not in outcomes:
            member.trainer.end(states[index])
            outcomes[index] = states[index]
    return [outcomes[index] for index in range(len(members))]


def _pace(state: State) -> tuple[int, int]:
    """Epochs and reductions of the learning rate: members that agree in both have equal learning rates."""
    return len(state.history.epochs), state.reductions
