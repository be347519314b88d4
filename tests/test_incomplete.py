"""Normals and mixtures of rows with gaps, against scipy, scikit-learn and rows that occur twice."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gmvae.initialisation import incomplete
from gmvae.initialisation.centres import held_out
from gmvae.initialisation.incomplete import (
    FullNormal,
    IncompleteRows,
    expectation,
    incomplete_held_out,
    incomplete_mixture,
    maximisation,
)


def correlated(n: int = 300, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Three groups along different directions of three columns, which overlap for k-means."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    along = 0.2 + 1.3 * np.eye(3)
    return 3.0 * np.eye(3)[y] + rng.normal(size=(n, 1)) * along[y] * 2.0 + 0.3 * rng.normal(size=(n, 3)), y


def hidden(rows: NDArray[np.float64], share: float) -> NDArray[np.float64]:
    gaps = np.random.default_rng(1).random(rows.shape) < share
    gaps[gaps.all(1), 0] = False
    return np.where(gaps, np.nan, rows)


def test_the_expectation_is_that_of_the_conditional_normal() -> None:
    rng = np.random.default_rng(0)
    axes, mean = rng.normal(size=(4, 4)), rng.normal(size=4)
    covariance = axes @ axes.T + 0.1 * np.eye(4)
    rows = hidden(rng.normal(size=(40, 4)), 0.4)
    said = expectation(IncompleteRows.of(rows), FullNormal(mean, covariance))
    for row, density, filled in zip(rows, said.log_density, said.filled, strict=True):
        seen = ~np.isnan(row)
        own = covariance[np.ix_(seen, seen)]
        assert density == pytest.approx(stats.multivariate_normal(mean[seen], own).logpdf(row[seen]), rel=1e-9)
        expected = mean + covariance[:, seen] @ np.linalg.solve(own, row[seen] - mean[seen])
        np.testing.assert_allclose(filled, expected, atol=1e-9)


def test_a_normal_of_rows_with_gaps_is_a_stationary_point_of_their_likelihood() -> None:
    """Without a floor and next to no shrinking, no small step from the moments found makes the rows likelier."""
    rows = hidden(correlated(4000)[0], 0.3)
    given, shares = IncompleteRows.of(rows), np.ones(4000)
    normal = FullNormal(np.zeros(3), np.eye(3))
    for _ in range(60):
        normal = maximisation(given, shares, normal, expectation(given, normal), floor=0.0)
    best = expectation(given, normal).log_density.mean()
    rng = np.random.default_rng(0)
    for _ in range(20):
        step = 0.02 * rng.normal(size=(3, 3))
        other = FullNormal(normal.mean + 0.1 * rng.normal(size=3), normal.covariance + step + step.T)
        assert expectation(given, other).log_density.mean() < best


def test_without_gaps_the_mixture_is_scikit_learns() -> None:
    rows, y = correlated(3000)
    expected = GaussianMixture(3, reg_covar=1e-3, means_init=[rows[y == k].mean(0) for k in range(3)]).fit(rows)
    found = incomplete_mixture(IncompleteRows.of(rows), y)
    assert found.log_density == pytest.approx(expected.score(rows), abs=0.01)
    assert adjusted_rand_score(found.clusters, expected.predict(rows)) > 0.98
    assert np.array_equal(found.filled, rows)


def test_without_gaps_gains_are_those_of_complete_rows() -> None:
    rows, y = correlated()
    rows = (rows - rows.mean(0)) / rows.std(0)
    found = incomplete_held_out(IncompleteRows.of(rows), y)
    np.testing.assert_allclose(found, held_out(rows, y), atol=1e-3)


def test_weights_of_rows_with_gaps_are_those_of_repeated_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(incomplete, "_TOLERANCE", -np.inf)
    rows, y = correlated(120)
    rows, times = hidden(rows, 0.2), np.random.default_rng(3).integers(1, 4, 120)
    once = incomplete_mixture(IncompleteRows.of(rows), y, times.astype(float))
    twice = incomplete_mixture(IncompleteRows.of(np.repeat(rows, times, axis=0)), np.repeat(y, times))
    assert once.log_density == pytest.approx(twice.log_density, rel=1e-9)
    np.testing.assert_allclose(np.repeat(once.filled, times, axis=0), twice.filled, atol=1e-7)
