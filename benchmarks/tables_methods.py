"""What `tables.py` does with a table with gaps: imputes, clusters, or learns a density, each method by its name."""

from __future__ import annotations

import subprocess
import tempfile
import time
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, KNNImputer, SimpleImputer
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler
from tables_sets import Table

from gmvae.config import Config, Effort
from gmvae.fitting.fit import fit
from gmvae.fitting.restarts import SeededFit
from gmvae.observations import Observations
from gmvae.seeds import draw_seed

OURS, KNOWN = "gmvae", "known mixture"
PEERS = ("StepMix", "StepMix, K = 10", "StepMix, full covariance", "k-prototypes")
ROUNDS_OF_MANY = 5
"""Rounds of the iterative imputer where there are more columns than `MANY`; otherwise its default of 10."""
MANY = 70


class Found(NamedTuple):
    """What a method says of the rows that it learned from, and of rows that it did not see.

    ``filled`` are the rows (n, p) with their gaps filled, ``log_likelihood`` (m,) is of the unseen rows; None where the
    method has none.
    """

    labels: np.ndarray | None
    filled: np.ndarray | None
    log_likelihood: np.ndarray | None
    seconds: float
    epochs: int | None = None


class Pythons(NamedTuple):
    """Interpreters of the peers; None where they are not to be run."""

    stepmix: Path | None
    kprototypes: Path | None

    def of(self, method: str) -> Path | None:
        return self.kprototypes if method == "k-prototypes" else self.stepmix


class Indicators(NamedTuple):
    """Standardised numbers, and categories as 0/1 columns, for methods that know neither; NaN stays NaN."""

    scaler: StandardScaler
    n_levels: np.ndarray

    @classmethod
    def of(cls, table: Table) -> Indicators:
        scaler = StandardScaler()
        if table.n_numbers:
            scaler.fit(table.rows[:, : table.n_numbers])
        return cls(scaler, n_levels(table))

    def encode(self, table: Table, *, all_levels: bool = True) -> np.ndarray:
        """(n, numbers and levels), with ``all_levels=False`` without the first level of every category."""
        rows, n = table.rows, table.n_numbers
        parts = [self.scaler.transform(rows[:, :n])] if n else []
        for codes, size in zip(rows[:, n:].T, self.n_levels, strict=True):
            indicators = (codes[:, None] == np.arange(size)).astype(float)
            parts.append(np.where(np.isnan(codes)[:, None], np.nan, indicators)[:, 0 if all_levels else 1 :])
        return np.hstack(parts)

    def decode(self, encoded: np.ndarray, table: Table) -> np.ndarray:
        """Rows with the gaps of a table filled; of a category the level with the largest value."""
        n = table.n_numbers
        parts = [self.scaler.inverse_transform(encoded[:, :n])] if n else []
        if len(self.n_levels):
            levels = np.split(encoded[:, n:], self.n_levels.cumsum()[:-1], axis=1)
            parts += [each.argmax(1)[:, None] for each in levels]
        return np.where(np.isnan(table.rows), np.hstack(parts), table.rows)


def n_levels(table: Table) -> np.ndarray:
    """Of every category."""
    codes = table.rows[:, table.n_numbers :]
    return np.nanmax(codes, axis=0).astype(int) + 1 if codes.size else np.empty(0, dtype=int)


def _mean_or_mode(table: Table) -> np.ndarray:
    rows, n = table.rows.copy(), table.n_numbers
    for columns, strategy in ((slice(n), "mean"), (slice(n, None), "most_frequent")):
        if rows[:, columns].size:
            rows[:, columns] = SimpleImputer(strategy=strategy).fit_transform(rows[:, columns])
    return rows


def _iterative(table: Table) -> np.ndarray:
    """Without the first level: all levels of a category sum to 1, so that each would be told by the others' filling."""
    indicators = Indicators.of(table)
    encoded = indicators.encode(table, all_levels=False)
    rounds = ROUNDS_OF_MANY if encoded.shape[1] > MANY else 10
    filled = IterativeImputer(random_state=0, max_iter=rounds).fit_transform(encoded)
    n, sizes = table.n_numbers, indicators.n_levels
    parts = [filled[:, :n]]
    if len(sizes):
        for others in np.split(filled[:, n:], (sizes - 1).cumsum()[:-1], axis=1):
            parts += [1.0 - others.sum(1, keepdims=True), others]
    return indicators.decode(np.hstack(parts), table)


def _by(imputer: object) -> Callable[[Table], np.ndarray]:
    def impute(table: Table) -> np.ndarray:
        indicators = Indicators.of(table)
        encoded = indicators.encode(table)
        return indicators.decode(imputer.fit_transform(encoded), table)  # type: ignore[attr-defined]

    return impute


IMPUTERS: Mapping[str, Callable[[Table], np.ndarray]] = {
    "mean/mode": _mean_or_mode,
    "k neighbours": _by(KNNImputer()),
    "iterative": _iterative,
}
CLUSTERERS: Mapping[str, Callable[[int], object]] = {
    "k-means": lambda K: KMeans(K, n_init=5, random_state=0),
    "mixture": lambda K: GaussianMixture(K, n_init=3, reg_covar=1e-3, random_state=0),
}


