"""The training loop on Lightning Fabric: epochs, divergence, the held-out bound and early stopping."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn

from gmvae.arrays import as_tensor
from gmvae.config import Config
from gmvae.history import Epoch, History
from gmvae.model import GaussianMixtureVAE
from gmvae.objective import GuidedTerms, Terms
from gmvae.observations import Observations, Rows
from gmvae.training.adam import adam, optimizer_tensors, restore_optimizer
from gmvae.training.compilation import compiler_for
from gmvae.training.divergence import REDUCTION, NonFiniteError, lower_learning_rate
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.guidance import ClusteredRows, PosteriorGuidance, labelled_rows
from gmvae.training.held_out import HeldOut
from gmvae.training.minibatch_objective import minibatch_objective
from gmvae.training.minibatches import Minibatch, Part, Split, steps_of, stream_of
from gmvae.training.processes import ONE_PROCESS, Processes, with_shared_batch_norm
from gmvae.training.schedule import SCHEDULES, last_epoch, progress, settled, warm_up_weight
from gmvae.training.state import State, snapshot

if TYPE_CHECKING:
    from lightning_fabric import Fabric


class Trainer:
    """Fits a model to observations by maximising its bound with Adam.

    Parameters
    ----------
    model : GaussianMixtureVAE
        Trained in place; it ends with the weights of the best held-out bound.
    observations : Observations
        Those that train and those that are held out.
    split : Split
        Which rows train and which decide when to stop.
    config : Config
        Hyperparameters.
    fabric : Fabric
        Device, precision and loggers.
    seed : int
        Seed of minibatches and noise.
    start : ClusteredRows, optional
        Rows on whose clusters the posteriors are pretrained; without them the components start at random.
    continues : bool
        Whether the model has been fitted: its weights are replaced only by ones with a higher held-out bound.
    on_pretraining : callable
        Gives a context for the pretraining, from words that name it.
    processes : Processes
        Those that train the same model, each with a trainer: only the first has the state to resume.
    """

    def __init__(
        self,
        model: GaussianMixtureVAE,
        observations: Observations,
        split: Split,
        config: Config,
        fabric: Fabric,
        seed: int,
        start: ClusteredRows | None = None,
        continues: bool = False,
        on_pretraining: Callable[[str], AbstractContextManager[object]] = nullcontext,
        processes: Processes = ONE_PROCESS,
    ) -> None:
        self.processes = processes
        self.model = model = with_shared_batch_norm(model, processes, fabric.device)
        fabric.setup_module(model)  # moves and converts it; the wrapper that it returns costs time at every step
        self.forward: Callable[..., Terms | GuidedTerms] = model
        if config.compile is True and compiler_for(fabric.device):
            self.forward = torch.compile(model, dynamic=False)
        self.optimizer = adam(model.parameters(), config.learning_rate)
        self.observations = observations
        self.split = split
        self.training_rows = split.train.to(observations.index_device)
        self.held_out = HeldOut(model, observations, split, config, fabric)
        self.config = config
        self.fabric = fabric
        self.continues = continues
        self.on_pretraining = on_pretraining
        self.schedule = SCHEDULES[config.learning_rate_schedule]
        self.generator = torch.Generator(fabric.device).manual_seed(seed)
        self.batch_size, self.steps_per_epoch, self.max_iter = steps_of(config, observations, split)
        self.stream = stream_of(observations, split, self.batch_size, seed)
        if self.batch_size == 1 and any(isinstance(module, nn.BatchNorm1d) for module in model.modules()):
            raise ValueError(
                "`batch_size` and the training rows must be at least 2 for a network with batch norm; got 1: raise "
                "`batch_size` or take another `network`."
            )
        if self.batch_size < processes.size:
            raise ValueError(
                f"`batch_size` and the training rows must be at least the number of processes, {processes.size}; got "
                f"{self.batch_size}: start fewer."
            )
        self.guidance = PosteriorGuidance(model, observations, start, config, labelled_rows(observations, split))

    def run(self, resume: State | None = None, on_epoch: Callable[[State], None] = lambda state: None) -> State:
        """Train until the held-out bound stops improving or ``max_iter`` epochs have passed.

        An interrupted run goes on from the state ``resume``. ``on_epoch`` is called with the state after every epoch.

        Raises
        ------
        DivergedError
            If values stay non-finite although the learning rate was lowered.
        """
        state = self.begin(resume)
        while not state.finished:
            started = time.perf_counter()
            state = self.finish_epoch(state, self._train_epoch(state), started, on_epoch)
        self.end(state)
        return state

    def begin(self, resume: State | None) -> State:
        """Pretrain a new run on its starting clusters, or load the state of an interrupted one.

        The first process does so, and all begin with its state.
        """
        state = self.processes.from_first(lambda: self._begun(resume))
        try:
            self._load(state)
        except (RuntimeError, TypeError, ValueError) as error:
            raise ValueError(
                "The checkpoint to resume must be one of this model and its optimiser; it is not: start anew."
            ) from error
        return state

    def _begun(self, resume: State | None) -> State:
        if resume is None and self.guidance.start is not None:
            with self.on_pretraining("pretraining on the starting clusters"):
                self.guidance.pretrain(self.batch_size, self.generator, self.fabric.autocast)
        if resume is not None and len(resume.generator) != len(self.generator.get_state()):
            raise ValueError(
                f"`device` must be of the kind that the run to resume was on; got {self.fabric.device.type!r}, whose "
                "random generator is another: take the device it began on."
            )
        return resume or self._initial_state()

    def minibatches(self, state: State) -> Iterator[Minibatch]:
        """The minibatches of the epoch after ``state``, in random order; of several processes the part of this one."""
        peak = self.config.learning_rate * REDUCTION**state.reductions
        first = len(state.history.epochs) * self.steps_per_epoch
        for step, (part, (y, weight, label)) in enumerate(self._rows_of_epoch(first), first):
            done = progress(step / self.steps_per_epoch, state.settled, self.max_iter)
            noise = self.model.noise(self.config.n_mc_samples, part.n, self.generator).of(part.own)
            guided, guidance = self.guidance.guided(y, step, done, self.generator, part)
            warm_up = warm_up_weight(done, self.config.warm_up)
            yield Minibatch(part.n, y, noise, guided, guidance, warm_up, peak * self.schedule(done), weight, label)

    def _rows_of_epoch(self, first_step: int) -> Iterator[tuple[Part, Rows]]:
        """The rows of every minibatch of an epoch that begins at a step, and which part of it they are."""
        if self.stream is not None:
            for step in range(first_step, first_step + self.steps_per_epoch):
                part = Part(self.batch_size, self.processes.slice(self.batch_size))
                rows = as_tensor(self.stream.minibatch(step)[part.own]).to(self.fabric.device)
                y, weight, label = self.stream.parts(rows)
                weight = None if weight is None else weight.float()
                yield part, Rows(y.contiguous(), weight, None if label is None else label.long())
            return
        training = self.training_rows
        steps_per_pass = len(training) // self.batch_size
        for _ in range(self.steps_per_epoch // steps_per_pass):
            order = torch.randperm(len(training), generator=self.generator, device=self.fabric.device)
            for indices in training[order.to(training.device)].split(self.batch_size)[:steps_per_pass]:
                part = Part(len(indices), self.processes.slice(len(indices)))
                yield part, self.observations.take(indices[part.own])

    def finish_epoch(self, state: State, sums: EpochSums, started: float, on_epoch: Callable[[State], None]) -> State:
        """Return the state after an epoch, or the one before it with a lower rate if a value was not finite."""
        try:
            state = self._next_state(state, sums, started)
        except NonFiniteError as failure:
            self._load(state)
            return lower_learning_rate(state, failure, self.config.learning_rate)
        if self.fabric.loggers:
            self.fabric.log_dict(state.history.epochs[-1]._asdict(), step=len(state.history.epochs))
        on_epoch(state)
        return state

    def end(self, state: State) -> None:
        """Leave the model with the weights of the best held-out bound."""
        self.model.load_state_dict(state.best)
        self.model.eval()

    def close(self) -> None:
        """End the threads that read in advance and that write for TensorBoard."""
        if self.stream is not None:
            self.stream.close()
        for logger in self.fabric.loggers:
            logger.finalize("finished")

    def _initial_state(self) -> State:
        first = self.held_out.bound() if self.continues or self.config.effort == "labels" else -math.inf
        bound = first if self.continues and math.isfinite(first) else -math.inf
        weights = snapshot(self.model)
        return State(
            network=weights,
            best=weights,
            optimizer=optimizer_tensors(self.optimizer),
            generator=self.generator.get_state(),
            best_bound=bound,
            plateau_bound=bound,
            first_bound=first,
        )

    def _load(self, state: State) -> None:
        self.model.load_state_dict(state.network)
        restore_optimizer(self.optimizer, state.optimizer)
        self.generator.set_state(state.generator)

    def _next_state(self, state: State, sums: EpochSums, started: float) -> State:
        """Evaluate the held-out rows and return the state after an epoch."""
        means = sums.means()
        held_out = self.held_out.bound(self.processes)
        if not math.isfinite(held_out):
            raise NonFiniteError("the held-out bound")
        information, agreement = self.held_out.assignments()
        epoch = Epoch(
            epoch=len(state.history.epochs) + 1,
            lower_bound_held_out=held_out,
            **means._asdict(),
            learning_rate=self.optimizer.param_groups[0]["lr"],
            seconds=time.perf_counter() - started,
            information=information,
            agreement=agreement,
        )
        n_before = len(state.history.epochs)
        warming_up = self._was_warming_up(state, n_before)
        new = dataclasses.replace(
            state,
            network=snapshot(self.model),
            optimizer=optimizer_tensors(self.optimizer),
            generator=self.generator.get_state(),
            history=History([*state.history.epochs, epoch]),
            epochs_without_gain=state.epochs_without_gain + 1,
        )
        if held_out > state.best_bound or warming_up:
            new.best, new.best_bound = new.network, held_out
        if held_out > state.plateau_bound + self.config.tol or warming_up:
            new.plateau_bound, new.epochs_without_gain = held_out, 0
        n_epochs, without_gain = n_before + 1, new.epochs_without_gain >= self.config.n_iter_no_change
        if self.config.effort == "labels" and not new.settled and self.has_settled(new):
            new.settled = n_epochs
        new.finished = n_epochs >= last_epoch(new.settled, self.max_iter) or (without_gain and not new.settled)
        return new

    def _was_warming_up(self, state: State, n_epochs: int) -> bool:
        """Whether the objective still changed when so many epochs had ended."""
        return progress(n_epochs, state.settled, self.max_iter) < self.config.warm_up

    def has_settled(self, state: State) -> bool:
        """Whether the last third of the epochs added next to nothing to the held-out bound, so that clusters stay."""
        if self._was_warming_up(state, len(state.history.epochs) - 1):
            return False
        bounds = [epoch.lower_bound_held_out for epoch in state.history.epochs]
        first = state.first_bound if math.isfinite(state.first_bound) else bounds[0]
        n_values = math.prod(self.observations.event_shape)
        n_steps = len(bounds) * self.steps_per_epoch
        return settled(bounds, first, n_values, n_steps, self.config.tol, copies=bool(self.config.consistency))

    def _train_epoch(self, state: State) -> EpochSums:
        """Train one epoch; nothing is read from the device before its end."""
        self.model.train()
        sums = EpochSums(self.config.K, self.fabric.device)
        for minibatch in self.minibatches(state):
            sums.add(self.step(minibatch), minibatch.weight)
        return sums.over(self.processes)

    def step(self, minibatch: Minibatch) -> Terms:
        """One gradient step."""
        self.set_learning_rate(minibatch.learning_rate)
        self.optimizer.zero_grad()
        with self.fabric.autocast():
            output = self.forward(**minibatch.inputs())
        terms, bound = minibatch_objective(output, minibatch, self.config.min_information, self.processes)
        self.fabric.backward(-bound)
        self.processes.add_gradients(self.model.parameters())
        if self.config.max_grad_norm is not None:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.config.max_grad_norm)
        self.optimizer.step()
        return terms

    def set_learning_rate(self, learning_rate: float) -> None:
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate
