"""What a fit or a query reads: observations by index and by block, and whether their values can be reckoned with.

Rows are an array, or what gives arrays of some rows as one on disk does: a sparse matrix. Arrays may be larger than
memory: all here look at a few megabytes at a time, but for a GPU that holds them all.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import as_tensor, blocks, check_finite, image_shape, image_shape_as_fitted, missing, without_values
from gmvae.networks import Shape
from gmvae.shards import Shards
from gmvae.sparse_rows import AnyRows, SparseRows, select
from gmvae.weights_and_labels import checked_weights, known_labels

_SHARE_OF_FREE_MEMORY = 0.5
_HOST = torch.device("cpu")


class Rows(NamedTuple):
    """Some observations on the device where they are computed with."""

    y: Tensor  # (n, *event), uint8, float32 or float64; NaN is a missing entry
    weight: Tensor | None = None  # (n,), float32, of mean 1 over the fit; None where all rows count alike
    label: Tensor | None = None  # (n,), int64, the component of every row where it is known, else -1


class Observations:
    """Rows of an array, in memory or memory-mapped from disk, or of a sparse matrix; only those asked for are read.

    Of a source in shards they are its sample, and gradient steps alone are on all its rows.

    Parameters
    ----------
    y : ndarray of shape (n, *event), or SparseRows of shape (n, p)
        Numbers that have been checked; NaN is a missing entry.
    names : sequence of str, optional
        Of the columns of a table.
    columns : Columns, optional
        What the columns of a table hold, for the record of the fit.
    device : torch.device
        Where `take` brings rows. A GPU holds all of them where they fit into half of its free memory.
    weight : ndarray of shape (n,), float64, optional
        How much every row counts; a row of weight 0 is as if absent (`of_positive_weight`). None where all count alike.
    label : ndarray of shape (n,), int, optional
        Number of the class of every row that is known, else -1.
    classes : sequence of int, str or None, optional
        Names of the classes; None of a component that has none.
    shards : Shards, optional
        The source of which ``y`` is the sample.

    Attributes
    ----------
    index_device : torch.device
        Where `take` wants its indices.
    """

    def __init__(
        self,
        y: AnyRows,
        names: Sequence[str] | None = None,
        columns: Any = None,
        device: torch.device = _HOST,
        *,
        weight: np.ndarray | None = None,
        label: np.ndarray | None = None,
        classes: Sequence[int | str | None] = (),
        shards: Shards | None = None,
    ) -> None:
        self.y = y
        self.shards = shards
        if weight is not None:
            weight = None if (weight == weight[0]).all() else weight / weight[weight > 0.0].mean()
        self.weight = weight
        self.label = label
        self.classes = list(classes)
        self._positive: np.ndarray | None = None
        self.columns = columns
        self.names = None if names is None else list(names)
        self.device = device
        self._resident: Tensor | None = None
        if device.type == "cuda":
            n_bytes = y.size * as_tensor(y[:1]).element_size()
            if n_bytes < _SHARE_OF_FREE_MEMORY * torch.cuda.mem_get_info(device)[0]:
                self._resident = as_tensor(np.array(y)).to(device)
        self.index_device = _HOST if self._resident is None else device
        self._weight = None if self.weight is None else torch.from_numpy(self.weight).float().to(self.index_device)
        self._label = None if label is None else torch.from_numpy(label).to(self.index_device)

    def __len__(self) -> int:
        return len(self.y)

    @property
    def event_shape(self) -> Shape:
        """Shape of one observation."""
        return self.y.shape[1:]

    @property
    def kinds(self) -> list[str | None] | None:
        """The likelihood of every column of which its type decides, as of categories; None for numbers."""
        return None if self.columns is None else self.columns.families

    @property
    def n_beyond(self) -> int:
        """How many rows of the source are not in the sample; 0 where there is none."""
        return 0 if self.shards is None else len(self.shards) - len(self.y)

    def check(self, n_components: int | str) -> None:
        """Raise ValueError unless there are two rows, one for each component, and a value in every row and column."""
        present = self.of_positive_weight()
        n = len(present)
        rows = "rows" if n == len(self) else "rows of weight above 0"
        if n < 2:
            raise ValueError(f"X must have at least 2 {rows} to fit; got {n}: add some.")
        if isinstance(n_components, int) and n < n_components:
            raise ValueError(
                f"`n_components` must be at most the number of rows; got {n_components} for {n} {rows}: "
                "take fewer components."
            )
        if isinstance(n_components, int) and n_components < len(self.classes):
            raise ValueError(
                f"`n_components` must be at least the number of classes in `partial_labels`; got {n_components} for "
                f"{len(self.classes)} classes: take more components, or mark classes as unknown."
            )
        if self.y.dtype.kind == "f" and not isinstance(self.y, SparseRows):
            present._check_gaps()

    def _check_gaps(self) -> None:
        empty = without_values(self.y)
        if empty.any():
            row = int(self.in_all_rows(empty, False).argmax())
            raise ValueError(f"X must hold a value in every row to fit; got none in row {row}: drop it.")
        known = np.zeros(self.event_shape, dtype=bool)
        for block in self.blocks():
            known |= ~missing(block).all(0)
        if not known.all() and len(self.event_shape) == 1:
            column = int(known.argmin())
            name = column if self.names is None else repr(self.names[column])
            raise ValueError(f"X must hold a value in every column to fit; got none in column {name}: drop it.")

    def take(self, indices: Tensor) -> Rows:
        """Observations at ``indices``, in their order."""
        y = as_tensor(self.y[indices.numpy()]) if self._resident is None else self._resident[indices]
        weight = None if self._weight is None else self._weight[indices].to(self.device)
        label = None if self._label is None else self._label[indices].to(self.device)
        return Rows(y.to(self.device), weight, label)

    def blocks(self) -> Iterator[np.ndarray]:
        """Consecutive rows, a few megabytes at once."""
        return blocks(self.y)

    def checksum(self) -> str:
        """CRC-32 of the values in order, and of weights and labels where there are any."""
        if self.shards is not None:
            return self.shards.checksum()
        total = zlib.crc32(f"{self.y.dtype.str} {self.y.shape}".encode())
        for block in self.blocks():
            total = zlib.crc32(np.ascontiguousarray(block).data, total)
        if self.weight is not None:
            total = zlib.crc32(np.ascontiguousarray(self.weight).data, total)
        if self.label is not None:
            total = zlib.crc32(np.ascontiguousarray(self.label).data, zlib.crc32(repr(self.classes).encode(), total))
        return f"{total:08x}"

    def on(self, device: torch.device) -> Observations:
        """The same, brought to a device."""
        return self._with(device=device)

    def of_positive_weight(self) -> Observations:
        """The rows of weight above 0, in memory; all as they are where there are no others."""
        if self.weight is None or (self.weight > 0.0).all():
            return self
        counts = self.weight > 0.0
        weight, label = (None if each is None else each[counts] for each in (self.weight, self.label))
        found = self._with(y=select(self.y, counts), weight=weight, label=label)
        found._positive = counts
        return found

    def in_all_rows(self, values: np.ndarray, absent: int) -> np.ndarray:
        """Values of these rows in the places of these among all rows; ``absent`` for the others."""
        if self._positive is None:
            return values
        everywhere = np.full(len(self._positive), absent)
        everywhere[self._positive] = values
        return everywhere

    def with_weights_and_labels(self, sample_weight: Any, partial_labels: Any) -> Observations:
        """The same with what users give of weights and labels; ValueError if it cannot be of these rows."""
        weight = None if sample_weight is None else checked_weights(sample_weight, len(self))
        label, classes = known_labels(partial_labels, len(self), weight)
        return self._with(weight=weight, label=label, classes=classes)

    def classes_as(self, components: Sequence[int | str | None]) -> Observations:
        """The same with classes numbered as the components of an earlier fit; ValueError if it has not all of them."""
        new = [name for name in self.classes if name not in components]
        if new:
            raise ValueError(
                "`partial_labels` must have classes of the previous fit under `warm_start`; got "
                f"{new[0]!r} besides: fit with `warm_start=False`."
            )
        number = np.array([*(components.index(name) for name in self.classes), -1])
        return self._with(label=None if self.label is None else number[self.label], classes=components)

    def _with(self, **changed: Any) -> Observations:
        names = ("y", "names", "columns", "device", "weight", "label", "classes", "shards")
        return Observations(**{**{name: getattr(self, name) for name in names}, **changed})


def sampled(shards: Shards, n_components: int | str, columns: Any = None) -> Observations:
    """The observations of a source in shards, of which one pass is made; ValueError if they cannot be fitted to."""
    found, known = shards.survey, shards.classes
    observations = Observations(
        found.rows,
        shards.names,
        columns=columns,
        weight=None if shards.weights is None and known is None else found.weight,
        label=None if known is None else found.label,
        classes=() if known is None else known.names,
        shards=shards,
    )
    observations.check(n_components)
    return observations


def observations_of(X: AnyRows, names: Sequence[str] | None, columns: Any) -> Observations:
    """Those of an array, rows (n, p) or images (n, H, W) or (n, C, H, W); ValueError unless it holds finite numbers."""
    shape = image_shape(X) or X.shape[1:]
    if X.dtype.kind not in "biuf" or X.ndim < 2 or 0 in shape:
        raise ValueError(
            f"X must hold numbers, in rows or images; got shape {X.shape} and type {X.dtype}: reshape or convert it."
        )
    check_finite(X)
    return Observations(X.reshape(len(X), *shape), names, columns=columns)


def shaped_as_fitted(X: AnyRows, event_shape: Shape) -> AnyRows:
    """Check an array against the shape of a fit and return rows (n, *event_shape); flat rows of images pass too.

    ValueError if the shape is another than in the fit, or the values are not numeric or infinite.
    """
    n_features = math.prod(event_shape)
    if image_shape_as_fitted(X, event_shape) is None and X.shape[1:] != (n_features,):
        raise ValueError(f"X must have shape (n, {n_features}) as in `fit`; got {X.shape}: name the right source.")
    if not len(X) or X.dtype.kind not in "biuf":
        raise ValueError(f"X must hold numbers, in one row or more; got {len(X)} rows of type {X.dtype}: convert it.")
    check_finite(X)
    return X.reshape(len(X), *event_shape)
