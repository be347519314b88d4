"""The synthetic experiment, which figures 2 and 3 show: arcs of five circles under several constraints."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gmvae.atomic import replacing
from gmvae.data import Dataset, arcs
from gmvae.estimator import GMVAE
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Material, Outcome, Trial
from gmvae.presets import preset


class Training(NamedTuple):
    """What is varied: the threshold λ of the z-term in nats, and the share of the epochs that warms up x and w."""

    min_information: float
    warm_up: float


PLAIN, CONSTRAINED = Training(0.0, 0.0), Training(0.5, 0.2)
TRAININGS = (
    PLAIN,
    Training(0.5, 0.0),
    Training(0.0, 0.2),
    Training(0.5, 0.2),
    Training(1.5, 0.2),
)
"""Thresholds of at most log 8 = 2.08 nats; five equal clusters cost log 5 = 1.61."""
N_SEEDS = {"quick": 2, "laptop": 10, "full": 10}

_EPOCHS = {"quick": 6, "laptop": 300, "full": 500}
_N_TRAIN = {"quick": 2000, "laptop": 10_000, "full": 10_000}
_N_TEST = 2000
_SHOWN = 4000
"""Rows whose embedding is kept for a figure."""

SPREADING, FINAL = "spreading.npz", "final.npz"
"""Files of the latent space: at the last epoch before the z-term first reached λ, and at the last of all."""


class LatentSpace(NamedTuple):
    """Embeddings (n, D_x), their clusters (n,), means and scales (K, D_x) of the components at w = 0, and the epoch."""

    x: np.ndarray
    clusters: np.ndarray
    means: np.ndarray
    scales: np.ndarray
    epoch: int


def material(scope: Scope) -> Material:
    """Points of one draw to fit to, and of another to measure on."""
    train, test = (
        Dataset(name, *arcs(n, seed))
        for name, n, seed in (("arcs", _N_TRAIN[scope.scale], 0), ("held-out arcs", _N_TEST, 1))
    )
    shown = train.X[:_SHOWN]

    def watch(model: GMVAE, home: Path) -> None:
        """Of the seed that is drawn, keep the latent space of the last epoch, and before the z-term costs something."""
        if model.random_state != scope.seeds_or(1)[0]:
            return
        epochs = model.n_iter_
        if epochs == 1 or model.history_["z_prior"].max() < model.min_information:
            _write_latent_space(model, shown, home / SPREADING)
        if epochs == model.max_iter:
            _write_latent_space(model, shown, home / FINAL)

    return Material("arcs", train, test, True, _N_TEST, 256, watch)


def trials(scope: Scope) -> list[Trial]:
    """Every seed under every training."""
    epochs = _EPOCHS[scope.scale]
    settings = preset("paper-synthetic") | {"max_iter": epochs, "n_iter_no_change": epochs}
    seeds = scope.seeds_or(N_SEEDS[scope.scale])
    return [Trial("arcs", settings | training._asdict(), seed) for training in TRAININGS for seed in seeds]


def length(outcomes: Sequence[Outcome]) -> str:
    """How long the trials trained, for a note."""
    return f"{outcomes[0].trial.settings['max_iter']} epochs; the paper trains for {_EPOCHS['full']}."


def by_training(outcomes: Iterable[Outcome]) -> dict[Training, list[Outcome]]:
    """Outcomes of each training."""
    groups: dict[Training, list[Outcome]] = {}
    for outcome in outcomes:
        groups.setdefault(Training(*(outcome.trial.settings[name] for name in Training._fields)), []).append(outcome)
    return groups


def _write_latent_space(model: GMVAE, rows: np.ndarray, path: Path) -> None:
    means, scales = model.components()
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(
            file,
            x=model.transform(rows),
            clusters=model.predict(rows),
            means=means,
            scales=scales,
            epoch=np.array(model.n_iter_),
        )


def read_latent_space(path: Path) -> LatentSpace:
    """What was kept of a latent space."""
    with np.load(path, allow_pickle=False) as content:
        arrays = {name: content[name] for name in LatentSpace._fields}
    return LatentSpace(**arrays | {"epoch": int(arrays["epoch"])})
