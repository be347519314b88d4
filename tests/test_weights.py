"""Weights of rows: 2 equals the row twice, 0 its absence, in everything that a fit computes of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from sklearn.metrics import adjusted_rand_score
from sklearn.mixture import GaussianMixture

from gmvae import GMVAE
from gmvae.config import Config
from gmvae.fitting.starts import TrainingData, learned_likelihood, split_rows
from gmvae.initialisation.centres import held_out
from gmvae.initialisation.features import principal_scores
from gmvae.initialisation.gaps import completed
from gmvae.initialisation.starts import starting_clusters
from gmvae.initialisation.weighted import mixture_clusters
from gmvae.likelihoods.columns import moments
from gmvae.objective import Guidance, GuidedTerms, Terms, information, lower_bound, sharpened
from gmvae.observations import Observations
from gmvae.training import Trainer
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.fabric import make_fabric

Array = NDArray[np.float64]

QUIET = pytest.mark.filterwarnings("ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "device": "cpu",
}
TIMES = np.array([1, 2, 3, 1, 2, 1])
N = 6


def rows(n: int = 120, seed: int = 0) -> Array:
    X, _ = make_blobs(n, 4, centers=3, random_state=seed)
    return np.asarray(X)


def times(n: int, seed: int = 1) -> NDArray[np.int64]:
    return np.random.default_rng(seed).integers(1, 4, n)


def terms(n_components: int = 3) -> Terms:
    generator = torch.Generator().manual_seed(3)
    four = torch.rand(4, N, dtype=torch.float64, generator=generator)
    assignment = torch.rand(N, n_components, dtype=torch.float64, generator=generator)
    return Terms(*four, assignment / assignment.sum(-1, keepdim=True))


def repeated(value: Any) -> Any:
    return value.repeat_interleave(torch.from_numpy(TIMES), 0)


def normalised() -> torch.Tensor:
    return torch.from_numpy(TIMES / TIMES.mean())


# ---------------------------------------------------------------- the objective


@pytest.mark.parametrize("min_information", [0.0, 0.45, 2.0])
@pytest.mark.parametrize("warm_up", [1.0, 0.3])
def test_the_lower_bound_is_that_of_repeated_rows(min_information: float, warm_up: float) -> None:
    given = terms()
    expected = lower_bound(Terms(*map(repeated, given)), min_information, warm_up)
    torch.testing.assert_close(lower_bound(given, min_information, warm_up, normalised()), expected)


def test_the_constraint_takes_the_weighted_mean() -> None:
    """Alike the z-prior's mean is above λ = 0.5, by weights below it: then only λ is paid."""
    zero = torch.zeros(2)
    given = Terms(zero, zero, zero, torch.tensor([0.1, 1.1]), torch.eye(2))
    assert lower_bound(given, 0.5).item() == pytest.approx(-0.6)
    assert lower_bound(given, 0.5, sample_weight=torch.tensor([1.8, 0.2])).item() == pytest.approx(-0.5)


def test_copies_guide_by_the_weights_of_their_rows() -> None:
    generator = torch.Generator().manual_seed(4)
    own, guided = torch.randn(2, N, 3, dtype=torch.float64, generator=generator).log_softmax(-1)
    expected = Guidance(None, 2.0).cost(GuidedTerms(terms(), sharpened(repeated(own)), repeated(guided)))
    torch.testing.assert_close(
        Guidance(None, 2.0).cost(GuidedTerms(terms(), sharpened(own), guided), normalised()), expected
    )


def test_sums_of_an_epoch_and_information_are_those_of_repeated_rows() -> None:
    weighted, plain = EpochSums(3, torch.device("cpu")), EpochSums(3, torch.device("cpu"))
    given = terms()
    weighted.add(given, normalised())
    plain.add(Terms(*map(repeated, given)))
    np.testing.assert_allclose(weighted.means(), plain.means(), rtol=1e-12)
    expected = information(repeated(given.assignment))
    torch.testing.assert_close(information(given.assignment, normalised()), expected)


# ---------------------------------------------------------------- what is learned from rows


