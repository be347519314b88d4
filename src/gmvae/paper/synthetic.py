"""The synthetic experiment of figures 2 and 3: arcs of five circles under several trainings."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmvae.atomic import replacing
from gmvae.data import Dataset, arcs
from gmvae.estimator import GMVAE
from gmvae.paper.findings import Table
from gmvae.paper.scope import Scale, Scope
from gmvae.paper.trials import Material, Outcome, Trial, all_epochs, measured, spreads
from gmvae.presets import preset


class Training(NamedTuple):
    """What is varied: λ in nats, and the share of the epochs over which conditional prior and w-prior warm up."""

    min_information: float
    warm_up: float


PLAIN, CONSTRAINED = Training(0.0, 0.0), Training(0.5, 0.2)
TRAININGS = (PLAIN, Training(0.5, 0.0), Training(0.0, 0.2), CONSTRAINED, Training(1.5, 0.2))
"""Thresholds of at most log 8 = 2.08 nats; five equal clusters cost log 5 = 1.61."""


class Size(NamedTuple):
    """Seeds, epochs and training rows; points of the density's grid along an axis, and samples for each."""

    n_seeds: int
    epochs: int
    n_train: int
    grid: int
    n_importance_samples: int


SIZES: dict[Scale, Size] = {
    "quick": Size(2, 6, 2000, 60, 64),
    "laptop": Size(10, 300, 10_000, 160, 512),
    "long": Size(10, 500, 10_000, 160, 512),
    "full": Size(10, 500, 10_000, 160, 512),
}
_N_TEST = 2000
_SHOWN = 4000
"""Rows whose embedding is kept for a figure."""
GOOD_ARI = 0.95
"""Adjusted Rand index from which the arcs count as found."""

SPREADING, FINAL = "spreading.npz", "final.npz"
"""Files of the latent space: at the last epoch before the z-prior first reached λ, and at the last of all."""


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
        for name, n, seed in (("arcs", SIZES[scope.scale].n_train, 0), ("held-out arcs", _N_TEST, 1))
    )
    shown = train.X[:_SHOWN]

    def keep_latent_space(model: GMVAE, folder: Path) -> None:
        """For the seed that is drawn: at the last epoch, and at the last before the z-prior exceeds λ."""
        if model.random_state != scope.seeds_or(1)[0]:
            return
        epochs = model.n_iter_
        if epochs == 1 or model.history_["z_prior"].max() < model.min_information:
            _write_latent_space(model, shown, folder / SPREADING)
        if epochs == model.max_iter:
            _write_latent_space(model, shown, folder / FINAL)

    return Material("arcs", train, test, True, _N_TEST, 256, keep_latent_space)


def trials(scope: Scope, training: Training) -> list[Trial]:
    """Every seed under a training."""
    size = SIZES[scope.scale]
    settings = preset("paper-synthetic") | all_epochs(size.epochs) | training._asdict()
    return [Trial("arcs", settings, seed) for seed in scope.seeds_or(size.n_seeds)]


def outcomes(scope: Scope) -> dict[Training, list[Outcome]]:
    """Outcomes of `trials` for each training."""
    return {training: scope.outcomes(trials(scope, training), material(scope)) for training in TRAININGS}


def length(scope: Scope) -> str:
    """How long the trials trained, for a note."""
    return f"{SIZES[scope.scale].epochs} epochs; the paper trains for {SIZES['full'].epochs}."


def n_good(outcomes: Iterable[Outcome]) -> int:
    """How many found the arcs."""
    return sum(value >= GOOD_ARI for value in measured(outcomes, "ari"))


def training_table(groups: Mapping[Training, list[Outcome]], name: str) -> Table:
    """Measures over seeds for each threshold λ and warm-up."""
    columns = {
        "z-prior": "z_prior",
        "distinct clusters": "distinct_clusters",
        "bound": "bound",
        "log-likelihood": "log_likelihood",
        "ARI": "ari",
    }
    rows = [
        (
            f"{training.min_information:g}",
            f"{training.warm_up:.0%}",
            *spreads(found, columns.values()),
            f"{n_good(found)} of {len(found)}",
        )
        for training, found in groups.items()
    ]
    title = "With and without the constraint and a warm-up, mean ± standard deviation over seeds"
    return Table(name, title, ("λ", "warm-up", *columns, f"ARI ≥ {GOOD_ARI}"), rows)


def _write_latent_space(model: GMVAE, rows: np.ndarray, path: Path) -> None:
    latent = LatentSpace(model.transform(rows), model.predict(rows), *model.components(), epoch=model.n_iter_)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in latent._asdict().items()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, **arrays)


def read_latent_space(path: Path) -> LatentSpace:
    """Read what was kept of a latent space."""
    with np.load(path, allow_pickle=False) as content:
        arrays = {name: content[name] for name in LatentSpace._fields}
    return LatentSpace(**arrays | {"epoch": int(arrays["epoch"])})
