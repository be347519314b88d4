"""The best restart of a fit, and what is known of it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from gmvae.config import Config
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import SeededFit, TrainedRestart
from gmvae.fitting.warn import warn_if_collapsed, warn_unless_converged
from gmvae.history import History
from gmvae.metrics import effective_components, stability
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.sparse_rows import AnyRows
from gmvae.training import DivergedError, State, TrainingWarning
from gmvae.training.processes import Processes
from gmvae.user_warnings import warn_user

_MAX_SCORED = 1000
"""Held-out rows whose densities are kept: enough for a percentile, in little of the time of a fit."""
_MAX_COMPARED = 10_000
"""Rows by whose clusters restarts are compared."""


class BestRestart(NamedTuple):
    """The best restart of a fit, and its probabilities (n, K) for the rows that it learned from."""

    fitted: Fitted
    proba: np.ndarray


def best_of(
    fit: SeededFit,
    restarts: Sequence[TrainedRestart],
    all_rows: Observations,
    observations: Observations,
    config: Config,
    processes: Processes,
) -> BestRestart:
    """The restart with the highest held-out bound, and what is known of it.

    ``observations`` are the rows of ``all_rows`` whose weight is above 0. DivergedError if all restarts have diverged.
    """
    outcomes = [each.outcome for each in restarts]
    states = [outcome for outcome in outcomes if isinstance(outcome, State)]
    failures = [outcome for outcome in outcomes if isinstance(outcome, DivergedError)]
    if not states:
        raise failures[-1]
    if failures:
        warn_user(f"A restart was given up: {failures[-1]}", TrainingWarning)
    state = max(states, key=lambda state: state.best_bound)
    if fit.storage is not None:
        fit.storage.keep_best(state)
    best = next(each for each in restarts if each.outcome is state)
    fitted = fitted_so_far(best.model, state.history, observations, config)
    proba = _proba(fitted, all_rows.y, processes)
    if all_rows.label is not None:
        known = all_rows.label >= 0
        proba[known] = np.eye(config.K)[all_rows.label[known]]
    weights = proba.mean(0) if all_rows.weight is None else np.average(proba, axis=0, weights=all_rows.weight)
    scored = observations.y[np.sort(best.restart.split.held_out[:_MAX_SCORED].numpy())]  # in their order on disk
    densities, sizes = fitted.novelty_log_evidence(scored).astype(np.float64), fitted.model.likelihood.sizes(scored)
    order = densities.argsort(kind="stable")
    fitted = replace(
        fitted,
        converged=state.has_converged(config.n_iter_no_change),
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
        warn_unless_converged(state, config.n_iter_no_change)
    return BestRestart(fitted, proba)


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


def fitted_so_far(model: GaussianMixtureVAE, history: History, observations: Observations, config: Config) -> Fitted:
    """What is known of a fit after an epoch; all else comes with its end."""
    return Fitted(
        model=model,
        config=config,
        event_shape=observations.event_shape,
        history=history,
        feature_names=observations.names,
        columns=observations.columns,
        classes=[*observations.classes, *[None] * (config.K - len(observations.classes))],
    )


def _stability(restarts: Sequence[TrainedRestart], observations: Observations, config: Config) -> float:
    trained = [(each.model, each.outcome.history) for each in restarts if isinstance(each.outcome, State)]
    if len(trained) < 2:
        return math.nan
    split = restarts[0].restart.split
    compared = observations.y[np.unique(np.concatenate([split.train, split.held_out])[:_MAX_COMPARED])]
    return stability([fitted_so_far(*each, observations, config).labels(compared) for each in trained])
