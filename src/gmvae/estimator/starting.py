"""What a fit begins with: which rows to hold out, a new model on its starting clusters, or a previous solution."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

from gmvae.config import Config
from gmvae.estimator.seeds import seeded
from gmvae.estimator.values import check_units, family_for, top_level
from gmvae.generative import Family
from gmvae.initialisation import MAX_COMPONENTS, MAX_ROWS, Evidence, choose, evidence, starting_clusters
from gmvae.model import GaussianMixtureVAE, MisfitError, UnitInterval, build, rebuild, standardisation
from gmvae.progress import Reporter
from gmvae.training import Split, StartingClusters, as_tensor

_ROWS_AT_ONCE = 8192
MAX_CHECKED = 10_000
"""Of the training rows at most so many decide when to stop where none is held out: more tell nothing new."""


def split_rows(n_rows: int, fraction: float, seed: int) -> Split:
    """Hold out a random share of the rows; with none of them, some of the training rows serve."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n_rows))
    n_held_out = round(fraction * n_rows)
    if n_held_out == 0 or n_held_out == n_rows:
        return Split(order, order[:MAX_CHECKED], seed)
    return Split(order[n_held_out:], order[:n_held_out], seed)


class Ground:
    """What all new models of a fit share: the rows, their likelihood and their units.

    Parameters
    ----------
    rows : ndarray of shape (n, *event)
    likelihood : {"auto", "bernoulli", "gaussian"}
    """

    def __init__(self, rows: np.ndarray, likelihood: str) -> None:
        self.rows = rows
        self.family: Family = family_for(likelihood, rows)
        self.units = standardisation(_batches(rows)) if self.family == "gaussian" else UnitInterval(top_level(rows))

    def model(self, config: Config, seed: int) -> GaussianMixtureVAE:
        """Build a model on the CPU."""
        with seeded(seed):
            return build(config, self.rows.shape[1:], self.family, copy.deepcopy(self.units))

    def evidence(self, numbers: Sequence[int], seed: int) -> list[Evidence]:
        """What halves of the rows say for each number of clusters."""
        sample = np.sort(np.random.default_rng(seed).permutation(len(self.rows))[:MAX_ROWS])
        return evidence(self._seen(sample), numbers, seed)

    def count(self, seed: int) -> int:
        """How many clusters halves of the rows agree on, of 2 to 20."""
        return choose(self.evidence(range(2, MAX_COMPONENTS + 1), seed))

    def start(self, config: Config, split: Split, seed: int) -> StartingClusters | None:
        """Clusters of some of the training rows; None for ``init='random'``.

        Of many rows a share is drawn by ``seed``. Few are clustered with the held-out ones, so that fits start alike
        whichever they hold out.
        """
        if len(self.rows) <= MAX_ROWS:
            sample = torch.cat([split.train, split.held_out]).unique()
        else:
            drawn = np.random.default_rng(seed).permutation(len(split.train))[:MAX_ROWS]
            sample = split.train[torch.from_numpy(drawn)].sort().values
        clusters = starting_clusters(config.init, self._seen(sample.numpy()), config.K, seed)
        if clusters is None:
            return None
        taught = torch.isin(sample, split.train)
        return StartingClusters(sample[taught], torch.from_numpy(clusters).long()[taught])

    def _seen(self, sample: np.ndarray) -> np.ndarray:
        """Some of the rows, in the model's units."""
        return self.units(as_tensor(self.rows[sample])).numpy().astype(np.float64)


def counted(config: Config, start: Ground | GaussianMixtureVAE, seed: int) -> Config:
    """Put a number in place of ``n_components="auto"``: what the rows say, or that of the previous solution."""
    if config.n_components != "auto":
        return config
    if not isinstance(start, Ground):
        return dataclasses.replace(config, n_components=start.generative.mixture.streams[1])
    number = start.count(seed)
    with Reporter(config.verbose) as reporter:
        reporter.note(f"n_components={number}: so many clusters are found again in other halves of the observations")
    return dataclasses.replace(config, n_components=number)


def continued(previous: GaussianMixtureVAE, rows: np.ndarray, config: Config) -> GaussianMixtureVAE:
    """A copy of the previous solution for ``config``, in the units of its first fit."""
    family = previous.family
    if config.likelihood not in ("auto", family):
        raise ValueError(
            f"`likelihood` must be {family!r} as in the previous fit under `warm_start`; got {config.likelihood!r}: "
            "set it back or fit with `warm_start=False`."
        )
    try:
        with seeded(0):
            model = rebuild(config, rows.shape[1:], family, previous.state_dict())
    except MisfitError as error:
        raise ValueError(
            "X and the parameters that shape the model, such as `n_components`, must be as in the previous fit under "
            "`warm_start`; got others: set them back or fit with `warm_start=False`."
        ) from error
    check_units(rows, model.units)
    return model


def _batches(rows: np.ndarray) -> Iterator[Tensor]:
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield as_tensor(np.array(rows[first : first + _ROWS_AT_ONCE]))
