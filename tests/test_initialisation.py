"""Where components start: on clusters of the principal components, in images of their strokes."""

from __future__ import annotations

import math
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import optimize, sparse
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits, make_moons
from sklearn.mixture import GaussianMixture

from gmvae.build import build
from gmvae.config import Config
from gmvae.data import arcs
from gmvae.fitting.starts import TrainingData
from gmvae.initialisation.features import evenly_scaled, oriented_gradients, skewed_counts, spread_within_steps
from gmvae.initialisation.graph import (
    N_NEIGHBOURS,
    distinct_rows,
    eigenvectors,
    modularity,
    neighbour_clusters,
    neighbour_graph,
)
from gmvae.initialisation.latent_classes import Kinds
from gmvae.initialisation.mixed import start_of_mixed, told_levels
from gmvae.initialisation.starts import starting_clusters
from gmvae.likelihoods import Discrete, likelihood_for
from gmvae.metrics import accuracy_hungarian, ari
from gmvae.observations import Observations
from gmvae.seeds import seeded
from gmvae.training import Split

INITS = ["auto", "neighbours", "kmeans", "gmm"]


def blobs(seed: int = 0, n: int = 300, p: int = 5) -> tuple[NDArray[Any], NDArray[Any]]:
    """Three well separated clusters."""
    generator = np.random.default_rng(seed)
    centres = 8.0 * np.eye(3, p)
    labels = np.arange(n) % 3
    return centres[labels] + generator.normal(size=(n, p)) * np.linspace(0.5, 1.0, p), labels


def start_of(*args: Any) -> NDArray[Any]:
    return starting_clusters(*args).clusters


@pytest.mark.parametrize("init", INITS)
def test_separated_clusters_are_found(init: str) -> None:
    rows, labels = blobs()
    clusters = start_of(init, rows, 3, 0)
    assert clusters.shape == (300,)
    assert accuracy_hungarian(labels, clusters) == 1.0


@pytest.mark.parametrize("init", INITS)
def test_same_seed_same_start(init: str) -> None:
    rows = load_digits().data[:300]
    np.testing.assert_array_equal(start_of(init, rows, 10, 7), start_of(init, rows, 10, 7))


