"""Joint likelihood: columns of several families, and entries that are missing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.arrays import has_missing, tensors_of
from gmvae.likelihoods.columns import moments
from gmvae.likelihoods.families import FAMILIES
from gmvae.likelihoods.likelihood import ColumnMoments, Discrete, Likelihood, Observation, below
from gmvae.networks import Shape
from gmvae.sparse_rows import AnyRows

_RARE = 0.01
"""Indicators of rarer levels are enlarged no further than those of this share."""


@dataclass(frozen=True)
class JointObservation:
    """Independent columns of several families; columns are along the first of the last ``event_dims`` axes.

    Parameters
    ----------
    families : sequence of Observation
        The distribution of each family's columns.
    event_dims : int
    """

    families: Sequence[Observation]
    event_dims: int

    @property
    def mean(self) -> Tensor:
        """Means of all families side by side; of a category the probabilities of its levels."""
        return torch.cat([family.mean for family in self.families], -self.event_dims)

    def sample(self, generator: torch.Generator) -> Tensor:
        """One sample of all families side by side; of a category the indicators of its levels."""
        return torch.cat([family.sample(generator) for family in self.families], -self.event_dims)

    def log_prob(self, value: Tensor) -> Tensor:
        raise NotImplementedError("columns have units of their own: ask `JointLikelihood`")

    entry_log_prob = log_prob


class JointLikelihood(Likelihood):
    """p(y|x) = Π p_c(y_c|x) over the observed columns c, each of its own family; NaN is a missing entry.

    Missing entries drop out, so that the bound is one on the log-density of the observed ones (missing at random;
    Nazábal et al. 2020, Mattei and Frellsen 2019). The encoder sees 0, the mean, in their place and, where the fit had
    gaps, besides which entries are missing. In tables it sees answers of yes and no standardised, and indicators of
    levels as in the factor analysis of mixed data: centred, over the square root of their share (Pagès 2014).

    Parameters
    ----------
    families : mapping of str to Likelihood
        By name, each of its own columns.
    columns : mapping of str to sequence of int
        Which these are.
    event_shape : tuple of int
        Shape of one y; columns, or the channels of an image, are along its first axis.
    shows_gaps : bool
        Whether the encoder is shown which entries are missing.

    Attributes
    ----------
    columns : dict
        Columns of every family, by its name.
    """

    name = "mixed"
    n_outputs = 1
    takes_bfloat16 = False
    precision_reason = "columns of several families need more than the 8 bits of bfloat16"
    shift: Tensor
    scale: Tensor
    side_by_side: Tensor
    back: Tensor

    def __init__(
        self,
        families: Mapping[str, Likelihood],
        columns: Mapping[str, Sequence[int]],
        event_shape: Shape,
        *,
        shows_gaps: bool,
    ) -> None:
        super().__init__()
        rest = event_shape[1:]
        self.families = nn.ModuleDict(families)
        self.axis = -len(event_shape)
        self.shows_gaps = shows_gaps
        self.columns = {name: list(columns[name]) for name in families}
        self.n_columns = [len(own) for own in self.columns.values()]
        each = list(zip(families.values(), self.n_columns, strict=True))
        self.n_seen = [family.seen_shape((n, *rest))[0] for family, n in each]
        self.n_decoded = [family.n_outputs * family.decoded_shape((n, *rest))[0] for family, n in each]
        order = torch.tensor([column for own in self.columns.values() for column in own], dtype=torch.int64)
        self.register_buffer("side_by_side", order)
        self.register_buffer("back", order.argsort(), persistent=False)
        self.register_buffer("n_of_family", torch.tensor(self.n_columns))
        self.register_buffer("gaps", torch.tensor(shows_gaps))
        seen = (sum(self.n_seen), *rest)
        self.register_buffer("shift", torch.zeros(seen, dtype=torch.float64))
        self.register_buffer("scale", torch.ones(seen, dtype=torch.float64))

    @property
    def continuous(self) -> bool:  # type: ignore[override]
        """Whether all columns have densities."""
        return all(family.continuous for family in self._families)

    @property
    def discrete(self) -> Discrete:
        # In the order of `FAMILIES` yes and no come first, and categories last. Images have grey levels.
        if self.axis != -1:
            return Discrete(0, 0)
        seen = dict(zip(self.families, self.n_seen, strict=True))
        return Discrete(seen.get("bernoulli", 0), seen.get("categorical", 0))

    @classmethod
    def of(cls, likelihood: Likelihood, event_shape: Shape) -> JointLikelihood:
        """A likelihood of one family, and how it is where entries are missing; the decoder's outputs are the same."""
        columns = {likelihood.name: range(event_shape[0])}
        return cls({likelihood.name: likelihood}, columns, event_shape, shows_gaps=False)

    @classmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        raise NotImplementedError("which columns are of which family is for `learn_columns`")

    @classmethod
    def learn_columns(
        cls, columns: Mapping[str, Sequence[int]], rows: AnyRows, weights: np.ndarray | None
    ) -> JointLikelihood:
        """Learn every family from its own columns of the rows (n, *event) of a fit, which may count by weights.

        ValueError if they hold values that a family does not have.
        """
        families = {name: FAMILIES[name].learn(rows[:, list(own)], weights, own) for name, own in columns.items()}
        joint = cls(families, columns, rows.shape[1:], shows_gaps=has_missing(rows))
        if rows.ndim == 2:
            mean, deviation = moments((joint._side_by_side(part) for part in tensors_of(rows)), weights)
            of_levels = mean.clamp(min=_RARE).sqrt()
            scales = {"bernoulli": deviation, "hurdle": deviation, "categorical": of_levels}
            for name, part in zip(joint.families, torch.arange(len(mean)).split(joint.n_seen), strict=True):
                if name in scales:
                    joint.shift[part], joint.scale[part] = mean[part], scales[name][part]
        return joint

    def refine(self, columns: ColumnMoments) -> None:
        for family, own in zip(self._families, self.columns.values(), strict=True):
            family.refine(ColumnMoments(*(each[own] for each in columns)))

    @classmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        names = [name for name in FAMILIES if any(key.startswith(f"families.{name}.") for key in weights)]
        order, counts = (weights.get(key, torch.empty(0)).tolist() for key in ("side_by_side", "n_of_family"))
        whole = all(isinstance(n, int) and n > 0 for n in counts)
        if len(counts) != len(names) or not whole or sorted(order) != list(range(event_shape[0])) != sum(counts):
            raise ValueError("every column must be of one family")
        columns = {name: [order.pop(0) for _ in range(n)] for name, n in zip(names, counts, strict=True)}
        families = {
            name: FAMILIES[name].blank((len(columns[name]), *event_shape[1:]), below(f"families.{name}.", weights))
            for name in names
        }
        return cls(families, columns, tuple(event_shape), shows_gaps=bool(weights["gaps"]))

    def within(self, y: Tensor) -> Tensor:
        parts = y.index_select(self.axis, self.side_by_side).split(self.n_columns, self.axis)
        each = [family.within(part) for family, part in zip(self._families, parts, strict=True)]
        return torch.cat(each, self.axis).index_select(self.axis, self.back)

    def refusal(self, value: np.generic, place: Sequence[int], where: str | None = None) -> ValueError:
        return next(
            family.refusal(value, place, where)
            for family, columns in zip(self._families, self.columns.values(), strict=True)
            if place[1] in columns
        )

    def seen_shape(self, event_shape: Shape) -> Shape:
        n_marks = event_shape[0] if self.shows_gaps else 0
        return (sum(self.n_seen) + n_marks, *event_shape[1:])

    def decoded_shape(self, event_shape: Shape) -> Shape:
        return (sum(self.n_decoded), *event_shape[1:])

    def standardised(self, y: Tensor) -> Tensor:
        seen = self.described(y).nan_to_num(0.0)
        return torch.cat([seen, y.isnan().to(seen.dtype)], self.axis) if self.shows_gaps else seen

    def described(self, y: Tensor) -> Tensor:
        return (self._side_by_side(y) - self.shift) / self.scale

    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> JointObservation:
        raw = torch.cat(list(outputs), self.axis)
        families = []
        for family, part in zip(self._families, raw.split(self.n_decoded, self.axis), strict=True):
            each = part.unflatten(self.axis, (family.n_outputs, -1)).unbind(self.axis - 1)
            families.append(family.distribution(each, event_dims))
        return JointObservation(families, event_dims)

    def log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return self._entries(observation, y, seen).flatten(self.axis).sum(-1)

    def entry_log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        return self._entries(observation, y, seen).index_select(self.axis, self.back)

    def _entries(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        """log p(y_c|x) of every entry, families side by side; 0 of those that are missing."""
        assert isinstance(observation, JointObservation)
        ordered = y.index_select(self.axis, self.side_by_side)
        missing, filled = ordered.isnan(), ordered.nan_to_num(0.0)
        own = seen.narrow(self.axis, 0, sum(self.n_seen))  # without the marks of gaps
        parts = (filled.split(self.n_columns, self.axis), own.split(self.n_seen, self.axis))
        each = [
            family.entry_log_prob(*arguments)
            for family, *arguments in zip(self._families, observation.families, *parts, strict=True)
        ]
        everything = torch.cat([part.to(each[0].dtype) for part in each], self.axis)
        return torch.where(missing, 0.0, everything)

    def to_data_units(self, value: Tensor) -> Tensor:
        """Values of all families side by side as columns in their order; of a category the most probable level."""
        widths = [n // family.n_outputs for family, n in zip(self._families, self.n_decoded, strict=True)]
        parts = zip(self._families, value.split(widths, self.axis), strict=True)
        each = [family.to_data_units(part) for family, part in parts]
        return torch.cat([part.to(each[0].dtype) for part in each], self.axis).index_select(self.axis, self.back)

    def of_columns(self, n: int) -> list[str]:
        family = {column: name for name, own in self.columns.items() for column in own}
        return [family[column] for column in range(n)]

    def levels_of_columns(self, n: int) -> list[int]:
        levels = [0] * n
        for family, columns in zip(self._families, self.columns.values(), strict=True):
            for column, n_levels in zip(columns, family.levels_of_columns(len(columns)), strict=True):
                levels[column] = n_levels
        return levels

    def notes(self, names: Sequence[str] | None) -> list[str]:
        said = []
        for family, columns in zip(self._families, self.columns.values(), strict=True):
            own = [str(column) if names is None else names[column] for column in columns]
            said += family.notes(own)
        return said

    @property
    def _families(self) -> list[Likelihood]:
        return list(self.families.values())  # type: ignore[arg-type]

    def _side_by_side(self, y: Tensor) -> Tensor:
        """What the families see of y, in float64, before it is brought to one scale; NaN where an entry is missing."""
        ordered = y.index_select(self.axis, self.side_by_side).split(self.n_columns, self.axis)
        each = [family.standardised(part) for family, part in zip(self._families, ordered, strict=True)]
        return torch.cat([part.double() for part in each], self.axis)
