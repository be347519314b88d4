"""One fit: build the model, start it, train restarts, keep the best by the held-out bound."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae import persistence
from gmvae.config import Config
from gmvae.estimator.inputs import check_bernoulli, family_for, top_level
from gmvae.initialisation import MAX_ROWS, Start, find_start
from gmvae.model import GaussianMixtureVAE, Standardise, UnitInterval, build, standardisation
from gmvae.progress import Reporter
from gmvae.training import (
    DivergedError,
    Split,
    State,
    Trainer,
    TrainingWarning,
    as_tensor,
    make_fabric,
    rows_for,
)

_ROWS_AT_ONCE = 8192
_SEEDING = Lock()
_COINCIDENT = 0.1
"""Share of log K, the z-term of certain assignments, below which components can hardly be told apart."""


class CollapseWarning(UserWarning):
    """Far fewer clusters are in use than were asked for."""


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
    """

    model: GaussianMixtureVAE
    state: State
    bounds: list[float]


class Run(NamedTuple):
    """Where a fit keeps its files, whether it goes on from them, and the checksum of its data."""

    folder: Path
    resume: bool
    data: str

    def checkpoint(self, restart: int) -> Path:
        """The checkpoint of a restart."""
        return self.folder / "checkpoints" / f"restart-{restart}.safetensors"

    def tensorboard(self, restart: int) -> Path:
        """The folder of a restart's TensorBoard events."""
        return self.folder / "tensorboard" / f"restart-{restart}"


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Give PyTorch's layers, which start from the global generator, a seed; the generator is then put back.

    One thread at a time: threads that fit at once must neither share a seed nor put back each other's state.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


def fit_best(rows: np.ndarray, config: Config, seed: int, run: Run | None, previous: GaussianMixtureVAE | None) -> Fit:
    """Train ``config.n_init`` restarts on ``rows`` (n, *event) and keep the best by the held-out bound.

    Parameters
    ----------
    seed : int
        Everything random follows from it.
    run : Run, optional
        Checkpoints, history and TensorBoard events go to its folder.
    previous : GaussianMixtureVAE, optional
        Start from this model (warm start), once, whatever ``n_init`` says; it stays as it is.
    """
    seeds = np.random.SeedSequence(seed).generate_state(config.n_init + 1, np.uint32).tolist()
    split = _split(len(rows), config.validation_fraction, seeds[0])
    best: Fit | None = None
    bounds: list[float] = []
    failure = None
    for restart, restart_seed in enumerate(seeds[1:] if previous is None else seeds[1:2]):
        try:
            model, state = _fit_once(rows, split, config, restart_seed, restart, run, previous)
        except DivergedError as error:
            failure = error
            bounds.append(math.nan)
            continue
        bounds.append(state.best_bound)
        if best is None or state.best_bound > best.state.best_bound:
            best = Fit(model, state, bounds)
    if best is None:
        assert failure is not None
        raise failure
    if failure is not None:
        warnings.warn(f"A restart was given up: {failure}", TrainingWarning, stacklevel=3)
    if run is not None:
        best.state.history.to_csv(run.folder / "history.csv")
    return best


def _fit_once(
    rows: np.ndarray,
    split: Split,
    config: Config,
    seed: int,
    restart: int,
    run: Run | None,
    previous: GaussianMixtureVAE | None,
) -> tuple[GaussianMixtureVAE, State]:
    fabric = make_fabric(config, run and run.tensorboard(restart))
    if previous is None:
        model, start = _new_model(rows, split, config, seed)
    else:
        model, start = _continued(previous, rows, config), None
    resume = _resume(run, restart, model)
    target = None
    if start is not None:
        dtype = torch.float64 if config.precision == "64-true" else torch.float32
        placed = start.to(torch.empty(0, device=fabric.device, dtype=dtype))

        def target(y: Tensor) -> Tensor:
            return placed.target(model.standardised(y))

    trainer = Trainer(model, rows_for(rows, fabric.device), split, config, fabric, seed, target, previous is not None)
    label = "fit" if config.n_init == 1 else f"restart {restart + 1}/{config.n_init}"
    with Reporter(trainer.max_iter, config.verbose, label) as reporter:

        def on_epoch(state: State) -> None:
            reporter.show(state.history.epochs[-1])
            if run is not None:
                state.history.to_csv(run.folder / "history.csv")
                tensors, text = state.to_tensors()
                persistence.write(run.checkpoint(restart), "checkpoint", tensors, {**text, "data": run.data})

        state = trainer.run(resume, on_epoch)
    return model, state