@pytest.mark.parametrize("init", INITS)
def test_global_generator_stays(init: str) -> None:
    before = np.random.get_state()[1:]  # noqa: NPY002 -- the global generator is what is watched
    starting_clusters(init, blobs()[0], 3, 0)
    after = np.random.get_state()[1:]  # noqa: NPY002
    assert all(np.array_equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("init", INITS)
@pytest.mark.parametrize(
    "rows",
    [
        pytest.param(np.zeros((40, 3)), id="all alike"),
        pytest.param(np.repeat([[0.0, 2.0, 1.0], [1.0, 3.0, 0.0]], 20, axis=0), id="two distinct rows"),
        pytest.param(np.arange(12.0).reshape(4, 3), id="fewer rows than components"),
        pytest.param(np.arange(30.0)[:, None], id="one feature"),
        pytest.param(np.vstack([np.eye(39, 3), [[1e6, 1e6, 1e6]]]), id="an outlier among duplicates"),
    ],
)
def test_poor_rows_give_clusters_without_a_warning(init: str, rows: NDArray[Any]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clusters = start_of(init, rows, 5, 0)
    assert clusters.shape == (len(rows),)
    assert clusters.min() >= 0
    assert clusters.max() < 5


@pytest.mark.parametrize("init", INITS)
def test_one_component_takes_all(init: str) -> None:
    assert (start_of(init, blobs()[0], 1, 0) == 0).all()


def test_neighbours_follow_curved_clusters_that_centres_cannot() -> None:
    moons, halves = make_moons(600, noise=0.05, random_state=0)
    assert ari(halves, start_of("neighbours", moons, 2, 0)) > 0.99
    assert ari(halves, start_of("kmeans", moons, 2, 0)) < 0.5
    points, labels = arcs(1000, 0)
    assert ari(labels, start_of("neighbours", points, 5, 0)) == 1.0


def test_neighbours_find_more_digits_than_centres() -> None:
    digits = load_digits()
    assert accuracy_hungarian(digits.target, start_of("neighbours", digits.data, 10, 0)) > 0.94
    assert accuracy_hungarian(digits.target, start_of("kmeans", digits.data, 10, 0)) < 0.84


def test_a_graph_in_parts_gives_the_parts_however_unequal() -> None:
    generator = np.random.default_rng(1)
    sizes = [600, 400, 60, 40]
    labels = np.repeat(np.arange(4), sizes)
    centres = np.array([[0.0, 0.0], [9.0, 0.0], [0.0, 9.0], [0.0, 18.0]])
    rows = centres[labels] + generator.normal(size=(sum(sizes), 2))
    assert ari(labels, start_of("neighbours", rows, 4, 0)) == 1.0


# ---------------------------------------------------------------- the graph


def test_weights_solve_their_equation_row_by_row() -> None:
    """Against a root finder: exp(-(d - d₁)/σ) over the neighbours of a row adds up to log₂ of their number."""
    rows = np.random.default_rng(2).normal(size=(60, 4))
    distances = np.linalg.norm(rows[:, None] - rows, axis=-1)
    directed = np.zeros((60, 60))
    for i in range(60):
        nearest = np.argsort(distances[i])[1 : N_NEIGHBOURS + 1]
        excess = distances[i, nearest] - distances[i, nearest[0]]
        sigma = optimize.brentq(lambda s, e=excess: np.exp(-e / s).sum() - math.log2(N_NEIGHBOURS), 1e-3, 1e3)
        directed[i, nearest] = np.exp(-excess / sigma)
    expected = directed + directed.T - directed * directed.T
    np.testing.assert_allclose(neighbour_graph(distinct_rows(rows)).toarray(), expected, atol=1e-9)


@pytest.mark.parametrize(("places", "n_parts"), [([0], 1), ([0, 50, 100, 150], 4)])
def test_eigenvectors_are_those_of_the_normalised_weights(places: list[int], n_parts: int) -> None:
    generator = np.random.default_rng(0)
    rows = np.concatenate([generator.normal(place, 1, (60, 3)) for place in places])
    graph = neighbour_graph(distinct_rows(rows))
    assert sparse.csgraph.connected_components(graph, directed=False)[0] == n_parts
    root = np.sqrt(np.asarray(graph.sum(1)).ravel())
    values, vectors = np.linalg.eigh(graph.toarray() / np.outer(root, root))
    expected = vectors[:, :-7:-1]
    found = eigenvectors(graph, 6, seed=0) * root[:, None]
    np.testing.assert_allclose(found.T @ found, np.eye(6), atol=1e-8)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-6)
    np.testing.assert_allclose(np.diag(found.T @ (graph.toarray() / np.outer(root, root)) @ found), values[:-7:-1])


def test_eigenvectors_of_a_long_string_of_rows_are_found_too() -> None:
    string = np.arange(3000.0)[:, None]
    graph = neighbour_graph(distinct_rows(string))
    root = np.sqrt(np.asarray(graph.sum(1)).ravel())
    found = eigenvectors(graph, 4, seed=0) * root[:, None]
    weights = sparse.diags(1 / root) @ graph @ sparse.diags(1 / root)
    values = (found * (weights @ found)).sum(0) / (found**2).sum(0)
    np.testing.assert_allclose(weights @ found, found * values, atol=1e-4)
    assert values.min() > 0.9999


def test_modularity_of_a_small_graph() -> None:
    """Two triangles and an edge between them: 5/14 by hand (Newman and Girvan 2004)."""
    edges = [(0, 1), (1, 2), (0, 2), (3, 4), (4, 5), (3, 5), (2, 3)]
    graph = np.zeros((6, 6))
    for i, j in edges:
        graph[i, j] = graph[j, i] = 1.0
    clusters = np.array([0, 0, 0, 1, 1, 1])
    assert modularity(sparse.csr_matrix(graph), clusters) == pytest.approx(5 / 14)
    assert modularity(sparse.csr_matrix(graph), np.zeros(6, dtype=int)) == pytest.approx(0.0)


def test_order_of_rows_does_not_matter() -> None:
    rows = load_digits().data[:500]
    order = np.random.default_rng(0).permutation(500)
    assert ari(neighbour_clusters(rows, 10, 0)[order], neighbour_clusters(rows[order], 10, 0)) > 0.9


# ---------------------------------------------------------------- images


def slow_oriented_gradients(image: NDArray[Any]) -> NDArray[Any]:
    """The same for one image (C, H, W), pixel by pixel."""
    _, height, width = image.shape
    histogram = np.zeros((8, 6, 6))
    for i in range(height):
        for j in range(width):
            slopes = []
            for channel in image:
                above, below = max(i - 1, 0), min(i + 1, height - 1)
                left, right = max(j - 1, 0), min(j + 1, width - 1)
                down = (channel[below, j] - channel[above, j]) / (below - above)
                across = (channel[i, right] - channel[i, left]) / (right - left)
                slopes.append((math.hypot(down, across), down, across))
            strength, down, across = max(slopes)
            place = math.degrees(math.atan2(down, across)) % 180 / 22.5
            lower = math.floor(place) % 8
            share = place - math.floor(place)
            for direction, part in ((lower, 1 - share), ((lower + 1) % 8, share)):
                for row in range(6):
                    for column in range(6):
                        near = (
                            1 - abs((i + 0.5) * 6 / height - row - 0.5),
                            1 - abs((j + 0.5) * 6 / width - column - 0.5),
                        )
                        histogram[direction, row, column] += part * strength * max(near[0], 0) * max(near[1], 0)
    return np.sqrt(histogram / np.linalg.norm(histogram)).ravel()


def test_oriented_gradients_pixel_by_pixel() -> None:
    images = np.random.default_rng(3).normal(size=(3, 2, 11, 14))
    expected = [slow_oriented_gradients(image) for image in images]
    np.testing.assert_allclose(oriented_gradients(images), expected, atol=1e-7)


def test_oriented_gradients_know_neither_contrast_nor_what_is_light() -> None:
    images = load_digits().images[:50, None]
    np.testing.assert_allclose(oriented_gradients(3.0 - 0.2 * images), oriented_gradients(images), atol=1e-7)


def test_an_even_image_has_no_gradients() -> None:
    assert (oriented_gradients(np.ones((2, 1, 9, 9))) == 0.0).all()


def test_images_start_on_clusters_of_their_strokes() -> None:
    """Half of the digits in negative: neighbours in pixels know that best."""
    digits = load_digits()
    images = np.kron(digits.images[:, None] / 16.0, np.ones((2, 2)))
    images[::2] = 1.0 - images[::2]
    assert accuracy_hungarian(digits.target, start_of("neighbours", images, 10, 0)) > 0.92
    assert accuracy_hungarian(digits.target, start_of("neighbours", images.reshape(1797, -1), 10, 0)) < 0.7


@pytest.mark.parametrize("seed", [0, 3])
def test_incomes_that_are_mostly_zero_do_not_mix_clusters_up(seed: int) -> None:
    generator = np.random.default_rng(seed)
    label = np.arange(1000) % 5
    rows = generator.normal(size=(1000, 5)) + 5.0 * np.eye(5)[label]
    income = np.where(generator.random(1000) > 0.9, generator.exponential(3e4, 1000), 0.0)
    table = np.column_stack([rows, income])
    standardised = (table - table.mean(0)) / table.std(0)
    assert ari(label, starting_clusters("auto", standardised, 5, 0).clusters) > 0.985
    np.testing.assert_array_equal(evenly_scaled(standardised)[:, :5], standardised[:, :5])
    assert evenly_scaled(standardised)[income > 0.0, 5].std() == pytest.approx(1.0)
    genes = standardised[:, [0, 5, 5]]  # most columns are mostly zero, which tells clusters
    np.testing.assert_array_equal(evenly_scaled(genes), genes)


def test_counts_and_clusters_far_from_zero_stay_as_wide_as_they_are() -> None:
    generator = np.random.default_rng(0)
    rare = generator.random(1000) < 0.1
    table = np.column_stack(
        [generator.poisson(np.where(rare, 6.0, 0.05)), np.where(rare, 10.0 + generator.normal(size=1000), 0.0)]
    )
    standardised = (table - table.mean(0)) / table.std(0)
    np.testing.assert_array_equal(evenly_scaled(standardised), standardised)


def answers(seed: int, top: int = 4, n: int = 1200) -> tuple[NDArray[Any], NDArray[Any]]:
    """Four answers from 0 to ``top`` of three groups that mostly answer low or high."""
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 3, n)
    low_or_high = np.array([[0, 0, 1, 1], [1, 0, 0, 0], [1, 1, 1, 0]])[label]
    given = top * (0.12 + 0.68 * low_or_high + 0.17 * generator.normal(size=(n, 4)))
    return np.clip(np.round(given), 0, top), label