@pytest.mark.parametrize("gaps", [False, True])
def test_moments_are_those_of_repeated_rows(gaps: bool) -> None:
    X, n = rows(), times(120)
    if gaps:
        X[np.random.default_rng(2).random(X.shape) < 0.2] = np.nan
    repeats = np.repeat(X, n, axis=0)
    parts = torch.from_numpy(X).split(50)
    mean, scale = moments(parts, n / n.mean())
    np.testing.assert_allclose(mean.numpy(), np.nanmean(repeats, 0), rtol=1e-12)
    np.testing.assert_allclose(scale.numpy(), np.nanstd(repeats, 0), rtol=1e-12)


@pytest.mark.parametrize("choice", ["gaussian", "poisson"])
@pytest.mark.parametrize("gaps", [False, True])
def test_units_are_those_of_repeated_rows(choice: str, gaps: bool) -> None:
    X, n = np.random.default_rng(3).poisson(20.0, (120, 3)).astype(float), times(120)
    if gaps:
        X[::7, 1] = np.nan
    once = learned_likelihood(Config(likelihood=choice), Observations(X, weight=n.astype(float)))
    twice = learned_likelihood(Config(likelihood=choice), Observations(np.repeat(X, n, axis=0)))
    for (name, own), (_, other) in zip(once.named_buffers(), twice.named_buffers(), strict=True):
        torch.testing.assert_close(own, other, rtol=1e-10, atol=1e-12, msg=name)


# ---------------------------------------------------------------- the start


def test_principal_components_are_those_of_repeated_rows() -> None:
    X, n = rows(), times(120)
    repeats = np.repeat(X, n, axis=0)
    expected = PCA(4).fit(repeats).transform(X)
    np.testing.assert_allclose(principal_scores(X, 0, n / n.mean()), expected, atol=1e-9)
    np.testing.assert_allclose(principal_scores(X, 0, n / n.mean()), principal_scores(X, 0, 7.0 * n), atol=1e-9)


def test_principal_components_of_rows_that_may_be_overwritten_are_the_same() -> None:
    X = rows()
    for weights in (None, times(120).astype(float)):
        scores = principal_scores(X.copy(), 0, weights, overwrite=True)
        np.testing.assert_allclose(scores, principal_scores(X, 0, weights), atol=1e-9)


def test_principal_components_of_many_columns_are_those_of_repeated_rows() -> None:
    X, n = np.random.default_rng(0).normal(size=(60, 1200)), times(60)
    X[:, :3] += 50.0 * np.random.default_rng(1).normal(size=(60, 3)) * [3.0, 2.0, 1.0]
    expected = PCA(3, svd_solver="full").fit(np.repeat(X, n, axis=0)).transform(X)
    np.testing.assert_allclose(principal_scores(X, 0, n / n.mean())[:, :3], expected, atol=1e-6)


def test_gaps_are_filled_as_among_repeated_rows() -> None:
    X, n = rows() / 5.0, times(120)
    X[np.random.default_rng(2).random(X.shape) < 0.1] = np.nan
    expected = completed(np.repeat(X, n, axis=0))
    np.testing.assert_allclose(np.repeat(completed(X, n.astype(float)), n, axis=0), expected, atol=1e-8)
    # By weights of mean 1 there are fewer rows for the same prior on the axes.
    np.testing.assert_allclose(np.repeat(completed(X, n / n.mean()), n, axis=0), expected, atol=0.01)


def test_a_weighted_mixture_is_that_of_repeated_rows() -> None:
    X, n = rows(90, seed=5)[:, :2], times(90)
    repeats = np.repeat(X, n, axis=0)
    expected = GaussianMixture(3, n_init=5, reg_covar=1e-3, random_state=0).fit_predict(repeats)
    found = mixture_clusters(X, n / n.mean(), 3, ["kmeans", "k-means++"], 5, 1e-3, 0)
    assert adjusted_rand_score(np.repeat(found, n), expected) == 1.0


@pytest.mark.parametrize("init", ["auto", "neighbours", "kmeans", "gmm"])
@pytest.mark.parametrize("seed", [0, 1])
def test_starting_clusters_are_those_of_repeated_rows(init: str, seed: int) -> None:
    X, n = rows(150, seed) / 5.0, times(150)
    once = starting_clusters(init, X, 3, seed, n / n.mean())
    twice = starting_clusters(init, np.repeat(X, n, axis=0), 3, seed)
    # Which of two methods that find the same clusters is named may hang on random halves.
    assert adjusted_rand_score(np.repeat(once.clusters, n), twice.clusters) == 1.0


