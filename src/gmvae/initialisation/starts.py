"""Starting clusters: by one method, or by the best of several."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Collection, Generator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from statistics import fmean
from typing import NamedTuple

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from gmvae.initialisation.centres import gmm_clusters, kmeans_clusters
from gmvae.initialisation.features import descriptions, spread_within_steps
from gmvae.initialisation.gaps import completed
from gmvae.initialisation.graph import distinct_rows, neighbour_clusters
from gmvae.initialisation.halves import choose_description
from gmvae.initialisation.incomplete import (
    MAX_INCOMPLETE_MIXTURE,
    IncompleteRows,
    incomplete_mixture,
)
from gmvae.initialisation.supports import LEAST_CUT, LEAST_GAIN, best_of, gains, in_words, supports

MAX_ROWS = 10_000
"""Rows that are enough to find the starting clusters."""

Clustering = Callable[[np.ndarray, int, int, np.ndarray | None], np.ndarray]

CLUSTERINGS: Mapping[str, Clustering] = {
    "neighbours": neighbour_clusters,
    "kmeans": kmeans_clusters,
    "gmm": gmm_clusters,
}

_N_SPREADS = 4
_FAR_BETTER, _SURE = 1.02, 12.0
"""How often rows are spread anew; gain of clusters of spread rows over that of clusters of the rows as they are from
which the former count, and by how many nats over all distinct rows. Of 62 tables of answers, counts and rounded
numbers, nine start on single levels, where the gain is 1.03 to 20 times as large; on all others but one it is at most
1.014 times. With 40 seeds iris in whole centimetres, of 48 distinct rows, has more than 9 nats once and never more than
12; answers from 0 to 4 mostly have 15 to 50."""
_MAX_MIXTURE = 2e9
"""Rows times clusters times squared dimensions up to which a Gaussian mixture is tried: half a minute."""
_ROWS_PER_PARAMETER = 2
"""Rows per cluster and dimension from which a Gaussian mixture is tried."""
_FEW_FILLED = 0.05
"""Share of filled entries up to which a Gaussian mixture of filled rows is compared. These lie the nearer to a plane
the fewer of their entries are known, and a mixture tells few from many: its clusters were the worst on eight of nine
tables with 30 to 50 % hidden, though often preferred."""


@contextmanager
def quick_and_quiet() -> Generator[None]:
    """One thread for each of NumPy's products, and no word of starts that have not converged: they need not.

    The matrices are so small that threads wait for each other: with two, a start took twice as long.
    """
    with threadpool_limits(1, user_api="blas"), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        yield


class Start(NamedTuple):
    """Starting clusters (n,), their method (of `CLUSTERINGS`, or "classes"), why, and what was clustered."""

    clusters: np.ndarray
    init: str
    reason: str
    scores: np.ndarray


def starting_clusters(
    init: str,
    rows: np.ndarray,
    n_components: int,
    seed: int,
    weights: np.ndarray | None = None,
    *,
    counted: bool = False,
) -> Start:
    """Cluster ``rows``.

    Under ``init='auto'`` the clusters of three methods are compared: the graph of nearest neighbours, which finds any
    shape but prefers equal sizes, and k-means and a Gaussian mixture, which find any sizes but only round or elliptic
    shapes. `Support.score` combines the share of the graph's weight that is cut and the held-out gain over a single
    normal. Of images strokes are clustered, or pixels or colours if halves of the data agree far more on these. In
    tables with repeated values the same is tried on rows that are spread over the steps between these values. Where
    that gains far more on rows that are spread anew, these decide between all clusters.

    Gaps are filled by principal components. In tables that are not too large for it, a mixture fitted to the observed
    entries takes the place of that of filled rows; its conditional means fill the gaps for the other methods, and gains
    are of observed entries.

    Parameters
    ----------
    rows : ndarray of shape (n, p) or (n, C, H, W)
        Standardised observations, or a random part of them; NaN is a gap.
    n_components : int
        K; with fewer rows, or fewer distinct ones, some components get no rows.
    seed : int
        Seed of the clustering.
    weights : ndarray of shape (n,), optional
        How much every row counts, above 0: a weight of 2 is a row that occurs twice.
    counted : bool
        Whether rows are `skewed_counts`. Their clusters overlap, so that those which cut few neighbours divide the rows
        elsewhere; where a mixture is tried, the gain alone decides.
    """
    as_they_are = _start(init, rows, n_components, seed, weights, counted)
    spread = spread_within_steps(rows, seed) if init == "auto" and rows.ndim == 2 else rows
    if spread is rows:
        return as_they_are
    other = _start(init, spread, n_components, seed, weights, counted)
    anew = (completed(spread_within_steps(rows, seed + 1 + draw), weights) for draw in range(_N_SPREADS))
    plain, *views = (next(descriptions(each, seed, weights))[1] for each in (completed(rows, weights), *anew))
    both = {"rows": as_they_are.clusters, "spread": other.clusters}
    n_distinct = len(distinct_rows(views[0], weights).scores)  # in all views: equal rows move alike
    with quick_and_quiet():
        of_views = [gains(view, both, n_distinct, weights) for view in views]
        least, gain = (max(fmean(each[name] for each in of_views), LEAST_GAIN) for name in both)
        if (gain - least) * n_distinct <= _SURE or gain <= _FAR_BETTER * least:
            return as_they_are
        found = candidates(plain, min(n_components, len(rows)), seed, weights) | {"spread": other.clusters}
        best = best_of(supports(views[0], found, weights), by_gain=counted)
    if best == "spread":
        return other._replace(reason=f"{other.reason}, with values spread over the steps between them")
    return Start(found[best], best, f"clusters of rows by {best}, the best once values are spread over steps", plain)


class Compared(NamedTuple):
    """Clusters (n,) of the same rows by several methods, and how they are compared.

    ``scores`` (n, d) is the description of the rows that was clustered, in words ``described`` with the reason ``why``.
    ``incomplete`` are rows with gaps where gains are those of observed entries.
    """

    scores: np.ndarray
    found: dict[str, np.ndarray]
    incomplete: IncompleteRows | None
    least_cut: float
    described: str
    why: str


def compared(rows: np.ndarray, n_clusters: int, seed: int, weights: np.ndarray | None) -> Compared:
    """Clusters of rows, in which NaN is a gap, by the methods of ``init='auto'``; see `starting_clusters`."""
    filled, share = completed(rows, weights), float(np.isnan(rows).mean())
    incomplete = mixture = None
    if share and _mixture_is_affordable(rows, n_clusters):
        incomplete = IncompleteRows.of(rows)
        first = kmeans_clusters(filled, n_clusters, seed, weights)
        mixture = incomplete_mixture(incomplete, first, weights)
        filled = mixture.filled
    every = dict(descriptions(filled, seed, weights))
    described, why = choose_description(every, [n_clusters], seed, weights)
    scores = every[described]
    methods = ("neighbours", "kmeans") if mixture or share > _FEW_FILLED else tuple(CLUSTERINGS)
    found = candidates(scores, n_clusters, seed, weights, methods)
    if mixture:
        found["gmm"] = mixture.clusters
    return Compared(scores, found, incomplete, max(share, LEAST_CUT) if mixture else LEAST_CUT, described, why)


def _start(
    init: str, rows: np.ndarray, n_components: int, seed: int, weights: np.ndarray | None, counted: bool
) -> Start:
    """`starting_clusters` of the rows as they are."""
    n_clusters = min(n_components, len(rows))
    with quick_and_quiet():
        if init != "auto":
            described, scores = next(descriptions(completed(rows, weights), seed, weights))
            return Start(CLUSTERINGS[init](scores, n_clusters, seed, weights), init, f"clusters of {described}", scores)
        scores, found, incomplete, least_cut, described, why = compared(rows, n_clusters, seed, weights)
        if len(found) == 1:
            ((name, clusters),) = found.items()
            return Start(clusters, name, f"clusters of {described} by {name}{why}", scores)
        support = supports(scores, found, weights, incomplete)
    best = best_of(support, by_gain=counted and "gmm" in found, least_cut=least_cut)
    return Start(found[best], best, f"clusters of {described} by {best}: {in_words(support)}{why}", scores)


def _mixture_is_affordable(rows: np.ndarray, n_clusters: int) -> bool:
    """Whether a table with gaps has enough rows for a mixture of its columns, and not too many."""
    if rows.ndim > 2 or rows.shape[1] < 2:
        return False
    n, p = rows.shape
    return _are_enough(n, p, n_clusters) and n * n_clusters * p**3 <= MAX_INCOMPLETE_MIXTURE


def _are_enough(n_rows: int, n_columns: int, n_clusters: int) -> bool:
    """Whether rows are enough for a Gaussian mixture of several components with full covariances."""
    return n_clusters > 1 and n_rows >= _ROWS_PER_PARAMETER * n_clusters * n_columns


def candidates(
    scores: np.ndarray,
    n_clusters: int,
    seed: int,
    weights: np.ndarray | None = None,
    compared: Collection[str] = tuple(CLUSTERINGS),
) -> dict[str, np.ndarray]:
    """Clusters by each of the methods that are compared for which there are enough rows, side by side."""
    names = ["neighbours", "kmeans"] if n_clusters > 1 else ["kmeans"]
    n, p = scores.shape
    if _are_enough(n, p, n_clusters) and n * n_clusters * p**2 <= _MAX_MIXTURE:
        names.append("gmm")
    with ThreadPoolExecutor(torch.get_num_threads()) as pool:
        found = {
            name: pool.submit(CLUSTERINGS[name], scores, n_clusters, seed, weights)
            for name in names
            if name in compared
        }
        return {name: clusters.result() for name, clusters in found.items()}
