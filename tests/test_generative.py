"""The left half: the mixture network by hand in numpy, decoders against scipy, draws by their moments."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import special, stats
from torch import Tensor, nn

from gmvae.distributions import LOG_SCALE_BOUNDS, Normal, bounded_log_scale
from gmvae.generative import Generative, MixturePrior, ObservationModel
from gmvae.likelihoods import LIKELIHOODS
from gmvae.networks import MLPDecoder
from gmvae.paper.spread_means import place

LOW, HIGH = LOG_SCALE_BOUNDS

OF_EVERY_SHAPE = ("bernoulli", "gaussian", "poisson")
"""Families whose outputs have the shape of an observation, whatever it is."""


@pytest.fixture(autouse=True)
def seed() -> None:
    """Weights come from the global generator by design."""
    torch.manual_seed(0)


class _Linear(nn.Module):
    """A linear decoder: x (B, D_x) to raw outputs (B, n_outputs, *event)."""

    def __init__(self, weight: Tensor, event_shape: tuple[int, ...]) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight)
        self.event_shape = event_shape

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("noi,bi->bno", self.weight, x).unflatten(-1, self.event_shape)


def _numpy_bounded(raw: np.ndarray) -> np.ndarray:
    return np.logaddexp(LOW, -np.logaddexp(-HIGH, -raw))


# ---------------------------------------------------------------- p(x|w, z)


@pytest.mark.parametrize(("n_components", "latent_dim", "style_dim"), [(1, 1, 1), (3, 2, 4), (10, 5, 2)])
def test_the_mixture_network_by_hand(n_components: int, latent_dim: int, style_dim: int) -> None:
    prior = MixturePrior(n_components, latent_dim, style_dim, width=7).double()
    w = torch.randn(4, 6, style_dim, dtype=torch.float64)
    mixture = prior(w)
    linear = prior.hidden[0]
    hidden = np.tanh(w.numpy() @ linear.weight.detach().numpy().T + linear.bias.detach().numpy())
    raw = hidden @ prior.output.weight.detach().numpy().T + prior.output.bias.detach().numpy()
    # First all the means, component after component, then all the log-scales.
    half = n_components * latent_dim
    means = raw[..., :half].reshape(4, 6, n_components, latent_dim)
    log_scales = _numpy_bounded(raw[..., half:].reshape(4, 6, n_components, latent_dim))
    np.testing.assert_allclose(mixture.components.mean.detach().numpy(), means, atol=1e-12)
    np.testing.assert_allclose(mixture.components.log_scale.detach().numpy(), log_scales, atol=1e-12)
    np.testing.assert_allclose(mixture.log_weights.exp().numpy(), np.full(n_components, 1 / n_components), rtol=1e-6)


def test_one_style_alone_gives_what_it_gives_among_others() -> None:
    prior = MixturePrior(3, 2, 4, width=7).double()
    w = torch.randn(5, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(prior(w[2, 3]).components.mean, prior(w).components.mean[2, 3])


@pytest.mark.parametrize("learned", [False, True])
def test_weights_of_the_clusters_are_saved_and_learned_where_asked_for(learned: bool) -> None:
    prior = MixturePrior(4, 2, 3, width=5, learned_weights=learned)
    assert prior.state_dict()["log_weights"].tolist() == pytest.approx([-math.log(4)] * 4)
    prior(torch.zeros(1, 1, 3)).log_prob(torch.ones(1, 1, 2)).sum().backward()
    assert (prior.log_weights.grad is not None) == learned


def test_a_start_sets_the_weights_and_calms_the_style() -> None:
    shares = torch.tensor([0.5, 0.25, 0.2, 0.05])
    w = torch.randn(50, 1, 3)
    for learned in (False, True):
        prior = MixturePrior(4, 2, 3, width=5, learned_weights=learned)
        before = prior(w).components.mean.std(0)
        prior.begin_with(shares, 0.1)
        torch.testing.assert_close(prior(w).components.mean.std(0), 0.1 * before)
        expected = shares if learned else torch.full((4,), 0.25)
        torch.testing.assert_close(prior(w).log_weights.exp(), expected)


@pytest.mark.parametrize("latent_dim", [2, 20, 200])
@pytest.mark.parametrize(("width", "style_dim"), [(120, 2), (500, 150)])
@torch.no_grad()
def test_components_of_a_random_start_differ_by_some_tenths_of_a_nat(
    latent_dim: int, width: int, style_dim: int
) -> None:
    prior = MixturePrior(10, latent_dim, style_dim, width)
    usual = prior.output.weight.clone()
    prior.begin_alike()
    torch.testing.assert_close(prior.output.weight, usual / math.sqrt(2 * latent_dim))
    x, w = torch.randn(500, latent_dim), torch.randn(500, style_dim)
    components = prior(w[None]).components
    joint = stats.norm(components.mean[0], components.log_scale[0].exp()).logpdf(x[:, None]).sum(-1)
    assert 0.2 < joint.std(axis=1).mean() < 0.5


def test_placed_components_lie_where_they_were_put_at_every_style() -> None:
    prior = MixturePrior(3, 2, 4, width=50).double()
    means = torch.tensor([[-2.0, 0.0], [1.0, 3.0], [0.0, -1.0]], dtype=torch.float64)
    scales = torch.tensor([[0.5, 0.2], [1.0, 0.3], [0.1, 0.7]], dtype=torch.float64)
    w = torch.randn(4000, 4, dtype=torch.float64)
    usual = prior(w).components.mean.std(0)
    place(prior, means, scales)
    placed = prior(w).components
    # The style's influence is a tenth of what it was, around the places given.
    torch.testing.assert_close(placed.mean.std(0), 0.1 * usual, rtol=1e-6, atol=0)
    assert (placed.mean.mean(0) - means).abs().max() < 0.1
    expected = _numpy_bounded(scales.log().numpy())
    assert np.abs(placed.log_scale.mean(0).detach().numpy() - expected).max() < 0.1
    assert prior.output.bias.requires_grad


def test_far_styles_keep_the_mixture_finite() -> None:
    prior = MixturePrior(3, 2, 4, width=7)
    w = torch.full((2, 4), 1e4)
    components = prior(w).components
    assert components.mean.isfinite().all()
    # tanh is saturated there: farther out nothing changes.
    torch.testing.assert_close(components.mean, prior(10.0 * w).components.mean)


# ---------------------------------------------------------------- p(y|x)


@pytest.mark.parametrize("event_shape", [(3,), (2, 3, 2)])
def test_normal_decoder_against_scipy(event_shape: tuple[int, ...]) -> None:
    weight = torch.randn(2, math.prod(event_shape), 4, dtype=torch.float64)
    decoder = ObservationModel(_Linear(weight, event_shape))
    x, y = torch.randn(5, 6, 4, dtype=torch.float64), torch.randn(6, *event_shape, dtype=torch.float64)
    log_prob = decoder(x, LIKELIHOODS["gaussian"].blank(event_shape, {})).log_prob(y)
    assert log_prob.shape == (5, 6)
    for s in range(5):
        for b in range(6):
            mean, raw = weight.numpy() @ x[s, b].numpy()
            law = stats.norm(mean, np.exp(_numpy_bounded(raw)))
            assert log_prob[s, b].item() == pytest.approx(law.logpdf(y[b].numpy().ravel()).sum(), rel=1e-10)


@pytest.mark.parametrize("event_shape", [(3,), (2, 3, 2)])
def test_bernoulli_decoder_against_scipy(event_shape: tuple[int, ...]) -> None:
    weight = torch.randn(1, math.prod(event_shape), 4, dtype=torch.float64)
    decoder = ObservationModel(_Linear(weight, event_shape))
    x, y = torch.randn(5, 6, 4, dtype=torch.float64), torch.rand(6, *event_shape, dtype=torch.float64).round()
    log_prob = decoder(x, LIKELIHOODS["bernoulli"].blank(event_shape, {})).log_prob(y)
    assert log_prob.shape == (5, 6)
    for s in range(5):
        for b in range(6):
            law = stats.bernoulli(special.expit(weight[0].numpy() @ x[s, b].numpy()))
            assert log_prob[s, b].item() == pytest.approx(law.logpmf(y[b].numpy().ravel()).sum(), rel=1e-10)


@pytest.mark.parametrize("name", OF_EVERY_SHAPE)
@pytest.mark.parametrize("lead", [(6,), (5, 6), (2, 5, 6)])
def test_decoders_take_any_leading_axes(name: str, lead: tuple[int, ...]) -> None:
    likelihood = LIKELIHOODS[name].blank((3, 2), {})
    decoder = ObservationModel(MLPDecoder(4, (7,), likelihood.n_outputs, (3, 2)))
    x = torch.randn(*lead, 4)
    mean = decoder(x, likelihood).mean
    assert mean.shape == (*lead, 3, 2)
    last = decoder(x.flatten(0, -2)[-1:], likelihood).mean[0]
    torch.testing.assert_close(mean.flatten(0, -3)[-1], last, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", OF_EVERY_SHAPE)
def test_half_precision_stops_at_the_decoders_output(name: str) -> None:
    likelihood = LIKELIHOODS[name].blank((3,), {})
    decoder = ObservationModel(MLPDecoder(4, (7,), likelihood.n_outputs, (3,)).bfloat16())
    observation = decoder(torch.randn(2, 5, 4).bfloat16(), likelihood)
    assert observation.mean.dtype == torch.float32
    assert observation.log_prob(torch.rand(5, 3)).dtype == torch.float32


# ---------------------------------------------------------------- draws


def test_latents_come_from_the_component_and_the_style_asked_for() -> None:
    """Every row has its own cluster and its own style: moments must be those of that pair."""
    n_components, n_each = 3, 20_000
    prior = MixturePrior(n_components, 2, 2, width=9)
    place(
        prior, torch.tensor([[-5.0, 0.0], [0.0, 5.0], [5.0, -5.0]]), torch.tensor([[0.2, 0.5], [1.0, 0.3], [0.7, 2.0]])
    )
    with torch.no_grad():
        prior.output.weight.mul_(20.0)  # let the style matter
    generative = Generative(prior, nn.Identity(), 2)
    styles = torch.tensor([[0.0, 0.0], [1.5, -1.0]])
    components = torch.arange(n_components).repeat_interleave(2).repeat(n_each)
    w = styles.repeat(n_components * n_each, 1)
    with torch.no_grad():
        x = generative.sample_latent(components, w, torch.Generator().manual_seed(5))
        everything = prior(styles).components
    assert x.shape == (len(w), 2)
    assert (everything.mean[0] - everything.mean[1]).abs().max() > 0.5
    for k in range(n_components):
        for style in range(2):
            drawn = x[(components == k) & (w == styles[style]).all(-1)].double().numpy()
            assert len(drawn) == n_each
            mean, scale = everything.mean[style, k].numpy(), everything.log_scale[style, k].exp().numpy()
            assert (np.abs(drawn.mean(0) - mean) < 5.0 * scale / math.sqrt(n_each)).all()
            assert (np.abs(drawn.std(0) / scale - 1.0) < 5.0 / math.sqrt(2.0 * n_each)).all()
            for d in range(2):
                assert stats.kstest(drawn[:, d], stats.norm(mean[d], scale[d]).cdf).pvalue > 1e-4


def test_ancestral_draws_have_the_mixtures_density() -> None:
    """x drawn through z at a fixed style follows Σ_k π_k N(x | μ_k, σ²_k)."""
    generative = Generative(MixturePrior(4, 1, 2, width=5), nn.Identity(), 2)
    means, scales = torch.tensor([[-3.0], [-1.0], [0.5], [4.0]]), torch.tensor([[0.3], [0.5], [0.2], [1.0]])
    place(generative.mixture, means, scales)
    generator = torch.Generator().manual_seed(6)
    w = torch.tensor([[0.3, -0.8]])
    components = torch.randint(4, (40_000,), generator=generator)
    with torch.no_grad():
        x = generative.sample_latent(components, w.expand(40_000, 2), generator)[:, 0].double().numpy()
        mixture = generative.mixture(w[0])
    laws = [
        stats.norm(mean.item(), math.exp(log_scale.item()))
        for mean, log_scale in zip(mixture.components.mean, mixture.components.log_scale, strict=True)
    ]
    assert stats.kstest(x, lambda at: np.mean([law.cdf(at) for law in laws], axis=0)).pvalue > 1e-3
    # And the density agrees with it: its integral up to 0 is the share of draws below 0.
    grid = torch.linspace(-12.0, 0.0, 6001)
    with torch.no_grad():
        below = torch.trapezoid(mixture.log_prob(grid[:, None]).exp(), grid).item()
    assert below == pytest.approx((x < 0).mean(), abs=5.0 * 0.5 / math.sqrt(len(x)))


def test_draws_use_the_given_generator_alone() -> None:
    generative = Generative(MixturePrior(2, 3, 2, width=5), nn.Identity(), 2)
    components, w = torch.tensor([0, 1, 1]), torch.zeros(3, 2)
    before = torch.get_rng_state()
    with torch.no_grad():
        first, again, other = (
            generative.sample_latent(components, w, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)
        )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_gradients_of_the_mixture_network_are_those_of_finite_differences() -> None:
    prior = MixturePrior(3, 2, 2, width=4).double()
    x = torch.randn(2, 3, 2, dtype=torch.float64)
    names = [name for name, _ in prior.named_parameters()]

    def posterior(w: Tensor, *weights: Tensor) -> tuple[Tensor, Tensor]:
        mixture = torch.func.functional_call(prior, dict(zip(names, weights, strict=True)), (w,))
        return mixture.log_posterior(x), mixture.log_prob(x)

    w = torch.randn(2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(posterior, (w, *prior.parameters()))


def test_the_bounds_of_scales_hold_for_any_network_output() -> None:
    prior = MixturePrior(2, 2, 1, width=3)
    with torch.no_grad():
        prior.output.bias.mul_(0.0).add_(torch.tensor([0.0] * 4 + [-1e4, 1e4, -20.0, 20.0]))
        log_scale = prior(torch.zeros(1)).components.log_scale.flatten()
    reached = bounded_log_scale(torch.tensor([-1e4, 1e4, -20.0, 20.0]))
    torch.testing.assert_close(log_scale, reached, rtol=0, atol=1e-3)
    assert isinstance(prior(torch.zeros(1)).components, Normal)
    np.testing.assert_allclose(log_scale.numpy(), [LOW, HIGH, LOW, HIGH], atol=1e-3)
