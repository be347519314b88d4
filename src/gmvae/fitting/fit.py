"""The recipe of a fit: units and starts, every restart's training, the best of them, and what is known of it."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from gmvae.config import Config, epochs
from gmvae.device import device_for
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.starts import Ground, continued, counted, split_rows
from gmvae.fitting.warn import warn_if_collapsed, warn_if_fewer, warn_unless_converged
from gmvae.metrics import effective_components, stability
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.training import (
    DivergedError,
    Member,
    Split,
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


class Storage(Protocol):
    """Where a fit keeps what is known after every epoch, and finds it again."""

    def tensorboard(self, restart: int) -> Path:
        """Folder of a restart's TensorBoard events."""
        ...

    def state(self, restart: int, model: GaussianMixtureVAE) -> State | None:
        """Where an interrupted restart stood; None for one that begins."""
        ...

    def keep(self, restart: int, state: State) -> None:
        """Keep the state of a restart."""
        ...

    def keep_start(self, labels: np.ndarray) -> None:
        """Keep the starting clusters."""
        ...

    def keep_best(self, state: State) -> None:
        """Keep the history of the best restart."""
        ...


class Task(NamedTuple):
    """What one fit of several follows.

    Attributes
    ----------
    seed : int
        Everything random follows from it.
    storage : Storage, optional
        Gets checkpoints, history and TensorBoard events.
    on_epoch : callable, optional
        Called after every epoch of every restart with the fit so far.
    on_start : callable, optional
        Called once with the starting clusters of the first restart, (n,); -1 for rows that were not looked at.
    """

    seed: int
    storage: Storage | None = None
    on_epoch: Callable[[Fitted], object] | None = None
    on_start: Callable[[np.ndarray], object] | None = None


class Fit(NamedTuple):
    """A fit and its answer for the rows that it learned from.

    Attributes
    ----------
    fitted : Fitted
    proba : ndarray of shape (n, K)
    """

    fitted: Fitted
    proba: np.ndarray


