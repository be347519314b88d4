"""Normals and their mixtures of rows (n, p) with gaps, by expectation maximisation (Ghahramani and Jordan 1994).

Only observed entries say anything, so that gaps may depend on observed entries but not on what they hide.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Self

import numpy as np
from scipy.special import logsumexp

from gmvae.initialisation.centres import HeldOutLikelihood, held_out_gain

MAX_INCOMPLETE_MIXTURE = 1e8
"""Rows times clusters times cubed columns up to which a mixture is fitted: a quarter of a minute."""
_N_ITERATIONS, _TOLERANCE = 50, 7.5e-4
"""Of a mixture; the gain in nats per value that ends it."""
_N_ITERATIONS_ALONE = 10
"""Of a single normal whose held-out gain is compared."""
_FLOOR, _GAIN_FLOOR = 1e-3, 1e-2
"""Of variances of standardised columns, as for complete rows."""


class IncompleteRows(NamedTuple):
    """Rows with 0 for gaps (n, p), the patterns of observed entries (m, p), and which of these a row has (n,)."""

    known: np.ndarray
    patterns: np.ndarray
    pattern: np.ndarray

    @classmethod
    def of(cls, rows: np.ndarray) -> Self:
        """Rows (n, p) in which NaN is a gap."""
        observed = ~np.isnan(rows)
        patterns, pattern = np.unique(observed, axis=0, return_inverse=True)
        return cls(np.where(observed, rows, 0.0), patterns, pattern.ravel())

    def take(self, rows: np.ndarray) -> IncompleteRows:
        """Some of the rows."""
        of_these, pattern = np.unique(self.pattern[rows], return_inverse=True)
        return IncompleteRows(self.known[rows], self.patterns[of_these], pattern)


class FullNormal(NamedTuple):
    """A normal by its mean (p,) and full covariance (p, p)."""

    mean: np.ndarray
    covariance: np.ndarray


class Expectation(NamedTuple):
    """What a normal says: log-density of the observed entries (n,), rows filled by conditional means (n, p), precision.

    The precision (m, p, p) is that of the observed entries of every pattern, 0 elsewhere.
    """

    log_density: np.ndarray
    filled: np.ndarray
    precision: np.ndarray


class IncompleteMixture(NamedTuple):
    """Most probable components (n,), rows filled by conditional means (n, p), mean log-density of observed entries."""

    clusters: np.ndarray
    filled: np.ndarray
    log_density: float


def expectation(rows: IncompleteRows, normal: FullNormal) -> Expectation:
    """Log-densities, conditional means and precisions under a normal."""
    known, patterns, pattern = rows
    columns = np.arange(known.shape[1])
    within = np.where(patterns[:, :, None] & patterns[:, None, :], normal.covariance, 0.0)
    within[:, columns, columns] += ~patterns  # gaps apart, with a variance of 1
    log_determinant = np.linalg.slogdet(within)[1]
    precision = np.linalg.inv(within)
    precision[:, columns, columns] -= ~patterns
    observed = patterns[pattern]
    deviations = np.where(observed, known - normal.mean, 0.0)
    solved = np.matmul(precision[pattern], deviations[:, :, None])[:, :, 0]
    constant = log_determinant + patterns.sum(1) * math.log(2.0 * math.pi)
    log_density = -0.5 * ((deviations * solved).sum(1) + constant[pattern])
    filled = np.where(observed, known, normal.mean + solved @ normal.covariance)
    return Expectation(log_density, filled, precision)


def maximisation(
    rows: IncompleteRows, shares: np.ndarray, normal: FullNormal, said: Expectation, floor: float = _FLOOR
) -> FullNormal:
    """Moments of rows that count by shares (n,), of gaps as they are expected; the covariance is shrunk.

    It is shrunk towards its diagonal as that of complete rows; see `centres.held_out`.
    """
    total = shares.sum() + 10.0 * np.finfo(float).eps
    mean = shares @ said.filled / total
    deviations = said.filled - mean
    of_patterns = np.bincount(rows.pattern, shares, len(rows.patterns))
    explained = normal.covariance @ np.tensordot(of_patterns, said.precision, 1) @ normal.covariance
    left = shares.sum() * normal.covariance - explained  # conditional covariances of gaps
    covariance = (deviations.T @ (shares[:, None] * deviations) + left) / total
    p = len(mean)
    shrunk = p / (p + total)
    diagonal = np.diag(np.diag(covariance))
    return FullNormal(mean, (1.0 - shrunk) * covariance + shrunk * diagonal + floor * np.eye(p))


def incomplete_mixture(
    rows: IncompleteRows,
    clusters: np.ndarray,
    weights: np.ndarray | None = None,
    beside: Callable[[np.ndarray], np.ndarray] = np.zeros_like,
) -> IncompleteMixture:
    """A mixture of normals with full covariances of standardised rows, which may count by weights (n,).

    It begins with clusters (n,), as of k-means on filled rows. Restarts find likelier mixtures, but those of small
    clusters with accidental covariances: the more gaps there are, the worse their clusters.

    Columns of other kinds are independent of the numbers within a component: ``beside`` gives their log-probabilities
    (n, K), from how much every row counts for every component (n, K).
    """
    p, counts = rows.known.shape[1], np.ones(len(clusters)) if weights is None else weights
    shares = np.eye(clusters.max() + 1)[clusters]
    normals = [FullNormal(np.zeros(p), np.eye(p)) for _ in shares.T]
    said = [expectation(rows, each) for each in normals]
    mean = before = -np.inf
    for _ in range(_N_ITERATIONS):
        weighted_shares = (counts[:, None] * shares).T
        normals = [maximisation(rows, *each) for each in zip(weighted_shares, normals, said, strict=True)]
        said = [expectation(rows, each) for each in normals]
        log_weights = np.log(weighted_shares.sum(1) / counts.sum() + 10.0 * np.finfo(float).eps)
        log_joint = np.stack([each.log_density for each in said], axis=1) + log_weights + beside(weighted_shares.T)
        log_density = logsumexp(log_joint, axis=1)
        shares = np.exp(log_joint - log_density[:, None])
        mean = float(np.average(log_density, weights=counts))
        if mean - before < _TOLERANCE * p:
            break
        before = mean
    expected = np.einsum("nk,knp->np", shares, np.stack([each.filled for each in said]))
    filled = np.where(rows.patterns[rows.pattern], rows.known, expected)
    return IncompleteMixture(shares.argmax(1), filled, mean)


def incomplete_held_out(
    rows: IncompleteRows, clusters: np.ndarray, weights: np.ndarray | None = None
) -> HeldOutLikelihood:
    """As `centres.held_out`, of the observed entries alone: what is filled in says nothing of the clusters."""
    counts = np.ones(len(clusters)) if weights is None else weights

    def log_density(seen: np.ndarray, unseen: np.ndarray) -> np.ndarray:
        own, p = rows.take(seen), rows.known.shape[1]
        normal = FullNormal(np.zeros(p), np.eye(p))
        for _ in range(_N_ITERATIONS_ALONE):
            normal = maximisation(own, counts[seen], normal, expectation(own, normal), _GAIN_FLOOR)
        return expectation(rows.take(unseen), normal).log_density

    return held_out_gain(log_density, clusters, counts)