def test_heavy_rows_decide_which_groups_are_told_apart() -> None:
    X = np.concatenate([np.random.default_rng(0).normal(centre, 0.1, (40, 1)) for centre in (0.0, 3.0, 5.0)])
    group = np.arange(120) // 40
    plain = starting_clusters("kmeans", X, 2, 0).clusters
    light = starting_clusters("kmeans", X, 2, 0, np.where(group == 0, 0.01, 1.0)).clusters
    assert adjusted_rand_score(plain, group == 0) == 1.0
    assert adjusted_rand_score(light, group == 2) == 1.0


def test_the_gain_is_that_of_weighted_normals() -> None:
    X, weight = rows(), times(120) / times(120).mean()
    clusters = starting_clusters("kmeans", X, 3, 0).clusters
    order = np.random.default_rng(0).permutation(120)
    variance = np.average((X - np.average(X, axis=0, weights=weight)) ** 2, axis=0, weights=weight)

    def log_density(chosen: Array, asked: Array) -> Array:
        covariance = np.cov(X[chosen].T, aweights=weight[chosen], ddof=0)
        shrunk = 4.0 / (4.0 + weight[chosen].sum())
        covariance = np.where(np.eye(4) > 0, covariance, (1.0 - shrunk) * covariance)
        covariance += 0.01 * variance.mean() * np.eye(4)
        mean = np.average(X[chosen], axis=0, weights=weight[chosen])
        return np.asarray(multivariate_normal(mean, covariance).logpdf(X[asked]))

    total = 0.0
    for seen, unseen in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        members = [seen[clusters[seen] == k] for k in range(3)]
        joint = [log_density(m, unseen) + np.log(weight[m].sum() / weight[seen].sum()) for m in members]
        total += weight[unseen] @ (logsumexp(joint, axis=0) - log_density(seen, unseen))
    assert held_out(X, clusters, weight).gain == pytest.approx(total / 120.0, rel=1e-9)


def test_rows_are_subsampled_as_often_as_their_weight_says() -> None:
    X = np.arange(200.0)[:, None] + rows(200)[:, :1] * 0.0
    weight = np.where(np.arange(200) < 50, 3.0, 1.0 / 3.0)
    observations = Observations(X, weight=weight)
    data = TrainingData(observations, learned_likelihood(Config(likelihood="gaussian"), observations))
    seen = data._subsample(0)[:, 0]
    all_rows = data.completed(np.arange(200))[:, 0]
    counts = np.array([np.isclose(seen, value).sum() for value in all_rows])
    assert (counts[:50] == 3).all()
    assert counts[50:].sum() == 50
    assert counts[50:].max() == 1


# ---------------------------------------------------------------- fits


@QUIET
def test_a_row_of_weight_0_equals_its_absence_bit_for_bit() -> None:
    X = rows()
    weight = np.random.default_rng(2).integers(0, 3, 120).astype(float)
    kept = weight > 0.0
    X[~kept] *= 1.5
    with_them = GMVAE(**SMALL).fit(X, sample_weight=weight)
    without = GMVAE(**SMALL).fit(X[kept], sample_weight=weight[kept])
    assert np.array_equal(with_them.predict_proba(X), without.predict_proba(X))
    assert np.array_equal(with_them.labels_[kept], without.labels_)
    assert np.array_equal(with_them.labels_, with_them.predict(X))
    np.testing.assert_allclose(with_them.weights_, without.weights_, rtol=1e-12)
    assert with_them.lower_bounds_ == without.lower_bounds_


@QUIET
def test_equal_weights_and_weights_of_0_and_1_give_the_bits_of_an_unweighted_fit() -> None:
    X = rows()
    plain = GMVAE(**SMALL).fit(X)
    assert np.array_equal(GMVAE(**SMALL).fit(X, sample_weight=np.full(120, 7)).predict_proba(X), plain.predict_proba(X))
    some = (np.arange(120) % 3 > 0).astype(int)
    alone = GMVAE(**SMALL).fit(X[some == 1])
    assert np.array_equal(GMVAE(**SMALL).fit(X, sample_weight=some).predict_proba(X), alone.predict_proba(X))


