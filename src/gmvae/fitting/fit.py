"""The recipe of a fit: likelihood and starts, the training of every restart, and the best of them."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from gmvae.config import Config
from gmvae.device import device_for, torch_defaults
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import Restart, SeededFit, TrainedRestart, gather_restarts, restarts_of
from gmvae.fitting.selection import BestRestart, best_of, fitted_so_far
from gmvae.fitting.starts import TrainingData, learned_likelihood, resolve_model, warm_model
from gmvae.fitting.warn import warn_if_fewer, warn_of_marks
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.training import (
    ClusteredRows,
    ResumableTraining,
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
    observations: Observations, config: Config, fits: Sequence[SeededFit], previous: Fitted | None = None
) -> list[BestRestart]:
    """Carry out the fits, and keep of each the restart with the highest held-out bound.

    Of ``config`` all but `random_state` counts; with ``n_components="auto"`` all fits have as many clusters as the
    first finds. From ``previous``, which stays as it is, each fit starts once (warm start), whatever `n_init` says.
    ValueError if the observations do not suit the likelihood, or ``previous`` is of another model; DivergedError if all
    restarts of a fit have.

    Several processes that a launcher has started call it with the same observations and settings, and all get the
    answer. A single restart they train together; of several each trains its share. The ``fits`` of the first process
    count, with their seeds, and only it stores and tells anything.
    """
    device = device_for(config.device, local_rank())
    processes = join_processes(device)
    if processes.several:
        seeds = processes.from_first(lambda: [each.seed for each in fits])
        fits = [each if processes.first else SeededFit(seed) for each, seed in zip(fits, seeds, strict=True)]
    all_rows = observations if previous is None else observations.classes_as(previous.classes)
    observations = all_rows.of_positive_weight()  # all others are answered, but not learned from
    previous_model = None if previous is None else previous.model
    likelihood = learned_likelihood(config, observations) if previous_model is None else previous_model.likelihood
    if observations is not all_rows:
        likelihood.check(all_rows.y)
    data = TrainingData(observations, likelihood)
    config = processes.from_first(lambda: resolve_model(config, data, previous_model, fits[0].seed))
    restarts = restarts_of(observations, config, fits, 1 if previous else config.n_init)
    model = data.model(config, 0) if previous_model is None else previous_model
    steps = steps_of(config, observations, restarts[0].split)
    # What "auto" stands for in training is decided here and not kept: another machine may decide otherwise.
    n_steps = steps.epochs * steps.per_epoch
    device_config, reasons = resolve_auto(config, model, observations.event_shape, device, n_steps, len(restarts))
    if previous_model is None:
        reasons += likelihood.notes(observations.names)
    device_config = replace(device_config, device=str(device))
    first = restarts[0].fit.storage
    if previous is None and processes.first:
        warn_of_marks(observations)
    if first is not None:
        first.state(0, model)  # a run of other data is refused before its start is computed
    # Several processes train a single restart together; of several restarts each process trains some by itself.
    one_restart_by, own_restarts = processes, restarts
    if len(restarts) > 1:
        one_restart_by, own_restarts = ONE_PROCESS, restarts[processes.rank :: processes.size]
    placed = observations.on(device)
    with Reporter(config.verbose if processes.first else 0) as reporter:
        for reason in reasons:
            reporter.note(reason)
        training = _RestartTraining(data, placed, previous_model, device_config, config, reporter, one_restart_by)
        trained = training.train(own_restarts)
    if len(restarts) > 1:
        trained = gather_restarts(processes, restarts, trained, lambda each: data.model(device_config, each.seed))
    return [
        best_of(each, [one for one in trained if one.restart.fit is each], all_rows, observations, config, processes)
        for each in fits
    ]


class _RestartTraining(NamedTuple):
    """Trains restarts, which share all this.

    ``device_config`` is ``config`` with what data and device decide in place of "auto"; the fit is recorded with
    ``config``.
    """

    data: TrainingData
    placed: Observations
    previous: GaussianMixtureVAE | None
    device_config: Config
    config: Config
    reporter: Reporter
    processes: Processes

    def train(self, restarts: Sequence[Restart]) -> list[TrainedRestart]:
        """Train restarts, as many at once as `restarts_at_once` says."""
        wanted = self.device_config.restarts_at_once
        at_once = wanted if isinstance(wanted, int) else 1
        found = []
        for begin in range(0, len(restarts), at_once):
            group = restarts[begin : begin + at_once]
            trainings = [self._training(restart) for restart in group]
            try:
                outcomes = train_together(trainings)
            finally:
                for training in trainings:
                    training.trainer.close()
            found += [
                TrainedRestart(restart, training.trainer.model, outcome)
                for restart, training, outcome in zip(group, trainings, outcomes, strict=True)
            ]
        return found

    def _training(self, restart: Restart) -> ResumableTraining:
        """The trainer of a restart, its state if it was interrupted, and what follows each of its epochs."""
        from gmvae.training.fabric import make_fabric  # Lightning, which asking a fitted model shall not import

        began = time.perf_counter()
        storage = restart.fit.storage
        fabric = make_fabric(self.device_config, None if storage is None else storage.tensorboard(restart.number))
        if self.previous is None:
            model = self.data.model(self.device_config, restart.seed)
            clusters = self.processes.from_first(lambda: self._starting_clusters(restart))
        else:
            model, clusters = warm_model(self.previous, self.placed, self.device_config), None
        trainer = Trainer(
            model,
            self.placed,
            restart.split,
            self.device_config,
            fabric,
            restart.seed,
            clusters,
            continues=self.previous is not None,
            on_pretraining=self.reporter.stage,
            processes=self.processes,
        )
        show = self.reporter.track(restart.label, trainer.max_iter)
        kept = None if storage is None else storage.state(restart.number, model)
        told = kept is not None  # of a resumed run the time until then is not known

        def on_epoch(state: State) -> None:
            nonlocal told
            show(state.history.epochs[-1])
            if not told and trainer.has_settled(state):
                told = True
                self.reporter.note(f"{restart.label}: clusters have settled after {time.perf_counter() - began:.1f} s")
            if storage is not None:
                storage.keep(restart.number, state)
            if restart.fit.on_epoch is not None:
                restart.fit.on_epoch(fitted_so_far(model, state.history, self.placed, self.config))

        return ResumableTraining(trainer, kept, on_epoch)

    def _starting_clusters(self, restart: Restart) -> ClusteredRows | None:
        """Find starting clusters of a restart; those of the first are kept and given to `SeededFit.on_start`."""
        if self.config.init == "random":
            return None
        with self.reporter.stage(f"{restart.label}: finding starting clusters"):
            found = self.data.start(self.device_config, restart.split, restart.seed)
        _log.info("%s starts on %s", restart.label, found.reason)
        self.reporter.note(f"{restart.label} starts on {found.reason}")
        if restart.number == 0:
            warn_if_fewer(found.labels, self.config.K)
            if restart.fit.storage is not None and self.data.observations.shards is None:
                restart.fit.storage.keep_start(found.labels)
            if restart.fit.on_start is not None:
                restart.fit.on_start(found.labels)
        return found.of_training
