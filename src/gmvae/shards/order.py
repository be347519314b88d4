"""The random order of a source larger than memory, a pure function of seed and step: blocks, then rows in windows."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from functools import partial
from itertools import count
from typing import Any, NamedTuple, TypeVar

import numpy as np

from gmvae.shards.reading import ahead
from gmvae.shards.source import Shards

T = TypeVar("T", bound=Any)

WINDOW_BYTES, WINDOW_BLOCKS = 2**26, 4
"""A window has at least so many of both, but for the last of a pass; two windows are in memory, and one in the making.
Rows that are neighbours in their file are drawn from the same window: minibatches hold rows of all its blocks."""


class _Window(NamedTuple):
    """Blocks whose rows are shuffled together: the pass, the place in it, their numbers, and rows that have been."""

    number: int
    place: int
    blocks: np.ndarray
    skip: int


class Stream:
    """Minibatches of random rows of a source, pass after pass; every row comes at most once in each.

    After their last column stands their weight over the mean of all, where rows have weights, and the number of their
    class, -1 where it is unknown, where some rows have one.

    Parameters
    ----------
    source : Shards
    left_out : ndarray of int
        Numbers of rows that do not come, in order: held-out rows.
    batch_size, seed : int
        At most all rows that come.
    numbers : sequence of int, optional
        Those that stand for the classes of the source, by default as it counts them.
    """

    def __init__(
        self, source: Shards, left_out: np.ndarray, batch_size: int, seed: int, numbers: Sequence[int] | None = None
    ) -> None:
        self.source = source
        self.left_out = left_out
        self.batch_size = batch_size
        self.seed = seed
        self._numbers = None if numbers is None else np.array([*numbers, -1])
        self.width = source.n_columns + (source.weights is not None) + (source.classes is not None)
        self.steps_per_pass = (len(source) - len(left_out)) // batch_size
        self._bounds = np.searchsorted(left_out, source.starts)
        self._sizes = source.sizes - np.diff(self._bounds)
        self._next_step = -1
        self._coming: Generator[np.ndarray] | None = None

    def minibatch(self, step: int) -> np.ndarray:
        """Rows (batch_size, width) of a step, counted from 0; those of consecutive steps are read in advance."""
        if self._coming is None or step != self._next_step:
            self.close()
            self._coming = self._minibatches(step)
        self._next_step = step + 1
        return next(self._coming)

    def parts(self, rows: T) -> tuple[T, T | None, T | None]:
        """Of rows (b, width), an array or a tensor: what their columns hold, their weights and their classes."""
        p = self.source.n_columns
        weight = rows[:, p] if self.source.weights is not None else None
        return rows[:, :p], weight, rows[:, -1] if self.source.classes is not None else None

    def close(self) -> None:
        """End reading in advance."""
        if self._coming is not None:
            self._coming.close()
        self._coming = None

    def _minibatches(self, step: int) -> Generator[np.ndarray]:
        number = step // self.steps_per_pass
        rest = np.empty((0, self.width), self.source.dtype)
        reading = ahead(partial(self._shuffled, window) for window in self._windows(step))
        try:
            for window, rows in reading:
                if window.number != number:  # fewer rows than a minibatch end a pass
                    number, rest = window.number, rest[:0]
                first = 0
                if len(rest):
                    first = self.batch_size - len(rest)
                    rest = np.concatenate([rest, rows[:first]])
                    if len(rest) < self.batch_size:
                        continue
                    yield rest
                while first + self.batch_size <= len(rows):
                    yield rows[first : first + self.batch_size]
                    first += self.batch_size
                rest = rows[first:].copy()
        finally:
            reading.close()

    def _windows(self, step: int) -> Iterator[_Window]:
        """The windows from a step on, of all passes."""
        first_pass, offset = divmod(step, self.steps_per_pass)
        skip = offset * self.batch_size
        bytes_per_row = self.width * self.source.dtype.itemsize
        for number in count(first_pass):
            order = np.random.default_rng([self.seed, number]).permutation(len(self._sizes))
            ends = self.source.sizes[order].cumsum() * bytes_per_row
            begin = place = 0
            while begin < len(order):
                full = np.searchsorted(ends, (ends[begin - 1] if begin else 0) + WINDOW_BYTES) + 1
                end = min(len(order), max(begin + WINDOW_BLOCKS, int(full)))
                n = int(self._sizes[order[begin:end]].sum())
                if n > skip:
                    yield _Window(number, place, order[begin:end], skip)
                skip = max(0, skip - n)
                begin, place = end, place + 1

    def _shuffled(self, window: _Window) -> tuple[_Window, np.ndarray]:
        """The rows of a window in random order, without those that have been."""
        n = int(self._sizes[window.blocks].sum())
        place = np.empty(n, dtype=np.int64)
        # Counted from 1: seeds are filled up with zeros, and that of place 0 is the seed of the order of blocks.
        place[np.random.default_rng([self.seed, window.number, window.place + 1]).permutation(n)] = np.arange(n)
        rows = np.empty((n, self.width), self.source.dtype)
        first = 0
        for block in window.blocks:
            here = self._read(block)
            out = self.left_out[self._bounds[block] : self._bounds[block + 1]] - self.source.starts[block]
            here = np.delete(here, out, axis=0) if len(out) else here
            rows[place[first : first + len(here)]] = here
            first += len(here)
        return window, rows[window.skip :]

    def _read(self, block: int) -> np.ndarray:
        rows, weight, label = self.source.read(block), self.source.weight(block), self.source.label(block)
        beside = [] if weight is None else [weight / self.source.survey.mean_weight]
        beside += [] if label is None else [label if self._numbers is None else self._numbers[label]]
        return np.column_stack([rows, *beside]) if beside else rows
