"""What a fit begins with: which rows to hold out, a new model on its starting clusters, or a previous solution."""

from __future__ import annotations

import copy
import dataclasses
import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from gmvae.build import MisfitError, build, rebuild
from gmvae.config import ComponentWeights, Config
from gmvae.fitting.labels import named_clusters
from gmvae.initialisation.counts import centre_batches, start_of_counts
from gmvae.initialisation.features import skewed_counts, spread_levels
from gmvae.initialisation.gaps import completed
from gmvae.initialisation.mixed import start_of_mixed
from gmvae.initialisation.n_clusters import Criteria, count, criteria
from gmvae.initialisation.starts import MAX_ROWS, starting_clusters
from gmvae.likelihoods import ColumnMoments, Likelihood, likelihood_for, likelihood_from_sample
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import hidden_widths
from gmvae.observations import Observations
from gmvae.progress import Reporter
from gmvae.seeds import seeded
from gmvae.training import ClusteredRows, Split, augments

_DESCRIBED_AT_ONCE = 1024
_STYLE_OF_TABLES, _STYLE_OF_IMAGES = 2, 4
"""In tables of numbers and categories a style of four dimensions took part in the clusters: on 5,000 rows of adult with
K = 6 the draws of the latents agreed with their means on 93 % of the rows, with two dimensions on 99 %."""
_BATCH, _LARGE_BATCH, _MANY_ROWS = 128, 256, 50_000
"""Rows of a gradient step, and more from so many rows on: a row then takes less time, and steps are still enough."""
_COUNTED = "all columns are skewed counts, for which there is likelihood='negative-binomial', too"
UNSEEN = -1
"""Starting cluster of rows that were not looked at."""
MAX_CHECKED = 10_000
"""Of the training rows at most so many decide when to stop where none is held out: more tell nothing new."""

_log = logging.getLogger("gmvae")


def learned_likelihood(config: Config, observations: Observations) -> Likelihood:
    """The likelihood that is chosen, learned from the observations."""
    of_rows = (observations.names, observations.kinds, observations.weight, config.size_factors)
    if observations.n_beyond:
        assert observations.shards is not None
        if config.covariate is not None:
            raise ValueError(
                f"`covariate` must be None for rows that are read in parts; got {config.covariate!r}: leave the column "
                "out, or fit to rows in memory."
            )
        found = observations.shards.survey
        sample = found.rows
        gaps = found.n < len(observations.shards)
        if gaps.any() and not np.isnan(sample).any():
            column = int(gaps.argmax())
            sample = sample.copy()
            sample[0, column] = np.nan
        moments = ColumnMoments(*map(torch.from_numpy, (found.mean, found.deviation, found.low, found.high)))
        return likelihood_from_sample(config.likelihood, sample, moments, found.fraction, *of_rows)
    return likelihood_for(config.likelihood, observations.y, *of_rows, config.covariate)


def split_rows(n_rows: int, fraction: float, seed: int, label: np.ndarray | None = None) -> Split:
    """Hold out a random share of the rows; with none of them, some of the training rows serve.

    Rows with a label, not -1, are held out only where there are too few others: labels are few, and the bound of
    held-out rows is on log p(y) without them.
    """
    drawn = np.random.default_rng(seed).permutation(n_rows)
    if label is not None:
        drawn = drawn[np.argsort(label[drawn] >= 0, kind="stable")]
    order = torch.from_numpy(drawn)
    n_held_out = round(fraction * n_rows)
    if n_held_out == 0 or n_held_out == n_rows:
        return Split(order, order[:MAX_CHECKED], seed)
    return Split(order[n_held_out:], order[:n_held_out], seed)


class FoundStart(NamedTuple):
    """Starting clusters, for the training and for people, and a sentence on how they were found."""

    of_training: ClusteredRows
    labels: np.ndarray  # (n,), of every row; -1 for rows that were not looked at
    reason: str


