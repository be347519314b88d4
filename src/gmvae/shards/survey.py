"""One pass over all rows of a source: moments and ranges of its columns, whether they can be used, and a sample."""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from gmvae.arrays import named
from gmvae.atomic import replacing
from gmvae.cache import cache_folder
from gmvae.domains import LARGEST
from gmvae.shards.moments import Moments
from gmvae.shards.reading import ahead

MAX_SAMPLE, _MAX_SAMPLE_BYTES = 50_000, 2**28
"""Rows of the sample: held-out rows, starting clusters and pictures need no more."""
KEPT_FROM = 2**28
"""Bytes of the files from which a survey takes long enough to be kept for the next fit."""
_ROWS_AT_ONCE = 4096
_FORMAT = 3


class RowsInBlocks(Protocol):
    """Rows (n, p) in blocks; see `Shards`."""

    name: str
    names: list[str] | None
    dtype: np.dtype[Any]
    sizes: np.ndarray
    starts: np.ndarray
    coding: Any
    weights: str | None
    classes: Any

    @property
    def shape(self) -> tuple[int, int]: ...

    def read(self, block: int) -> np.ndarray: ...

    def weight(self, block: int) -> np.ndarray | None: ...

    def label(self, block: int) -> np.ndarray | None: ...

    def place(self, row: int) -> str: ...

    def identity(self) -> list[tuple[str, int, int]]: ...


class Survey(NamedTuple):
    """What a source of n rows (n, p) holds; NaN is a missing entry.

    Attributes
    ----------
    rows : ndarray of shape (m, p)
        A random sample, in order, with some more rows of known classes; all rows of a small source.
    numbers : ndarray of int, shape (m,)
        Which rows of the source they are.
    n : ndarray of int, shape (p,)
        Observed entries of every column.
    mean, deviation, low, high : ndarray of shape (p,), float64
        Of every column over all rows, which count by their weights; the deviation is the standard deviation.
    fraction : ndarray of shape (p,), float64
        A value of every column that is no whole number; NaN where there is none.
    weight : ndarray of shape (m,), float64
        How much the rows of the sample count, over the mean of all rows, so that their means are those of all rows; 1
        where all count alike.
    label : ndarray of shape (m,), int
        Number of the class of the rows of the sample, -1 where it is unknown.
    mean_weight : ndarray of shape (), float64
    """

    rows: np.ndarray
    numbers: np.ndarray
    n: np.ndarray
    mean: np.ndarray
    deviation: np.ndarray
    low: np.ndarray
    high: np.ndarray
    fraction: np.ndarray
    weight: np.ndarray
    label: np.ndarray
    mean_weight: np.ndarray


class _Looked(NamedTuple):
    """What one block tells: its rows of the sample, its moments, its ranges, and the first row that cannot be used."""

    sampled: np.ndarray
    moments: Moments
    low: np.ndarray
    high: np.ndarray
    fraction: np.ndarray
    bad: tuple[int, str] | None
    weight: np.ndarray
    weight_of_all: float
    label: np.ndarray


def survey(source: RowsInBlocks, shown: Callable[[Iterable[Any]], Iterable[Any]] = iter) -> Survey:
    """Look at all rows once, or at what an earlier look at the same files found.

    Raises
    ------
    ValueError
        If a value is infinite or too large, or a row or a column has no value at all.
    ShardError
        If a file cannot be read.
    """
    kept = _kept(source)
    if kept is not None and kept.exists():
        with suppress(OSError, ValueError, KeyError, zipfile.BadZipFile), np.load(kept, allow_pickle=False) as file:
            return Survey(**{name: file[name] for name in Survey._fields})
    found = _survey(source, shown)
    if kept is not None:
        with suppress(OSError), replacing(kept) as temporary:  # without a place for it the next fit looks anew
            np.savez(temporary, **found._asdict())
    return found


