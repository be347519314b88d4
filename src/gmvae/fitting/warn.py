"""What a fit warns of: marks of missing cells, clusters that tell little about rows, an early end of the training."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning

from gmvae.config import Config
from gmvae.history import Epoch
from gmvae.likelihoods.columns import looked_at, marks
from gmvae.observations import Observations
from gmvae.sparse_rows import AnyRows, SparseRows
from gmvae.training import State
from gmvae.training.minibatches import MIN_EPOCHS
from gmvae.user_warnings import TableWarning, warn_user

_LITTLE = 0.3
"""Share of the entropy of the average assignment below which z tells little about a row."""
_NOTHING = 0.02
"""Nats below which z tells nothing; a cluster of one row in 300 tells as much."""
_SHOWN = 3
"""How many columns a warning names."""
_DISAGREE = 0.8
"""Share of rows below which clusters depend on the draw of x and w."""


class CollapseWarning(UserWarning):
    """Clusters tell little or nothing about rows, or other draws of the latents give other clusters."""


class Collapse(NamedTuple):
    """What is wrong with clusters, and the remedy, as parts of a sentence."""

    what: str
    remedy: str


def collapse(epoch: Epoch, config: Config) -> Collapse | None:
    """Whether clusters tell little about rows or depend on the draw of the latents.

    Unequal sizes are no failure: what z tells about a row is compared with the entropy of the average assignment.
    """
    if config.K == 1 or math.isnan(epoch.information):
        return None
    entropy = math.log(epoch.effective_components)
    if epoch.information < _NOTHING:
        what = "clusters tell nothing about rows: one component took all, or components coincide"
    elif epoch.epoch < MIN_EPOCHS:
        return None  # clusters are still being learned
    elif epoch.information < _LITTLE * entropy:
        what = f"clusters tell little about rows: {epoch.information:.2f} of {entropy:.2f} nats"
    elif epoch.agreement < _DISAGREE:
        what = f"only {epoch.agreement:.0%} of rows keep their cluster when the latents are drawn from their posterior"
    else:
        return None
    if config.init == "random":
        remedy = "set `init='auto'`"
    elif config.bound == "paper":
        remedy = "set `bound='exact'`"
    elif config.component_weights == "uniform":
        remedy = "set `component_weights='learned'`"
    else:
        remedy = "take fewer `n_components`; if that does not help, the rows may have no clusters"
    return Collapse(what, remedy)


@contextmanager
def without_warnings_of_fits() -> Iterator[None]:
    """Fits of which something else tells whether they have converged, and whether clusters have collapsed."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        yield


def warn_of_marks(observations: Observations) -> None:
    """Warn of columns of numbers with a repeated value far from all others, which would be a cluster of its own."""
    what = possible_marks(observations.y, observations.kinds, observations.names)
    if what is not None:
        warn_user(f"{what}; if it is one, put NaN in its place, else rows with it tend to be a cluster.", TableWarning)


def possible_marks(rows: AnyRows, kinds: Sequence[str | None] | None, names: Sequence[str] | None) -> str | None:
    """What is to be said of marks of missing cells in columns of numbers, whose kind is None; None if there is nothing.

    Images and sparse rows are not looked at.
    """
    if rows.ndim != 2 or isinstance(rows, SparseRows):
        return None
    found = [mark for mark in marks(looked_at(rows)) if kinds is None or kinds[mark.column] is None]
    if not found:
        return None
    where = [str(mark.column) if names is None else repr(names[mark.column]) for mark in found]
    shown = [f"{mark.value:g} in column {column}" for mark, column in zip(found, where, strict=True)]
    more = f" and {len(shown) - _SHOWN} more" if len(shown) > _SHOWN else ""
    said = f"{', '.join(shown[:_SHOWN])}{more}"
    return f"Perhaps a mark of missing cells, as it lies far from all others of its column: {said}"


def warn_if_collapsed(epoch: Epoch, config: Config) -> None:
    """Warn, with the remedy, when clusters have collapsed."""
    found = collapse(epoch, config)
    if found is not None:
        warn_user(f"With K = {config.K} {found.what}; {found.remedy}.", CollapseWarning)


def warn_if_fewer(labels: np.ndarray, n_components: int) -> None:
    """Warn when starting clusters, -1 for rows that were not looked at, are fewer than the components."""
    found = len(np.unique(labels[labels >= 0]))
    if found < n_components:
        warn_user(
            f"`n_components` should be at most the number of clusters that can be told apart; got {n_components}, but "
            f"the rows fall into no more than {found}: take fewer.",
            CollapseWarning,
        )


def warn_unless_converged(state: State, patience: int) -> None:
    """Warn, with the remedy, when training ended before the held-out bound had stopped gaining."""
    if not state.has_converged(patience):
        warn_user(
            f"The held-out bound must gain less than `tol` for {patience} epochs to have converged; it "
            f"had for {state.epochs_without_gain} when {len(state.history.epochs)} epochs were over: raise `max_iter`, "
            "or `tol` to accept it.",
            ConvergenceWarning,
        )