@pytest.mark.parametrize("gaps", [0.0, 0.05])
@pytest.mark.parametrize(("seed", "top"), [(0, 4), (1, 4), (2, 4), (0, 6), (1, 6)])
def test_answers_of_a_few_levels_start_on_the_groups_and_not_on_single_levels(seed: int, top: int, gaps: float) -> None:
    X, label = answers(seed, top)
    of_centres = ari(label, KMeans(3, n_init=5, random_state=0).fit_predict(X))
    X[np.random.default_rng(seed).random(X.shape) < gaps] = np.nan
    start = start_of("auto", (X - np.nanmean(X, 0)) / np.nanstd(X, 0), 3, 0)
    assert ari(label, start) > of_centres - (0.03 if gaps == 0.0 else 0.12)


def test_repeated_values_are_spread_over_the_steps_between_them() -> None:
    X = answers(0)[0]
    continuous = np.random.default_rng(0).normal(size=(len(X), 1))
    table = np.column_stack([X, X[:, 0] > 1, continuous, np.round(continuous * 100)])
    table[:7, 0] = np.nan
    spread = spread_within_steps(table, 0)
    np.testing.assert_array_equal(spread[:, 4:], table[:, 4:])  # two values, continuous, and steps that are small
    np.testing.assert_array_equal(np.isnan(spread), np.isnan(table))
    np.testing.assert_array_equal(np.round(spread[:, :4]), table[:, :4])
    assert np.nanstd(spread[:, :4] - table[:, :4]) == pytest.approx(1.0 / math.sqrt(12.0), abs=0.02)
    repeated = spread_within_steps(np.repeat(X, 2, axis=0), 0)
    np.testing.assert_array_equal(repeated[::2], spread_within_steps(X, 0))
    np.testing.assert_array_equal(repeated[1::2], spread_within_steps(X, 0))
    assert spread_within_steps(continuous, 0) is continuous
    grey = load_digits().data
    seldom_lit = np.where(np.random.default_rng(0).random(grey.shape) < 0.05, np.round(grey / 5.0), 0.0)
    assert spread_within_steps(seldom_lit, 0) is seldom_lit
    assert spread_within_steps(large := np.tile(X, (500, 1)), 0) is large


