"""Missing entries and columns of several families, against closed forms, scipy and rows that were never hidden."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import load_iris
from sklearn.metrics import adjusted_rand_score
from torch import nn

from gmvae import GMVAE
from gmvae.build import build
from gmvae.config import Config
from gmvae.fitting.starts import TrainingData, split_rows
from gmvae.initialisation.gaps import completed
from gmvae.initialisation.starts import CLUSTERINGS
from gmvae.likelihoods import (
    CategoricalLikelihood,
    GaussianLikelihood,
    JointLikelihood,
    families_of,
    likelihood_for,
)
from gmvae.likelihoods.categorical import Categorical
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.observations import Observations
from gmvae.user_warnings import TableWarning

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

FAST: dict[str, Any] = {"hidden_layer_sizes": (32, 32), "max_iter": 3, "random_state": 0}


def mixed_rows(n: int = 300) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two numbers, an answer and a category of four levels, of three clusters."""
    rng = np.random.default_rng(3)
    y = rng.integers(0, 3, n)
    numbers = rng.normal(size=(n, 2)) + 6 * np.eye(3, 2)[y]
    answer = rng.random(n) < np.array([0.1, 0.5, 0.9])[y]
    level = np.where(rng.random(n) < 0.7, y, 3)
    return np.c_[numbers[:, :1], level, numbers[:, 1:], answer], y


MIXED_KINDS = [None, "categorical", None, None]


def hidden(rows: NDArray[np.float64], share: float = 0.3) -> NDArray[np.float64]:
    """Rows with a share of their entries missing, never all of a row."""
    gaps = np.random.default_rng(5).random(rows.shape) < share
    gaps[gaps.all(1), 0] = False
    return np.where(gaps, np.nan, rows)


# ---------------------------------------------------------------- families


def test_auto_tells_the_families_of_columns() -> None:
    rows, _ = mixed_rows()
    assert families_of("auto", rows, kinds=MIXED_KINDS) == {"bernoulli": [3], "gaussian": [0, 2], "categorical": [1]}
    assert families_of("gaussian", rows, kinds=MIXED_KINDS) == {"gaussian": [0, 2, 3], "categorical": [1]}
    named = families_of({"level": "categorical", "count": "poisson"}, rows, ["a", "level", "b", "count"])
    assert named == {"gaussian": [0, 2], "poisson": [3], "categorical": [1]}
    with pytest.raises(ValueError, match=r"`likelihood` must name columns of X, a, b; got 'c'"):
        families_of({"c": "poisson"}, rows[:, :2], ["a", "b"])


def test_scaled_numbers_beside_indicators_are_no_picture() -> None:
    rng = np.random.default_rng(0)
    table = np.c_[rng.random((400, 3)), np.eye(4)[rng.integers(0, 4, 400)]]
    assert families_of("auto", table) == {"bernoulli": [3, 4, 5, 6], "gaussian": [0, 1, 2]}
    shares = rng.dirichlet([0.1] * 5, 400)
    shares[shares < 0.05] = 0
    shares /= shares.sum(1, keepdims=True)
    assert families_of("auto", shares) == {"gaussian": [0, 1, 2, 3, 4]}
    grey = np.clip(rng.normal(size=(400, 64)), 0, 1)
    assert families_of("auto", grey) == {"bernoulli": [*range(64)]}
    scaled = rng.random((200, 5))  # a fifth of gaps are no black and white
    for complete, family in ((scaled, "gaussian"), (shares, "gaussian"), (grey, "bernoulli")):
        gaps = np.where(rng.random(complete.shape) < 0.2, np.nan, complete)
        assert [*families_of("auto", gaps)] == [family]


