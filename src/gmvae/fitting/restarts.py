"""The fits that are asked for at once, and their restarts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from gmvae.config import Config
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.starts import split_rows
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.training import DivergedError, Split, State
from gmvae.training.processes import Processes


class Storage(Protocol):
    """Where a fit keeps what is known after every epoch, and finds it again."""

    def tensorboard(self, restart: int) -> Path:
        """Folder of a restart's TensorBoard events."""

    def state(self, restart: int, model: GaussianMixtureVAE) -> State | None:
        """Where an interrupted restart stood; None for one that begins."""

    def keep(self, restart: int, state: State) -> None:
        """Keep the state of a restart."""

    def keep_start(self, labels: np.ndarray) -> None:
        """Keep the starting cluster of every row; -1 for rows that were not looked at."""

    def keep_best(self, state: State) -> None:
        """Keep the history of the best restart."""


class SeededFit(NamedTuple):
    """One of the fits asked for at once: its seed, where it keeps its progress, and whom it tells.

    ``on_epoch`` is called after every epoch of every restart with the fit so far, ``on_start`` once with the starting
    clusters of the first restart, (n,); -1 for rows that were not looked at.
    """

    seed: int
    storage: Storage | None = None
    on_epoch: Callable[[Fitted], object] | None = None
    on_start: Callable[[np.ndarray], object] | None = None


class Restart(NamedTuple):
    """One restart of a fit: its number among them from 0 on, its seed, its rows, and its name in messages."""

    fit: SeededFit
    number: int
    seed: int
    split: Split
    label: str


class TrainedRestart(NamedTuple):
    """A restart, its model and how its training ended."""

    restart: Restart
    model: GaussianMixtureVAE
    outcome: State | DivergedError


def gather_restarts(
    processes: Processes,
    restarts: Sequence[Restart],
    own: list[TrainedRestart],
    new_model: Callable[[Restart], GaussianMixtureVAE],
) -> list[TrainedRestart]:
    """The restarts of all processes, in order; models of the others' get the weights of their best epochs."""
    if not processes.several:
        return own
    outcomes = processes.gathered([trained.outcome for trained in own])
    found = []
    for index, restart in enumerate(restarts):
        turn, rank = divmod(index, processes.size)
        if rank == processes.rank:
            found.append(own[turn])
            continue
        outcome, model = outcomes[rank][turn], new_model(restart)
        if isinstance(outcome, State):
            model.load_state_dict(outcome.best)
        found.append(TrainedRestart(restart, model.eval(), outcome))
    return found


def restarts_of(observations: Observations, config: Config, fits: Sequence[SeededFit], n_starts: int) -> list[Restart]:
    """The restarts of every fit, with their seeds and the rows that the fit holds out."""
    restarts = []
    for place, fit in enumerate(fits, 1):
        seeds = np.random.SeedSequence(fit.seed).generate_state(config.n_init + 1, np.uint32).tolist()
        split = split_rows(len(observations), config.validation_fraction, seeds[0], observations.label)
        name = "fit" if len(fits) == 1 else f"fit {place}/{len(fits)}"
        if n_starts > 1:
            name = f"{name} restart" if len(fits) > 1 else "restart"
        restarts += [
            Restart(fit, number, seed, split, name if n_starts == 1 else f"{name} {number + 1}/{n_starts}")
            for number, seed in enumerate(seeds[1 : 1 + n_starts])
        ]
    return restarts
