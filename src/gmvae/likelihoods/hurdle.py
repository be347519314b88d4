"""Hurdle likelihood: numbers that equal one value in many rows, as a capital gain of 0, and are normal in others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from gmvae.distributions import Normal, at_least_float32
from gmvae.likelihoods.columns import looked_at
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.likelihood import Likelihood, below, place_in_x
from gmvae.networks import Shape
from gmvae.sparse_rows import AnyRows

MIN_REPEATED = 0.5
"""Share of one value from which a column mostly repeats it; in a table of several kinds it has a probability then."""
MIN_OTHERS = 10
"""Different values that such a column has besides: with fewer they are levels rather than numbers."""


@dataclass(frozen=True)
class Hurdle:
    """Independent variables, each one value with some probability and normal otherwise; in the data's units.

    Parameters
    ----------
    logits : Tensor of shape (..., p)
        Log-odds of the one value.
    others : Normal over (..., p)
        All other values, in units of their own.
    likelihood : HurdleLikelihood
        The value of every column, and these units.
    """

    logits: Tensor
    others: Normal
    likelihood: HurdleLikelihood

    @property
    def mean(self) -> Tensor:
        share, others = torch.sigmoid(self.logits), self.likelihood.others.to_data_units(self.others.mean)
        return share * self.likelihood.value + (1.0 - share) * others

    def log_prob(self, value: Tensor) -> Tensor:
        """Logarithm of a mass where ``value`` (..., p) is the one value, and of a density elsewhere; shape (...)."""
        return self.entry_log_prob(value).sum(-1)

    def entry_log_prob(self, value: Tensor) -> Tensor:
        """The same for every entry, (..., p)."""
        units = self.likelihood.others
        of_others = units.entry_log_prob(self.others, value, units.standardised(value).to(self.logits.dtype))
        is_one = value == self.likelihood.value
        return torch.where(is_one, -functional.softplus(-self.logits), of_others - functional.softplus(self.logits))

    def sample(self, generator: torch.Generator) -> Tensor:
        one = torch.bernoulli(torch.sigmoid(self.logits), generator=generator) > 0.0
        return torch.where(
            one, self.likelihood.value, self.likelihood.others.to_data_units(self.others.sample(generator))
        )


class HurdleLikelihood(Likelihood):
    """A two-part model (Cragg 1971): a probability for one value of every column, a normal for all others.

    The encoder sees for every column whether it is the one value, and then all others standardised, 0 in its place. The
    decoder gives log-odds, means and raw log-scales. Where values are whole numbers in the data, others are as they are
    recorded: rounding adds to their deviation.

    Parameters
    ----------
    value : Tensor of shape (p,), float64
        The value of every column that has a probability of its own.
    others : GaussianLikelihood
        Units of all other values.
    """

    name = "hurdle"
    n_outputs = 3
    continuous = False
    takes_bfloat16 = False
    precision_reason = GaussianLikelihood.precision_reason
    requirement = GaussianLikelihood.requirement
    remedy = GaussianLikelihood.remedy
    value: Tensor

    def __init__(self, value: Tensor, others: GaussianLikelihood) -> None:
        super().__init__()
        self.register_buffer("value", value)
        self.others = others

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        """Learn the most frequent value of every column of rows (n, p), and the units of all others."""
        if rows.ndim > 2:
            raise ValueError(
                f"`likelihood` must not be 'hurdle' for images; got shape {rows.shape}: take it for columns of a table."
            )
        y = np.asarray(rows[:], dtype=np.float64)
        value = np.array([_most_frequent(column)[0] for column in y.T])
        others = np.where(y == value, np.nan, y)
        for column in np.flatnonzero((~np.isnan(others)).sum(0) < 2).tolist():
            raise ValueError(
                f"A column of the 'hurdle' likelihood must have several values; got {value[column]:g} in nearly all "
                f"rows of column {place_in_x((0, column), columns)[1]}: drop it, or leave its likelihood out."
            )
        return cls(torch.from_numpy(value), GaussianLikelihood.learn(others, weights))

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        others = GaussianLikelihood.blank(event_shape, below("others.", weights))
        return cls(torch.ones(*event_shape).double(), others)

    def within(self, y: Tensor) -> Tensor:
        return self.others.within(y) | (y == self.value)

    def seen_shape(self, event_shape: Shape) -> Shape:
        return (2 * event_shape[0],)

    def standardised(self, y: Tensor) -> Tensor:
        one = torch.where(y.isnan(), torch.nan, (y == self.value).double())
        return torch.cat([one, torch.where(one > 0.0, 0.0, self.others.standardised(y))], -1)

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Hurdle:
        logits, mean, raw_log_scale = outputs
        return Hurdle(at_least_float32(logits), self.others.distribution([mean, raw_log_scale], event_dims), self)

    def notes(self, names: Sequence[str] | None) -> list[str]:
        shown = [str(index) if names is None else names[index] for index in range(len(self.value))]
        each = ", ".join(f"{name} of {value:g}" for name, value in zip(shown, self.value.tolist(), strict=True))
        return [f"repeated values have a probability of their own: columns {each}", *self.others.notes(names)]


def mostly_repeated(rows: AnyRows) -> np.ndarray:
    """Which columns of rows (n, p) hold one value in half of the known entries or more, and many others; (p,)."""
    found = [_most_frequent(column) for column in looked_at(rows).T]
    return np.array([share >= MIN_REPEATED and n_values > MIN_OTHERS for _, share, n_values in found], dtype=bool)


def _most_frequent(column: np.ndarray) -> tuple[float, float, int]:
    """The most frequent value of a column, the share of the known entries that have it, and how many values it has."""
    values, counts = np.unique(column[~np.isnan(column)], return_counts=True)
    if not len(values):
        return float("nan"), 0.0, 0
    best = int(counts.argmax())
    return float(values[best]), float(counts[best] / counts.sum()), len(values)
