"""What every likelihood p(y|x) offers."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, NamedTuple, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.arrays import as_tensor, first_unlike, missing, named
from gmvae.networks import Shape
from gmvae.sparse_rows import AnyRows


class Discrete(NamedTuple):
    """How many of the first columns are answers of yes and no, and how many of the last are indicators of levels."""

    n_answers: int
    n_indicators: int


class ColumnMoments(NamedTuple):
    """What is known of the columns of all rows, of which a sample was learned from; each of shape (p,), float64."""

    mean: Tensor
    deviation: Tensor
    low: Tensor
    high: Tensor


class Observation(Protocol):
    """Distribution of the data given the latent."""

    @property
    def mean(self) -> Tensor: ...

    def log_prob(self, value: Tensor) -> Tensor: ...

    def entry_log_prob(self, value: Tensor) -> Tensor: ...

    def sample(self, generator: torch.Generator) -> Tensor: ...


def below(prefix: str, weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The weights of a part of a module, by their names in it; ``prefix`` ends with a dot."""
    return {name.removeprefix(prefix): each for name, each in weights.items() if name.startswith(prefix)}


def refused(requirement: str, value: np.generic, where: Sequence[int] | str, remedy: str) -> ValueError:
    """The error for a value that rows must not hold, by its place in X or in words."""
    place = where if isinstance(where, str) else f"at X{[*where]}"
    return ValueError(f"X must {requirement}; got {named(value)} {place}: {remedy}.")


def place_in_x(place: Sequence[int], columns: Sequence[int] | None) -> Sequence[int]:
    """The place of a value among rows of some columns as that in X, where they have these numbers."""
    return place if columns is None else (place[0], columns[place[1]], *place[2:])