@pytest.mark.parametrize("seed", range(3))
def test_skewed_counts_start_on_what_a_mixture_finds(seed: int) -> None:
    generator = np.random.default_rng(seed)
    label = generator.integers(0, 4, 1200)
    mean = generator.gamma(1.0, 8.0, (4, 8))[label]
    X = generator.poisson(generator.gamma(1.0, mean)).astype(float)
    assert skewed_counts(X)
    standardised = (X - X.mean(0)) / X.std(0)
    mixture = GaussianMixture(4, n_init=3, reg_covar=1e-3, random_state=0).fit_predict(standardised)
    found = Observations(X)
    config = Config(4, style_dim=2)
    split = Split(torch.arange(1200), torch.arange(0), 0)
    start = TrainingData(found, likelihood_for("auto", found.y)).start(config, split, 0)
    assert ari(label, start.labels) > ari(label, mixture) - 0.02
    assert "likelihood='negative-binomial'" in start.reason
    of_counts = TrainingData(found, likelihood_for("negative-binomial", found.y)).start(config, split, 0)
    assert "counts" not in of_counts.reason


def test_neither_grey_levels_nor_places_nor_answers_are_skewed_counts() -> None:
    assert not skewed_counts(load_digits().data)
    assert not skewed_counts(np.random.default_rng(0).integers(0, 100, (500, 3)).astype(float))
    assert not skewed_counts(answers(0)[0] + 1.0)
    assert not skewed_counts(np.random.default_rng(0).exponential(size=(500, 3)))