class TrainingData:
    """The observations of a fit and their likelihood, from which all its new models and their starts are made.

    The likelihood was learned from these observations or, under a warm start, from those of the first fit.
    """

    def __init__(self, observations: Observations, likelihood: Likelihood) -> None:
        self.observations = observations
        self.likelihood = likelihood

    def model(self, config: Config, seed: int) -> GaussianMixtureVAE:
        """Build a model on the CPU, in its precision; without starting clusters its components begin nearly alike."""
        with seeded(seed):
            model = build(config, self.observations.event_shape, copy.deepcopy(self.likelihood))
        if config.init == "random":
            model.generative.mixture.begin_alike()
        return model.double() if config.precision == "64-true" else model

    def criteria(self, numbers: Sequence[int], seed: int) -> list[Criteria]:
        """What halves of the rows say for each number of clusters."""
        return criteria(self._subsample(seed), numbers, seed)

    def n_clusters(self, seed: int) -> tuple[int, str]:
        """How many clusters halves of the rows agree on, and a sentence that says so."""
        return count(self._subsample(seed), len(self.observations), seed)

    def start(self, config: Config, split: Split, seed: int) -> FoundStart:
        """Clusters of some of the rows, whatever `init` but "random" says.

        Of many rows a share is drawn by ``seed``, labelled ones first. Few are clustered with the held-out ones, so
        that fits start alike whichever they hold out. Component c is the cluster of class c, where rows have labels.
        """
        weight, label = self.observations.weight, self.observations.label
        if len(self.observations) <= MAX_ROWS:
            sample = torch.cat([split.train, split.held_out]).unique()
        else:
            drawn = np.random.default_rng(seed).permutation(len(split.train))
            if label is not None:
                drawn = drawn[np.argsort(label[split.train.numpy()[drawn]] < 0, kind="stable")]
            sample = split.train[torch.from_numpy(drawn[:MAX_ROWS])].sort().values
        of_training = torch.isin(sample, split.train)
        weights = None if weight is None else weight[sample.numpy()]
        y = self.observations.take(sample).y
        described = self._described(y, weights)
        discrete = self.likelihood.discrete
        if config.init == "auto" and any(discrete):
            found = start_of_mixed(described, completed(described, weights), discrete, config.K, seed, weights)
        elif config.init == "auto" and (log_weights := self.likelihood.log_weights) is not None:
            found = start_of_counts(described, log_weights, config.K, seed, weights)
        else:
            counted = self.likelihood.continuous and skewed_counts(y.numpy())
            found = starting_clusters(config.init, described, config.K, seed, weights, counted=counted)
            if counted:
                found = found._replace(reason=f"{found.reason}; {_COUNTED}")
        clusters = found.clusters
        if label is not None:
            known = np.where(of_training.numpy(), label[sample.numpy()], -1)
            clusters = named_clusters(clusters, known, config.K, found.scores, weights)
        labels = np.full(len(self.observations), UNSEEN)
        labels[sample.numpy()] = clusters
        start = ClusteredRows(sample[of_training], torch.from_numpy(clusters).long()[of_training])
        return FoundStart(start, self.observations.in_all_rows(labels, UNSEEN), found.reason)

    def completed(self, sample: np.ndarray) -> np.ndarray:
        """Some of the rows, as starting clusters are found on them, with missing entries filled."""
        weights = None if self.observations.weight is None else self.observations.weight[sample]
        return completed(self._described(self.observations.take(torch.from_numpy(sample)).y, weights), weights)

    def _described(self, y: torch.Tensor, weights: np.ndarray | None) -> np.ndarray:
        """In float64, and in parts: on the way to what is described lie several times its memory."""
        parts = (self.likelihood.described(part).numpy() for part in y.split(_DESCRIBED_AT_ONCE))
        first = next(parts)
        found = np.empty((len(y), *first.shape[1:]))
        found[: len(first)] = first
        for number, part in enumerate(parts, 1):
            found[number * _DESCRIBED_AT_ONCE :][: len(part)] = part
        batches = self.likelihood.batch_of(y)
        if batches is not None:
            centre_batches(found, batches.numpy(), weights)
        return found

    def _subsample(self, seed: int) -> np.ndarray:
        """Random rows, in their order, as `completed`; a row is drawn as often as its weight says."""
        drawn = np.random.default_rng(seed).permutation(len(self.observations))
        if self.observations.weight is not None:
            shares = self.observations.weight[drawn].cumsum() / self.observations.weight.sum()
            places = (np.arange(min(len(drawn), MAX_ROWS)) + 0.5) / min(len(drawn), MAX_ROWS)
            drawn = drawn[np.searchsorted(shares, places).clip(max=len(drawn) - 1)]
        return spread_levels(self.completed(np.sort(drawn[:MAX_ROWS])), self.likelihood.discrete, seed)


def resolve_model(config: Config, data: TrainingData, previous: GaussianMixtureVAE | None, seed: int) -> Config:
    """Put values in place of "auto" in `n_components`, `style_dim`, `hidden_layer_sizes` and `component_weights`.

    They are what the rows say, or as before. `batch_size` too, by the number of rows.
    """
    if config.batch_size == "auto":
        many = data.observations.shards is None and len(data.observations) >= _MANY_ROWS
        config = dataclasses.replace(config, batch_size=_LARGE_BATCH if many else _BATCH)
    if config.component_weights == "auto":
        weights: ComponentWeights = "uniform" if augments(config, data.observations.event_shape) else "learned"
        config = dataclasses.replace(config, component_weights=weights)
    shares = data.likelihood.decodes_shares
    widths = hidden_widths(config.hidden_layer_sizes, data.observations.event_shape, shares=shares)
    config = dataclasses.replace(config, hidden_layer_sizes=widths)
    if config.style_dim == "auto":
        usual = _STYLE_OF_TABLES if len(data.observations.event_shape) == 1 else _STYLE_OF_IMAGES
        config = dataclasses.replace(config, style_dim=previous.generative.style_dim if previous else usual)
    if config.n_components != "auto":
        return config
    if previous is not None:
        return dataclasses.replace(config, n_components=previous.K)
    with Reporter(config.verbose) as reporter, reporter.stage("counting clusters"):
        number, reason = data.n_clusters(seed)
        reporter.note(reason)
    _log.info(reason)
    return dataclasses.replace(config, n_components=max(number, len(data.observations.classes)))


def warm_model(previous: GaussianMixtureVAE, observations: Observations, config: Config) -> GaussianMixtureVAE:
    """A copy of the previous solution for ``config``, with the likelihood of its first fit."""
    name = previous.likelihood.name
    if config.likelihood not in ("auto", name):
        raise ValueError(
            f"`likelihood` must be {name!r} as in the previous fit under `warm_start`; got {config.likelihood!r}: "
            "set it back or fit with `warm_start=False`."
        )
    try:
        with seeded(0):
            model = rebuild(config, observations.event_shape, name, previous.state_dict())
    except MisfitError as error:
        raise ValueError(
            "X and the parameters that shape the model, such as `n_components`, must be as in the previous fit under "
            "`warm_start`; got others: set them back or fit with `warm_start=False`."
        ) from error
    model.likelihood.check(observations.y)
    return model
