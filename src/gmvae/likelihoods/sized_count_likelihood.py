"""Counts as shares of a row's size: what likelihoods of counts with size factors share, and with a covariate."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import first_unlike, missing, tensors_of
from gmvae.likelihoods.columns import moments
from gmvae.likelihoods.count_likelihood import CountLikelihood
from gmvae.likelihoods.count_rows import LARGEST_COUNT, ColumnsBeside, column_of, without
from gmvae.likelihoods.covariate import Covariate
from gmvae.likelihoods.likelihood import Observation, refused
from gmvae.likelihoods.pearson_residuals import DISPERSIONS, pearson_residuals, typical_dispersion
from gmvae.likelihoods.size_factors import SizeFactors, require_counts
from gmvae.likelihoods.sized_counts import Batches, SizedCounts
from gmvae.networks import Shape
from gmvae.sparse_rows import AnyRows

_MOST_BATCHES = 1000
_LEAST_MEAN = 0.02
"""Mean count of columns that have a say in θ of Pearson residuals."""
_VARIANCE_OF_RESIDUALS = 1.5
"""Total variance of Pearson residuals over that of standardised logs, of which starting clusters are found."""
_VARIANCE_OF_LOGS = 0.5
"""The same of logs that are not standardised, beside which these are compared. Over 45 starts of nine sets of real
cells the mean ARI is .60 for 0, .61 for 0.25 and 0.5 and .63 for 1; over 16 of thinned cells or with other numbers of
genes it is .62, .61, .61 and .52 (k-means with ten restarts)."""


class SizedCountLikelihood(CountLikelihood):
    """Counts with size factors: the rate is ℓ ρ_c, the size of the row times the share of the column.

    Shares are the softmax over columns of log(mean share) and the decoder's output. The encoder sees
    log(1 + y median(ℓ) / ℓ), standardised, while clusters start on this beside Pearson residuals. Of ``log_mean`` only
    differences matter: its softmax is the shares of all rows together.

    Attributes
    ----------
    size_factors : SizeFactors
    covariate : Covariate or None
        Encoder and decoder see its indicators, too.
    """

    decodes_shares = True
    size_factors: SizeFactors
    covariate: Covariate | None
    residual_dispersion, residual_weight = DISPERSIONS[1], 1.0  # only starts need them: they are not in files

    @classmethod
    def learn_sized(cls, rows: AnyRows, weights: np.ndarray | None, sizes: int | None, covariate: int | None) -> Self:
        """Learn from rows (n, p) whose sizes are their totals or a column of theirs, and perhaps a column of batches.

        ValueError unless rows are counts, beside columns of sizes above 0 and of whole numbers.
        """
        beside = ColumnsBeside(sizes, covariate, _MOST_BATCHES)
        first = first_unlike(rows, lambda block: beside.valid(block) | missing(block))
        if first is not None:
            requirement, remedy = beside.law(first[1], cls.requirement, cls.remedy)
            raise refused(requirement, rows[first], first, remedy)
        place = sizes if sizes is None or covariate is None else sizes - (covariate < sizes)
        size_factors = SizeFactors.learn(lambda: without(rows, covariate), weights, place)

        def even() -> Iterator[Tensor]:
            """Counts as they would be at the median size."""
            return (size_factors.at_median(part) for part in without(rows, covariate))

        shift, scale = moments((part.log1p() for part in even()), weights)
        mean, deviation = moments(even(), weights)
        likelihood = cls._of(shift, scale, mean.clamp(min=1.0 / len(rows)), deviation)
        likelihood.size_factors = size_factors

        def counts() -> Iterator[Tensor]:
            return (size_factors.counts(part).double() for part in without(rows, covariate))

        pooled, _ = moments(counts(), weights)
        likelihood.log_mean = pooled.clamp(min=1.0 / len(rows)).log()
        likelihood.covariate = None
        if covariate is not None:
            likelihood.covariate = Covariate.learn(covariate, column_of(rows, covariate), counts(), weights)

        def around_shares() -> Iterator[tuple[Tensor, Tensor]]:
            return (likelihood._around_shares(part.double()) for part in tensors_of(rows))

        dispersion = typical_dispersion(around_shares(), pooled >= _LEAST_MEAN, weights)
        likelihood.residual_dispersion = dispersion
        residuals = (pearson_residuals(count, mean, dispersion) for count, mean in around_shares())
        variance = moments(residuals, weights)[1].square()[pooled > 0.0]
        likelihood.residual_weight = math.sqrt(_VARIANCE_OF_RESIDUALS * len(variance) / float(variance.sum()))
        return likelihood

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        """ValueError if columns in ``weights`` cannot be."""
        covariate_column = int(weights["covariate.column"]) if "covariate.column" in weights else None
        size_column = int(weights["size_factors.column"])
        n_left = event_shape[0] - (covariate_column is not None)
        if not 0 <= (covariate_column or 0) < event_shape[0] or not -1 <= size_column < n_left:
            raise ValueError("columns of size factors and batches must be among those of a row")
        size_factors = SizeFactors.blank(None if size_column < 0 else size_column)
        shape = size_factors.counted_shape((n_left,))
        likelihood = cls._of(*torch.ones(4, *shape).double())
        likelihood.size_factors, likelihood.covariate = size_factors, None
        if covariate_column is not None:
            n_batches = len(weights["covariate.shares"])
            shares, log_shift = torch.ones(n_batches).double(), torch.ones(n_batches, shape[0])
            likelihood.covariate = Covariate(covariate_column, shares, log_shift)
        return likelihood

    def refusal(self, value: np.generic, place: Sequence[int], where: str | None = None) -> ValueError:
        requirement, remedy = self._beside.law(place[1], self.requirement, self.remedy)
        return refused(requirement, value, where or place, remedy)

    def valid(self, rows: np.ndarray) -> np.ndarray:
        return self._beside.valid(rows)

    def within(self, y: Tensor) -> Tensor:
        sizes, place, beside = self.sizes_of(y), torch.arange(y.shape[-1]), self._beside
        valid = (y >= 0) & (y <= LARGEST_COUNT) & ((y == y.floor()) | (place == beside.sizes))
        if beside.covariate is not None:
            valid = valid & ((place != beside.covariate) | (y < beside.n_batches))
        return valid & (sizes > 0.0)

    @property
    def takes_gaps(self) -> bool:
        return False

    def check(self, rows: AnyRows) -> None:
        super().check(rows)
        require_counts(self.sizes(rows))

    @property
    def _beside(self) -> ColumnsBeside:
        sizes = self.size_factors.column_number
        if self.covariate is None:
            return ColumnsBeside(sizes)
        covariate = self.covariate.column_number
        if sizes is not None:  # counted without the column of the covariate
            sizes += covariate <= sizes
        return ColumnsBeside(sizes, covariate, self.covariate.n_batches)

    def sizes(self, rows: AnyRows) -> np.ndarray:
        return self.size_factors.of_parts(without(rows, self._beside.covariate))

    def sizes_of(self, y: Tensor) -> Tensor:
        return self.size_factors.sizes(self._without(y))

    def resized(self, mean: np.ndarray, rows: AnyRows) -> np.ndarray:
        factors = self.sizes(rows)[:, None] / float(self.size_factors.median)
        factors = np.repeat(factors, mean.shape[1], axis=1).astype(mean.dtype)
        if self.covariate is not None:
            factors[:, self.covariate.column_number] = 1.0
        return mean * factors

    def shares(self, mean: np.ndarray) -> np.ndarray:
        counts, beside = mean.astype(np.float64), self._beside
        counts[:, [column for column in (beside.sizes, beside.covariate) if column is not None]] = np.nan
        return counts / np.nansum(counts, axis=1, keepdims=True)

    def seen_shape(self, event_shape: Shape) -> Shape:
        (n,) = self.decoded_shape(event_shape)
        return (n + self.n_batches,)

    def decoded_shape(self, event_shape: Shape) -> Shape:
        return self.size_factors.counted_shape((event_shape[0] - (self.covariate is not None),))

    def standardised(self, y: Tensor) -> Tensor:
        seen = (self.size_factors.at_median(self._without(y)).log1p() - self.shift) / self.scale
        batch = self.batch_of(y)
        return seen if batch is None else torch.cat([seen, self._indicators(batch)], -1)

    def described(self, y: Tensor) -> Tensor:
        """Pearson residuals, and logs as the encoder sees them, both from what the mean shares of the batch lead to.

        Rare types and some clusters of shallow cells are told by residuals, others by logs.
        """
        count, mean = self._around_shares(y)
        to_median = self.size_factors.median / self.size_factors.sizes(self._without(y))
        logs = ((count * to_median).log1p() - (mean * to_median).log1p()) / self.scale
        residuals = pearson_residuals(count, mean, self.residual_dispersion)
        return torch.cat([self.residual_weight * residuals, logs], -1)

    @property
    def log_weights(self) -> np.ndarray:
        """√(1 + a² s²) for columns of deviation s: a standardised log z so weighted stands for z beside a s z.

        a s z are logs that are not standardised; `_VARIANCE_OF_LOGS`. Some types are told by few columns of many
        counts, which standardised logs make as small as all others.
        """
        square, varies = self.scale.double().square(), self.shift > 0.0
        return (1.0 + _VARIANCE_OF_LOGS * varies.sum() / square[varies].sum() * square).sqrt().numpy()

    def _around_shares(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """Counts, and what they would be with the mean shares of all observations, or of those of the same batch."""
        log_share = self.log_mean.log_softmax(-1)
        if self.covariate is not None:
            log_share = self.covariate.shifted(log_share, self.covariate.numbers(y)).detach()
        own = self._without(y)
        return self.size_factors.counts(own), self.size_factors.sizes(own) * log_share.exp()

    def _without(self, y: Tensor) -> Tensor:
        return y if self.covariate is None else self.covariate.without(y)

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Observation:
        return self.distribution_in(outputs, event_dims, None)

    def distribution_in(self, outputs: Sequence[Tensor], event_dims: int, batch: Tensor | None) -> Observation:
        log_share, batches = self._log_rate(outputs).log_softmax(-1), None
        if self.covariate is not None:
            numbers = self.covariate.or_largest(batch, log_share.shape[:-1])
            log_share, batches = self.covariate.shifted(log_share, numbers), Batches(self.covariate, numbers)
        return SizedCounts(lambda log_rate: self.counts(log_rate, event_dims), log_share, self.size_factors, batches)

    @property
    def n_batches(self) -> int:
        return self._beside.n_batches

    def batch_of(self, y: Tensor) -> Tensor | None:
        return None if self.covariate is None else self.covariate.numbers(y)

    def batches_of(self, rows: AnyRows) -> np.ndarray | None:
        if self.covariate is None:
            return None
        return column_of(rows, self.covariate.column_number)

    def draw_batch(self, shape: Shape, generator: torch.Generator) -> Tensor | None:
        return None if self.covariate is None else self.covariate.draw(math.prod(shape), generator).view(shape)

    def decoder_input(self, x: Tensor, batch: Tensor | None) -> Tensor:
        if self.covariate is None:
            return x
        numbers = self.covariate.or_largest(batch, x.shape[:-1])
        return torch.cat([x, self._indicators(numbers).to(x.dtype)], -1)

    def _indicators(self, numbers: Tensor) -> Tensor:
        """Which of the batches it is, (..., n_batches), in float64."""
        return (numbers.unsqueeze(-1) == torch.arange(self.n_batches, device=numbers.device)).double()
