"""The recipe of a fit: likelihood and starts, every restart's training, the best of them, and what is known of it."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from gmvae.config import Config, steps_for
from gmvae.device import device_for, usual_torch
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import Attempt, Task, Trained, attempts_of, of_all
from gmvae.fitting.starts import TrainingData, learned_likelihood, resolve_sizes, warm_model
from gmvae.fitting.warn import warn_if_collapsed, warn_if_fewer, warn_unless_converged
from gmvae.history import History
from gmvae.metrics import effective_components, stability
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.sparse_rows import AnyRows
from gmvae.training import (
    DivergedError,
    Member,
    StartingClusters,
    State,
    Trainer,
    TrainingWarning,
    resolve_auto,
    train_together,
)
from gmvae.training.processes import ALONE, Processes, join_processes, local_rank

_MAX_SCORED = 1000
"""Held-out rows whose densities are kept: enough for a percentile, in little of the time of a fit."""
_MAX_COMPARED = 10_000
"""Rows by whose clusters restarts are compared."""

_log = logging.getLogger("gmvae")


class Fit(NamedTuple):
    """A fit and its answer (n, K) for the rows that it learned from; for the sample of a source in shards."""

    fitted: Fitted
    proba: np.ndarray


@usual_torch()
def fit(observations: Observations, config: Config, tasks: Sequence[Task], previous: Fitted | None = None) -> list[Fit]:
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
    everything, before = observations, None if previous is None else previous.model
    if previous is not None:
        everything = everything.classes_as(previous.classes)
    observations = everything.counted()
    likelihood = (
        learned_likelihood(config.likelihood, observations, config.size_factors)
        if before is None
        else before.likelihood
    )
    if observations is not everything:
        likelihood.check(everything.y)
    data = TrainingData(observations, likelihood)
    config = processes.from_first(lambda: resolve_sizes(config, data, before, tasks[0].seed))
    attempts = attempts_of(observations, config, tasks, 1 if previous else config.n_init)
    model = data.model(config, 0) if before is None else before
    n_training = len(attempts[0].split.train) + observations.n_beyond
    steps = steps_for(config, n_training, in_parts=observations.shards is not None)
    # What "auto" stands for in training is decided here and not kept: another machine may decide otherwise.
    n_steps = steps.epochs * steps.per_epoch
    training, reasons = resolve_auto(config, model, observations.event_shape, device, n_steps, len(attempts))
    if before is None:
        reasons += likelihood.notes(observations.names)
    training = replace(training, device=str(device))
    placed = observations.on(device)
    at_once = training.restarts_at_once if isinstance(training.restarts_at_once, int) else 1
    first = attempts[0].task.storage
    if first is not None:
        first.state(0, model)  # a run of other data is refused before its start is computed
    together, mine = processes, attempts
    if len(attempts) > 1:
        together, mine = ALONE, attempts[processes.rank :: processes.size]
    found: list[Trained] = []
    with Reporter(config.verbose if processes.first else 0) as reporter:
        for reason in reasons:
            reporter.note(reason)
        for begin in range(0, len(mine), at_once):
            part = mine[begin : begin + at_once]
            members = [_member(placed, data, before, training, config, each, reporter, together) for each in part]
            try:
                outcomes = train_together(members)
            finally:
                for member in members:
                    member.trainer.close()
            found += [Trained(each, m.trainer.model, o) for each, m, o in zip(part, members, outcomes, strict=True)]
    if len(attempts) > 1:
        found = of_all(
            processes, attempts, found, lambda attempt: _as_trained(data.model(training, attempt.seed), training)
        )
    return [
        _best(
            task,
            [trained for trained in found if trained.attempt.task is task],
            everything,
            observations,
            config,
            steps.without_gain,
            processes,
        )
        for task in tasks
    ]


def _as_trained(model: GaussianMixtureVAE, training: Config) -> GaussianMixtureVAE:
    """A new model in the type that training gives to its weights."""
    return model.double() if training.precision == "64-true" else model


def _member(
    observations: Observations,
    data: TrainingData,
    previous: GaussianMixtureVAE | None,
    training: Config,
    config: Config,
    attempt: Attempt,
    reporter: Reporter,
    processes: Processes,
) -> Member:
    from gmvae.training.fabric import make_fabric  # Lightning, which asking a fitted model shall not import

    storage, restart = attempt.task.storage, attempt.restart
    fabric = make_fabric(training, None if storage is None else storage.tensorboard(restart))
    if previous is None:
        model = data.model(training, attempt.seed)
        clusters = processes.from_first(lambda: _started(data, training, attempt, reporter))
    else:
        model, clusters = warm_model(previous, observations, training), None
    trainer = Trainer(
        model,
        observations,
        attempt.split,
        training,
        fabric,
        attempt.seed,
        clusters,
        continues=previous is not None,
        on_pretraining=reporter.stage,
        processes=processes,
    )
    show = reporter.track(attempt.label, trainer.max_iter)

    def on_epoch(state: State) -> None:
        show(state.history.epochs[-1])
        if storage is not None:
            storage.keep(restart, state)
        if attempt.task.on_epoch is not None:
            attempt.task.on_epoch(_so_far(model, state.history, observations, config))

    return Member(trainer, None if storage is None else storage.state(restart, model), on_epoch)


def _started(data: TrainingData, config: Config, attempt: Attempt, reporter: Reporter) -> StartingClusters | None:
    """Find the starting clusters of an attempt, and show them to whoever waits for first labels."""
    if config.init == "random":
        return None
    with reporter.stage(f"{attempt.label}: finding starting clusters"):
        found = data.start(config, attempt.split, attempt.seed)
    _log.info("%s starts on %s", attempt.label, found.reason)
    reporter.note(f"{attempt.label} starts on {found.reason}")
    if attempt.restart == 0:
        warn_if_fewer(found.labels, config.K)
        if attempt.task.storage is not None and data.observations.shards is None:
            attempt.task.storage.keep_start(found.labels)
        if attempt.task.on_start is not None:
            attempt.task.on_start(found.labels)
    return found.of_training


def _best(
    task: Task,
    restarts: Sequence[Trained],
    everything: Observations,
    observations: Observations,
    config: Config,
    patience: int,
    processes: Processes,
) -> Fit:
    """The best restart and what is known of it; ``observations`` are those of everything whose weight is above 0."""
    outcomes = [restart.outcome for restart in restarts]
    states = [outcome for outcome in outcomes if isinstance(outcome, State)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, DivergedError)]
    if not states:
        raise failures[-1]
    if failures:
        warnings.warn(f"A restart was given up: {failures[-1]}", TrainingWarning, stacklevel=4)
    state = max(states, key=lambda state: state.best_bound)
    if task.storage is not None:
        task.storage.keep_best(state)
    best = next(restart for restart in restarts if restart.outcome is state)
    fitted = _so_far(best.model, state.history, observations, config)
    proba = _proba(fitted, everything.y, processes)
    if everything.label is not None:
        known = everything.label >= 0
        proba[known] = np.eye(config.K)[everything.label[known]]
    weights = proba.mean(0) if everything.weight is None else np.average(proba, axis=0, weights=everything.weight)
    scored = observations.y[np.sort(best.attempt.split.held_out[:_MAX_SCORED].numpy())]  # in their order on disk
    densities, sizes = fitted.novelty_evidence(scored).astype(np.float64), fitted.model.likelihood.sizes(scored)
    order = densities.argsort(kind="stable")
    fitted = replace(
        fitted,
        converged=state.epochs_without_gain >= patience,
        lower_bound=state.best_bound,
        restart_bounds=[outcome.best_bound if isinstance(outcome, State) else math.nan for outcome in outcomes],
        stability=_stability(restarts, observations, config),
        weights=weights,
        n_components_effective=effective_components(weights),
        held_out_log_likelihoods=densities[order],
        held_out_sizes=None if sizes is None else sizes[order],
    )
    if processes.first:
        warn_if_collapsed(state.history.best, config)
        warn_unless_converged(state, patience)
    return Fit(fitted, proba)


def _proba(fitted: Fitted, y: AnyRows, processes: Processes) -> np.ndarray:
    """p(z|y) of all rows, which several processes divide between them."""
    if not processes.several:
        return fitted.proba(y)
    part = processes.slice(len(y))
    own = fitted.proba(y[part])
    proba = torch.zeros(len(y), own.shape[1], dtype=torch.from_numpy(own).dtype)
    proba[part] = torch.from_numpy(own)
    proba = proba.to(next(fitted.model.parameters()).device)
    processes.add_up(proba)
    return proba.cpu().numpy()


def _so_far(model: GaussianMixtureVAE, history: History, observations: Observations, config: Config) -> Fitted:
    """What is known of a fit while it goes on."""
    return Fitted(
        model=model,
        config=config,
        event_shape=observations.event_shape,
        history=history,
        feature_names=observations.names,
        columns=observations.columns,
        classes=[*observations.classes, *[None] * (config.K - len(observations.classes))],
    )


def _stability(restarts: Sequence[Trained], observations: Observations, config: Config) -> float:
    trained = [(each.model, each.outcome.history) for each in restarts if isinstance(each.outcome, State)]
    if len(trained) < 2:
        return math.nan
    split = restarts[0].attempt.split
    compared = observations.y[np.unique(np.concatenate([split.train, split.held_out])[:_MAX_COMPARED])]
    return stability([_so_far(*each, observations, config).labels(compared) for each in trained])
