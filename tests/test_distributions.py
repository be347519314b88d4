"""Densities, divergences and responsibilities against scipy, torch.distributions, quadrature and naive loops."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from gmvae.distributions import (
    LOG_SCALE_BOUNDS,
    Mixture,
    Normal,
    at_least_float32,
    bounded_log_scale,
    reparameterise,
)
from gmvae.likelihoods.bernoulli import Bernoulli

LOW, HIGH = LOG_SCALE_BOUNDS


def _normal(rng: np.random.Generator, *shape: int, event_dims: int = 1) -> Normal:
    mean, log_scale = rng.normal(size=shape), rng.uniform(-1.0, 0.8, size=shape)
    return Normal(torch.from_numpy(mean), torch.from_numpy(log_scale), event_dims)


def _mixture(rng: np.random.Generator, n_components: int, dim: int, *lead: int) -> Mixture:
    weights = rng.dirichlet(np.ones(n_components))
    return Mixture(torch.from_numpy(np.log(weights)), _normal(rng, *lead, n_components, dim))


def _frozen(normal: Normal) -> Any:
    """The same distribution in scipy."""
    return stats.norm(normal.mean.numpy(), np.exp(normal.log_scale.numpy()))


def _numpy_bounded(raw: NDArray[Any]) -> NDArray[Any]:
    """A smooth minimum with HIGH, then a smooth maximum with LOW, written with log-sum-exp."""
    return np.logaddexp(LOW, -np.logaddexp(-HIGH, -raw))


# ---------------------------------------------------------------- casts and bounds


@pytest.mark.parametrize(
    ("given_type", "result_type"),
    [
        (torch.bfloat16, torch.float32),
        (torch.float16, torch.float32),
        (torch.float32, torch.float32),
        (torch.float64, torch.float64),
    ],
)
def test_half_precision_is_lifted_without_changing_a_value(given_type: torch.dtype, result_type: torch.dtype) -> None:
    value = torch.tensor([-1.5, 0.25, 3.0], dtype=given_type)
    lifted = at_least_float32(value)
    assert lifted.dtype == result_type
    assert lifted.tolist() == [-1.5, 0.25, 3.0]


def test_bounded_log_scale_is_a_smooth_clamp() -> None:
    raw = np.concatenate([np.linspace(-30.0, 30.0, 601), [-1e4, -500.0, 500.0, 1e4]])
    np.testing.assert_allclose(bounded_log_scale(torch.from_numpy(raw)).numpy(), _numpy_bounded(raw), atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bounded_log_scale_keeps_its_bounds(dtype: torch.dtype) -> None:
    raw = torch.tensor([-math.inf, -1e30, -1e4, -50.0, -5.0, 0.0, 3.0, 50.0, 1e4, 1e30, math.inf], dtype=dtype)
    bounded = bounded_log_scale(raw)
    # The smooth minimum lets 0.03 percent of scale over the top: the width of the interval is finite.
    assert bounded.min() >= LOW
    assert bounded.max() <= HIGH + math.log1p(math.exp(LOW - HIGH)) + 1e-6
    assert bounded[0].item() == pytest.approx(LOW, abs=1e-6)
    assert bounded[-1].item() == pytest.approx(HIGH, abs=1e-3)


def test_bounded_log_scale_rises_everywhere() -> None:
    raw = torch.linspace(-25.0, 25.0, 2001, dtype=torch.float64, requires_grad=True)
    bounded = bounded_log_scale(raw)
    assert (bounded.diff() > 0).all()
    (slope,) = torch.autograd.grad(bounded.sum(), raw)
    assert (slope > 0).all()
    assert (slope < 1).all()
    steps = (bounded_log_scale(raw + 1e-5) - bounded_log_scale(raw - 1e-5)) / 2e-5
    torch.testing.assert_close(slope, steps, rtol=1e-6, atol=1e-9)


def test_bounded_log_scale_is_nearly_the_identity_inside() -> None:
    raw = torch.linspace(LOW + 2.0, HIGH - 2.0, 401, dtype=torch.float64)
    assert (bounded_log_scale(raw) - raw).abs().max() < 0.13
    middle = torch.tensor((LOW + HIGH) / 2.0, dtype=torch.float64)
    assert bounded_log_scale(middle).item() == pytest.approx(middle.item(), abs=1e-3)


def test_from_network_casts_then_bounds_the_log_scale_alone() -> None:
    mean, raw = torch.tensor([[40.0, -7.0]], dtype=torch.bfloat16), torch.tensor([[9.0, -1.0]], dtype=torch.bfloat16)
    normal = Normal.from_network(mean, raw, event_dims=2)
    assert normal.mean.dtype == normal.log_scale.dtype == torch.float32
    assert normal.mean.tolist() == [[40.0, -7.0]]
    np.testing.assert_allclose(normal.log_scale.numpy(), _numpy_bounded(np.array([[9.0, -1.0]])), rtol=1e-6)
    assert normal.event_dims == 2


# ---------------------------------------------------------------- the diagonal normal


@pytest.mark.parametrize("event_dims", [1, 2, 3])
def test_normal_log_prob_sums_scipys_over_the_event(event_dims: int) -> None:
    rng = np.random.default_rng(event_dims)
    normal = _normal(rng, 4, 2, 3, 5, event_dims=event_dims)
    value = rng.normal(size=(4, 2, 3, 5)) * 3.0
    expected = _frozen(normal).logpdf(value).sum(axis=tuple(range(-event_dims, 0)))
    np.testing.assert_allclose(normal.log_prob(torch.from_numpy(value)).numpy(), expected, rtol=1e-12)


def test_normal_log_prob_broadcasts_samples_over_a_batch() -> None:
    rng = np.random.default_rng(0)
    normal, value = _normal(rng, 3, 2), rng.normal(size=(7, 3, 2))
    expected = [[_frozen(normal).logpdf(value[s])[b].sum() for b in range(3)] for s in range(7)]
    np.testing.assert_allclose(normal.log_prob(torch.from_numpy(value)).numpy(), expected, rtol=1e-12)


def test_normal_density_integrates_to_one_in_the_plane() -> None:
    normal = Normal(torch.tensor([0.3, -1.2], dtype=torch.float64), torch.tensor([-0.7, 0.4], dtype=torch.float64))
    axis = torch.linspace(-15.0, 15.0, 601, dtype=torch.float64)
    points = torch.cartesian_prod(axis, axis)
    assert normal.log_prob(points).exp().sum().item() * 0.05**2 == pytest.approx(1.0, abs=1e-10)


def test_kl_is_that_of_torch_with_broadcasting() -> None:
    rng = np.random.default_rng(1)
    one, other = _normal(rng, 6, 1, 4), _normal(rng, 5, 6, 3, 4)
    expected = torch.distributions.kl_divergence(
        torch.distributions.Normal(one.mean, one.log_scale.exp()),
        torch.distributions.Normal(other.mean, other.log_scale.exp()),
    ).sum(-1)
    assert one.kl(other).shape == (5, 6, 3)
    torch.testing.assert_close(one.kl(other), expected, rtol=1e-10, atol=1e-12)


def test_kl_is_the_integral_of_its_definition() -> None:
    one = Normal(torch.tensor([0.4], dtype=torch.float64), torch.tensor([-0.5], dtype=torch.float64))
    other = Normal(torch.tensor([-0.8], dtype=torch.float64), torch.tensor([0.3], dtype=torch.float64))
    grid = np.linspace(-12.0, 12.0, 4001)
    p, q = _frozen(one), _frozen(other)
    integral = np.trapezoid(p.pdf(grid) * (p.logpdf(grid) - q.logpdf(grid)), grid)
    assert one.kl(other).item() == pytest.approx(integral, abs=1e-10)


def test_kl_vanishes_at_home_only() -> None:
    rng = np.random.default_rng(2)
    one, other = _normal(rng, 5, 3), _normal(rng, 5, 3)
    assert one.kl(one).abs().max().item() < 1e-14
    assert (one.kl(other) > 0).all()


def test_kl_to_standard_is_kl_to_a_standard_normal() -> None:
    rng = np.random.default_rng(3)
    normal = _normal(rng, 4, 2, 3, event_dims=2)
    standard = Normal(torch.zeros(2, 3, dtype=torch.float64), torch.zeros(2, 3, dtype=torch.float64), event_dims=2)
    torch.testing.assert_close(normal.kl_to_standard(), normal.kl(standard), rtol=1e-12, atol=1e-12)
    reference = torch.distributions.kl_divergence(
        torch.distributions.Normal(normal.mean, normal.log_scale.exp()), torch.distributions.Normal(0.0, 1.0)
    ).sum((-1, -2))
    torch.testing.assert_close(normal.kl_to_standard(), reference, rtol=1e-12, atol=1e-12)


def test_normal_samples_follow_their_law() -> None:
    mean, log_scale = torch.tensor([-3.0, 0.5, 100.0]), torch.tensor([-2.0, 0.0, 1.5])
    normal = Normal(mean.expand(40_000, 3), log_scale.expand(40_000, 3))
    drawn = normal.sample(torch.Generator().manual_seed(0)).double().numpy()
    for column in range(3):
        law = stats.norm(mean[column].item(), math.exp(log_scale[column].item()))
        assert stats.kstest(drawn[:, column], law.cdf).pvalue > 1e-3
    assert np.abs(np.corrcoef(drawn.T) - np.eye(3)).max() < 0.03


def test_reparameterised_moments_and_their_gradients() -> None:
    q = Normal(torch.tensor([[0.7, -2.0]]).double(), torch.tensor([[0.2, -1.0]]).double())
    mean, log_scale = q.mean.requires_grad_(), q.log_scale.requires_grad_()
    # Quantiles at midpoints: their average is an integral over the normal law.
    even = torch.from_numpy(stats.norm.ppf((np.arange(20_000) + 0.5) / 20_000)).reshape(-1, 1, 1).expand(-1, 1, 2)
    x = reparameterise(q, even)
    torch.testing.assert_close(x.mean(0), mean, rtol=0, atol=1e-9)
    torch.testing.assert_close(x.var(0, correction=0).sqrt(), log_scale.exp(), rtol=1e-3, atol=0)
    # E[x²] = μ² + e^{2 log σ}, so its derivatives are 2 μ and 2 σ².
    by_mean, by_log_scale = torch.autograd.grad(x.square().mean(0).sum(), [mean, log_scale])
    torch.testing.assert_close(by_mean, 2.0 * mean, rtol=1e-6, atol=0)
    torch.testing.assert_close(by_log_scale, 2.0 * (2.0 * log_scale).exp(), rtol=1e-3, atol=0)


# ---------------------------------------------------------------- Bernoulli


@pytest.mark.parametrize("event_dims", [1, 3])
def test_bernoulli_log_prob_is_scipys_for_zeros_and_ones(event_dims: int) -> None:
    rng = np.random.default_rng(4)
    logits, value = rng.normal(size=(5, 2, 3, 4)) * 4.0, rng.integers(0, 2, size=(5, 2, 3, 4))
    expected = stats.bernoulli(special.expit(logits)).logpmf(value).sum(axis=tuple(range(-event_dims, 0)))
    actual = Bernoulli(torch.from_numpy(logits), event_dims).log_prob(torch.from_numpy(value).double())
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10)


def test_bernoulli_log_prob_of_grey_is_the_expected_log_prob_of_a_coin() -> None:
    rng = np.random.default_rng(5)
    logits, grey = rng.normal(size=(6, 4)) * 3.0, rng.uniform(size=(6, 4))
    law = stats.bernoulli(special.expit(logits))
    expected = (grey * law.logpmf(1) + (1.0 - grey) * law.logpmf(0)).sum(-1)
    actual = Bernoulli(torch.from_numpy(logits)).log_prob(torch.from_numpy(grey))
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10)


def test_bernoulli_broadcasts_samples_over_a_batch() -> None:
    rng = np.random.default_rng(6)
    logits, value = rng.normal(size=(7, 3, 4)), rng.uniform(size=(3, 4))
    actual = Bernoulli(torch.from_numpy(logits)).log_prob(torch.from_numpy(value))
    probability = special.expit(logits)
    expected = (special.xlogy(value, probability) + special.xlogy(1.0 - value, 1.0 - probability)).sum(-1)
    np.testing.assert_allclose(actual.numpy(), expected, rtol=1e-10)


def test_bernoulli_stays_finite_where_probabilities_round_to_one() -> None:
    logits = torch.tensor([[-1e4, 1e4, 1e4, -1e4]], requires_grad=True)
    log_prob = Bernoulli(logits).log_prob(torch.tensor([[0.0, 1.0, 0.0, 0.5]]))
    # Right at no cost, wrong at |logit|, half wrong at half of it.
    assert log_prob.item() == pytest.approx(-1e4 - 5e3)
    (slope,) = torch.autograd.grad(log_prob.sum(), logits)
    assert slope.tolist() == [[0.0, 0.0, -1.0, 0.5]]


def test_bernoulli_samples_follow_their_mean() -> None:
    logits = torch.tensor([-2.0, 0.0, 1.0])
    bernoulli = Bernoulli(logits.expand(40_000, 3))
    drawn = bernoulli.sample(torch.Generator().manual_seed(1))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    probability = special.expit(logits.numpy())
    np.testing.assert_allclose(bernoulli.mean[0].numpy(), probability, rtol=1e-6)
    error = np.sqrt(probability * (1.0 - probability) / 40_000)
    assert (np.abs(drawn.mean(0).numpy() - probability) < 4.0 * error).all()


@pytest.mark.parametrize("law", [Normal(torch.zeros(50, 2), torch.zeros(50, 2)), Bernoulli(torch.zeros(50, 2))])
def test_samples_come_from_the_given_generator_alone(law: Normal | Bernoulli) -> None:
    before = torch.get_rng_state()
    first, second, third = (law.sample(torch.Generator().manual_seed(seed)) for seed in (3, 3, 4))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


# ---------------------------------------------------------------- the mixture


def _scipy_log_joint(mixture: Mixture, x: NDArray[Any]) -> NDArray[Any]:
    """log π_k N(x | μ_k, Σ_k) for x (n, D) and one set of components, by multivariate normals."""
    means, log_scales = mixture.components.mean.numpy(), mixture.components.log_scale.numpy()
    columns = [
        weight + np.atleast_1d(stats.multivariate_normal(mean, np.diag(np.exp(2.0 * log_scale))).logpdf(x))
        for weight, mean, log_scale in zip(mixture.log_weights.numpy(), means, log_scales, strict=True)
    ]
    return np.stack(columns, -1)


@pytest.mark.parametrize(("n_components", "dim"), [(1, 1), (2, 3), (5, 2), (30, 10)])
def test_responsibilities_are_bayes_rule_with_scipys_densities(n_components: int, dim: int) -> None:
    rng = np.random.default_rng(n_components)
    mixture, x = _mixture(rng, n_components, dim), rng.normal(size=(20, dim)) * 2.0
    joint = _scipy_log_joint(mixture, x)
    np.testing.assert_allclose(mixture.log_joint(torch.from_numpy(x)).numpy(), joint, rtol=1e-10)
    evidence = special.logsumexp(joint, axis=-1)
    np.testing.assert_allclose(mixture.log_prob(torch.from_numpy(x)).numpy(), evidence, rtol=1e-10)
    posterior = np.exp(joint) / np.exp(joint).sum(-1, keepdims=True)
    np.testing.assert_allclose(mixture.log_posterior(torch.from_numpy(x)).exp().numpy(), posterior, atol=1e-12)


def test_mixture_density_is_that_of_torch() -> None:
    rng = np.random.default_rng(7)
    mixture, x = _mixture(rng, 4, 3, 6, 5), torch.from_numpy(rng.normal(size=(6, 5, 3)))
    reference = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(mixture.log_weights.exp().expand(6, 5, 4)),
        torch.distributions.Independent(
            torch.distributions.Normal(mixture.components.mean, mixture.components.log_scale.exp()), 1
        ),
    )
    torch.testing.assert_close(mixture.log_prob(x), reference.log_prob(x), rtol=1e-10, atol=1e-10)


@given(
    n_samples=st.integers(1, 4),
    n_rows=st.integers(1, 4),
    n_components=st.integers(1, 5),
    dim=st.integers(1, 4),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=25)
def test_mixture_equals_a_loop_over_everything(
    n_samples: int, n_rows: int, n_components: int, dim: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mixture = _mixture(rng, n_components, dim, n_samples, n_rows)
    x = torch.from_numpy(rng.normal(size=(n_samples, n_rows, dim)))
    posterior = mixture.log_posterior(x).exp()
    evidence = mixture.log_prob(x).exp()
    assert posterior.shape == (n_samples, n_rows, n_components)
    for s in range(n_samples):
        for b in range(n_rows):
            joint = []
            for k in range(n_components):
                density = math.exp(mixture.log_weights[k].item())
                for d in range(dim):
                    scale = math.exp(mixture.components.log_scale[s, b, k, d].item())
                    distance = (x[s, b, d].item() - mixture.components.mean[s, b, k, d].item()) / scale
                    density *= math.exp(-0.5 * distance**2) / (scale * math.sqrt(2.0 * math.pi))
                joint.append(density)
            assert evidence[s, b].item() == pytest.approx(sum(joint), rel=1e-9)
            for k in range(n_components):
                assert posterior[s, b, k].item() == pytest.approx(joint[k] / sum(joint), rel=1e-9)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_one_component_takes_everything_exactly(dtype: torch.dtype) -> None:
    component = Normal(torch.full((1, 3), 0.3, dtype=dtype), torch.zeros(1, 3, dtype=dtype))
    mixture = Mixture(torch.zeros(1, dtype=dtype), component)
    far = torch.tensor([[0.0, 0.0, 0.0], [1e4, -1e4, 1e4], [1e-30, 5.0, -2.0]], dtype=dtype)
    assert mixture.log_posterior(far).tolist() == [[0.0]] * 3


@pytest.mark.parametrize("n_components", [2, 3, 7, 10, 64])
def test_equal_components_share_exactly(n_components: int) -> None:
    one = torch.randn(1, 4, generator=torch.Generator().manual_seed(2))
    components = Normal(one.expand(n_components, 4), 0.3 * one.expand(n_components, 4))
    mixture = Mixture(torch.full((n_components,), -math.log(n_components)), components)
    for spread in (1.0, 1e4):
        x = spread * torch.randn(50, 4, generator=torch.Generator().manual_seed(3))
        posterior = mixture.log_posterior(x).exp()
        assert (posterior == posterior[:, :1]).all()
        torch.testing.assert_close(posterior, torch.full_like(posterior, 1.0 / n_components), rtol=1e-6, atol=0)


def test_equal_components_with_unequal_weights_return_the_weights() -> None:
    weights = torch.tensor([0.1, 0.2, 0.7], dtype=torch.float64)
    mixture = Mixture(weights.log(), Normal(torch.ones(3, 2).double(), torch.zeros(3, 2).double()))
    posterior = mixture.log_posterior(torch.tensor([[5.0, -3.0]], dtype=torch.float64)).exp()
    torch.testing.assert_close(posterior, weights[None], rtol=1e-12, atol=0)


def test_far_away_the_mixture_is_finite_with_finite_gradients() -> None:
    mean = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]], requires_grad=True)
    log_scale = torch.tensor([[LOW, LOW], [0.0, 0.0], [LOW, 0.0]], requires_grad=True)
    x = torch.tensor([[1e4, 1e4], [-1e4, 3.0], [0.0, 1e4 * math.exp(LOW)]], requires_grad=True)
    mixture = Mixture(torch.full((3,), -math.log(3.0)), Normal(mean, log_scale))
    log_posterior = mixture.log_posterior(x)
    assert log_posterior.isfinite().all()
    # The widest component owns what is far from all.
    assert log_posterior.argmax(-1)[:2].tolist() == [1, 1]
    total = mixture.log_prob(x).sum() + (log_posterior.exp() * log_posterior).sum()
    assert total.isfinite()
    for slope in torch.autograd.grad(total, [mean, log_scale, x]):
        assert slope.isfinite().all()


@given(seed=st.integers(0, 10_000), dim=st.integers(1, 3), n_components=st.integers(1, 4))
@settings(max_examples=8)
def test_gradients_are_those_of_finite_differences(seed: int, dim: int, n_components: int) -> None:
    rng = np.random.default_rng(seed)

    def leaf(*shape: int) -> Tensor:
        return torch.from_numpy(rng.normal(size=shape) * 0.7).requires_grad_()

    log_weights = torch.from_numpy(np.log(rng.dirichlet(np.ones(n_components))))

    def everything(x: Tensor, mean: Tensor, raw: Tensor, other_mean: Tensor, other_raw: Tensor) -> tuple[Tensor, ...]:
        one, other = Normal.from_network(mean, raw), Normal.from_network(other_mean, other_raw)
        mixture = Mixture(log_weights, one)
        posterior = mixture.log_posterior(x)
        return one.kl(other), one.kl_to_standard(), mixture.log_prob(x), posterior, posterior.exp()

    inputs = (leaf(2, dim), *(leaf(n_components, dim) for _ in range(4)))
    assert torch.autograd.gradcheck(everything, inputs)
    grey = torch.from_numpy(rng.uniform(size=(3, dim)))
    assert torch.autograd.gradcheck(lambda logits: Bernoulli(logits).log_prob(grey), (leaf(3, dim),))
