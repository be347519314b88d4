"""The recipe of a fit: likelihood and starts, the training of every restart, and the best of them."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gmvae.config import Config
from gmvae.device import device_for, torch_defaults
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import Attempt, Task, Trained, attempts_of, gather_restarts
from gmvae.fitting.selection import BestRestart, best_of, fitted_so_far
from gmvae.fitting.starts import TrainingData, learned_likelihood, resolve_model, warm_model
from gmvae.fitting.warn import warn_if_fewer, warn_of_marks
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.training import (
    ClusteredRows,
    Member,
    State,
    Trainer,
    resolve_auto,
    steps_of,
    train_together,
)
from gmvae.training.processes import ONE_PROCESS, Processes, join_processes, local_rank

_log = logging.getLogger("gmvae")


@torch_defaults()
def fit(
    observations: Observations, config: Config, tasks: Sequence[Task], previous: Fitted | None = None
) -> list[BestRestart]:
    """Fit every task, and keep the best of its restarts by the held-out bound.

    Of ``config`` all but `random_state` counts; with ``n_components="auto"`` all tasks have as many clusters as the
    first finds. From ``previous``, which stays as it is, each task starts once (warm start), whatever `n_init` says.
    ValueError if the observations do not suit the likelihood, or ``previous`` is of another model; DivergedError if all
    restarts of a task have.

    Several processes that a launcher has started call it with the same observations and settings, and all get the
    answer. A single restart they train together; of several each trains its share. The tasks of the first process
    count, with its seeds, and only it stores and tells anything.
    """
    device = device_for(config.device, local_rank())
    processes = join_processes(device)
    if processes.several:
        seeds = processes.from_first(lambda: [task.seed for task in tasks])
        tasks = [task if processes.first else Task(seed) for task, seed in zip(tasks, seeds, strict=True)]
    all_rows = observations if previous is None else observations.classes_as(previous.classes)
    observations = all_rows.of_positive_weight()  # all others are answered, but not learned from
    previous_model = None if previous is None else previous.model
    likelihood = learned_likelihood(config, observations) if previous_model is None else previous_model.likelihood
    if observations is not all_rows:
        likelihood.check(all_rows.y)
    data = TrainingData(observations, likelihood)
    config = processes.from_first(lambda: resolve_model(config, data, previous_model, tasks[0].seed))
    attempts = attempts_of(observations, config, tasks, 1 if previous else config.n_init)
    model = data.model(config, 0) if previous_model is None else previous_model
    steps = steps_of(config, observations, attempts[0].split)
    # What "auto" stands for in training is decided here and not kept: another machine may decide otherwise.
    n_steps = steps.epochs * steps.per_epoch
    training, reasons = resolve_auto(config, model, observations.event_shape, device, n_steps, len(attempts))
    if previous_model is None:
        reasons += likelihood.notes(observations.names)
    training = replace(training, device=str(device))
    first = attempts[0].task.storage
    if previous is None and processes.first:
        warn_of_marks(observations)
    if first is not None:
        first.state(0, model)  # a run of other data is refused before its start is computed
    # Several processes train a single restart together; of several restarts each process trains some by itself.
    one_restart_by, own_attempts = processes, attempts
    if len(attempts) > 1:
        one_restart_by, own_attempts = ONE_PROCESS, attempts[processes.rank :: processes.size]
    placed = observations.on(device)
    with Reporter(config.verbose if processes.first else 0) as reporter:
        for reason in reasons:
            reporter.note(reason)
        shared = _Restarts(data, placed, previous_model, training, config, reporter, one_restart_by)
        trained = shared.train(own_attempts)
    if len(attempts) > 1:
        trained = gather_restarts(processes, attempts, trained, lambda attempt: data.model(training, attempt.seed))
    of_tasks = [[each for each in trained if each.attempt.task is task] for task in tasks]
    return [
        best_of(task, restarts, all_rows, observations, config, processes)
        for task, restarts in zip(tasks, of_tasks, strict=True)
    ]


class _Restarts(NamedTuple):
    """What the restarts of a fit share: ``training`` is ``config`` with what the machine decides in place of "auto"."""

    data: TrainingData
    placed: Observations
    previous: GaussianMixtureVAE | None
    training: Config
    config: Config
    reporter: Reporter
    processes: Processes

    def train(self, attempts: Sequence[Attempt]) -> list[Trained]:
        """Train attempts, as many at once as `restarts_at_once` says."""
        at_once = self.training.restarts_at_once if isinstance(self.training.restarts_at_once, int) else 1
        found = []
        for begin in range(0, len(attempts), at_once):
            group = attempts[begin : begin + at_once]
            members = [self._member(attempt) for attempt in group]
            try:
                outcomes = train_together(members)
            finally:
                for member in members:
                    member.trainer.close()
            found += [Trained(each, m.trainer.model, o) for each, m, o in zip(group, members, outcomes, strict=True)]
        return found

    def _member(self, attempt: Attempt) -> Member:
        """The trainer of an attempt, its state if it was interrupted, and what follows each of its epochs."""
        from gmvae.training.fabric import make_fabric  # Lightning, which asking a fitted model shall not import

        storage, restart = attempt.task.storage, attempt.restart
        fabric = make_fabric(self.training, None if storage is None else storage.tensorboard(restart))
        if self.previous is None:
            model = self.data.model(self.training, attempt.seed)
            clusters = self.processes.from_first(lambda: self._starting_clusters(attempt))
        else:
            model, clusters = warm_model(self.previous, self.placed, self.training), None
        trainer = Trainer(
            model,
            self.placed,
            attempt.split,
            self.training,
            fabric,
            attempt.seed,
            clusters,
            continues=self.previous is not None,
            on_pretraining=self.reporter.stage,
            processes=self.processes,
        )
        show = self.reporter.track(attempt.label, trainer.max_iter)

        def on_epoch(state: State) -> None:
            show(state.history.epochs[-1])
            if storage is not None:
                storage.keep(restart, state)
            if attempt.task.on_epoch is not None:
                attempt.task.on_epoch(fitted_so_far(model, state.history, self.placed, self.config))

        return Member(trainer, None if storage is None else storage.state(restart, model), on_epoch)

    def _starting_clusters(self, attempt: Attempt) -> ClusteredRows | None:
        """Find starting clusters of an attempt; those of the first restart are kept and given to `Task.on_start`."""
        if self.config.init == "random":
            return None
        with self.reporter.stage(f"{attempt.label}: finding starting clusters"):
            found = self.data.start(self.training, attempt.split, attempt.seed)
        _log.info("%s starts on %s", attempt.label, found.reason)
        self.reporter.note(f"{attempt.label} starts on {found.reason}")
        if attempt.restart == 0:
            warn_if_fewer(found.labels, self.config.K)
            if attempt.task.storage is not None and self.data.observations.shards is None:
                attempt.task.storage.keep_start(found.labels)
            if attempt.task.on_start is not None:
                attempt.task.on_start(found.labels)
        return found.of_training
