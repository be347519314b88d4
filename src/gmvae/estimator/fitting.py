"""Fits: every restart's trainer, the restarts of each fit, and the best of them by the held-out bound."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from gmvae.config import Config, epochs
from gmvae.device import device_for
from gmvae.estimator import answers
from gmvae.estimator.fit_warnings import warn_if_collapsed, warn_if_fewer, warn_unless_converged
from gmvae.estimator.run import Run
from gmvae.estimator.starting import Ground, continued, split_rows
from gmvae.metrics import effective_components, stability
from gmvae.model import GaussianMixtureVAE
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
    make_fabric,
    resolve_auto,
    rows_for,
    train_together,
)

if TYPE_CHECKING:
    from gmvae.estimator.gmvae import GMVAE

_MAX_SCORED = 1000
"""Held-out rows whose densities are kept: enough for a percentile, in little of the time of a fit."""
_MAX_COMPARED = 10_000
"""Rows by whose clusters restarts are compared."""

_log = logging.getLogger("gmvae")


class Fit(NamedTuple):
    """The best of the restarts.

    Attributes
    ----------
    model : GaussianMixtureVAE
        With the weights of the best held-out bound.
    state : State
        Its training state, with the history.
    bounds : list of float
        Held-out bound of every restart; NaN for one that diverged.
    held_out : ndarray of int
        Rows that decided when to stop.
    stability : float
        Mean adjusted Rand index between the clusters of restarts; NaN with fewer than two.
    """

    model: GaussianMixtureVAE
    state: State
    bounds: list[float]
    held_out: np.ndarray
    stability: float


class Task(NamedTuple):
    """What one fit of several follows.

    Attributes
    ----------
    seed : int
        Everything random follows from it.
    run : Run, optional
        Checkpoints, history and TensorBoard events go to its folder.
    on_epoch : callable, optional
        Called after every epoch of every restart with the model, in evaluation mode, and the state of its training.
    on_start : callable, optional
        Called once with the starting clusters of the first restart, (n,); -1 for rows that were not looked at.
    """

    seed: int
    run: Run | None = None
    on_epoch: Callable[[GaussianMixtureVAE, State], None] | None = None
    on_start: Callable[[np.ndarray], object] | None = None


class Attempt(NamedTuple):
    """One restart of a task."""

    task: Task
    restart: int
    seed: int
    split: Split
    label: str


def fit_all(rows: np.ndarray, config: Config, tasks: Sequence[Task], start: Ground | GaussianMixtureVAE) -> list[Fit]:
    """Train every task's restarts on ``rows`` (n, *event) and keep the best of each by the held-out bound.

    Parameters
    ----------
    rows : ndarray of shape (n, *event)
    config : Config
        With a number of components.
    tasks : sequence of Task
    start : Ground or GaussianMixtureVAE
        What new models are built on; or a previous model, from which each task starts once (warm start), whatever
        `n_init` says. It stays as it is.

    Raises
    ------
    DivergedError
        If all restarts of a task have.
    """
    attempts = _attempts(len(rows), config, tasks, config.n_init if isinstance(start, Ground) else 1)
    model = start.model(config, 0) if isinstance(start, Ground) else start
    n_train = len(attempts[0].split.train)
    batch_size = min(config.batch_size, n_train)
    n_steps = epochs(config.max_iter, n_train, batch_size) * (n_train // batch_size)
    config, reasons = resolve_auto(config, model, rows.shape[1:], device_for(config.device), n_steps, len(attempts))
    if isinstance(start, Ground):
        reasons += start.notes
    at_once = config.restarts_at_once if isinstance(config.restarts_at_once, int) else 1
    first_run = attempts[0].task.run
    if first_run is not None:
        first_run.state(0, model)  # a run of other data is refused before anything is computed
    outcomes: list[tuple[Trainer, State | DivergedError]] = []
    with Reporter(config.verbose) as reporter:
        for first in range(0, len(attempts), at_once):
            while reasons:
                reporter.note(reasons.pop(0))
            members = [_member(rows, start, config, each, reporter) for each in attempts[first : first + at_once]]
            try:
                outcomes += zip([member.trainer for member in members], train_together(members), strict=True)
            finally:
                for member in members:
                    member.trainer.close()
    fits = []
    for task in tasks:
        own = [outcome for attempt, outcome in zip(attempts, outcomes, strict=True) if attempt.task is task]
        fits.append(_best(task, own, rows))
    return fits


def adopt(estimator: GMVAE, fit: Fit, rows: np.ndarray, config: Config) -> None:
    """Give an estimator the outcome of its fit to ``rows``."""
    estimator._config = config
    estimator._model = fit.model
    estimator.event_shape_ = rows.shape[1:]
    estimator.history_ = fit.state.history
    estimator.n_iter_ = len(fit.state.history.epochs)
    estimator.converged_ = converged(fit.state, config)
    estimator.lower_bound_ = fit.state.best_bound
    estimator.restart_bounds_ = fit.bounds
    estimator.stability_ = fit.stability
    proba = answers.proba(fit.model, rows)
    estimator.labels_ = proba.argmax(1)
    estimator.weights_ = proba.mean(0)
    estimator.n_components_effective_ = effective_components(estimator.weights_)
    scored = rows[np.sort(fit.held_out[:_MAX_SCORED])]  # in their order on disk
    estimator.held_out_log_likelihoods_ = np.sort(answers.novelty_evidence(fit.model, scored)).astype(np.float64)
    warn_if_collapsed(fit.state.history.best, config)
    warn_unless_converged(fit.state, config)


def _attempts(n_rows: int, config: Config, tasks: Sequence[Task], n_starts: int) -> list[Attempt]:
    attempts = []
    for index, task in enumerate(tasks):
        seeds = np.random.SeedSequence(task.seed).generate_state(config.n_init + 1, np.uint32).tolist()
        split = split_rows(n_rows, config.validation_fraction, seeds[0])
        fit = "fit" if len(tasks) == 1 else f"fit {index + 1}/{len(tasks)}"
        if n_starts > 1:
            fit = f"{fit} restart" if len(tasks) > 1 else "restart"
        attempts += [
            Attempt(task, restart, seed, split, fit if n_starts == 1 else f"{fit} {restart + 1}/{n_starts}")
            for restart, seed in enumerate(seeds[1 : 1 + n_starts])
        ]
    return attempts


def _member(
    rows: np.ndarray, start: Ground | GaussianMixtureVAE, config: Config, attempt: Attempt, reporter: Reporter
) -> Member:
    """Build the model of an attempt on its start, and its trainer."""
    run, restart = attempt.task.run, attempt.restart
    fabric = make_fabric(config, run and run.tensorboard(restart))
    if isinstance(start, Ground):
        model, clusters = start.model(config, attempt.seed), _started(start, config, attempt, reporter)
    else:
        model, clusters = continued(start, rows, config), None
    continues = not isinstance(start, Ground)
    trainer = Trainer(
        model,
        rows_for(rows, fabric.device),
        attempt.split,
        config,
        fabric,
        attempt.seed,
        clusters,
        continues,
        on_pretraining=reporter.stage,
    )
    show = reporter.track(attempt.label, trainer.max_iter)

    def on_epoch(state: State) -> None:
        show(state.history.epochs[-1])
        if run is not None:
            run.keep(restart, state)
        if attempt.task.on_epoch is not None:
            attempt.task.on_epoch(model, state)

    return Member(trainer, run and run.state(restart, model), on_epoch)


def _started(ground: Ground, config: Config, attempt: Attempt, reporter: Reporter) -> StartingClusters | None:
    """Find the starting clusters of an attempt, and show them to whoever waits for first labels."""
    if config.init == "random":
        return None
    with reporter.stage(f"{attempt.label}: finding starting clusters"):
        found = ground.start(config, attempt.split, attempt.seed)
    _log.info("%s starts on %s", attempt.label, found.reason)
    reporter.note(f"{attempt.label} starts on {found.reason}")
    if attempt.restart == 0:
        warn_if_fewer(found.labels, config.K)
        if attempt.task.run is not None:
            attempt.task.run.keep_start(found.labels)
        if attempt.task.on_start is not None:
            attempt.task.on_start(found.labels)
    return found.taught


def _best(task: Task, outcomes: Sequence[tuple[Trainer, State | DivergedError]], rows: np.ndarray) -> Fit:
    states = [outcome for _, outcome in outcomes if isinstance(outcome, State)]
    failures = [outcome for _, outcome in outcomes if isinstance(outcome, DivergedError)]
    if not states:
        raise failures[-1]
    if failures:
        warnings.warn(f"A restart was given up: {failures[-1]}", TrainingWarning, stacklevel=4)
    state = max(states, key=lambda state: state.best_bound)
    if task.run is not None:
        state.history.to_csv(task.run.history)
    bounds = [outcome.best_bound if isinstance(outcome, State) else math.nan for _, outcome in outcomes]
    trainer = next(trainer for trainer, outcome in outcomes if outcome is state)
    return Fit(trainer.model, state, bounds, trainer.split.held_out.numpy(), _stability(outcomes, rows))


def _stability(outcomes: Sequence[tuple[Trainer, State | DivergedError]], rows: np.ndarray) -> float:
    models = [trainer.model for trainer, outcome in outcomes if isinstance(outcome, State)]
    if len(models) < 2:
        return math.nan
    split = outcomes[0][0].split
    compared = rows[np.unique(np.concatenate([split.train, split.held_out])[:_MAX_COMPARED])]
    return stability([answers.labels(model, compared) for model in models])