def test_rows_a_little_outside_are_taken_and_others_named() -> None:
    rng = np.random.default_rng(0)
    X = np.c_[rng.random((200, 2)), rng.integers(0, 2, (200, 3))]
    model = GMVAE(2, **FAST).fit(X)
    assert model.likelihood_ == "mixed"
    outside = X.copy()
    outside[:, :2] *= 1.02
    outside[:, 4] *= 1.02
    assert np.isfinite(model.score_samples(outside)).all()
    with pytest.raises(ValueError, match=r"X must lie in \[0, 1\] .* got 7 at X\[0, 3\]: rescale"):
        model.predict(np.where(np.arange(5) == 3, 7.0, X))


def test_categorical_is_that_of_scipy() -> None:
    learned = CategoricalLikelihood([2, 4, 3])
    logits = torch.randn(5, 9, dtype=torch.float64)
    observation = learned.distribution([logits], 1)
    assert isinstance(observation, Categorical)
    value = torch.tensor([[1, 3, 0], [0, 0, 2], [1, 2, 1], [0, 1, 0], [1, 0, 2]])
    each = [part.softmax(-1).numpy() for part in logits.split([2, 4, 3], -1)]
    expected = np.array([[stats.multinomial.logpmf(np.eye(len(p[i]))[v[j]], 1, p[i]) for j, p in enumerate(each)]
                         for i, v in enumerate(value.numpy())])  # fmt: skip
    np.testing.assert_allclose(observation.entry_log_prob(value).numpy(), expected, rtol=1e-10)
    np.testing.assert_allclose(observation.mean.numpy(), np.concatenate(each, 1), rtol=1e-12)
    assert np.array_equal(learned.to_data_units(observation.mean)[:, 1].numpy(), each[1].argmax(1))
    drawn = torch.stack([observation.sample(torch.Generator().manual_seed(seed)) for seed in range(4000)]).mean(0)
    np.testing.assert_allclose(drawn.numpy(), observation.mean.numpy(), atol=0.04)


def test_columns_of_categories_have_as_many_levels_as_the_fit_had() -> None:
    rows = np.array([[0.0, 1.5, 1.0], [2.0, -0.5, 0.0], [1.0, 0.25, 1.0]])
    joint = JointLikelihood.learn_columns({"gaussian": [1], "categorical": [0, 2]}, rows, None)
    assert joint.levels_of_columns(3) == [3, 0, 2]


