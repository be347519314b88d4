"""Starting clusters of counts with size factors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from gmvae.config import Config
from gmvae.fitting.starts import TrainingData, split_rows
from gmvae.initialisation.centres import kmeans_clusters
from gmvae.initialisation.counts import centre_batches, kmeans_from_tree, start_of_counts
from gmvae.likelihoods import likelihood_for
from gmvae.metrics import ari
from gmvae.observations import Observations


def three_blobs(informative: int) -> tuple[np.ndarray, np.ndarray]:
    """Three blobs of 200 rows in residuals (0) or logs (1) of six columns, and as much noise in the other."""
    random = np.random.default_rng(0)
    blobs, label = make_blobs(600, 6, centers=3, random_state=0)
    halves = [random.normal(size=blobs.shape) * blobs.std(), random.normal(size=blobs.shape) * blobs.std()]
    halves[informative] = blobs
    return np.hstack(halves), label


@pytest.mark.parametrize("informative", [0, 1])
def test_clusters_of_residuals_or_logs_alone_are_found(informative: int) -> None:
    described, label = three_blobs(informative)
    start = start_of_counts(described, np.ones(6), 3, 0)
    assert ari(label, start.clusters) > 0.98
    for told in ("neighbours", "neighbours of residuals", "kmeans", "kmeans from a tree"):
        assert f"{told} cuts" in start.reason


def test_clusters_are_compared_by_weighted_logs() -> None:
    """Where residuals tell two blobs and logs, which are weighted more, two others, those of logs are taken."""
    random = np.random.default_rng(0)
    of_residuals, of_logs = random.integers(0, 2, (2, 400))
    described = random.normal(size=(400, 8))
    described[:, 0] += 14.0 * of_residuals
    described[:, 4] += 10.0 * of_logs
    assert ari(of_residuals, start_of_counts(described, np.ones(4), 2, 0).clusters) > 0.98
    assert ari(of_logs, start_of_counts(described, np.full(4, 6.0), 2, 0).clusters) > 0.98


def test_one_cluster_and_fewer_rows_than_clusters() -> None:
    described, _ = three_blobs(0)
    assert set(start_of_counts(described, np.ones(6), 1, 0).clusters) == {0}
    assert len(set(start_of_counts(described[:3], np.ones(6), 10, 0).clusters)) == 3


def test_weights_count_rows() -> None:
    described, label = three_blobs(1)
    weights = np.where(label == 0, 3.0, 1.0)
    assert ari(label, start_of_counts(described, np.ones(6), 3, 0, weights).clusters) > 0.98


@pytest.mark.parametrize("n", [1000, 6000])
def test_kmeans_from_a_tree_has_rare_clusters_that_random_beginnings_divide(n: int) -> None:
    """Clusters of 94, 2, 2 and 2 %; of 6000 rows the tree is that of a part."""
    centres = np.vstack([np.zeros(5), 10.0 * np.eye(5)[:3]])
    scores, label = make_blobs([94 * n // 100] + [2 * n // 100] * 3, centers=centres, random_state=0)
    assert ari(label, kmeans_from_tree(scores, 4, 0)) > 0.98
    assert min(ari(label, kmeans_clusters(scores, 4, seed, n_init=1)) for seed in range(10)) < 0.5


def test_kmeans_from_a_tree_of_as_many_rows_as_clusters() -> None:
    assert len(set(kmeans_from_tree(np.eye(5), 5, 0))) == 5


def test_rare_types_of_cells_have_clusters_of_their_own() -> None:
    """Types of 60, 25, 10, 3 and 2 %."""
    random = np.random.default_rng(4)
    types = random.choice(5, 1500, p=(0.6, 0.25, 0.1, 0.03, 0.02))
    fold = np.where(random.random((5, 400)) < 0.1, random.normal(1.0, 0.4, (5, 400)), 0.0)
    shares = random.lognormal(0.0, 1.5, 400) * np.exp(fold)
    size = random.lognormal(np.log(1500.0), 0.4, (1500, 1))
    mean = size * (shares / shares.sum(1, keepdims=True))[types]
    X = random.poisson(random.gamma(2.0, mean / 2.0)).astype(float)
    likelihood = likelihood_for("negative-binomial", X)
    described = likelihood.described(torch.from_numpy(X)).numpy()
    log_weights = likelihood.log_weights
    assert log_weights is not None
    for seed in range(3):
        assert ari(types, start_of_counts(described, log_weights, 5, seed).clusters) > 0.95


def test_batches_are_centred_but_for_those_of_few_rows() -> None:
    random = np.random.default_rng(0)
    described, batches = random.normal(size=(406, 3)), np.repeat([0, 1, 2], [200, 200, 6])
    described += np.array([0.0, 5.0, 5.0])[batches, None]
    before, weights = described.copy(), random.uniform(0.5, 2.0, 406)
    centre_batches(described, batches, weights)
    means = np.stack([np.average(described[batches == b], 0, weights[batches == b]) for b in range(3)])
    assert np.abs(means[:2]).max() < 0.7 + 1e-9  # 30 of 230 parts of a mean of 5 stay
    np.testing.assert_allclose(before[-6:] - described[-6:], (before[-6:] - described[-6:])[:1].repeat(6, 0))
    np.testing.assert_allclose(means[2], np.average(before[-6:], 0, weights[-6:]) * 30 / 36)


def test_genes_that_a_batch_has_multiplied_do_not_hide_the_types() -> None:
    """Counts of a fifth of the genes times 2 to 16 in half of the cells; without centring the index is .85."""
    random = np.random.default_rng(2)
    types, batches = random.integers(0, 5, 2000), random.integers(0, 2, 2000)
    fold = np.where(random.random((5, 1000)) < 0.1, random.normal(1.3, 0.4, (5, 1000)), 0.0)
    shares = random.lognormal(0.0, 1.0, 1000) * np.exp(fold)
    mean = 150.0 * (shares / shares.sum(1, keepdims=True))[types]
    counts = random.poisson(random.gamma(2.0, mean / 2.0))
    counts[batches == 1] *= np.where(random.random(1000) < 0.2, random.integers(2, 17, 1000), 1)
    X = np.column_stack([counts, batches]).astype(float)
    observations = Observations(X)
    likelihood = likelihood_for("negative-binomial", X, covariate=1000)
    data = TrainingData(observations, likelihood)
    found = data.start(Config(n_components=5), split_rows(len(X), 0.1, 0), 0)
    assert ari(types, found.labels) > 0.95
