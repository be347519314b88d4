"""The history of a training: one record per epoch."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np

from gmvae.atomic import write_csv


class Epoch(NamedTuple):
    """One epoch: means over its minibatches, in nats per observation unless said otherwise.

    Attributes
    ----------
    epoch : int
        From 1.
    lower_bound, lower_bound_held_out : float
        The lower bound on log p(y), without constraint, warm-up or guidance: its mean over the training minibatches,
        and on the held-out rows at the end of the epoch.
    reconstruction, conditional_prior, w_prior, z_prior : float
        The four terms of the bound, likewise.
    effective_components : float
        Exponential of the entropy of the mean p(z|x,w), between 1 and K.
    assignment_entropy : float
        Mean entropy of p(z|x,w), between 0 and log K.
    learning_rate : float
        At the end of the epoch.
    seconds : float
        Wall time.
    information : float
        I(z; y), the information that a cluster carries about a held-out row, between 0 and log K, with q(z|y) averaged
        over samples of q(x|y) q(w|y); NaN in files of earlier versions.
    agreement : float
        Share of held-out rows whose most probable cluster is the same under that average and in `GMVAE.predict`; NaN
        in files of earlier versions.
    """

    epoch: int
    lower_bound: float
    lower_bound_held_out: float
    reconstruction: float
    conditional_prior: float
    w_prior: float
    z_prior: float
    effective_components: float
    assignment_entropy: float
    learning_rate: float
    seconds: float
    information: float = math.nan
    agreement: float = math.nan


class History(Mapping[str, np.ndarray]):
    """Columns of `Epoch` by name, each an array with one value per epoch.

    Examples
    --------
    >>> history = History([Epoch(1, -9.0, -8.5, -7.0, 1.0, 0.5, 0.5, 3.2, 0.4, 1e-3, 2.0)])
    >>> history["lower_bound_held_out"].tolist()
    [-8.5]
    """

    def __init__(self, epochs: Iterable[Epoch] = ()) -> None:
        self.epochs = list(epochs)

    @classmethod
    def from_rows(cls, rows: Any) -> Self:
        """From the rows of a file.

        Raises
        ------
        ValueError
            If they are not rows of numbers.
        """
        lengths = (len(Epoch._fields) - len(Epoch._field_defaults), len(Epoch._fields))
        whole = isinstance(rows, list) and all(
            isinstance(row, list) and len(row) in lengths and all(map(is_number, row)) for row in rows
        )
        if not whole:
            raise ValueError(f"A history must be rows of {len(Epoch._fields)} numbers.")
        return cls(Epoch(*row) for row in rows)

    def rows(self) -> list[list[float]]:
        """What `from_rows` reads."""
        return [list(epoch) for epoch in self.epochs]

    def __getitem__(self, column: str) -> np.ndarray:
        if column not in Epoch._fields:
            raise KeyError(column)
        return np.array([getattr(epoch, column) for epoch in self.epochs])

    def __iter__(self) -> Iterator[str]:
        return iter(Epoch._fields)

    def __len__(self) -> int:
        return len(Epoch._fields)

    @property
    def best(self) -> Epoch:
        """The epoch of the highest held-out bound, the first of several."""
        return max(self.epochs, key=lambda epoch: epoch.lower_bound_held_out)

    def to_csv(self, path: str | Path) -> None:
        """Write one row per epoch."""
        write_csv(path, Epoch._fields, self.epochs)


def is_number(value: object) -> bool:
    """Whether a value from a file is a number that arrays can hold."""
    if isinstance(value, int):
        return not isinstance(value, bool) and abs(value) < 2**63
    return isinstance(value, float)