def test_levels_that_the_fit_did_not_have_are_never_drawn(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    rows = np.c_[rng.choice([3, 5, 9], 200), rng.choice([0, 1], 200), rng.choice([1.0, np.nan, 2.0], 200)]
    model = GMVAE(2, likelihood="categorical", n_init=2, **FAST).fit(rows)
    drawn, _ = model.sample(2000)
    assert [set(column) for column in drawn.T] == [{3.0, 5.0, 9.0}, {0.0, 1.0}, {1.0, 2.0}]
    assert set(model.impute([[np.nan, 1, 1]], 500)[:, 0, 0]) == {3.0, 5.0, 9.0}
    assert np.isfinite(model.score_samples(rows)).all()
    with pytest.raises(ValueError, match=r"must be the number of a level of the fit; got 8 at X\[0, 0\]"):
        model.predict([[8, 1, 1]])
    model.save(tmp_path / "model.safetensors")
    loaded = GMVAE.load(tmp_path / "model.safetensors", device="cpu")
    np.testing.assert_array_equal(loaded.score_samples(rows), model.score_samples(rows))


def test_log_prob_is_the_sum_over_observed_columns() -> None:
    rows, _ = mixed_rows()
    joint = likelihood_for("auto", hidden(rows), kinds=MIXED_KINDS)
    assert isinstance(joint, JointLikelihood)
    y = torch.from_numpy(rows[:6])
    outputs = torch.randn(6, 1, joint.decoded_shape((4,))[0], dtype=torch.float64).unbind(1)
    observation = joint.distribution(list(outputs), 1)
    columns = {0: [0, 2], 1: [1], 3: [3]}
    whole = joint.log_prob(observation, y, joint.standardised(y))
    for gaps in (own for own in columns.values()):
        partly = y.clone()
        partly[:, gaps] = torch.nan
        rest = y.clone()
        rest[:, [c for c in range(4) if c not in gaps]] = torch.nan
        parts = [joint.log_prob(observation, each, joint.standardised(each)) for each in (partly, rest)]
        torch.testing.assert_close(sum(parts), whole)
    nothing = torch.full_like(y, torch.nan)
    assert torch.equal(joint.log_prob(observation, nothing, joint.standardised(nothing)), torch.zeros(6).double())


def test_units_of_columns_with_gaps_are_those_of_observed_entries() -> None:
    rows = hidden(np.random.default_rng(1).normal(3.0, 2.0, size=(500, 3)))
    joint = likelihood_for("gaussian", rows)
    seen = joint.standardised(torch.from_numpy(rows))
    assert joint.seen_shape((3,)) == (6,)
    expected = (rows - np.nanmean(rows, 0)) / np.nanstd(rows, 0)
    np.testing.assert_allclose(seen[:, :3].numpy(), np.nan_to_num(expected), atol=1e-12)
    assert np.array_equal(seen[:, 3:].numpy(), np.isnan(rows))


def test_the_encoder_sees_categories_as_in_the_analysis_of_mixed_data() -> None:
    rows, _ = mixed_rows()
    joint = likelihood_for("auto", rows, kinds=MIXED_KINDS)
    described = joint.described(torch.from_numpy(rows)).numpy()
    share = np.bincount(rows[:, 1].astype(int)) / len(rows)
    np.testing.assert_allclose(described[:, 3:], (np.eye(4)[rows[:, 1].astype(int)] - share) / np.sqrt(share))
    np.testing.assert_allclose(described[:, :3].std(0), 1.0)


# ---------------------------------------------------------------- one bound for all


def linear_world() -> tuple[GaussianMixtureVAE, NDArray[np.float64]]:
    """A model whose p(y) is one normal around 0, and its covariance; q(x|y) is the prior."""
    rng = np.random.default_rng(2)
    axes, scale = rng.normal(size=(4, 2)), 0.5
    decoder = nn.Sequential(nn.Linear(2, 8), nn.Unflatten(1, (1, 8))).double()
    encoder = nn.Sequential(nn.Flatten(), nn.Linear(4, 4)).double()
    config = Config(1, latent_dim=2, style_dim=1, network=(encoder, decoder), hidden_layer_sizes=(3,))
    gaussian = GaussianLikelihood(torch.zeros(4).double(), torch.ones(4).double())
    likelihood = JointLikelihood.of(gaussian, (4,))
    with torch.random.fork_rng(), torch.no_grad():
        torch.manual_seed(0)
        model = build(config, (4,), likelihood).double().eval()
        layer = model.generative.observation.decoder[0]
        layer.weight.zero_()
        layer.weight[:4] = torch.from_numpy(axes)
        layer.bias.zero_()
        layer.bias[4:] = np.log(scale)
        for parameter in (*model.generative.mixture.output.parameters(), *model.recognition.output.parameters()):
            parameter.zero_()
    with torch.no_grad():
        spread = model.generative.mixture(torch.zeros(1, 1, 1).double()).components.log_scale.exp().mean().item()
        observation = model.observation(torch.zeros(1, 2).double())
        noise = observation.families[0].log_scale.exp().mean().item()
    return model, spread**2 * axes @ axes.T + noise**2 * np.eye(4)


def test_evidence_of_observed_entries_is_the_closed_form() -> None:
    model, covariance = linear_world()
    rng = np.random.default_rng(4)
    rows = hidden(rng.multivariate_normal(np.zeros(4), covariance, 40), 0.4)
    generator = torch.Generator().manual_seed(0)
    noise = Noise(*(torch.randn(100_000, 1, d, generator=generator, dtype=torch.float64) for d in (2, 1)))
    exact = [
        stats.multivariate_normal(cov=covariance[np.ix_(seen, seen)]).logpdf(row[seen])
        for row in rows
        for seen in [~np.isnan(row)]
    ]
    found = model.log_evidence(torch.from_numpy(rows), noise).detach().numpy()
    np.testing.assert_allclose(found, exact, atol=0.1)
    terms = model(torch.from_numpy(rows), Noise(noise.x[:2000], noise.w[:2000]))
    assert (terms.evidence_bound.detach().numpy() <= np.array(exact) + 0.02).all()


def test_imputation_is_the_conditional_mean_and_draws_have_its_spread() -> None:
    model, covariance = linear_world()
    rows = np.array([[1.0, np.nan, -0.5, 0.3], [np.nan, np.nan, 0.4, 1.0]])
    generator = torch.Generator().manual_seed(0)
    noise = Noise(*(torch.randn(100_000, 1, d, generator=generator, dtype=torch.float64) for d in (2, 1)))
    means = model.impute(torch.from_numpy(rows), noise).detach().numpy()
    few = Noise(noise.x[:2000], noise.w[:2000])
    draws = model.draw_missing(torch.from_numpy(rows), few, 800, generator).detach().numpy()
    for row, mean, drawn in zip(rows, means, draws, strict=True):
        seen = ~np.isnan(row)
        gain = covariance[np.ix_(~seen, seen)] @ np.linalg.inv(covariance[np.ix_(seen, seen)])
        left = covariance[np.ix_(~seen, ~seen)] - gain @ covariance[np.ix_(seen, ~seen)]
        np.testing.assert_allclose(mean[~seen], gain @ row[seen], atol=0.05)
        np.testing.assert_allclose(np.cov(drawn[:, ~seen].T), left.squeeze(), atol=0.25 * left.max())
        assert np.array_equal(mean[seen], row[seen])


# ---------------------------------------------------------------- fits


def test_the_order_of_columns_changes_nothing() -> None:
    """What is learned of the columns, and what a column's outputs say of it, goes with the column."""
    rows, _ = mixed_rows()
    order = [3, 0, 2, 1]
    joint = likelihood_for("auto", hidden(rows), kinds=MIXED_KINDS)
    other = likelihood_for("auto", hidden(rows)[:, order], kinds=[MIXED_KINDS[column] for column in order])
    y = torch.from_numpy(hidden(rows))
    outputs = torch.randn(len(y), joint.decoded_shape((4,))[0], dtype=torch.float64)
    # Numbers are columns 0 and 2 in both; their means and log-scales, the answer and the levels keep their places.
    log_probs = [
        each.log_prob(each.distribution([outputs], 1), own, each.standardised(own))
        for each, own in ((joint, y), (other, y[:, order]))
    ]
    torch.testing.assert_close(*log_probs)


def test_a_table_with_gaps_is_fitted_saved_and_answered(tmp_path: Path) -> None:
    rows, y = mixed_rows()
    X = hidden(rows, 0.1)
    model = GMVAE(3, **{**FAST, "max_iter": 20}).fit(X)
    assert model.likelihood_ == "mixed"
    assert adjusted_rand_score(y, model.labels_) > 0.75
    model.save(tmp_path / "model.safetensors")
    loaded = GMVAE.load(tmp_path / "model.safetensors", device="cpu")
    for query in ("predict_proba", "transform", "score_samples", "impute"):
        assert np.array_equal(getattr(loaded, query)(X[:50]), getattr(model, query)(X[:50]))
    nothing = np.full((2, 4), np.nan)
    prior = model.fitted_.model.generative.mixture.log_weights.detach().softmax(-1).numpy()
    with pytest.warns(TableWarning, match=r"Without any value: 2 rows, the first of them row 0; what is answered"):
        assert np.array_equal(model.score_samples(nothing), [0.0, 0.0])
    with pytest.warns(TableWarning):
        proba = model.predict_proba(nothing)
    np.testing.assert_allclose(proba, [prior, prior], rtol=1e-6)
    filled = model.impute(X)
    assert np.array_equal(filled[~np.isnan(X)], X[~np.isnan(X)])
    assert np.isfinite(filled).all()
    assert model.impute(X[:5], 3).shape == (3, 5, 4)


def test_a_fit_without_gaps_answers_rows_with_gaps() -> None:
    rows, _ = mixed_rows()
    model = GMVAE(3, **{**FAST, "max_iter": 20}).fit(rows[:, [0, 2]])
    assert model.likelihood_ == "gaussian"
    X = hidden(rows[:, [0, 2]])
    assert np.isfinite(model.score_samples(X)).all()
    complete = ~np.isnan(X).any(1)
    np.testing.assert_allclose(
        model.predict_proba(X)[complete], model.predict_proba(rows[:, [0, 2]])[complete], atol=1e-6
    )


def test_restarts_of_a_mixed_table_are_stacked() -> None:
    rows, _ = mixed_rows()
    X = hidden(rows, 0.1)
    alone = GMVAE(3, **FAST, n_init=2, restarts_at_once=1).fit(X)
    together = GMVAE(3, **FAST, n_init=2, restarts_at_once=2).fit(X)
    np.testing.assert_allclose(together.restart_bounds_, alone.restart_bounds_, rtol=1e-3)


def test_pictures_may_have_gaps() -> None:
    rng = np.random.default_rng(0)
    images = (rng.random((60, 1, 8, 8)) + np.eye(2)[rng.integers(0, 2, 60)].repeat(32, 1).reshape(60, 1, 8, 8)) / 2
    images[rng.random(images.shape) < 0.2] = np.nan
    model = GMVAE(2, **FAST).fit(images)
    assert np.isfinite(model.score_samples(images)).all()
    assert model.impute(images).shape == images.shape


@pytest.mark.parametrize(
    ("place", "sentence"),
    [
        ((slice(None), 1), r"X must hold a value in every column to fit; got none in column 1: drop it\."),
        ((7, slice(None)), r"X must hold a value in every row to fit; got none in row 7: drop it\."),
    ],
)
def test_columns_and_rows_without_a_value_are_named(place: Any, sentence: str) -> None:
    X = np.random.default_rng(0).normal(size=(30, 3))
    X[place] = np.nan
    with pytest.raises(ValueError, match=sentence):
        GMVAE(2, **FAST).fit(X)


def test_gaps_of_the_start_are_filled_by_principal_components() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(400, 2)) @ rng.normal(size=(2, 6)) + 0.05 * rng.normal(size=(400, 6))
    rows = (rows - rows.mean(0)) / rows.std(0)
    gaps = rng.random(rows.shape) < 0.2
    filled = completed(np.where(gaps, np.nan, rows))
    assert np.array_equal(filled[~gaps], rows[~gaps])
    assert np.sqrt(np.mean((filled - rows)[gaps] ** 2)) < 0.3


