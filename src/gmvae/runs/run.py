"""The folder of a fit: parameters, a checkpoint per epoch and restart, the history, and who may write there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow
from pyarrow import parquet

from gmvae import persistence
from gmvae.atomic import alone, replacing, sweep
from gmvae.config import Config
from gmvae.fitted.document import parameters
from gmvae.model import GaussianMixtureVAE
from gmvae.persistence import broken
from gmvae.training import State

_LOCK = ".fit.lock"
_FREE_ON_RESUME = {"device", "verbose", "random_state"}


class Run(NamedTuple):
    """Where a fit keeps its files, whether it goes on from them, and the checksum of its data."""

    folder: Path
    resume: bool
    data: str

    @property
    def config(self) -> Path:
        """The parameters that the run was started with."""
        return self.folder / "config.json"

    @property
    def history(self) -> Path:
        """One row per epoch of the restart at work, at last of the best; it is there once an epoch has ended."""
        return self.folder / "history.csv"

    def checkpoint(self, restart: int) -> Path:
        """The checkpoint of a restart."""
        return self.folder / "checkpoints" / f"restart-{restart}.safetensors"

    def tensorboard(self, restart: int) -> Path:
        """The folder of a restart's TensorBoard events."""
        return self.folder / "tensorboard" / f"restart-{restart}"

    def keep(self, restart: int, state: State) -> None:
        """Write the history and the checkpoint of a restart."""
        state.history.to_csv(self.history)
        tensors, text = state.to_tensors()
        persistence.write(self.checkpoint(restart), "checkpoint", tensors, {**text, "data": self.data})

    def keep_best(self, state: State) -> None:
        """Write the history of the best restart."""
        state.history.to_csv(self.history)

    def keep_start(self, labels: np.ndarray) -> None:
        """Write the starting cluster of every row; -1 for rows that were not looked at."""
        with replacing(self.folder / "start.parquet") as temporary:
            parquet.write_table(pyarrow.table({"label": labels}), temporary)

    def state(self, restart: int, model: GaussianMixtureVAE) -> State | None:
        """Where a restart of the run to resume stood; None if it had not ended an epoch.

        Raises
        ------
        ModelFileError
            If its checkpoint cannot be read.
        ValueError
            If it is one of other data or another network.
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
        if text.get("data") != self.data or shapes != now:
            raise ValueError(
                f"X and `network` must be as in the run to resume; got others than {str(self.folder)!r} was started "
                "with: give the same or start anew."
            )
        if best != now or not state.history.epochs:
            raise broken(path, "checkpoint", "the state of the training in it is not that of the end of an epoch")
        return state


@contextmanager
def opened(run: Run | None, config: Config, seed: int) -> Iterator[int]:
    """Keep a run's folder from others for the block, begin or go on in it, and yield the run's seed.

    Raises
    ------
    ValueError
        If another process is at work in it, a new run would replace an earlier one, or a resumed run was started with
        other parameters, or never.
    """
    if run is None:
        yield seed
        return
    if run.resume and not run.config.is_file():
        raise ValueError(
            f"`run_dir` must hold a started run to resume; {str(run.config)!r} is missing: leave out `resume`."
        )
    with alone(run.folder / _LOCK):
        now = json.loads(json.dumps({**parameters(config), "random_state": seed}))
        seed = _go_on(run, now) if run.resume else _begin(run, now)
        for folder in (run.folder, run.folder / "checkpoints"):
            sweep(folder)
        yield seed


def _begin(run: Run, now: dict[str, Any]) -> int:
    if run.history.exists():
        raise ValueError(
            f"`run_dir` must hold no run yet; {str(run.folder)!r} holds one: pass `resume=True` to go on with it, "
            "take another folder, or delete it."
        )
    for events in run.tensorboard(0).parent.glob("*/events.out.tfevents.*"):
        events.unlink()
    with replacing(run.config) as temporary:
        temporary.write_text(json.dumps(now, indent=2) + "\n", encoding="utf-8")
    return now["random_state"]


def _go_on(run: Run, now: dict[str, Any]) -> int:
    try:
        then = json.loads(run.config.read_text(encoding="utf-8"))
    except (ValueError, RecursionError):
        then = None
    seed = then.get("random_state") if isinstance(then, dict) else None
    if not isinstance(then, dict) or not isinstance(seed, int) or isinstance(seed, bool):
        raise ValueError(
            f"`run_dir` must hold a started run to resume; {str(run.config)!r} does not hold its parameters: start "
            "anew."
        )
    for name, value in now.items():
        if name not in _FREE_ON_RESUME and then.get(name) != value:
            raise ValueError(
                f"`{name}` must be as in the run to resume, {then.get(name)!r}; got {value!r}: set it "
                "back or start anew."
            )
    return seed
