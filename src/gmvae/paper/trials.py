"""Fits that are kept: each has a folder named by a hash of what decides its outcome, and is not run twice."""

from __future__ import annotations

import hashlib
import json
import shutil
import time
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from torch import Tensor

from gmvae.atomic import write_text
from gmvae.data import Dataset
from gmvae.estimator import GMVAE, fit_together
from gmvae.fitting.warn import CollapseWarning
from gmvae.generative import MixturePrior
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.findings import spread
from gmvae.paper.provenance import provenance

_KEY_LENGTH = 16
_STYLE_SHARE = 0.1
"""Share of its usual influence that the style has on components with given means."""


def key_of(description: Mapping[str, Any]) -> str:
    """Hash of JSON values by name, independent of their order."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class Trial:
    """One fit.

    Attributes
    ----------
    data : str
        Name of what it is fitted to.
    settings : mapping
        Keywords of `GMVAE`, all but the seed.
    seed : int
    spread : float, optional
        Initial standard deviation of the component means; by default they follow from the network's random weights.
    """

    data: str
    settings: Mapping[str, Any]
    seed: int
    spread: float | None = None

    @property
    def key(self) -> str:
        """Name of its folder."""
        return key_of(asdict(self))


class Material(NamedTuple):
    """Data that trials are fitted to and measured on.

    Attributes
    ----------
    name : str
    train, test : Dataset
        Labels serve the measures alone.
    together : bool
        Whether seeds are fitted as one stacked model, which is faster for small networks; else each is a run of its
        own that can be resumed.
    n_scored, n_importance_samples : int
        Test rows, and samples for each, of the estimate of log p(y).
    on_epoch : callable
        Called after every epoch with the estimator of that moment and the folder of its trial.
    """

    name: str
    train: Dataset
    test: Dataset
    together: bool
    n_scored: int
    n_importance_samples: int
    on_epoch: Callable[[GMVAE, Path], object] = lambda model, folder: None


class Outcome(NamedTuple):
    """A finished trial, its folder, and its record: history, measures on the test rows, seconds and provenance."""

    trial: Trial
    folder: Path
    record: dict[str, Any]

    @property
    def measures(self) -> dict[str, Any]:
        """What was measured on the test rows."""
        return self.record["measures"]

    def model(self) -> GMVAE:
        """Read the fitted model."""
        return GMVAE.load(self.folder / "model.safetensors")


def all_epochs(epochs: int) -> dict[str, Any]:
    """Settings under which training does not stop before its last epoch."""
    return {"max_iter": epochs, "n_iter_no_change": epochs}


def measured(outcomes: Iterable[Outcome], measure: str) -> list[float]:
    """One measure of every outcome."""
    return [outcome.measures[measure] for outcome in outcomes]


def mean_of(outcomes: Iterable[Outcome], measure: str) -> float:
    """Mean of a measure over outcomes."""
    return fmean(measured(outcomes, measure))


def spreads(outcomes: Sequence[Outcome], measures: Iterable[str]) -> list[str]:
    """Mean and standard deviation of each measure over outcomes."""
    return [spread(measured(outcomes, measure)) for measure in measures]


def first_rows(data: Dataset, n: int) -> Dataset:
    """At most the first ``n`` rows of labelled data."""
    assert data.labels is not None
    return Dataset(data.name, data.X[:n], data.labels[:n])


def run_trials(
    trials: Sequence[Trial], material: Material, folder: Path, note: Callable[[str], object]
) -> list[Outcome]:
    """Fit and measure the trials that ``folder`` does not hold yet, and return all in their order."""
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        if not _record(folder, trial).is_file():
            settings = json.dumps(dict(trial.settings), sort_keys=True)
            groups.setdefault(settings if material.together else trial.key, []).append(trial)
    for number, group in enumerate(groups.values(), 1):
        settings = ", ".join(f"{name}={value}" for name, value in group[0].settings.items())
        seeds = ", ".join(str(trial.seed) for trial in group)
        note(f"{material.name}: fit {number} of {len(groups)}, {settings}; seed {seeds}")
        with warnings.catch_warnings():
            # The findings report both, with numbers.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", CollapseWarning)
            if material.together:
                _fit_together(group, material, folder)
            else:
                _fit_resumably(group[0], material, folder)
    return [Outcome(trial, folder / trial.key, json.loads(_record(folder, trial).read_text())) for trial in trials]


def _fit_together(trials: Sequence[Trial], material: Material, folder: Path) -> None:
    started = time.perf_counter()
    models = [GMVAE(**trial.settings, random_state=trial.seed) for trial in trials]
    folders = {trial.seed: folder / trial.key for trial in trials}
    fit_together(models, material.train.X, on_epoch=lambda model: material.on_epoch(model, folders[model.random_state]))
    seconds = (time.perf_counter() - started) / len(models)
    for trial, model in zip(trials, models, strict=True):
        _keep(trial, model, material, folder, seconds)


def _fit_resumably(trial: Trial, material: Material, folder: Path) -> None:
    home = folder / trial.key
    run_dir = home / "training"
    model = GMVAE(**trial.settings, random_state=trial.seed, verbose=1)
    if trial.spread is not None:
        _spread_means(model, trial.spread, material.train.X)
    resume = (run_dir / "config.json").is_file()
    model.fit(material.train.X, run_dir=run_dir, resume=resume, on_epoch=lambda model: material.on_epoch(model, home))
    _keep(trial, model, material, folder, float(model.history_["seconds"].sum()))
    shutil.rmtree(run_dir)


def _spread_means(model: GMVAE, scale: float, X: NDArray[Any]) -> None:
    """Let the fit start from components with unit scales around means drawn from N(0, scale²)."""
    epochs = model.max_iter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(max_iter=1, verbose=0).fit(X[: model.batch_size])
    generator = torch.Generator().manual_seed(model.random_state)
    means = scale * torch.randn(model.n_components_, model.latent_dim, generator=generator)
    place(model.fitted_.model.generative.mixture, means, torch.ones_like(means))
    model.set_params(max_iter=epochs, verbose=1, warm_start=True)


@torch.no_grad()
def place(mixture: MixturePrior, means: Tensor, scales: Tensor) -> None:
    """Put components at ``means`` with ``scales`` (K, D_x), nearly so at every style."""
    mixture.output.weight.mul_(_STYLE_SHARE)
    mixture.output.bias.copy_(torch.stack([means, scales.log()]).flatten())


def _keep(trial: Trial, model: GMVAE, material: Material, folder: Path, seconds: float) -> None:
    """Write the model and then, last of all, the record: a trial that has one is finished."""
    model.save(folder / trial.key / "model.safetensors")
    record = {
        "trial": asdict(trial),
        "measures": measure(model, material),
        "history": {name: model.history_[name].tolist() for name in model.history_},
        "seconds": seconds,
        **provenance(),
    }
    write_text(_record(folder, trial), json.dumps(record) + "\n")


def measure(model: GMVAE, material: Material) -> dict[str, float]:
    """Scores on the test rows, the estimate of log p(y), and the terms of the last epoch."""
    test, history = material.test, model.history_
    assert test.labels is not None
    scores = evaluate_log_odds(test.labels, model.predict_log_odds(test.X))
    densities = model.score_samples(test.X[: material.n_scored], n_importance_samples=material.n_importance_samples)
    return {
        **scores._asdict(),
        "log_likelihood": float(densities.mean()),
        "bound": float(history["lower_bound"][-1]),
        "z_prior": float(history["z_prior"][-1]),
        "w_prior": float(history["w_prior"][-1]),
        "distinct_clusters": distinct_clusters(history),
    }


def distinct_clusters(history: Mapping[str, Any]) -> float:
    """Exponential of I(z; y) in nats, the information that an assignment carries, at the last epoch.

    Unlike the effective number of components it is 1, not K, where all components coincide.
    """
    return float(history["effective_components"][-1] * np.exp(-history["assignment_entropy"][-1]))


def _record(folder: Path, trial: Trial) -> Path:
    return folder / trial.key / "record.json"