class Likelihood(nn.Module, ABC):
    """p(y|x) of one family, with what a fit has learned from its rows as buffers.

    Observations y (..., *event) are in the data's own units. The encoder sees them as `standardised` gives them.

    Attributes
    ----------
    name : str
        Value of the hyperparameter `likelihood`.
    n_outputs : int
        Raw outputs per entry of y that the decoder must give.
    continuous : bool
        Whether `log_prob` is a density, so that it can be drawn over a plane.
    binary : bool
        Whether draws are 0 or 1, so that those of images are black or white.
    decodes_shares : bool
        Whether the decoder's outputs are shares of a row's size.
    takes_bfloat16, precision_reason : bool, str
        Whether matrix products in bfloat16 are precise enough, and why.
    requirement, remedy : str
        What values must do, and what to do about others, as parts of a sentence.
    """

    name: ClassVar[str]
    n_outputs: ClassVar[int]
    continuous: ClassVar[bool]
    binary: ClassVar[bool] = False
    decodes_shares: ClassVar[bool] = False
    takes_bfloat16: ClassVar[bool]
    precision_reason: ClassVar[str]
    requirement: ClassVar[str]
    remedy: ClassVar[str]

    @classmethod
    def suits(cls, rows: AnyRows) -> bool:
        """Whether ``likelihood="auto"`` may take this family for rows (n, *event)."""
        return False

    @classmethod
    @abstractmethod
    def learn(cls, rows: AnyRows, weights: np.ndarray | None = None, columns: Sequence[int] | None = None) -> Self:
        """Learn from the rows (n, *event) of a fit, which may count by weights (n,) above 0; NaN is a gap.

        Means and scales are weighted. What decides how a column is seen, as its levels, range, steps and quartiles, is
        of the rows as they are. ``columns`` are the numbers of theirs in X, by default 0, 1 and so on, for messages.
        ValueError if they hold values that the family does not have.
        """

    @classmethod
    @abstractmethod
    def blank(cls, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Self:
        """A likelihood with buffers of the shapes in ``weights``, a state dict that has yet to be loaded."""

    @abstractmethod
    def within(self, y: Tensor) -> Tensor:
        """Which values of observations y (..., *event) can be in the units of the fit; those of gaps do not matter."""

    def valid(self, rows: np.ndarray) -> np.ndarray:
        """The same of an array (n, *event)."""
        y = as_tensor(np.array(rows))  # copied: PyTorch warns of arrays that are read only
        return self.within(y.to(next(self.buffers()).device)).cpu().numpy()

    def check(self, rows: AnyRows) -> None:
        """Raise ``ValueError`` unless rows (n, *event) can be in the units of the fit; NaN is a gap."""
        first = first_unlike(rows, lambda block: self.valid(block) | missing(block))
        if first is not None:
            raise self.refusal(rows[first], first)

    def refusal(self, value: np.generic, place: Sequence[int], where: str | None = None) -> ValueError:
        """The error for a value that cannot be in the units of the fit, with its place in X or ``where`` in words."""
        return refused(self.requirement, value, where or place, self.remedy)

    def refine(self, columns: ColumnMoments) -> None:
        """Take what is known of all rows in place of what was learned from a sample of them, where it is of use."""

    @property
    def discrete(self) -> Discrete:
        """Which columns of `described` are answers or indicators of levels, where they stand among numbers."""
        return Discrete(0, 0)

    @property
    def row_type(self) -> torch.dtype:
        """Type in which an exported graph takes observations."""
        return torch.float64

    def unit(self, dtype: np.dtype[Any]) -> float:
        """What means and draws are multiplied by to be in the units of rows of such a type: 255 for grey levels."""
        return 1.0

    @property
    def takes_gaps(self) -> bool:
        """Whether entries of an observation may be missing."""
        return True

    def seen_shape(self, event_shape: Shape) -> Shape:
        """Shape of what the encoder sees of one observation."""
        return event_shape

    def decoded_shape(self, event_shape: Shape) -> Shape:
        """Shape of each of the decoder's `n_outputs` for one observation."""
        return event_shape

    @abstractmethod
    def standardised(self, y: Tensor) -> Tensor:
        """What the encoder sees of observations y (..., *event)."""

    def described(self, y: Tensor) -> Tensor:
        """What starting clusters are found on: as `standardised`, but NaN where an entry is missing."""
        return self.standardised(y)

    @property
    def log_weights(self) -> np.ndarray | None:
        """Weights (p,) where starting clusters of counts are compared, of the logs that are half of `described`."""
        return None

    @abstractmethod
    def distribution(self, outputs: Sequence[Tensor], event_dims: int) -> Observation:
        """p(y|x) for the decoder's `n_outputs` raw outputs (..., *event); ``event_dims`` trailing axes form one y."""

    @property
    def n_batches(self) -> int:
        """How many experimental batches a covariate has: the decoder is told that of an observation beside x."""
        return 0

    def batch_of(self, y: Tensor) -> Tensor | None:
        """Numbers of the batches (...) of observations y (..., *event); None without a covariate."""
        return None

    def batches_of(self, rows: AnyRows) -> np.ndarray | None:
        """The same of rows (n, *event), (n,)."""
        return None

    def draw_batch(self, shape: Shape, generator: torch.Generator) -> Tensor | None:
        """Numbers of batches drawn by their shares among the rows of the fit; None without a covariate."""
        return None

    def decoder_input(self, x: Tensor, batch: Tensor | None) -> Tensor:
        """Latents x (..., D_x) with what the decoder is told beside them of batches, by default of the largest."""
        return x

    def distribution_in(self, outputs: Sequence[Tensor], event_dims: int, batch: Tensor | None) -> Observation:
        """As `distribution`, of observations in these batches (...), by default in the largest."""
        return self.distribution(outputs, event_dims)

    def log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        """log p(y|x) in nats in the data's units, shape (...), for y and for what is seen of it."""
        return observation.log_prob(y)

    def entry_log_prob(self, observation: Observation, y: Tensor, seen: Tensor) -> Tensor:
        """The same for every entry of y, (..., *event)."""
        return observation.entry_log_prob(y)

    def sizes(self, rows: AnyRows) -> np.ndarray | None:
        """How much was counted of each of the rows (n, *event), (n,); None without size factors."""
        return None

    def sizes_of(self, y: Tensor) -> Tensor | None:
        """The same of observations y (..., *event), (..., 1)."""
        return None

    def resized(self, mean: np.ndarray, rows: AnyRows) -> np.ndarray:
        """Means (n, *event) of the median size in the data's units, brought to the sizes of ``rows``."""
        return mean

    def shares(self, mean: np.ndarray) -> np.ndarray | None:
        """Shares of the counted columns in means (n, p), NaN in others; None without size factors."""
        return None

    def to_data_units(self, value: Tensor) -> Tensor:
        """Bring values of the distribution (..., *event) to the data's units."""
        return value

    def of_columns(self, n: int) -> list[str]:
        """Name of the family of each of n columns."""
        return [self.name] * n

    def levels_of_columns(self, n: int) -> list[int]:
        """How many levels each of n columns has; 0 where it holds no categories."""
        return [0] * n

    def notes(self, names: Sequence[str] | None) -> list[str]:
        """What was done to which columns of a table, in sentences."""
        return []