def test_filled_gaps_of_few_noisy_rows_are_no_worse_than_the_mean() -> None:
    """Of half-hidden noise there is nothing to say: 0 is right, with an error of 1."""
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(160, 13))
    gaps = rng.random(rows.shape) < 0.5
    filled = completed(np.where(gaps, np.nan, rows))
    assert np.sqrt(np.mean((filled - rows)[gaps] ** 2)) < 1.15


def test_gaps_of_one_factor_are_filled_by_its_conditional_mean() -> None:
    rng = np.random.default_rng(1)
    axis = np.array([1.0, -1.0, 1.0, 1.0, -1.0])
    rows = rng.normal(size=(4000, 1)) * axis + rng.normal(size=(4000, 5))
    rows /= np.sqrt(2.0)
    covariance = (np.outer(axis, axis) + np.eye(5)) / 2.0
    gaps = rng.random(rows.shape) < 0.3
    gaps[gaps.all(1), 0] = False
    filled = completed(np.where(gaps, np.nan, rows))
    exact = rows.copy()
    for row, missing in zip(exact, gaps, strict=True):
        seen = ~missing
        row[missing] = covariance[np.ix_(missing, seen)] @ np.linalg.solve(covariance[np.ix_(seen, seen)], row[seen])
    assert np.sqrt(np.mean((filled - exact)[gaps] ** 2)) < 0.15