def fit(observations: Observations, config: Config, tasks: Sequence[Task], previous: Fitted | None = None) -> list[Fit]:
    """Fit every task, and keep the best of its restarts by the held-out bound.

    Parameters
    ----------
    observations : Observations
    config : Config
        Its `random_state` is not looked at.
    tasks : sequence of Task
        With ``n_components="auto"`` all have as many clusters as the first finds.
    previous : Fitted, optional
        From which each task starts once (warm start), whatever `n_init` says. It stays as it is.

    Raises
    ------
    ValueError
        If the observations do not suit the likelihood, or ``previous`` is of another model.
    DivergedError
        If all restarts of a task have.
    """
    start = Ground(observations, config.likelihood) if previous is None else previous.model
    config = counted(config, start, tasks[0].seed)
    attempts = _attempts(len(observations), config, tasks, 1 if previous else config.n_init)
    model = start.model(config, 0) if isinstance(start, Ground) else start
    n_train = len(attempts[0].split.train)
    batch_size = min(config.batch_size, n_train)
    n_steps = epochs(config.max_iter, n_train, batch_size) * (n_train // batch_size)
    # What "auto" stands for in training is decided here and not kept: another machine may decide otherwise.
    device = device_for(config.device)
    training, reasons = resolve_auto(config, model, observations.event_shape, device, n_steps, len(attempts))
    if isinstance(start, Ground):
        reasons += start.notes
    placed = observations.on(device)
    at_once = training.restarts_at_once if isinstance(training.restarts_at_once, int) else 1
    first = attempts[0].task.storage
    if first is not None:
        first.state(0, model)  # a run of other data is refused before anything is computed
    outcomes: list[tuple[Trainer, State | DivergedError]] = []
    with Reporter(config.verbose) as reporter:
        for begin in range(0, len(attempts), at_once):
            while reasons:
                reporter.note(reasons.pop(0))
            part = attempts[begin : begin + at_once]
            members = [_member(placed, start, training, config, each, reporter) for each in part]
            try:
                outcomes += zip([member.trainer for member in members], train_together(members), strict=True)
            finally:
                for member in members:
                    member.trainer.close()
    fits = []
    for task in tasks:
        own = [outcome for attempt, outcome in zip(attempts, outcomes, strict=True) if attempt.task is task]
        fits.append(_best(task, own, observations, config))
    return fits


class _Attempt(NamedTuple):
    """One restart of a task."""

    task: Task
    restart: int
    seed: int
    split: Split
    label: str


def _attempts(n_rows: int, config: Config, tasks: Sequence[Task], n_starts: int) -> list[_Attempt]:
    attempts = []
    for index, task in enumerate(tasks):
        seeds = np.random.SeedSequence(task.seed).generate_state(config.n_init + 1, np.uint32).tolist()
        split = split_rows(n_rows, config.validation_fraction, seeds[0])
        name = "fit" if len(tasks) == 1 else f"fit {index + 1}/{len(tasks)}"
        if n_starts > 1:
            name = f"{name} restart" if len(tasks) > 1 else "restart"
        attempts += [
            _Attempt(task, restart, seed, split, name if n_starts == 1 else f"{name} {restart + 1}/{n_starts}")
            for restart, seed in enumerate(seeds[1 : 1 + n_starts])
        ]
    return attempts


def _member(
    observations: Observations,
    start: Ground | GaussianMixtureVAE,
    training: Config,
    config: Config,
    attempt: _Attempt,
    reporter: Reporter,
) -> Member:
    """Build the model of an attempt on its start, and its trainer."""
    from gmvae.training.fabric import make_fabric  # Lightning, which asking a fitted model shall not import

    storage, restart = attempt.task.storage, attempt.restart
    fabric = make_fabric(training, None if storage is None else storage.tensorboard(restart))
    if isinstance(start, Ground):
        model, clusters = start.model(training, attempt.seed), _started(start, training, attempt, reporter)
    else:
        model, clusters = continued(start, observations, training), None
    trainer = Trainer(
        model,
        observations,
        attempt.split,
        training,
        fabric,
        attempt.seed,
        clusters,
        continues=not isinstance(start, Ground),
        on_pretraining=reporter.stage,
    )
    show = reporter.track(attempt.label, trainer.max_iter)

    def on_epoch(state: State) -> None:
        show(state.history.epochs[-1])
        if storage is not None:
            storage.keep(restart, state)
        if attempt.task.on_epoch is not None:
            so_far = Fitted(
                model=model,
                config=config,
                event_shape=observations.event_shape,
                history=state.history,
                feature_names=observations.names,
            )
            attempt.task.on_epoch(so_far)

    return Member(trainer, None if storage is None else storage.state(restart, model), on_epoch)


def _started(ground: Ground, config: Config, attempt: _Attempt, reporter: Reporter) -> StartingClusters | None:
    """Find the starting clusters of an attempt, and show them to whoever waits for first labels."""
    if config.init == "random":
        return None
    with reporter.stage(f"{attempt.label}: finding starting clusters"):
        found = ground.start(config, attempt.split, attempt.seed)
    _log.info("%s starts on %s", attempt.label, found.reason)
    reporter.note(f"{attempt.label} starts on {found.reason}")
    if attempt.restart == 0:
        warn_if_fewer(found.labels, config.K)
        if attempt.task.storage is not None:
            attempt.task.storage.keep_start(found.labels)
        if attempt.task.on_start is not None:
            attempt.task.on_start(found.labels)
    return found.taught


def _best(
    task: Task, outcomes: Sequence[tuple[Trainer, State | DivergedError]], observations: Observations, config: Config
) -> Fit:
    """The best restart of a task, and what is known of it."""
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
    fitted = Fitted(
        model=trainer.model,
        config=config,
        event_shape=observations.event_shape,
        history=state.history,
        feature_names=observations.names,
        converged=converged(state, config),
        lower_bound=state.best_bound,
        restart_bounds=[outcome.best_bound if isinstance(outcome, State) else math.nan for _, outcome in outcomes],
        stability=_stability(outcomes, observations, config),
    )
    proba = fitted.proba(observations.y)
    weights = proba.mean(0)
    scored = observations.y[np.sort(trainer.split.held_out[:_MAX_SCORED].numpy())]  # in their order on disk
    fitted = replace(
        fitted,
        weights=weights,
        n_components_effective=effective_components(weights),
        held_out_log_likelihoods=np.sort(fitted.novelty_evidence(scored)).astype(np.float64),
    )
    warn_if_collapsed(state.history.best, config)
    warn_unless_converged(state, config)
    return Fit(fitted, proba)


def _stability(
    outcomes: Sequence[tuple[Trainer, State | DivergedError]], observations: Observations, config: Config
) -> float:
    trained = [(trainer.model, outcome.history) for trainer, outcome in outcomes if isinstance(outcome, State)]
    if len(trained) < 2:
        return math.nan
    split = outcomes[0][0].split
    compared = observations.y[np.unique(np.concatenate([split.train, split.held_out])[:_MAX_COMPARED])]
    fits = [Fitted(model=m, config=config, event_shape=observations.event_shape, history=h) for m, h in trained]
    return stability([fitted.labels(compared) for fitted in fits])
