"""Fits that are kept: each has a folder named by what decides its outcome, and is never run twice."""

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

from gmvae.atomic import replacing
from gmvae.data import Dataset
from gmvae.estimator import GMVAE, CollapseWarning, fit_together
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.provenance import provenance

_KEY_LENGTH = 16


def key_of(description: Mapping[str, Any]) -> str:
    """A name for what JSON values describe, whatever their order."""
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
        Standard deviation of the component means at first, in place of what the network's random weights give.
    """

    data: str
    settings: Mapping[str, Any]
    seed: int
    spread: float | None = None

    @property
    def key(self) -> str:
        """A name that no other trial has."""
        return key_of(asdict(self))


class Material(NamedTuple):
    """What trials are fitted to and measured on.

    Attributes
    ----------
    name : str
    train, test : Dataset
        Labels serve the measures alone.
    together : bool
        Whether seeds are fitted as one stacked model, which is faster for small networks; else each is a run of its
        own that survives an interruption.
    n_scored, n_importance_samples : int
        Test rows, and samples for each, of the estimate of log p(y).
    watch : callable
        Called after every epoch with the estimator of that moment and the folder of its trial.
    """

    name: str
    train: Dataset
    test: Dataset
    together: bool
    n_scored: int
    n_importance_samples: int
    watch: Callable[[GMVAE, Path], object]


class Outcome(NamedTuple):
    """A finished trial.

    Attributes
    ----------
    trial : Trial
    folder : Path
        Holds the model and whatever was noted while it was trained.
    record : dict
        History, measures on the test rows, seconds and provenance.
    """

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


def measured(outcomes: Iterable[Outcome], measure: str) -> list[float]:
    """One of the measures, of every outcome."""
    return [outcome.measures[measure] for outcome in outcomes]


def mean_of(outcomes: Iterable[Outcome], measure: str) -> float:
    """Mean of a measure over outcomes."""
    return fmean(measured(outcomes, measure))


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
        seeds = ", ".join(str(trial.seed) for trial in group)
        note(f"{material.name}: fit {number} of {len(groups)}, {_words(group[0].settings)}; seed {seeds}")
        with warnings.catch_warnings():
            # The findings tell of both, with numbers.
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", CollapseWarning)
            if material.together:
                _fit_together(group, material, folder)
            else:
                _fit_alone(group[0], material, folder)
    return [Outcome(trial, folder / trial.key, json.loads(_record(folder, trial).read_text())) for trial in trials]


def _fit_together(trials: Sequence[Trial], material: Material, folder: Path) -> None:
    started = time.perf_counter()
    models = [GMVAE(**trial.settings, random_state=trial.seed) for trial in trials]
    folders = {trial.seed: folder / trial.key for trial in trials}
    fit_together(models, material.train.X, on_epoch=lambda model: material.watch(model, folders[model.random_state]))
    seconds = (time.perf_counter() - started) / len(models)
    for trial, model in zip(trials, models, strict=True):
        _keep(trial, model, material, folder, seconds)


def _fit_alone(trial: Trial, material: Material, folder: Path) -> None:
    home = folder / trial.key
    run_dir = home / "training"
    model = GMVAE(**trial.settings, random_state=trial.seed, verbose=1)
    if trial.spread is not None:
        _spread(model, trial.spread, material.train.X)
    resume = (run_dir / "config.json").is_file()
    model.fit(material.train.X, run_dir=run_dir, resume=resume, on_epoch=lambda model: material.watch(model, home))
    _keep(trial, model, material, folder, float(model.history_["seconds"].sum()))
    shutil.rmtree(run_dir)


def _spread(model: GMVAE, spread: float, X: NDArray[Any]) -> None:
    """Let the fit start from components with unit scales around means drawn from N(0, spread²)."""
    epochs = model.max_iter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(max_iter=1, verbose=0).fit(X[: model.batch_size])
    generator = torch.Generator().manual_seed(model.random_state)
    means = spread * torch.randn(model.n_components_, model.latent_dim, generator=generator)
    model._model.generative.mixture.place(means, torch.ones_like(means))
    model.set_params(max_iter=epochs, verbose=1, warm_start=True)


def _keep(trial: Trial, model: GMVAE, material: Material, folder: Path, seconds: float) -> None:
    """Write the model and then, last of all, the record, by which a trial counts as finished."""
    model.save(folder / trial.key / "model.safetensors")
    record = {
        "trial": asdict(trial),
        "measures": measure(model, material),
        "history": {name: model.history_[name].tolist() for name in model.history_},
        "seconds": seconds,
        **provenance(),
    }
    with replacing(_record(folder, trial)) as temporary:
        temporary.write_text(json.dumps(record) + "\n", encoding="utf-8")


def measure(model: GMVAE, material: Material) -> dict[str, float]:
    """Scores on the test rows, the estimate of log p(y), and what training ended with."""
    test, history = material.test, model.history_
    assert test.labels is not None
    scores = evaluate_log_odds(test.labels, model.predict_log_odds(test.X))
    evidence = model.score_samples(test.X[: material.n_scored], n_importance_samples=material.n_importance_samples)
    return {
        **scores._asdict(),
        "log_likelihood": float(evidence.mean()),
        "bound": float(history["lower_bound"][-1]),
        "z_prior": float(history["z_prior"][-1]),
        "w_prior": float(history["w_prior"][-1]),
        "distinct_clusters": distinct_clusters(history),
    }


def distinct_clusters(history: Mapping[str, Any]) -> float:
    """Exponential of the information, in nats, that an assignment carries about its observation, at the last epoch.

    Unlike the effective number of components it is 1, not K, where all components coincide.
    """
    return float(history["effective_components"][-1] * np.exp(-history["assignment_entropy"][-1]))


def _record(folder: Path, trial: Trial) -> Path:
    return folder / trial.key / "record.json"


def _words(settings: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in settings.items())