@pytest.mark.parametrize(
    ("n", "gaps", "ways"),
    [
        (300, 0.0, ["neighbours", "kmeans", "gmm"]),
        (300, 0.3, ["neighbours", "kmeans", "gmm"]),
        (20, 0.3, ["neighbours", "kmeans"]),  # too few rows for a mixture of four columns
    ],
)
def test_starts_are_compared_by_methods_that_gaps_leave_comparable(n: int, gaps: float, ways: list[str]) -> None:
    rows, _ = mixed_rows(n)
    rows = hidden(rows, gaps) if gaps else rows
    data = TrainingData(Observations(rows), likelihood_for("gaussian", rows))
    reason = data.start(Config(3), split_rows(len(rows), 0.1, 0), 0).reason
    assert [way for way in CLUSTERINGS if f"{way} cuts" in reason or reason.endswith(f"by {way}")] == ways


@pytest.mark.parametrize(("share", "least"), [(0.1, 0.9), (0.3, 0.8)])
def test_gaps_leave_the_elliptic_clusters_of_iris(share: float, least: float) -> None:
    """Without gaps a Gaussian mixture finds the species by 0.90; k-means and the graph of filled rows by 0.59."""
    rows, y = load_iris(return_X_y=True)
    gaps = np.random.default_rng(0).random(rows.shape) < share
    gaps[gaps.all(1), 0] = False
    rows = np.where(gaps, np.nan, rows)
    data = TrainingData(Observations(rows), likelihood_for("auto", rows))
    start = data.start(Config(3), split_rows(len(rows), 0.1, 0), 0)
    assert adjusted_rand_score(y, start.labels) > least