def _survey(source: RowsInBlocks, shown: Callable[[Iterable[Any]], Iterable[Any]]) -> Survey:
    n, p = source.shape
    m = min(n, MAX_SAMPLE, max(1, _MAX_SAMPLE_BYTES // (p * source.dtype.itemsize)))
    numbers = np.arange(n) if m == n else np.sort(np.random.default_rng(0).choice(n, m, replace=False, shuffle=False))
    if source.classes is not None:
        numbers = np.union1d(numbers, source.classes.rows)
    bounds = np.searchsorted(numbers, source.starts)

    def look(block: int) -> _Looked:
        own = numbers[bounds[block] : bounds[block + 1]] - source.starts[block]
        return _look(source.read(block), own, source.weight(block), source.label(block))

    sample, weight_of_all = np.empty((len(numbers), p), source.dtype), 0.0
    weight, label = np.empty(len(numbers)), np.empty(len(numbers), dtype=np.int64)
    moments, (low, high, fraction) = Moments.none(p), _no_range(p)
    looking = ahead((partial(look, block) for block in range(len(source.sizes))), min(4, os.cpu_count() or 1))
    for block, looked in enumerate(shown(looking)):
        if looked.bad is not None:
            row, what = looked.bad
            place = source.place(int(source.starts[block]) + row)
            raise ValueError(f"{source.name} must hold {what}, in {place}: replace it or drop its row.")
        sample[bounds[block] : bounds[block + 1]] = looked.sampled
        weight[bounds[block] : bounds[block + 1]] = looked.weight
        label[bounds[block] : bounds[block + 1]] = looked.label
        weight_of_all += looked.weight_of_all
        moments = moments.merge(looked.moments)
        low, high = np.minimum(low, looked.low), np.maximum(high, looked.high)
        fraction = np.where(np.isnan(fraction), looked.fraction, fraction)
    if not moments.n.all():
        column = int(moments.n.argmin())
        name = column if source.names is None else repr(source.names[column])
        raise ValueError(f"{source.name} must hold a value in every column to fit; got none in column {name}: drop it.")
    deviation, mean_weight = np.sqrt(moments.squares / moments.total), weight_of_all / n
    ranges = (moments.mean, deviation, low, high, fraction)
    weight = weight / mean_weight
    if source.classes is not None:
        weight = weight * _shares(label >= 0, source.classes.n_rows / n)
    return Survey(sample, numbers, moments.n, *ranges, weight, label, np.array(mean_weight))


def _shares(known: np.ndarray, share: float) -> np.ndarray:
    """How much the rows of a sample count so that those of known classes have their share of all rows."""
    of_sample = known.mean()
    if of_sample in (share, 1.0):
        return np.ones(len(known))
    return np.where(known, share / of_sample, (1.0 - share) / (1.0 - of_sample))


def _look(block: np.ndarray, sampled: np.ndarray, weight: np.ndarray | None, label: np.ndarray | None) -> _Looked:
    p, label = block.shape[1], np.full(len(block), -1) if label is None else label
    if weight is not None and (odd := ~((weight > 0.0) & (weight <= LARGEST))).any():
        row = int(odd.argmax())
        what = f"a weight above 0 in every row; got {named(weight[row])}"
        return _Looked(
            block[sampled], Moments.none(p), *_no_range(p), (row, what), weight[sampled], 0.0, label[sampled]
        )
    moments, (low, high, fraction), bad = Moments.none(p), _no_range(p), None
    for first, part in _parts(block):
        gaps = np.isnan(part)
        some = bool(gaps.any())
        least = (np.where(gaps, np.inf, part) if some else part).min(0)
        most = (np.where(gaps, -np.inf, part) if some else part).max(0)
        if (least < -LARGEST).any() or (most > LARGEST).any():
            row, column = np.argwhere(np.abs(part) > LARGEST)[0].tolist()
            bad = first + row, f"finite numbers of at most {LARGEST:g}; got {named(part[row, column])}"
            break
        if some and gaps.all(1).any():
            bad = first + int(gaps.all(1).argmax()), "a value in every row to fit; got none"
            break
        own = None if weight is None else weight[first : first + len(part)]
        moments = moments.merge(Moments.of(part, gaps if some else None, own))
        low, high = np.minimum(low, least), np.maximum(high, most)
        sought = np.flatnonzero(np.isnan(fraction))
        if len(sought):
            values = part[:, sought]
            holds = values != np.floor(values)
            holds &= ~gaps[:, sought]
            found = values[holds.argmax(0), np.arange(len(sought))]
            fraction[sought] = np.where(holds.any(0), found, np.nan)
    counts = np.ones(len(block)) if weight is None else weight
    of_all = float(counts.sum())
    return _Looked(block[sampled], moments, low, high, fraction, bad, counts[sampled], of_all, label[sampled])


def _no_range(p: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Lowest and highest value and a fractional one, of no rows."""
    return np.full(p, np.inf), np.full(p, -np.inf), np.full(p, np.nan)


def _parts(block: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """Consecutive rows in float64, as many as caches hold."""
    for first in range(0, len(block), _ROWS_AT_ONCE):
        yield first, block[first : first + _ROWS_AT_ONCE].astype(np.float64)


def _kept(source: RowsInBlocks) -> Path | None:
    """Where the survey of large files is kept: by names, sizes, times and columns, in the user's cache folder."""
    if sum(size for _, size, _ in source.identity()) < KEPT_FROM:
        return None
    names = source.names if source.coding is None else source.coding.key
    column = None if source.classes is None else source.classes.column
    key = json.dumps([_FORMAT, MAX_SAMPLE, names, source.weights, column, source.dtype.str, source.identity()])
    return cache_folder() / "surveys" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.npz"
