"""Fits that are kept: each has a folder named by a hash of what decides its outcome, and is not run twice."""

from __future__ import annotations

import hashlib
import json
import math
import shutil
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import fmean
from time import monotonic
from typing import Any, NamedTuple

import numpy as np

from gmvae.atomic import write_text
from gmvae.data import Dataset
from gmvae.estimator import GMVAE, fit_together
from gmvae.fitting.warn import without_warnings_of_fits
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.findings import spread
from gmvae.paper.provenance import provenance
from gmvae.paper.spread_means import spread_means

_KEY_LENGTH = 16
_RANDOM_START = 2
"""Version of what `init="random"` means: a kept fit from an earlier one counts for nothing. Since 2 components begin
nearly alike (`MixturePrior.begin_alike`)."""


def key_of(description: Mapping[str, Any]) -> str:
    """Hash of JSON values by name, independent of their order."""
    text = json.dumps(description, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:_KEY_LENGTH]


@dataclass(frozen=True)
class Trial:
    """One fit."""

    data: str  # name of what it is fitted to
    settings: Mapping[str, Any]  # keywords of `GMVAE`, all but the seed
    seed: int
    spread: float | None = None  # initial deviation of the component means; None: as random weights give them

    @property
    def key(self) -> str:
        """Name of its folder, another one if what the settings mean has changed."""
        version = {"random start": _RANDOM_START} if self.settings.get("init") == "random" else {}
        return key_of({**asdict(self), **version})

    def record(self, folder: Path) -> Path:
        """The file that is there once it is finished, if ``folder`` keeps the trials."""
        return folder / self.key / "record.json"

    def is_kept(self, folder: Path) -> bool:
        """Whether it is finished."""
        return self.record(folder).is_file()


class Material(NamedTuple):
    """Data that trials are fitted to and measured on; labels serve the measures alone."""

    name: str
    train: Dataset
    test: Dataset
    together: bool  # whether seeds are fitted as one stacked model, which is faster for small networks and on a GPU
    n_scored: int  # test rows of the estimate of log p(y)
    n_importance_samples: int  # for each of them
    on_epoch: Callable[[GMVAE, Path], object] = lambda model, folder: None  # gets the estimator and its trial's folder


class BudgetSpentError(Exception):
    """The time for fits is over; what was begun can go on later."""


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
    trials: Sequence[Trial],
    material: Material,
    folder: Path,
    note: Callable[[str], object] = lambda sentence: None,
    deadline: float = math.inf,
) -> list[Outcome]:
    """Fit and measure the trials that ``folder`` does not hold yet, and return all in their order.

    BudgetSpentError at the end of the first epoch after the ``deadline``, on the clock of `time.monotonic`, or before
    a fit that would begin after it. The same call goes on from there.
    """
    groups: dict[str, list[Trial]] = {}
    for trial in trials:
        if not trial.is_kept(folder):
            stacked = material.together and trial.spread is None
            settings = json.dumps(dict(trial.settings), sort_keys=True)
            groups.setdefault(settings if stacked else trial.key, []).append(trial)
    for number, group in enumerate(groups.values(), 1):
        settings = ", ".join(f"{name}={value}" for name, value in group[0].settings.items())
        seeds = ", ".join(str(trial.seed) for trial in group)
        require_time(deadline)
        note(f"{material.name}: fit {number} of {len(groups)}, {settings}; seed {seeds}")
        with without_warnings_of_fits():
            _fit_together(group, material, folder, deadline)
    return kept(trials, folder)


def kept(trials: Iterable[Trial], folder: Path) -> list[Outcome]:
    """Outcomes of those trials that ``folder`` holds."""
    return [
        Outcome(trial, folder / trial.key, json.loads(trial.record(folder).read_text(encoding="utf-8")))
        for trial in trials
        if trial.is_kept(folder)
    ]


def require_time(deadline: float) -> None:
    """Raise BudgetSpentError if the deadline has passed."""
    if monotonic() > deadline:
        raise BudgetSpentError


def _fit_together(trials: Sequence[Trial], material: Material, folder: Path, deadline: float) -> None:
    """Fit trials that differ in the seed, each in a run folder from which it goes on, and keep them."""
    homes, last = {trial.seed: folder / trial.key for trial in trials}, trials[-1].seed
    epochs = Counter[int]()

    def on_epoch(model: GMVAE) -> None:
        material.on_epoch(model, homes[model.random_state])
        epochs[model.random_state] += 1
        # All of a stack end an epoch before one may stop, and a fit that has only to be measured does not.
        in_turn = last not in epochs and epochs[model.random_state] > 1
        if (in_turn or model.random_state == last) and model.n_iter_ != model.max_iter:
            require_time(deadline)

    verbose = int(len(trials) == 1)
    models = [GMVAE(**trial.settings, random_state=trial.seed, verbose=verbose) for trial in trials]
    run_dirs = [home / "training" for home in homes.values()]
    if trials[0].spread is None:
        fit_together(models, material.train.X, run_dirs=run_dirs, resume=True, on_epoch=on_epoch)
    else:
        spread_means(models[0], trials[0].spread, material.train.X)
        resume = (run_dirs[0] / "config.json").is_file()
        models[0].fit(material.train.X, run_dir=run_dirs[0], resume=resume, on_epoch=on_epoch)
    for trial, model, run_dir in zip(trials, models, run_dirs, strict=True):
        _keep(trial, model, material, folder, float(model.history_["seconds"].sum()) / len(trials))
        shutil.rmtree(run_dir)


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
    write_text(trial.record(folder), json.dumps(record) + "\n")


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