def _resume(run: Run | None, restart: int, model: GaussianMixtureVAE) -> State | None:
    if run is None or not run.resume or not run.checkpoint(restart).exists():
        return None
    tensors, text = persistence.read(run.checkpoint(restart), "checkpoint")
    state = State.from_tensors(tensors, text)
    shapes, now = ({name: t.shape for name, t in weights.items()} for weights in (state.network, model.state_dict()))
    if text["data"] != run.data or shapes != now:
        raise ValueError(
            f"X and `network` must be as in the run to resume; got others than {str(run.folder)!r} was started with: "
            "give the same or start anew."
        )
    return state


def _split(n_rows: int, fraction: float, seed: int) -> Split:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n_rows))
    n_held_out = round(fraction * n_rows)
    if n_held_out == 0 or n_held_out == n_rows:
        return Split(order, order, seed)
    return Split(order[n_held_out:], order[:n_held_out], seed)


def _new_model(rows: np.ndarray, split: Split, config: Config, seed: int) -> tuple[GaussianMixtureVAE, Start | None]:
    """Build a model on the CPU and place its components."""
    family = family_for(config.likelihood, rows)
    units = standardisation(_batches(rows)) if family == "gaussian" else UnitInterval(top_level(rows))
    with seeded(seed):
        model = build(config, rows.shape[1:], family, units)
    sample = split.train[:MAX_ROWS].numpy()
    seen = model.standardised(as_tensor(rows[np.sort(sample)])).flatten(1).numpy().astype(np.float64)
    start = find_start(config.init, seen, config.n_components, config.latent_dim, seed)
    if start is not None:
        model.generative.mixture.place(start.means, start.scales)
    return model, start


def _continued(previous: GaussianMixtureVAE, rows: np.ndarray, config: Config) -> GaussianMixtureVAE:
    """A copy of the previous solution for ``config``, in the units of its first fit."""
    units = copy.deepcopy(previous.units).cpu()
    family = previous.family
    if config.likelihood not in ("auto", family):
        raise ValueError(
            f"`likelihood` must be {family!r} as in the previous fit under `warm_start`; got {config.likelihood!r}: "
            "set it back or fit with `warm_start=False`."
        )
    if isinstance(units, UnitInterval):
        check_bernoulli(rows, float(units.top_level))
    with seeded(0):
        model = build(config, rows.shape[1:], family, units)
    if config.precision == "64-true":
        model.double()
    try:
        if isinstance(units, Standardise) and units.shift.shape != rows.shape[1:]:
            raise RuntimeError
        model.load_state_dict(previous.state_dict())
    except RuntimeError as error:
        raise ValueError(
            "X and the parameters that shape the model, such as `n_components`, must be as in the previous fit under "
            "`warm_start`; got others: set them back or fit with `warm_start=False`."
        ) from error
    return model


def _batches(rows: np.ndarray) -> Iterator[Tensor]:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield as_tensor(np.array(rows[first : first + _ROWS_AT_ONCE]))


def warn_if_collapsed(effective: float, z_prior: float, config: Config) -> None:
    """Warn, with the remedy, when the components coincide or the effective number of clusters is far below K.

    Where components coincide, every one gets its share of every row: the effective number is K and the z-term is 0.
    """
    K = config.n_components
    most = math.log(K)
    coincide = z_prior < _COINCIDENT * most
    if not coincide and effective >= 1.0 + (K - 1) / 3.0:
        return
    if coincide:
        remedy = f"the components coincide: set `min_information` to a share of log K, such as {0.5 * most:.2f}"
    elif config.bound == "paper":
        remedy = "a few components took all points: set `bound='exact'`"
    else:
        remedy = "a few components took all points: set `n_init` to several restarts, or take fewer `n_components`"
    warnings.warn(
        f"{effective:.1f} effective clusters of {K} are in use, with a z-prior of {z_prior:.2f} of at most {most:.2f} "
        f"nats; {remedy}.",
        CollapseWarning,
        stacklevel=3,
    )
