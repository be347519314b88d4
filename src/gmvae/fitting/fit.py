"""The recipe of a fit: likelihood and starts, every restart's training, the best of them, and what is known of it."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np

from gmvae.config import Config, steps_for
from gmvae.device import device_for, usual_torch
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import Attempt, Task, attempts_of
from gmvae.fitting.starts import TrainingData, learned_likelihood, resolve_sizes, warm_model
from gmvae.fitting.warn import warn_if_collapsed, warn_if_fewer, warn_unless_converged
from gmvae.history import History
from gmvae.metrics import effective_components, stability
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.training import (
    DivergedError,
    Member,
    StartingClusters,
    State,
    Trainer,
    TrainingWarning,
    converged,
    resolve_auto,
    train_together,
)

_MAX_SCORED = 1000
"""Held-out rows whose densities are kept: enough for a percentile, in little of the time of a fit."""
_MAX_COMPARED = 10_000
"""Rows by whose clusters restarts are compared."""

_log = logging.getLogger("gmvae")


Trained = tuple[Trainer, State | DivergedError]


class Fit(NamedTuple):
    """A fit and its answer (n, K) for the rows that it learned from."""

    fitted: Fitted
    proba: np.ndarray


@usual_torch()
def fit(observations: Observations, config: Config, tasks: Sequence[Task], previous: Fitted | None = None) -> list[Fit]:
    """Fit every task, and keep the best of its restarts by the held-out bound.

    Of ``config`` all but `random_state` counts; with ``n_components="auto"`` all tasks have as many clusters as the
    first finds. From ``previous``, which stays as it is, each task starts once (warm start), whatever `n_init` says.
    ValueError if the observations do not suit the likelihood, or ``previous`` is of another model; DivergedError if all
    restarts of a task have.
    """
    everything, before = observations, None if previous is None else previous.model
    if previous is not None:
        everything = everything.classes_as(previous.classes)
    observations = everything.counted()
    likelihood = (
        learned_likelihood(config.likelihood, observations, config.size_factors, config.covariate)
        if before is None
        else before.likelihood
    )
    if observations is not everything:
        likelihood.check(everything.y)
    data = TrainingData(observations, likelihood)
    config = resolve_sizes(config, data, before, tasks[0].seed)
    attempts = attempts_of(observations, config, tasks, 1 if previous else config.n_init)
    model = data.model(config, 0) if before is None else before
    steps = steps_for(config, len(attempts[0].split.train))
    # What "auto" stands for in training is decided here and not kept: another machine may decide otherwise.
    device = device_for(config.device)
    n_steps = steps.epochs * steps.per_epoch
    training, reasons = resolve_auto(config, model, observations.event_shape, device, n_steps, len(attempts))
    if before is None:
        reasons += likelihood.notes(observations.names)
    placed = observations.on(device)
    at_once = training.restarts_at_once if isinstance(training.restarts_at_once, int) else 1
    first = attempts[0].task.storage
    if first is not None:
        first.state(0, model)  # a run of other data is refused before its start is computed
    outcomes: list[Trained] = []
    with Reporter(config.verbose) as reporter:
        for reason in reasons:
            reporter.note(reason)
        for begin in range(0, len(attempts), at_once):
            part = attempts[begin : begin + at_once]
            members = [_member(placed, data, before, training, config, each, reporter) for each in part]
            try:
                outcomes += zip([member.trainer for member in members], train_together(members), strict=True)
            finally:
                for member in members:
                    member.trainer.close()
    fits = []
    for task in tasks:
        own = [outcome for attempt, outcome in zip(attempts, outcomes, strict=True) if attempt.task is task]
        fits.append(_best(task, own, everything, observations, config))
    return fits


def _member(
    observations: Observations,
    data: TrainingData,
    previous: GaussianMixtureVAE | None,
    training: Config,
    config: Config,
    attempt: Attempt,
    reporter: Reporter,
) -> Member:
    from gmvae.training.fabric import make_fabric  # Lightning, which asking a fitted model shall not import

    storage, restart = attempt.task.storage, attempt.restart
    fabric = make_fabric(training, None if storage is None else storage.tensorboard(restart))
    if previous is None:
        model, clusters = data.model(training, attempt.seed), _started(data, training, attempt, reporter)
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
        if attempt.task.storage is not None:
            attempt.task.storage.keep_start(found.labels)
        if attempt.task.on_start is not None:
            attempt.task.on_start(found.labels)
    return found.of_training


def _best(
    task: Task, outcomes: Sequence[Trained], everything: Observations, observations: Observations, config: Config
) -> Fit:
    """The best restart and what is known of it; ``observations`` are those of everything whose weight is above 0."""
    states = [outcome for _, outcome in outcomes if isinstance(outcome, State)]
    failures = [outcome for _, outcome in outcomes if isinstance(outcome, DivergedError)]
    if not states:
        raise failures[-1]
    if failures:
        warnings.warn(f"A restart was given up: {failures[-1]}", TrainingWarning, stacklevel=4)
    state = max(states, key=lambda state: state.best_bound)
    if task.storage is not None:
        task.storage.keep_best(state)
    trainer = next(trainer for trainer, outcome in outcomes if outcome is state)
    fitted = _so_far(trainer.model, state.history, observations, config)
    proba = fitted.proba(everything.y)
    if everything.label is not None:
        known = everything.label >= 0
        proba[known] = np.eye(config.K)[everything.label[known]]
    weights = proba.mean(0) if everything.weight is None else np.average(proba, axis=0, weights=everything.weight)
    scored = observations.y[np.sort(trainer.split.held_out[:_MAX_SCORED].numpy())]  # in their order on disk
    densities, sizes = fitted.novelty_evidence(scored).astype(np.float64), fitted.model.likelihood.sizes(scored)
    order = densities.argsort(kind="stable")
    fitted = replace(
        fitted,
        converged=converged(state, config),
        lower_bound=state.best_bound,
        restart_bounds=[outcome.best_bound if isinstance(outcome, State) else math.nan for _, outcome in outcomes],
        stability=_stability(outcomes, observations, config),
        weights=weights,
        n_components_effective=effective_components(weights),
        held_out_log_likelihoods=densities[order],
        held_out_sizes=None if sizes is None else sizes[order],
    )
    warn_if_collapsed(state.history.best, config)
    warn_unless_converged(state, config)
    return Fit(fitted, proba)


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


def _stability(outcomes: Sequence[Trained], observations: Observations, config: Config) -> float:
    trained = [(trainer.model, outcome.history) for trainer, outcome in outcomes if isinstance(outcome, State)]
    if len(trained) < 2:
        return math.nan
    split = outcomes[0][0].split
    compared = observations.y[np.unique(np.concatenate([split.train, split.held_out])[:_MAX_COMPARED])]
    return stability([_so_far(*each, observations, config).labels(compared) for each in trained])