@QUIET
def test_shares_and_score_are_weighted_means() -> None:
    X, n = rows(), times(120)
    fitted = GMVAE(**SMALL).fit(X, sample_weight=n)
    repeats = np.repeat(X, n, axis=0)
    np.testing.assert_allclose(fitted.weights_, fitted.predict_proba(repeats).mean(0), rtol=1e-9)
    assert fitted.score(X, sample_weight=n) == pytest.approx(fitted.score(repeats), rel=1e-6)
    assert fitted.score(X, None, np.ones(120)) == pytest.approx(fitted.score(X), rel=1e-6)


@QUIET
def test_stacked_restarts_take_weights_and_labels_as_single_ones_do() -> None:
    X, n = rows(), times(120)
    labels = np.where(np.arange(120) % 8 == 0, np.arange(120) % 3, -1)
    settings = {**SMALL, "n_init": 3, "precision": "64-true", "min_information": 0.3}
    stacked = GMVAE(**settings, restarts_at_once=3).fit(X, sample_weight=n, partial_labels=labels)
    alone = GMVAE(**settings, restarts_at_once=1).fit(X, sample_weight=n, partial_labels=labels)
    np.testing.assert_allclose(stacked.restart_bounds_, alone.restart_bounds_, rtol=1e-6)
    np.testing.assert_allclose(stacked.predict_proba(X), alone.predict_proba(X), atol=1e-6)


@QUIET
def test_the_held_out_bound_is_the_weighted_mean_of_bounds() -> None:
    """Of one minibatch, whose noise is drawn again by the seed of the split."""
    X, weight = rows(), np.random.default_rng(3).uniform(0.0, 2.0, 120)
    observations = Observations(X, weight=weight)
    config = Config(**{**SMALL, "batch_size": 120, "precision": "64-true", "consistency": 0.0})
    likelihood = learned_likelihood(Config(likelihood="gaussian"), observations)
    trainer = Trainer(
        TrainingData(observations, likelihood).model(config, 0),
        observations,
        split_rows(120, 0.5, 7),
        config,
        make_fabric(config),
        0,
    )
    held_out = trainer.split.held_out
    noise = trainer.model.noise(1, 60, torch.Generator().manual_seed(trainer.split.seed))
    with torch.no_grad():
        bounds = trainer.model.eval()(torch.from_numpy(X[held_out]), noise).evidence_bound.numpy()
    assert trainer.held_out.bound() == pytest.approx(np.average(bounds, weights=weight[held_out]), rel=1e-6)


@QUIET
def test_resuming_refuses_other_weights(tmp_path: Any) -> None:
    X = rows()
    GMVAE(**SMALL).fit(X, sample_weight=times(120), run_dir=tmp_path / "run")
    GMVAE(**SMALL).fit(X, sample_weight=2 * times(120), run_dir=tmp_path / "run", resume=True)
    for weight in (None, times(120, seed=9)):
        with pytest.raises(ValueError, match="weights and labels of its rows"):
            GMVAE(**SMALL).fit(X, sample_weight=weight, run_dir=tmp_path / "run", resume=True)


@pytest.mark.parametrize(
    ("weight", "message"),
    [
        (np.ones(7), r"`sample_weight` must have shape \(120,\), one for each row; got \(7,\)"),
        (np.ones((120, 2)), r"one for each row; got \(120, 2\)"),
        (np.r_[-1.0, np.ones(119)], r"finite numbers of at least 0; got -1 in row 0"),
        (np.r_[1.0, np.nan, np.ones(118)], r"finite numbers of at least 0; got nan in row 1"),
        (np.zeros(120), r"must hold a number above 0; got zeros alone"),
        (np.array(["a"] * 120), r"`sample_weight` must hold numbers"),
        (np.r_[1.0, np.zeros(119)], r"X must have at least 2 rows of weight above 0 to fit; got 1"),
        (
            np.r_[1.0, 1.0, np.zeros(118)],
            r"`n_components` must be at most the number of rows; got 3 for 2 rows of weight",
        ),
    ],
)
def test_other_weights_are_refused(weight: Array, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        GMVAE(**SMALL).fit(rows(), sample_weight=weight)


@QUIET
def test_score_refuses_other_weights() -> None:
    fitted = GMVAE(**SMALL).fit(rows())
    for weight in (np.ones(7), -np.ones(120), np.zeros(120)):
        with pytest.raises(ValueError, match="`sample_weight` must h"):
            fitted.score(rows(), sample_weight=weight)
