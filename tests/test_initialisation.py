"""Where components start: on clusters of the principal components, in the encoder's place."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.linalg import svd

from gmvae.initialisation import MIN_SCALE, Start, find_start
from gmvae.metrics import accuracy_hungarian

INITS = ["kmeans", "gmm"]


def blobs(seed: int = 0, n: int = 300, p: int = 5) -> tuple[NDArray[Any], NDArray[Any]]:
    """Three well separated clusters."""
    generator = np.random.default_rng(seed)
    centres = 8.0 * np.eye(3, p)
    labels = np.arange(n) % 3
    return centres[labels] + generator.normal(size=(n, p)) * np.linspace(0.5, 1.0, p), labels


def start_of(*args: Any) -> Start:
    start = find_start(*args)
    assert start is not None
    return start


def assigned(start: Start, rows: NDArray[Any]) -> NDArray[Any]:
    """The most probable starting component of every row."""
    places = start.target(torch.from_numpy(rows)).numpy()[:, None]
    return stats.norm.logpdf(places, start.means.numpy(), start.scales.numpy()).sum(-1).argmax(1)


def test_random_starts_nowhere() -> None:
    assert find_start("random", blobs()[0], 3, 2, 0) is None


@pytest.mark.parametrize("init", INITS)
def test_encoder_gives_whitened_principal_components(init: str) -> None:
    rows, _ = blobs()
    start = start_of(init, rows, 3, 2, 0)
    centred = rows - rows.mean(0)
    scores = svd(centred, full_matrices=False)[0][:, :2] * np.sqrt(len(rows))
    places = start.target(torch.from_numpy(rows)).numpy()
    np.testing.assert_allclose(np.abs((places * scores).mean(0)), 1.0, rtol=1e-6)  # up to the sign of each axis
    np.testing.assert_allclose(places.std(0), 1.0, rtol=1e-6)
    np.testing.assert_allclose(places.mean(0), 0.0, atol=1e-9)


@pytest.mark.parametrize("init", INITS)
def test_components_start_on_the_clusters(init: str) -> None:
    rows, labels = blobs()
    start = start_of(init, rows, 3, 2, 0)
    places = start.target(torch.from_numpy(rows)).numpy()
    assert start.means.shape == start.scales.shape == (3, 2)
    truth = np.array([places[labels == k].mean(0) for k in range(3)])
    order = np.linalg.norm(truth[:, None] - start.means.numpy(), axis=-1).argmin(1)
    assert sorted(order) == [0, 1, 2]
    np.testing.assert_allclose(start.means.numpy()[order], truth, atol=0.05)
    spread = np.array([places[labels == k].std(0) for k in range(3)])
    np.testing.assert_allclose(start.scales.numpy()[order], np.maximum(spread, MIN_SCALE), atol=0.05)
    assert accuracy_hungarian(labels, assigned(start, rows)) > 0.99


@pytest.mark.parametrize("init", INITS)
def test_images_are_flattened(init: str) -> None:
    rows, _ = blobs(p=6)
    start = start_of(init, rows, 3, 2, 0)
    images = torch.from_numpy(rows).reshape(-1, 1, 2, 3)
    torch.testing.assert_close(start.target(images), start.target(torch.from_numpy(rows)))


@pytest.mark.parametrize("init", INITS)
def test_same_seed_same_start(init: str) -> None:
    rows, _ = blobs()
    for first, second in zip(start_of(init, rows, 3, 2, 7), start_of(init, rows, 3, 2, 7), strict=True):
        assert torch.equal(first, second)


@pytest.mark.parametrize("init", INITS)
def test_global_generator_stays(init: str) -> None:
    before = np.random.get_state()[1:]  # noqa: NPY002 -- the global generator is what is watched
    find_start(init, blobs()[0], 3, 2, 0)
    after = np.random.get_state()[1:]  # noqa: NPY002
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("init", INITS)
def test_latent_axes_beyond_the_data_are_idle(init: str) -> None:
    """Rows of rank 2 in a latent space of 4: the other axes hold standard components at 0."""
    rows, _ = blobs(p=2)
    rows = rows @ np.array([[1.0, 2.0, 0.0], [0.0, 1.0, 1.0]])
    start = start_of(init, rows, 3, 4, 0)
    assert (start.projection[:, 2:] == 0).all()
    assert (start.means[:, 2:] == 0).all()
    assert (start.scales[:, 2:] == 1).all()
    assert torch.isfinite(start.projection).all()
    np.testing.assert_allclose(start.target(torch.from_numpy(rows)).std(0, correction=0)[:2], 1.0, rtol=1e-6)


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.zeros((20, 3)), id="all alike"),
        pytest.param(np.repeat([[0.0, 2.0, 1.0], [1.0, 3.0, 0.0]], 10, axis=0), id="two distinct rows"),
        pytest.param(np.arange(12.0).reshape(4, 3), id="fewer rows than components"),
    ],
)
def test_poor_rows_give_a_finite_start_without_a_warning(init: str, rows: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        start = start_of(init, rows, 5, 2, 0)
    assert all(torch.isfinite(tensor).all() for tensor in start)
    assert (start.scales >= MIN_SCALE).all()
    assert start.means.shape == (5, 2)


def test_singletons_keep_a_scale() -> None:
    rows = np.vstack([np.zeros((30, 2)) + np.random.default_rng(0).normal(size=(30, 2)) * 0.1, [[50.0, 50.0]]])
    assert (start_of("kmeans", rows, 2, 2, 0).scales >= MIN_SCALE).all()


def test_start_moves_to_a_type() -> None:
    moved = start_of("kmeans", blobs()[0], 3, 2, 0).to(torch.empty(0))
    assert {tensor.dtype for tensor in moved} == {torch.float32}
