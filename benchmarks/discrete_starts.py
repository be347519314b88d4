"""Where fits of answers, counts and rounded numbers start: `python benchmarks/discrete_starts.py --draws 3`.

Twenty-two made tables with known groups, drawn several times: answers on scales from 0 to 4, 6, 10 and 20, counts of
many kinds and rounded numbers; and nine of the awkward sets, once. What is told of each is the agreement (ARI)
of the starting clusters with the groups beside that of k-means and a Gaussian mixture. No fit is trained.
"""

from __future__ import annotations

import argparse
import contextlib
import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np
from awkward_sets import SETS
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from gmvae import GMVAE
from gmvae.metrics import ari

AWKWARD = (
    "blobs",
    "rounded",
    "repeated",
    "ages",
    "survey",
    "counts",
    "iris",
    "one-column",
    "marked",
)
Named = tuple[str, np.ndarray, np.ndarray]
BELOW = 0.02
"""ARI by which a start may lie below the better of the two methods."""


def answers(rng: np.random.Generator) -> Iterator[Named]:
    """Groups that mostly answer low or high, on several scales."""
    for top in (4, 6, 10, 20):
        for K, p in ((3, 4), (4, 6)):
            y = rng.integers(0, K, 1200)
            means = top * np.where(rng.random((K, p)) < 0.3, 0.8, 0.12)[y]
            yield f"{p} answers, 0 to {top}", np.clip(np.round(rng.normal(means, 0.17 * top)), 0, top), y


def overdispersed(rng: np.random.Generator, means: np.ndarray, theta: float) -> np.ndarray:
    """Negative binomial counts."""
    return rng.poisson(rng.gamma(theta, means / theta))


def with_zeros(rng: np.random.Generator, counts: np.ndarray) -> np.ndarray:
    """Counts of which 30 % are set to 0."""
    return np.where(rng.random(counts.shape) < 0.3, 0, counts)


def counts(rng: np.random.Generator) -> Iterator[Named]:
    """Counts of genes, purchases, words and visits, and others."""
    y = rng.integers(0, 3, 1500)
    genes = np.where(np.eye(3, dtype=bool), 6.0, 0.3)[y]
    yield "three genes, θ = 1", overdispersed(rng, genes, 1.0), y
    yield "three genes, θ = 2", overdispersed(rng, genes, 2.0), y
    yield "three genes, 30 % zeros", with_zeros(rng, rng.poisson(genes)), y
    visits = rng.gamma(0.5, 20.0, (3, 5))[y]
    yield "five visits, θ = 1", overdispersed(rng, visits, 1.0), y
    yield "five visits, Poisson", rng.poisson(visits), y
    yield "four geometric", rng.geometric(np.array([0.7, 0.2, 0.05])[y][:, None] * np.ones(4)) - 1, y
    yield "six geometric", rng.geometric(1.0 / (1.0 + rng.gamma(0.6, 8.0, (3, 6))[y])) - 1, y
    yield "five Poisson, one in tens", rng.poisson(rng.gamma(1.0, 4.0, (3, 5))[y]) * np.array([10, 1, 1, 1, 1]), y
    y = rng.integers(0, 4, 1200)
    purchases = rng.gamma(1.0, 8.0, (4, 8))[y]
    yield "eight purchases, θ = 1", overdispersed(rng, purchases, 1.0), y
    yield "eight purchases, θ = 2", overdispersed(rng, purchases, 2.0), y
    yield "eight purchases, 30 % zeros", with_zeros(rng, rng.poisson(purchases)), y
    yield "thirty words, θ = 1", overdispersed(rng, rng.gamma(1.0, 5.0, (4, 30))[y], 1.0), y


def rounded(rng: np.random.Generator) -> Iterator[Named]:
    """Log-normal numbers and bent clusters, in whole numbers."""
    y = rng.integers(0, 3, 1500)
    yield "log-normal", np.maximum(np.round(np.exp(0.5 * rng.normal(size=(1500, 3)) + 2.2 * np.eye(3)[y])) - 1, 0), y
    y, angle = np.repeat([0, 1], 500), rng.uniform(0.0, np.pi, 1000)
    across = np.where(y, 1.0 - np.cos(angle), np.cos(angle))
    up = np.where(y, 0.5 - np.sin(angle), np.sin(angle))
    moons = np.column_stack([across, up]) + 0.06 * rng.normal(size=(1000, 2))
    yield "two moons, squared", np.round(9.0 * (moons - moons.min(0)) ** 2), y


def tables(draw: int) -> Iterator[Named]:
    """All of them, but for the awkward sets, which have one draw."""
    rng = np.random.default_rng(draw)
    for kind in (answers, counts, rounded):
        yield from kind(rng)
    if draw == 0:
        for name in AWKWARD:
            rows = SETS[name].read(None)  # type: ignore[arg-type]
            yield SETS[name].title, rows.X, rows.y


class _StartedError(Exception):
    """The start is known."""


def start_of(X: Any, K: int) -> np.ndarray:
    """Starting clusters of a default fit with seed 0."""
    found: list[np.ndarray] = []

    def stop(labels: np.ndarray) -> None:
        found.append(labels)
        raise _StartedError

    with contextlib.suppress(_StartedError):
        GMVAE(K, random_state=0).fit(X, on_start=stop)
    return found[0]


def compare(tables: Iterable[tuple[str, Any, np.ndarray, np.ndarray]]) -> None:
    """Print a line for each table, and what is lost on average.

    A table has a name, the rows that a fit gets, those that k-means and the mixture get, and the groups.
    """
    warnings.simplefilter("ignore")
    scores: list[tuple[float, float]] = []
    for name, rows, X, y in tables:
        K = len(np.unique(y))
        methods: dict[str, Any] = {
            "k-means": KMeans(K, n_init=5, random_state=0),
            "mixture": GaussianMixture(K, n_init=3, reg_covar=1e-3, random_state=0),
        }
        of = {method: ari(y, each.fit_predict(X)) for method, each in methods.items()}
        start, best = ari(y, start_of(rows, K)), max(of.values())
        scores.append((start, best))
        shown = "  ".join(f"{method} {score:.3f}" for method, score in of.items())
        print(f"{name:50}  {shown}  start {start:.3f}{'  below' * (start < best - BELOW)}", flush=True)
    starts, bests = np.array(scores).T
    n_below, loss = (starts < bests - BELOW).sum(), np.maximum(bests - starts, 0.0).mean()
    print(f"{len(scores)} tables: mean ARI {starts.mean():.3f}, of the better method {bests.mean():.3f}")
    print(f"{n_below} below it by more than {BELOW}; mean loss {loss:.3f}")


def main() -> None:
    """Compare all draws."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--draws", type=int, default=3)
    draws = range(parser.parse_args().draws)
    compare(
        (f"{draw}  {name}", X.astype(float), StandardScaler().fit_transform(X), y)
        for draw in draws
        for name, X, y in tables(draw)
    )


if __name__ == "__main__":
    main()
