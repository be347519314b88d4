"""A fit in a run folder: parameters, a checkpoint per epoch and restart, the history, the starting clusters."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmvae import persistence
from gmvae.atomic import sweep, write_text
from gmvae.config import Config
from gmvae.data.writers import write_table
from gmvae.fitted.document import parameters
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.restarts import SeededFit
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import Observations
from gmvae.persistence import broken
from gmvae.runs.folder import RunFolder
from gmvae.runs.record import read_json
from gmvae.seeds import draw_seed
from gmvae.training import State
from gmvae.training.processes import processes_here, restarted

_FREE_ON_RESUME = {"device", "verbose", "random_state"}


class Checkpoints(NamedTuple):
    """The `Storage` of a fit in its run folder, where it goes on from what is there if it is to ``resume``."""

    folder: RunFolder
    resume: bool
    checksum: str  # of the observations

    def checkpoint(self, restart: int) -> Path:
        return self.folder.checkpoints / f"restart-{restart}.safetensors"

    def tensorboard(self, restart: int) -> Path:
        return self.folder.tensorboard / f"restart-{restart}"

    def keep(self, restart: int, state: State) -> None:
        state.history.to_csv(self.folder.history)
        tensors, text = state.to_tensors()
        persistence.write(self.checkpoint(restart), "checkpoint", tensors, {**text, "data": self.checksum})

    def keep_best(self, state: State) -> None:
        state.history.to_csv(self.folder.history)

    def keep_start(self, labels: np.ndarray) -> None:
        write_table(self.folder.start, ["label"], [[labels]])

    def state(self, restart: int, model: GaussianMixtureVAE) -> State | None:
        """Where a restart of the run to resume stood; None if it had not ended an epoch.

        ModelFileError if its checkpoint cannot be read, ValueError if it is one of other data or another network.
        """
        path = self.checkpoint(restart)
        if not self.resume or not path.exists():
            return None
        tensors, text = persistence.read(path, "checkpoint")
        try:
            state = State.from_tensors(tensors, text)
        except (KeyError, TypeError, ValueError, RecursionError) as error:
            raise broken(path, "checkpoint", "the state of the training in it cannot be read") from error
        shapes, best, now = (
            {name: tensor.shape for name, tensor in weights.items()}
            for weights in (state.network, state.best, model.state_dict())
        )
        if text.get("data") != self.checksum or shapes != now:
            raise ValueError(
                "X and `network` must be as in the run to resume, and weights and labels of its rows; got others than "
                f"{str(self.folder.path)!r} was started with: give the same or start anew."
            )
        if best != now or not state.history.epochs:
            raise broken(path, "checkpoint", "the state of the training in it is not that of the end of an epoch")
        return state


def seeded_fit(
    run_dir: str | Path | None,
    observations: Observations,
    config: Config,
    held: ExitStack,
    *,
    resume: bool,
    on_epoch: Callable[[Fitted], object] | None,
    on_start: Callable[[np.ndarray], object] | None = None,
) -> SeededFit:
    """A fit, in a run folder where one is named, which ``held`` keeps locked; of several processes the first has it.

    Processes that torchrun has started anew go on with what they had begun. Errors are those of `seeded_fit_in`.
    """
    if run_dir is None or not processes_here().first:
        return SeededFit(draw_seed(config.random_state), None, on_epoch, on_start)
    folder = RunFolder(Path(run_dir))
    resume = resume or (restarted() and folder.config.is_file())
    if resume:
        _require_begun(folder)
    held.enter_context(folder.locked())
    return seeded_fit_in(folder, observations, config, resume=resume)._replace(on_epoch=on_epoch, on_start=on_start)


def seeded_fit_in(folder: RunFolder, observations: Observations, config: Config, *, resume: bool) -> SeededFit:
    """A fit in a run folder, which the caller holds (`RunFolder.locked`), new or to go on with.

    ValueError if a new run would replace an earlier one, or a resumed one was started with other parameters or data.
    """
    seed = _resumed_seed(folder, config) if resume else _begin(folder, config)
    for written in (folder.path, folder.checkpoints):
        sweep(written)
    return SeededFit(seed, Checkpoints(folder, resume, observations.checksum()))


def _begin(folder: RunFolder, config: Config) -> int:
    """Write the parameters of a new run and return its seed; ValueError if it would replace an earlier one."""
    if folder.history.exists():
        raise ValueError(
            f"`run_dir` must hold no run yet; {str(folder.path)!r} holds one: pass `resume=True` to go on with it, "
            "take another folder, or delete it."
        )
    for events in folder.tensorboard.glob("*/events.out.tfevents.*"):
        events.unlink()
    seed = draw_seed(config.random_state)
    write_text(folder.config, json.dumps({**parameters(config), "random_state": seed}, indent=2) + "\n")
    return seed


def _require_begun(folder: RunFolder) -> None:
    """Raise ValueError unless a run has begun in the folder."""
    if not folder.config.is_file():
        raise ValueError(
            f"`run_dir` must hold a started run to resume; {str(folder.config)!r} is missing: leave out `resume`."
        )


def _resumed_seed(folder: RunFolder, config: Config) -> int:
    """Return the seed of a run to resume; ValueError if it was started with other parameters, or never."""
    _require_begun(folder)
    try:
        then = read_json(folder.config)
    except ValueError:
        then = {}
    seed = then.get("random_state")
    if not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(
            f"`run_dir` must hold a started run to resume; {str(folder.config)!r} does not hold its parameters: start "
            "anew."
        )
    for name, value in {**parameters(config), "random_state": seed}.items():
        if name not in _FREE_ON_RESUME and then.get(name) != value:
            raise ValueError(
                f"`{name}` must be as in the run to resume, {then.get(name)!r}; got {value!r}: set it back or start "
                "anew."
            )
    return seed