@pytest.mark.parametrize(("init", "factor"), [("random", 0.25), ("auto", 1.0), ("kmeans", 1.0)])
def test_components_begin_nearly_alike_without_starting_clusters_alone(init: Any, factor: float) -> None:
    y = np.random.default_rng(0).normal(size=(20, 3))
    data = TrainingData(Observations(y), likelihood_for("gaussian", y))
    config = Config(n_components=2, style_dim=2, latent_dim=8, init=init, network="mlp")
    with seeded(0):
        usual = build(config, (3,), data.likelihood).state_dict()
    for name, value in data.model(config, 0).state_dict().items():
        expected = usual[name] * (factor if "mixture.output" in name else 1.0)
        torch.testing.assert_close(value, expected, rtol=0, atol=0)


def moons_beside(answer: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two moons in six columns, and an answer before them."""
    X, y = make_moons(600, noise=0.06, random_state=0)
    rng = np.random.default_rng(0)
    X = np.c_[X, X @ rng.normal(size=(2, 4))] + 0.03 * rng.normal(size=(600, 6))
    return np.c_[np.where(answer, 1.0, -1.0), (X - X.mean(0)) / X.std(0)], y


def test_bent_numbers_are_found_beside_an_answer_that_tells_nothing() -> None:
    rows, y = moons_beside(np.random.default_rng(1).random(600) < 0.5)
    start = start_of_mixed(rows, rows, Discrete(1, 0), 2, 0)
    assert start.reason.startswith("clusters of the numbers by neighbours: ")
    assert ari(y, start.clusters) > 0.95


def test_correlated_numbers_are_found_beside_an_answer_that_tells_nothing() -> None:
    rng = np.random.default_rng(0)
    y, axes = rng.integers(0, 3, 900), rng.normal(size=(3, 5, 5))
    numbers = np.einsum("nij,nj->ni", axes[y], rng.normal(size=(900, 5))) + 3.0 * np.eye(3, 5)[y]
    rows = np.c_[rng.choice([-1.0, 1.0], 900), (numbers - numbers.mean(0)) / numbers.std(0)]
    start = start_of_mixed(rows, rows, Discrete(1, 0), 3, 0)
    assert ari(y, start.clusters) > 0.85  # latent classes: 0.1


def test_categories_are_found_beside_numbers_that_tell_nothing() -> None:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 3, 900)
    codes = np.stack([np.where(rng.random(900) < 0.7, y, rng.integers(0, 3, 900)) for _ in range(6)], axis=1)
    rows = np.c_[rng.normal(size=(900, 3)), (np.eye(3)[codes] - 1.0 / 3.0).reshape(900, -1)]
    start = start_of_mixed(rows, rows, Discrete(0, 18), 3, 0)
    assert start.reason.startswith(("latent classes: ", "a mixture of all columns: "))
    assert ari(y, start.clusters) > 0.8


def test_what_clusters_tell_about_levels_is_their_information() -> None:
    rng = np.random.default_rng(3)
    y = rng.integers(0, 2, 20_000)
    answer = np.where(rng.random(20_000) < 0.9, y, 1 - y)
    kinds = Kinds.of(np.where(answer, 1.0, -1.0)[:, None], Discrete(1, 0))
    information = np.log(2.0) + 0.9 * np.log(0.9) + 0.1 * np.log(0.1)
    assert told_levels(kinds, y) == pytest.approx(information, abs=0.01)
    assert told_levels(kinds, rng.integers(0, 2, 20_000)) == pytest.approx(0.0, abs=0.001)
