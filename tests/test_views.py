"""Starting clusters of rows with several views."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.datasets import make_blobs

from gmvae.initialisation.views import start_of_views
from gmvae.likelihoods import likelihood_for
from gmvae.metrics import ari


def two_views(informative: int) -> tuple[np.ndarray, np.ndarray]:
    """Three blobs of 200 rows in one of two views of six columns, and as much noise in the other."""
    random = np.random.default_rng(0)
    blobs, label = make_blobs(600, 6, centers=3, random_state=0)
    views = [random.normal(size=blobs.shape) * blobs.std(), random.normal(size=blobs.shape) * blobs.std()]
    views[informative] = blobs
    return np.hstack(views), label


@pytest.mark.parametrize("informative", [0, 1])
def test_clusters_that_only_one_view_has_are_found(informative: int) -> None:
    rows, label = two_views(informative)
    start = start_of_views(rows, ("first", "second"), 3, 0)
    assert ari(label, start.clusters) > 0.98
    for told in ("neighbours of first and second", "kmeans of first", "neighbours of second"):
        assert f"{told} cuts" in start.reason


def test_one_cluster_and_fewer_rows_than_clusters() -> None:
    rows, _ = two_views(0)
    assert set(start_of_views(rows, ("first", "second"), 1, 0).clusters) == {0}
    assert len(set(start_of_views(rows[:3], ("first", "second"), 10, 0).clusters)) == 3


def test_weights_count_rows() -> None:
    rows, label = two_views(1)
    weights = np.where(label == 0, 3.0, 1.0)
    assert ari(label, start_of_views(rows, ("first", "second"), 3, 0, weights).clusters) > 0.98


def test_rare_types_of_cells_have_clusters_of_their_own() -> None:
    """Types of 60, 25, 10, 3 and 2 %, which on residuals and logs together alone start on halves of the first."""
    random = np.random.default_rng(4)
    types = random.choice(5, 1500, p=(0.6, 0.25, 0.1, 0.03, 0.02))
    fold = np.where(random.random((5, 400)) < 0.1, random.normal(1.0, 0.4, (5, 400)), 0.0)
    shares = random.lognormal(0.0, 1.5, 400) * np.exp(fold)
    size = random.lognormal(np.log(1500.0), 0.4, (1500, 1))
    mean = size * (shares / shares.sum(1, keepdims=True))[types]
    X = random.poisson(random.gamma(2.0, mean / 2.0)).astype(float)
    likelihood = likelihood_for("negative-binomial", X)
    described = likelihood.described(torch.from_numpy(X)).numpy()
    for seed in range(3):
        assert ari(types, start_of_views(described, likelihood.views, 5, seed).clusters) > 0.95
