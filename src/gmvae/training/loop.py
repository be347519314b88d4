"""The training loop on Lightning Fabric: epochs, the guard, the held-out bound and when to stop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor, nn

from gmvae.config import Config, epochs
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import Terms, information, lower_bound
from gmvae.observations import Observations
from gmvae.training.adam import adam, optimizer_tensors, restore_optimizer
from gmvae.training.device import compiler_for
from gmvae.training.guard import REDUCTION, NonFiniteError, back_off
from gmvae.training.guide import Guide, StartingClusters
from gmvae.training.history import Epoch, History
from gmvae.training.minibatches import Minibatch, Split
from gmvae.training.schedule import SCHEDULES, warmed
from gmvae.training.state import State, snapshot
from gmvae.training.totals import Totals

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_N_DRAWS = 16
_MAX_ASSIGNED, _ASSIGNED_AT_ONCE = 1000, 128
"""Draws of the latents, and held-out rows, by which an epoch's assignments are judged: a percent more or less."""


class Assignments(NamedTuple):
    """What clusters tell about held-out rows: columns of `Epoch`."""

    information: float
    agreement: float


class Trainer:
    """Fits a model to rows by maximising its bound with Adam.

    Parameters
    ----------
    model : GaussianMixtureVAE
        Trained in place; it ends with the weights of the best held-out bound.
    rows : Observations
        All observations.
    split : Split
        Which rows train and which decide when to stop.
    config : Config
        Hyperparameters.
    fabric : Fabric
        Device, precision and loggers.
    seed : int
        Seed of minibatches and noise.
    start : StartingClusters, optional
        Where the components start; without, anywhere.
    continues : bool
        Whether the model is a solution already, to be left only for a better one.
    on_teaching : callable
        Gives the context, named by a few words, in which the starting clusters are taught.
    """

    def __init__(
        self,
        model: GaussianMixtureVAE,
        rows: Observations,
        split: Split,
        config: Config,
        fabric: Fabric,
        seed: int,
        start: StartingClusters | None = None,
        continues: bool = False,
        on_teaching: Callable[[str], AbstractContextManager[object]] = nullcontext,
    ) -> None:
        self.model = model
        fabric.setup_module(model)  # moves and converts it; the wrapper returned costs time at every step
        self.compiled: Callable[[Tensor, Noise, Tensor | None], Terms] = model
        if config.compile is True and compiler_for(fabric.device):
            self.compiled = torch.compile(model, dynamic=False)
        self.optimizer = adam(model.parameters(), config.learning_rate)
        self.rows = rows
        self.split = split
        self.train, self.held_out = split.train.to(rows.home), split.held_out.to(rows.home)
        self.config = config
        self.fabric = fabric
        self.continues = continues
        self.on_teaching = on_teaching
        self.schedule = SCHEDULES[config.learning_rate_schedule]
        self.generator = torch.Generator(fabric.device).manual_seed(seed)
        self.batch_size = min(config.batch_size, len(split.train))
        if self.batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
            raise ValueError(
                "`batch_size` and the training rows must be at least 2 for a network with batch norm; got 1: raise "
                "`batch_size` or take another `network`."
            )
        self.steps_per_epoch = len(split.train) // self.batch_size
        self.max_iter = epochs(config.max_iter, len(split.train), self.batch_size)
        self.guide = Guide(model, rows, start, config, self.max_iter * self.steps_per_epoch)

    def run(self, resume: State | None = None, on_epoch: Callable[[State], None] = lambda state: None) -> State:
        """Train until the held-out bound stops improving or ``max_iter`` epochs have passed.

        Parameters
        ----------
        resume : State, optional
            Where an interrupted run stood.
        on_epoch : callable
            Called with the state after every epoch.

        Raises
        ------
        DivergedError
            If values stay non-finite although the learning rate was lowered.
        """
        state = self.begin(resume)
        while not state.finished:
            started = time.perf_counter()
            state = self.settle(state, self._train_epoch(state), started, on_epoch)
        self.end(state)
        return state

    def begin(self, resume: State | None) -> State:
        """Teach a new run its starting clusters, or take up an interrupted one."""
        if resume is None and self.guide.start is not None:
            with self.on_teaching("teaching the starting clusters"):
                self.guide.teach(self.batch_size, self.generator, self.fabric.autocast)
        if resume is not None and len(resume.generator) != len(self.generator.get_state()):
            raise ValueError(
                f"`device` must be of the kind that the run to resume was on; got {self.fabric.device.type!r}, whose "
                "random generator is another: take the device it began on."
            )
        state = resume or self._state()
        try:
            self._load(state)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                "The checkpoint to resume must be one of this model and its optimiser; it is not: start anew."
            ) from error
        return state

    def minibatches(self, state: State) -> Iterator[Minibatch]:
        """The minibatches of the epoch after ``state``, in random order."""
        order = torch.randperm(len(self.train), generator=self.generator, device=self.fabric.device)
        batches = self.train[order.to(self.train.device)].split(self.batch_size)[: self.steps_per_epoch]
        peak = self.config.learning_rate * REDUCTION**state.reductions
        for step, indices in enumerate(batches, len(state.history.epochs) * self.steps_per_epoch):
            progress = step / self.guide.n_steps
            y = self.rows.take(indices).y
            noise = self.model.noise(self.config.n_mc_samples, len(indices), self.generator)
            view, guidance = self.guide.view(y, step, self.generator)
            warmth = warmed(progress, self.config.warm_up)
            yield Minibatch(y, noise, view, guidance, warmth, peak * self.schedule(progress))

    def settle(self, state: State, totals: Totals, started: float, on_epoch: Callable[[State], None]) -> State:
        """Return the state after an epoch, or the one before it with a lower rate if a value was not finite."""
        try:
            state = self._after(state, totals, started)
        except NonFiniteError as failure:
            self._load(state)
            return back_off(state, failure, self.config.learning_rate)
        if self.fabric.loggers:
            self.fabric.log_dict(state.history.epochs[-1]._asdict(), step=len(state.history.epochs))
        on_epoch(state)
        return state

    def end(self, state: State) -> None:
        """Leave the model with the weights of the best held-out bound."""
        self.model.load_state_dict(state.best)
        self.model.eval()

    def close(self) -> None:
        """Close TensorBoard's file and end the thread that writes it."""
        for logger in self.fabric.loggers:
            logger.finalize("finished")

    def _state(self) -> State:
        bound = self._held_out_bound() if self.continues else -math.inf
        bound = bound if math.isfinite(bound) else -math.inf
        weights = snapshot(self.model)
        return State(
            weights,
            weights,
            optimizer_tensors(self.optimizer),
            self.generator.get_state(),
            best_bound=bound,
            plateau_bound=bound,
        )

    def _load(self, state: State) -> None:
        self.model.load_state_dict(state.network)
        restore_optimizer(self.optimizer, state.optimizer)
        self.generator.set_state(state.generator)

    def _after(self, state: State, totals: Totals, started: float) -> State:
        """Look at the held-out rows and return the state after an epoch."""
        means = totals.means()
        held_out = self._held_out_bound()
        if not math.isfinite(held_out):
            raise NonFiniteError("the held-out bound")
        epoch = Epoch(
            epoch=len(state.history.epochs) + 1,
            lower_bound=means.lower_bound,
            lower_bound_held_out=held_out,
            **means._asdict(),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            **self._assignments()._asdict(),
            seconds=time.perf_counter() - started,
        )
        settling = len(state.history.epochs) / self.max_iter < self.config.warm_up  # what is maximised still changes
        new = State(
            snapshot(self.model),
            state.best,
            optimizer_tensors(self.optimizer),
            self.generator.get_state(),
            History([*state.history.epochs, epoch]),
            state.best_bound,
            state.plateau_bound,
            state.epochs_without_gain + 1,
            state.reductions,
        )
        if held_out > state.best_bound or settling:
            new.best, new.best_bound = new.network, held_out
        if held_out > state.plateau_bound + self.config.tol or settling:
            new.plateau_bound, new.epochs_without_gain = held_out, 0
        new.finished = converged(new, self.config) or len(new.history.epochs) >= self.max_iter
        return new

    def _train_epoch(self, state: State) -> Totals:
        """Train one epoch; nothing is read from the device before its end."""
        self.model.train()
        totals = Totals(self.config.K, self.fabric.device)
        for minibatch in self.minibatches(state):
            totals.add(self.step(minibatch))
        return totals

    def step(self, minibatch: Minibatch) -> Terms:
        """One gradient step."""
        self.set_learning_rate(minibatch.learning_rate)
        self.optimizer.zero_grad()
        with self.fabric.autocast():
            terms = self.compiled(minibatch.y, minibatch.noise, minibatch.view)
        bound = lower_bound(terms, self.config.min_information, minibatch.guidance, minibatch.warmth)
        self.fabric.backward(-bound)
        if self.config.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return terms

    def set_learning_rate(self, learning_rate: float) -> None:
        """Set Adam's step size."""
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate

    @torch.no_grad()
    def _held_out_bound(self) -> float:
        """Unmodified bound on the held-out rows, with the same noise every epoch."""
        self.model.eval()
        generator = torch.Generator(self.fabric.device).manual_seed(self.split.seed)
        total = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        for indices in self.held_out.split(self.config.batch_size):
            with self.fabric.autocast():
                terms = self.model(
                    self.rows.take(indices).y, self.model.noise(self.config.n_mc_samples, len(indices), generator)
                )
            total += terms.evidence_bound.double().sum()
        return total.item() / len(self.held_out)

    @torch.no_grad()
    def _assignments(self) -> Assignments:
        """Look at what clusters tell about at most 1,000 held-out rows, with the same noise for all, every epoch."""
        self.model.eval()
        generator = torch.Generator(self.fabric.device).manual_seed(self.split.seed)
        noise = self.model.noise(_N_DRAWS, 1, generator)
        drawn, plugged_in = [], []
        for indices in self.held_out[:_MAX_ASSIGNED].split(_ASSIGNED_AT_ONCE):
            y = self.rows.take(indices).y
            with self.fabric.autocast():
                drawn.append(self.model.mean_posterior(y, noise))
                plugged_in.append(self.model.log_posterior(y))
        assignment, plug_in = torch.cat(drawn).double(), torch.cat(plugged_in)
        same = assignment.argmax(-1) == plug_in.argmax(-1)
        return Assignments(float(information(assignment)), float(same.double().mean()))


def converged(state: State, config: Config) -> bool:
    """Whether the held-out bound has gained less than ``tol`` for ``n_iter_no_change`` epochs."""
    return state.epochs_without_gain >= config.n_iter_no_change
