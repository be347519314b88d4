"""Size factors of counts: how much was counted of each observation, as reads of a cell or words of a text."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import Self

import numpy as np
import torch
from torch import Tensor, nn

from gmvae.likelihoods.count_rows import with_column, without_column
from gmvae.networks import Shape

_N_QUANTILES = 1001
"""Of the fit's size factors, of which `sample` draws."""


class SizeFactors(nn.Module):
    """The size factor ℓ of an observation: its total count, or a column of its row, brought to the scale of totals.

    Parameters
    ----------
    column : int, optional
        Which column of a row holds its size factor; None for the total of all columns, which are counts then.
    unit : Tensor of shape (), float64
        Counts in one unit of the column: mean total over mean of the column; 1 for totals.
    quantiles : Tensor of shape (1001,), float64
        Evenly spaced quantiles of the fit's size factors, in counts.
    """

    unit: Tensor
    quantiles: Tensor

    def __init__(self, column: int | None, unit: Tensor, quantiles: Tensor) -> None:
        super().__init__()
        self.column_number = column
        self.register_buffer("column", torch.tensor(-1 if column is None else column))
        self.register_buffer("unit", unit)
        self.register_buffer("quantiles", quantiles)

    @classmethod
    def learn(cls, parts: Callable[[], Iterable[Tensor]], weights: np.ndarray | None, column: int | None) -> Self:
        """Learn unit and quantiles from the counts of a fit, parts (b, p), which may count by weights (n,).

        ValueError if a row has a size of 0.
        """
        totals = np.concatenate([part.double().sum(1).numpy() for part in parts()])
        unit, sizes = 1.0, totals
        if column is not None:
            own = np.concatenate([part[:, column].double().numpy() for part in parts()])
            totals = totals - own
            unit = float(np.average(totals, weights=weights) / np.average(own, weights=weights))
            sizes = unit * own
        require_counts(sizes)
        order = np.argsort(sizes)
        shares = np.ones(len(sizes)) if weights is None else weights[order]
        reached = (shares.cumsum() - 0.5 * shares) / shares.sum()
        quantiles = np.interp(np.linspace(0.0, 1.0, _N_QUANTILES), reached, sizes[order])
        return cls(column, torch.tensor(unit).double(), torch.from_numpy(quantiles))

    def of_parts(self, parts: Iterable[Tensor]) -> np.ndarray:
        """Size factors (n,) of rows in parts (b, p), in counts."""
        host = copy.deepcopy(self).cpu()
        return np.concatenate([host.sizes(part).squeeze(-1).numpy() for part in parts])

    @classmethod
    def blank(cls, column: int | None) -> Self:
        """Size factors that have yet to be loaded."""
        return cls(column, torch.ones(()).double(), torch.ones(_N_QUANTILES).double())

    @property
    def median(self) -> Tensor:
        """Median size factor of the fit, in counts."""
        return self.quantiles[_N_QUANTILES // 2]

    def counted_shape(self, event_shape: Shape) -> Shape:
        """Shape of the counts of one observation."""
        return (event_shape[0] - (self.column_number is not None),)

    def counts(self, y: Tensor) -> Tensor:
        """The counts (..., G) of observations (..., p)."""
        return without_column(y, self.column_number)

    def sizes(self, y: Tensor) -> Tensor:
        """Size factors (..., 1) of observations (..., p), in counts and float64."""
        if self.column_number is None:
            return y.double().sum(-1, keepdim=True)
        return self.unit * y[..., self.column_number : self.column_number + 1].double()

    def at_median(self, y: Tensor) -> Tensor:
        """Counts (..., G) of observations (..., p) as they would be at the median size, in float64."""
        return self.counts(y).double() * (self.median / self.sizes(y))

    def beside(self, counts: Tensor, sizes: Tensor) -> Tensor:
        """Observations (..., p) of counts (..., G) and size factors (..., 1)."""
        if self.column_number is None:
            return counts
        return with_column(counts, self.column_number, (sizes / self.unit).squeeze(-1))

    def draw(self, shape: Shape, generator: torch.Generator) -> Tensor:
        """Size factors (*shape, 1) drawn from those of the fit, in float64."""
        place = torch.rand((*shape, 1), generator=generator, device=generator.device, dtype=torch.float64)
        below = (place * (_N_QUANTILES - 1)).floor().long()
        return torch.lerp(self.quantiles[below], self.quantiles[below + 1], place * (_N_QUANTILES - 1) - below)


def require_counts(sizes: np.ndarray) -> None:
    """ValueError unless all sizes (n,) are above 0."""
    empty = np.flatnonzero(~(sizes > 0.0))
    if len(empty):
        raise ValueError(
            f"X must have a count above 0 in every row where there are size factors; got none in row {empty[0]}: drop "
            "it, or fit with `size_factors='none'`."
        )