def test_answers_and_columns_of_few_values_do_not_make_the_starting_clusters() -> None:
    """Three blobs beside an answer and a column of four values; k-means finds them by 0.92."""
    rows, y = mixed_rows()
    start = TrainingData(Observations(rows), likelihood_for("auto", rows)).start(Config(3), split_rows(300, 0.1, 0), 0)
    assert adjusted_rand_score(y, start.labels) > 0.95


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_tables_with_categories_start_on_latent_classes(gaps: float) -> None:
    """Groups of correlated numbers, each with levels of its own preference: near what the mixture itself would say."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, 3, 900)
    levels = np.stack([np.where(rng.random(900) < 0.6, y, rng.integers(0, 4, 900)) for _ in range(4)], axis=1)
    levels[levels == 3] = 4  # the type may name levels that no row has
    rows = np.c_[rng.normal(size=(900, 2)) + 2.0 * np.eye(3, 2)[y], levels]
    rows = hidden(rows, gaps) if gaps else rows
    kinds = [None] * 2 + ["categorical"] * 4
    data = TrainingData(Observations(rows), likelihood_for("auto", rows, kinds=kinds))
    start = data.start(Config(3), split_rows(900, 0.1, 0), 0)
    assert start.reason.startswith(("latent classes: ", "a mixture of all columns: "))
    centres = np.eye(3, 2) * 2.0
    log_joint = np.zeros((900, 3))
    for k in range(3):
        squares = np.nan_to_num((rows[:, :2] - centres[k]) ** 2)
        of_level = np.where(rows[:, 2:] == k, np.log(0.7), np.log(0.1))
        log_joint[:, k] = -0.5 * squares.sum(1) + np.where(np.isnan(rows[:, 2:]), 0.0, of_level).sum(1)
    assert adjusted_rand_score(log_joint.argmax(1), start.labels) > 0.9