def run(method: str, train: Table, test: Table | None, pythons: Pythons, *, fills: bool = False) -> Found:
    """Let a method learn from a table; "A + B" imputes by A first and clusters by B then.

    With ``fills`` it fills the gaps, too. Neither has ``y``.
    """
    started = time.perf_counter()
    first, _, then = method.partition(" + ")
    if then:
        train = train._replace(rows=IMPUTERS[first](train))
    elif first in IMPUTERS:
        return Found(None, IMPUTERS[first](train), None, time.perf_counter() - started)
    which = then or first
    if which == OURS:
        return _ours(train, test, started, fills=fills)
    if which in PEERS:
        python = pythons.of(which)
        assert python is not None
        return _peer(which, train, test, python)
    encoded = Indicators.of(train).encode(train)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        labels = CLUSTERERS[which](train.K).fit_predict(encoded)  # type: ignore[attr-defined]
    return Found(labels, None, None, time.perf_counter() - started)


def _ours(train: Table, test: Table | None, started: float, *, fills: bool) -> Found:
    """`GMVAE(K, random_state=0)`, told which columns are categories; `effort="density"` where the density counts."""
    observations = Observations(train.rows)
    families = {str(column): kind for column, kind in enumerate(train.kinds) if kind is not None}
    effort: Effort = "density" if fills or test is not None else "labels"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        config = Config(train.K, likelihood=families, effort=effort, random_state=0)
        (found,) = fit(observations, config, [SeededFit(draw_seed(0))])
    seconds = time.perf_counter() - started
    return Found(
        found.proba.argmax(1),
        found.fitted.impute(train.rows) if fills else None,
        None if test is None else found.fitted.log_evidence(test.rows),
        seconds,
        len(found.fitted.history.epochs),
    )


def _peer(method: str, train: Table, test: Table | None, python: Path) -> Found:
    """Standardised numbers and categories, given to another interpreter; densities are brought back to data units."""
    n, scaler = train.n_numbers, StandardScaler()
    if n:
        scaler.fit(train.rows[:, :n])

    def scaled(table: Table) -> np.ndarray:
        rows = table.rows.copy()
        if n:
            rows[:, :n] = scaler.transform(rows[:, :n])
        return rows

    K = 10 if method == "StepMix, K = 10" else train.K
    least = [_rounding(column[~np.isnan(column)]) for column in scaled(train)[:, :n].T]
    given = {"least": least, "train": scaled(train), "test": scaled(train if test is None else test)}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npz"
        np.savez(file, **given, n_numbers=n, n_levels=n_levels(train), K=K)
        command = [str(python), str(Path(__file__).with_name("tables_peers.py")), method, str(file)]
        subprocess.run(command, capture_output=True, text=True, check=True)
        with np.load(file) as arrays:
            found = {name: arrays[name] for name in arrays}
    filled = found["filled"]
    if n:
        filled[:, :n] = scaler.inverse_transform(filled[:, :n])
    log_likelihood = None
    if test is not None and not np.isnan(found["log_likelihood"]).any():
        known = ~np.isnan(test.rows[:, :n])
        log_likelihood = found["log_likelihood"] - (known @ np.log(scaler.scale_) if n else 0.0)
    return Found(found["labels"], filled, log_likelihood, float(found["seconds"]))


def _rounding(values: np.ndarray) -> float:
    """Variance that rounding adds to a column: a twelfth of the squared step between its values."""
    steps = np.diff(np.unique(values))
    return float(steps.min()) ** 2 / 12.0 if len(steps) else 1.0


METHODS: Mapping[str, tuple[str, ...]] = {
    "impute": (*IMPUTERS, "StepMix", "StepMix, K = 10", OURS),
    "gaps": (
        "mean/mode + k-means",
        "iterative + k-means",
        "iterative + mixture",
        f"iterative + {OURS}",
        "StepMix",
        OURS,
    ),
    "mixed": (
        "mean/mode + k-means",
        "mean/mode + mixture",
        "k-prototypes",
        "StepMix",
        "StepMix, full covariance",
        OURS,
        KNOWN,
    ),
}
SETTINGS = {
    "mean/mode": "SimpleImputer: mean of numbers, most frequent level of categories",
    "k neighbours": "KNNImputer() on standardised numbers and 0/1 columns of the levels",
    "iterative": "IterativeImputer(random_state=0) on the same without the first level of a category; 5 rounds "
    "beyond 70 columns",
    "k-means": "KMeans(K, n_init=5, random_state=0) on the same",
    "mixture": "GaussianMixture(K, n_init=3, reg_covar=1e-3, random_state=0) on the same",
    "k-prototypes": "KPrototypes(K, n_init=3, random_state=0), standardised numbers, gaps filled by mean/mode",
    "StepMix": "StepMix 3.0.0, gaussian_diag_nan and categorical_nan, n_init=3, max_iter=300, abs_tol=1e-4, "
    "random_state=0, standardised numbers; gaps are filled by means or most probable levels under its posterior; "
    "for log-likelihoods the variance of a number is at least that of rounding, without which equal values have a "
    "density without bound",
    "StepMix, full covariance": "the same with gaussian_full, which takes no gaps in numbers",
    OURS: "GMVAE(K, random_state=0), told which columns are categories; with effort='density' for imputation, "
    "log-likelihoods and the clusters beside these",
    KNOWN: "posterior and density of the mixture that a made set was drawn from: what cannot be beaten but by chance",
}
