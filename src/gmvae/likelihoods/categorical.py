"""Categorical likelihood: columns of categories, given as the numbers of their levels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import first_unlike
from gmvae.distributions import at_least_float32
from gmvae.likelihoods.likelihood import ColumnMoments, Likelihood, place_in_x, refused
from gmvae.networks import Shape
from gmvae.sparse_rows import AnyRows

MAX_LEVELS = 10_000
"""Of one column; more are ids or free text."""


@dataclass(frozen=True)
class Categorical:
    """Independent categories, one a column, with the logits of all levels of all columns side by side.

    Parameters
    ----------
    logits : Tensor of shape (..., T)
        T is the number of levels of all columns together.
    padded : Tensor of int, shape (c, L)
        Levels of each column; T where it has fewer than L.
    place : Tensor of int, shape (T,)
        Where every level stands among the c·L of these.
    """

    logits: Tensor
    padded: Tensor
    place: Tensor

    @property
    def log_probabilities(self) -> Tensor:
        """Log probability of every level among those of its column, (..., c, L); -inf beyond its last."""
        beyond = self.logits.new_full((*self.logits.shape[:-1], 1), -torch.inf)
        of_columns = torch.cat([self.logits, beyond], -1).index_select(-1, self.padded.flatten())
        return of_columns.unflatten(-1, self.padded.shape).log_softmax(-1)

    @property
    def mean(self) -> Tensor:
        """Probability of every level, (..., T): the mean of its indicator."""
        return self.log_probabilities.exp().flatten(-2)[..., self.place]

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """Log probability in nats of every entry of level numbers ``value`` (..., c)."""
        log_probabilities = self.log_probabilities
        where = value.long().expand(log_probabilities.shape[:-1]).unsqueeze(-1)
        return log_probabilities.gather(-1, where).squeeze(-1)

    def log_prob(self, value: Tensor) -> Tensor:
        """Log probability of level numbers ``value`` (..., c) in nats; shape (...)."""
        return self.entry_log_prob(value).sum(-1)

    def sample(self, generator: torch.Generator) -> Tensor:
        """Indicators of one sampled level of every column, (..., T)."""
        probabilities = self.log_probabilities.exp()
        drawn = torch.multinomial(probabilities.flatten(0, -2), 1, generator=generator).view(probabilities.shape[:-1])
        indicators = drawn.unsqueeze(-1) == torch.arange(probabilities.shape[-1], device=drawn.device)
        return indicators.flatten(-2)[..., self.place].to(self.logits.dtype)


class CategoricalLikelihood(Likelihood):
    """Categories, of which the encoder sees indicators of the levels. The decoder gives a logit for every level.

    Parameters
    ----------
    n_levels : sequence of int
        Of every column.
    occurs : Tensor of bool, shape (T,), optional
        Which of all levels of all columns the fit had: of numbers 3, 5 and 9 three out of ten. By default all.
    """

    name = "categorical"
    n_outputs = 1
    continuous = False
    takes_bfloat16 = True
    precision_reason = "the data are categories"
    requirement = "be the number of a level of the fit"
    remedy = "mark it as missing"
    n_levels: Tensor
    padded: Tensor
    place: Tensor
    occurs: Tensor | None

    def __init__(self, n_levels: Sequence[int], occurs: Tensor | None = None) -> None:
        super().__init__()
        self.register_buffer("occurs", occurs)
        self.n_seen = sum(n_levels)
        counts = torch.tensor(n_levels, dtype=torch.int64)
        first, level = counts.cumsum(0) - counts, torch.arange(max(n_levels))
        padded = torch.where(level < counts[:, None], first[:, None] + level, self.n_seen)
        column = torch.tensor([column for column, n in enumerate(n_levels) for _ in range(n)], dtype=torch.int64)
        self.register_buffer("n_levels", counts)
        self.register_buffer("padded", padded, persistent=False)
        place = column * len(level) + torch.arange(self.n_seen) - first[column]
        self.register_buffer("place", place, persistent=False)

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        with np.errstate(invalid="ignore"):
            first = first_unlike(rows, lambda y: np.isnan(y) | ((y >= 0) & (y < MAX_LEVELS) & (y == np.floor(y))))
        if first is not None:
            requirement = (
                f"hold numbers of levels, whole ones from 0 to {MAX_LEVELS - 1:,}, for a categorical likelihood"
            )
            remedy = "number the levels, or give text or `category`"
            raise refused(requirement, rows[first], place_in_x(first, columns), remedy)
        columns_of_levels = (column[~np.isnan(column)].astype(np.int64) for column in np.asarray(rows[:]).T)
        counts = [np.bincount(column) for column in columns_of_levels]
        occurs = torch.from_numpy(np.concatenate(counts) > 0)
        return cls([len(each) for each in counts], None if occurs.all() else occurs)

    def refine(self, columns: ColumnMoments) -> None:
        """Take all levels for possible, as those that no row of a sample has may be in others."""
        self.occurs = None

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        n_levels = weights["n_levels"].tolist() if "n_levels" in weights else []
        if not n_levels or not all(isinstance(n, int) and 0 < n <= MAX_LEVELS for n in n_levels):
            raise ValueError(f"n_levels must be from 1 to {MAX_LEVELS:,}")
        return cls(n_levels, torch.ones(sum(n_levels)).bool() if "occurs" in weights else None)

    def within(self, y: Tensor) -> Tensor:
        known = (y >= 0) & (y < self.n_levels) & (y == y.floor())
        if self.occurs is None:
            return known
        return known & self.occurs[self.padded[:, 0] + torch.where(known, y, 0.0).long()]

    def seen_shape(self, event_shape: Shape) -> Shape:
        return (self.n_seen,)

    decoded_shape = seen_shape

    def standardised(self, y: Tensor) -> Tensor:
        levels = torch.arange(self.padded.shape[-1], device=y.device)
        indicators = torch.where(y.isnan().unsqueeze(-1), torch.nan, (y.unsqueeze(-1) == levels).to(y.dtype))
        return indicators.flatten(-2)[..., self.place]

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Categorical:
        (logits,) = outputs
        if self.occurs is not None:
            logits = logits.masked_fill(~self.occurs, -torch.inf)
        return Categorical(at_least_float32(logits), self.padded, self.place)

    def levels_of_columns(self, n: int) -> list[int]:
        return self.n_levels.tolist()

    def to_data_units(self, value: Tensor) -> Tensor:
        """The most probable level of every column (..., c), from probabilities of all levels (..., T)."""
        beyond = value.new_full((*value.shape[:-1], 1), -1.0)
        return torch.cat([value, beyond], -1)[..., self.padded].argmax(-1).to(value.dtype)
