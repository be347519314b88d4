"""Both halves joined: a linear-Gaussian world whose log p(y) is known, units, determinism and gradients."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor, nn

import gmvae.model
from gmvae.build import build
from gmvae.config import Config
from gmvae.distributions import LOG_SCALE_BOUNDS, bounded_log_scale
from gmvae.fitted.sampling import log_density
from gmvae.generative import Generative, MixturePrior, ObservationModel
from gmvae.likelihoods import BernoulliLikelihood, GaussianLikelihood
from gmvae.likelihoods.columns import moments
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import lower_bound
from gmvae.recognition import Recognition

BOUNDS = ["exact", "paper"]
LOW, HIGH = LOG_SCALE_BOUNDS


@pytest.fixture(autouse=True)
def seed() -> None:
    """Weights come from the global generator by design."""
    torch.manual_seed(0)


def _gaussian(parts: Iterable[Tensor]) -> GaussianLikelihood:
    """Units of rows that come in parts, without rounding and tails."""
    return GaussianLikelihood(*moments(part.double() for part in parts))


def _noise(seed: int, *lead: int, dims: tuple[int, int] = (2, 2), dtype: torch.dtype = torch.float64) -> Noise:
    generator = torch.Generator().manual_seed(seed)
    return Noise(*(torch.randn(*lead, dim, generator=generator, dtype=dtype) for dim in dims))


# ---------------------------------------------------------------- a world with known evidence


class _LinearDecoder(nn.Module):
    """Mean A x + b, constant raw log-scales."""

    def __init__(self, weight: Tensor, bias: Tensor, raw_log_scale: Tensor) -> None:
        super().__init__()
        self.weight, self.bias, self.raw_log_scale = weight, bias, raw_log_scale

    def forward(self, x: Tensor) -> Tensor:
        mean = x @ self.weight.T + self.bias
        return torch.stack([mean, self.raw_log_scale.expand_as(mean)], 1)


class LinearGaussianWorld:
    """Components that ignore w and a linear decoder: p(y) is a mixture of Gaussians, written with scipy."""

    shift = np.array([100.0, -3.0])
    scale = np.array([7.0, 0.02])

    def __init__(self, bound: str = "exact") -> None:
        double = torch.float64
        weight = torch.tensor([[1.0, 0.4], [-0.3, 0.8]], dtype=double)
        bias, raw_noise = torch.tensor([0.2, -0.1], dtype=double), torch.tensor([-0.6, -0.9], dtype=double)
        means = torch.tensor([[-1.0, 0.0], [0.6, 1.1], [0.7, -1.0]], dtype=double)
        raw_scales = torch.tensor([[-0.5, -0.9], [-1.0, -0.4], [-0.2, -0.7]], dtype=double)
        prior = MixturePrior(3, 2, 2, width=4).double()
        recognition = Recognition(nn.Identity(), 2, 2, 2).double()
        with torch.no_grad():
            prior.output.weight.zero_()
            prior.output.bias.copy_(torch.cat([means.flatten(), raw_scales.flatten()]))
            recognition.output.weight.zero_()
            recognition.output.weight[:2] = 0.6 * torch.linalg.inv(weight)
            recognition.output.bias.copy_(torch.tensor([0.0, 0.1, -0.4, -0.4, 0.2, -0.3, -0.1, 0.05]))
        self.model = GaussianMixtureVAE(
            Generative(prior, ObservationModel(_LinearDecoder(weight, bias, raw_noise)), 2),
            recognition,
            GaussianLikelihood(torch.from_numpy(self.shift), torch.from_numpy(self.scale)),
            bound,
        ).eval()
        noise = bounded_log_scale(raw_noise).exp().square().numpy()
        scales = bounded_log_scale(raw_scales).exp().square().numpy()
        a = weight.numpy()
        self.laws = [
            stats.multivariate_normal(
                self.shift + self.scale * (a @ mean.numpy() + bias.numpy()),
                np.outer(self.scale, self.scale) * (a @ np.diag(variance) @ a.T + np.diag(noise)),
            )
            for mean, variance in zip(means, scales, strict=True)
        ]

    def observations(self, n: int) -> NDArray[Any]:
        return self.shift + self.scale * np.random.default_rng(3).normal(size=(n, 2))

    def log_evidence(self, y: NDArray[Any]) -> NDArray[Any]:
        return special.logsumexp([law.logpdf(y) for law in self.laws], axis=0) - math.log(3)

    def log_posterior(self, y: NDArray[Any]) -> NDArray[Any]:
        return special.log_softmax(np.stack([law.logpdf(y) for law in self.laws], -1), -1)


@torch.no_grad()
def test_bounds_and_evidence_in_their_order() -> None:
    """Paper bound ≤ exact bound = IW(1) ≤ IW(5) ≤ IW(50) ≤ log p(y), in expectation, row by row."""
    exact_world, paper_world = LinearGaussianWorld("exact"), LinearGaussianWorld("paper")
    n_repeats = 20_000
    for row in exact_world.observations(4):
        evidence = exact_world.log_evidence(row[None]).item()
        y = torch.from_numpy(row).expand(n_repeats, 2)
        chain = []
        for world in (paper_world, exact_world):
            values = world.model(y, _noise(1, 1, n_repeats)).evidence_bound
            chain.append((values.mean().item(), values.std().item() / math.sqrt(n_repeats)))
        for n_samples in (1, 5, 50):
            repeats = n_repeats // min(n_samples, 10)
            values = exact_world.model.log_evidence(y[:repeats], _noise(n_samples, n_samples, repeats))
            chain.append((values.mean().item(), values.std().item() / math.sqrt(repeats)))
        chain.append((evidence, 0.0))
        errors = [math.hypot(lower[1], upper[1]) for lower, upper in pairwise(chain)]
        assert chain[1][0] == pytest.approx(chain[2][0], abs=4.0 * errors[1])
        for index, (lower, upper) in enumerate(pairwise(chain)):
            assert lower[0] <= upper[0] + 4.0 * errors[index], index
        # The gaps are real, not noise: paper < exact < evidence.
        assert chain[0][0] + 4.0 * errors[0] < chain[1][0]
        assert chain[1][0] + 4.0 * errors[1] < evidence


@torch.no_grad()
def test_the_importance_estimate_converges_to_the_evidence() -> None:
    world = LinearGaussianWorld()
    y = world.observations(6)
    expected = world.log_evidence(y)
    errors = []
    for n_samples in (10, 1000, 100_000):
        estimate = world.model.log_evidence(torch.from_numpy(y), _noise(n_samples, n_samples, 1)).numpy()
        errors.append(np.abs(estimate - expected).max())
    assert errors[2] < 0.02
    assert errors[2] < errors[1] < errors[0]


@torch.no_grad()
def test_evidence_is_a_density_in_the_datas_units() -> None:
    """exp log p(y) over the plane integrates to 1, so the volume of the units is paid once."""
    world = LinearGaussianWorld()
    axes = [np.linspace(m - 9.0 * s, m + 9.0 * s, 61) for m, s in zip(world.shift, world.scale, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    total = world.model.log_evidence(torch.from_numpy(grid), _noise(0, 400, len(grid))).exp().sum().item() * cell
    assert np.exp(world.log_evidence(grid)).sum() * cell == pytest.approx(1.0, abs=1e-3)
    assert total == pytest.approx(1.0, abs=0.01)


@torch.no_grad()
def test_density_by_draws_of_the_prior() -> None:
    """Beside the exact law, on which q has no influence, however narrow."""
    world = LinearGaussianWorld()
    axes = [np.linspace(m - 4.0 * s, m + 4.0 * s, 41) for m, s in zip(world.shift, world.scale, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    exact, estimate = np.exp(world.log_evidence(grid)), np.exp(log_density(world.model, grid))
    np.testing.assert_allclose(estimate, exact, atol=0.03 * exact.max())
    assert estimate.sum() == pytest.approx(exact.sum(), rel=0.01)
    world.model.recognition.output.bias[2:4] = -5.0
    np.testing.assert_array_equal(np.exp(log_density(world.model, grid)), estimate)


@pytest.mark.parametrize("direction", [(-1.0, 0.0), (1.0, 0.0), (0.0, 1.0), (0.0, -1.0)])
@torch.no_grad()
def test_one_outlying_sample_makes_no_peak_of_the_density(direction: tuple[float, float]) -> None:
    """Beside the exact law: q is too narrow here, and noise that all rows share has one sample 4.5 scales out."""
    world = LinearGaussianWorld()
    world.model.recognition.output.bias[2:4] = -1.2
    noise = _noise(0, 64, 1)
    noise.x[0, 0] = 4.5 * torch.tensor(direction)
    axes = [np.linspace(m - 7.0 * s, m + 7.0 * s, 57) for m, s in zip(world.shift, world.scale, strict=True)]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    exact, estimate = world.log_evidence(grid), world.model.log_evidence(torch.from_numpy(grid), noise).numpy()
    # Weights one by one, summed here: all of them, and with the largest brought down to the sum of the others.
    singles = [
        world.model.log_evidence(torch.from_numpy(grid), Noise(*(part[s : s + 1] for part in noise))).numpy()
        for s in range(64)
    ]
    weights = np.exp(np.sort(singles, axis=0))
    plain = np.log(weights.mean(0))
    others = weights[:-1].sum(0)
    np.testing.assert_allclose(estimate, np.log((others + np.minimum(weights[-1], others)) / 64), rtol=1e-9, atol=1e-9)
    assert (plain - exact).max() > 4.0
    assert (estimate - exact).max() < 1.5
    assert estimate.max() < exact.max() + 1.0
    assert np.exp(estimate).sum() * cell < 1.7
    # The sum itself says that the peak was no property of the model, whose mass is 1.
    assert np.exp(plain).sum() * cell > (1.5 if direction == (1.0, 0.0) else 3.0)
    rows = torch.from_numpy(world.observations(500))
    assert world.model.log_evidence(rows, noise).isfinite().all()


@pytest.mark.parametrize("bound", BOUNDS)
@torch.no_grad()
def test_terms_of_the_world_in_closed_form(bound: str) -> None:
    """Reconstruction and w-prior have closed forms here; the rest follows the mixture with scipy."""
    world = LinearGaussianWorld(bound)
    y = world.observations(3)
    # White to the last digit, so that the mean of any quadratic is its expectation.
    raw = torch.cat(_noise(4, 1000, 3), -1).movedim(0, 1)
    raw -= raw.mean(1, keepdim=True)
    factor = torch.linalg.cholesky(raw.mT @ raw / 1000)
    noise = Noise(*torch.linalg.solve_triangular(factor.mT, raw, upper=True, left=False).movedim(1, 0).split(2, -1))
    terms = world.model(torch.from_numpy(y), noise)
    q_x, q_w = world.model.recognition(torch.from_numpy((y - world.shift) / world.scale))
    decoder = world.model.generative.observation.decoder
    a, b = decoder.weight.numpy(), decoder.bias.numpy()
    variance = bounded_log_scale(decoder.raw_log_scale).exp().square().numpy()
    residual = (y - world.shift) / world.scale - q_x.mean.numpy() @ a.T - b
    spread = np.square(q_x.log_scale.exp().numpy()) @ np.square(a).T
    expected = -0.5 * (np.log(2 * np.pi * variance) + (residual**2 + spread) / variance).sum(-1)
    expected -= np.log(world.scale).sum()
    np.testing.assert_allclose(terms.reconstruction.numpy(), expected, rtol=1e-9)
    law_w = torch.distributions.Normal(q_w.mean, q_w.log_scale.exp())
    reference = torch.distributions.kl_divergence(law_w, torch.distributions.Normal(0.0, 1.0)).sum(-1)
    torch.testing.assert_close(terms.w_prior, reference.double())
    x = (q_x.mean + q_x.log_scale.exp() * noise.x).numpy()
    components = world.model.generative.mixture(torch.zeros(2, dtype=torch.float64)).components
    laws = [
        stats.multivariate_normal(mean.numpy(), np.diag(np.exp(2 * log_scale.numpy())))
        for mean, log_scale in zip(components.mean, components.log_scale, strict=True)
    ]
    responsibility = special.softmax(np.stack([law.logpdf(x) for law in laws], -1), -1)
    np.testing.assert_allclose(terms.assignment.numpy(), responsibility.mean(0), atol=1e-10)
    z_prior = special.rel_entr(responsibility, 1 / 3).sum(-1).mean(0)
    np.testing.assert_allclose(terms.z_prior.numpy(), z_prior, atol=1e-6)
    log_q = stats.norm(q_x.mean.numpy(), q_x.log_scale.exp().numpy()).logpdf(x).sum(-1)
    summed_out = (log_q - special.logsumexp([law.logpdf(x) for law in laws], axis=0) + math.log(3)).mean(0)
    if bound == "exact":
        np.testing.assert_allclose((terms.conditional_prior + terms.z_prior).numpy(), summed_out, atol=1e-6)
    else:
        assert ((terms.conditional_prior + terms.z_prior).numpy() > summed_out).all()


@torch.no_grad()
def test_the_posterior_over_clusters_is_bayes_rule_at_the_means() -> None:
    world = LinearGaussianWorld()
    y = torch.from_numpy(world.observations(50))
    embedding = world.model.embed(y)
    torch.testing.assert_close(embedding, world.model.recognition(world.model.likelihood.standardised(y)).x.mean)
    components = world.model.generative.mixture(torch.zeros(2, dtype=torch.float64)).components
    joint = [
        stats.norm(mean.numpy(), np.exp(log_scale.numpy())).logpdf(embedding.numpy()).sum(-1)
        for mean, log_scale in zip(components.mean, components.log_scale, strict=True)
    ]
    expected = special.log_softmax(np.stack(joint, -1), -1)
    np.testing.assert_allclose(world.model.log_posterior(y).numpy(), expected, atol=1e-6)
    # It is the plug-in at the means, not p(z|y); in this world both mostly agree on the cluster.
    true = world.log_posterior(y.numpy())
    assert (expected.argmax(-1) == true.argmax(-1)).mean() > 0.8


@torch.no_grad()
def test_the_posterior_over_clusters_takes_the_style_of_each_row() -> None:
    """Here components do move with w: they are those of the row's own mean style, by hand in numpy."""
    model, y = _small_model("gaussian", (3,), n_components=4)
    model, y = model.double(), y.double()
    model.recognition.output.bias[4:6] += torch.tensor([2.0, -1.5])
    q_x, q_w = model.recognition(model.standardised(y))
    hidden, output = model.generative.mixture.hidden[0], model.generative.mixture.output
    for row in range(len(y)):
        units = np.tanh(hidden.weight.numpy() @ q_w.mean[row].numpy() + hidden.bias.numpy())
        raw = (output.weight.numpy() @ units + output.bias.numpy()).reshape(2, 4, 2)
        scales = np.exp(np.logaddexp(LOW, -np.logaddexp(-HIGH, -raw[1])))
        densities = stats.norm(raw[0], scales).pdf(q_x.mean[row].numpy()).prod(-1)
        np.testing.assert_allclose(model.log_posterior(y)[row].exp().numpy(), densities / densities.sum(), rtol=1e-6)
    at_zero = model.generative.mixture(torch.zeros_like(q_w.mean)).log_posterior(q_x.mean)
    assert (at_zero - model.log_posterior(y)).abs().max() > 0.01


@torch.no_grad()
def test_guided_observations_are_judged_at_the_means_and_samples_of_both_latents() -> None:
    """Their log p(z|x,w), sample by sample, by scipy's densities."""
    model, y = _small_model("gaussian", (3,), n_components=4)
    model, y = model.double(), y.double()
    noise = model.noise(3, len(y), torch.Generator().manual_seed(5))
    guided = model.standardised(y.flip(0))
    q_x, q_w = model.recognition(guided)
    expected = np.zeros((len(y), 4))
    for sample in (None, 0, 1, 2):
        x, w = (
            q.mean if sample is None else q.mean + q.log_scale.exp() * n[sample]
            for q, n in ((q_x, noise.x), (q_w, noise.w))
        )
        components = model.generative.mixture(w).components
        scales = components.log_scale.exp().numpy()
        densities = stats.norm(components.mean.numpy(), scales).pdf(x[:, None].numpy()).prod(-1)
        expected += np.log(densities / densities.sum(-1, keepdims=True)) / 4
    np.testing.assert_allclose(model(y, noise, guided).guided.numpy(), expected, rtol=1e-6)
    assert np.abs(model.plug_in(model.recognition(guided)).numpy() - expected).max() > 0.01


# ---------------------------------------------------------------- chunks and units


@torch.no_grad()
def test_importance_samples_in_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    world = LinearGaussianWorld()
    y, noise = torch.from_numpy(world.observations(5)), _noise(2, 23, 1)
    whole = world.model.log_evidence(y, noise)
    calls: list[int] = []
    world.model.generative.observation.register_forward_hook(lambda _, inputs, __: calls.append(len(inputs[0])))
    world.model.log_evidence(y, noise)
    assert calls == [23]
    # One sample of 5 rows holds 5 · 2 K D_x = 60 numbers.
    for budget, sizes in ((1, [1] * 23), (60 * 5, [5, 5, 5, 5, 3]), (60 * 23 - 1, [22, 1])):
        calls.clear()
        monkeypatch.setattr(gmvae.model, "ELEMENTS_AT_ONCE", budget)
        torch.testing.assert_close(world.model.log_evidence(y, noise), whole, rtol=1e-12, atol=1e-12)
        assert calls == sizes


@pytest.mark.parametrize("bound", BOUNDS)
@torch.no_grad()
def test_rescaling_the_data_shifts_the_log_likelihood_by_the_log_volume(bound: str) -> None:
    rng = np.random.default_rng(0)
    y0, a, b = rng.normal(size=(40, 3)) + 2.0, np.array([5.0, -1e3, 0.0]), np.array([10.0, 1e-3, 2.5])
    config = Config(n_components=3, latent_dim=2, style_dim=2, network="mlp", hidden_layer_sizes=(8,), bound=bound)
    results = []
    for data in (y0, a + b * y0):
        torch.manual_seed(1)
        y = torch.from_numpy(data)
        model = build(config, (3,), _gaussian([y])).double()
        terms = model(y, _noise(5, 4, 40))
        results.append((terms, model.log_evidence(y, _noise(6, 20, 1)), model.decode(_noise(7, 40).x)))
    (terms, evidence, decoded), (scaled, scaled_evidence, scaled_decoded) = results
    shift = -np.log(b).sum()
    torch.testing.assert_close(scaled.reconstruction, terms.reconstruction + shift, rtol=1e-8, atol=1e-8)
    torch.testing.assert_close(scaled_evidence, evidence + shift, rtol=1e-8, atol=1e-8)
    for name in ("conditional_prior", "w_prior", "z_prior", "assignment"):
        torch.testing.assert_close(getattr(scaled, name), getattr(terms, name), rtol=1e-8, atol=1e-8)
    np.testing.assert_allclose(scaled_decoded.numpy(), a + b * decoded.numpy(), rtol=1e-8)


@torch.no_grad()
def test_draws_of_observations_have_the_decoders_moments_in_the_datas_units() -> None:
    world = LinearGaussianWorld()
    x = torch.tensor([[0.5, -1.0]], dtype=torch.float64)
    drawn = world.model.sample_observation(x.expand(40_000, 2), torch.Generator().manual_seed(3)).numpy()
    decoder = world.model.generative.observation.decoder
    mean = world.shift + world.scale * (decoder.weight.numpy() @ x[0].numpy() + decoder.bias.numpy())
    scale = world.scale * bounded_log_scale(decoder.raw_log_scale).exp().numpy()
    np.testing.assert_allclose(world.model.decode(x)[0].numpy(), mean, rtol=1e-10)
    for column in range(2):
        assert stats.kstest(drawn[:, column], stats.norm(mean[column], scale[column]).cdf).pvalue > 1e-3


def test_bytes_of_images_are_probabilities_after_division_by_the_top_level() -> None:
    grey = torch.tensor([[0, 51, 255]], dtype=torch.uint8)
    np.testing.assert_allclose(BernoulliLikelihood().standardised(grey).numpy(), [[0.0, 0.2, 1.0]], rtol=1e-6)
    binary = torch.tensor([[0, 1, 1]], dtype=torch.uint8)
    assert BernoulliLikelihood(1.0).standardised(binary).tolist() == [[0.0, 1.0, 1.0]]
    real = torch.tensor([[0.0, 0.3, 1.0]])
    assert torch.equal(BernoulliLikelihood().standardised(real), real)
    assert torch.equal(BernoulliLikelihood().to_data_units(real), real)


@torch.no_grad()
def test_bytes_and_their_fractions_score_alike() -> None:
    config = Config(n_components=3, latent_dim=2, style_dim=2, network="mlp", hidden_layer_sizes=(8,))
    model = build(config, (1, 4, 4), BernoulliLikelihood())
    grey = torch.randint(0, 256, (6, 1, 4, 4), dtype=torch.uint8)
    noise = _noise(0, 3, 6, dtype=torch.float32)
    for of_bytes, of_fractions in zip(model(grey, noise), model(grey.double() / 255.0, noise), strict=True):
        torch.testing.assert_close(of_bytes, of_fractions, rtol=1e-5, atol=1e-5)
    black_and_white = torch.rand(6, 1, 4, 4) < 0.5
    as_numbers = model(black_and_white.float(), noise).reconstruction
    torch.testing.assert_close(model(black_and_white, noise).reconstruction, as_numbers)


# ---------------------------------------------------------------- standardisation


def _parts(rows: Tensor, sizes: list[int]) -> Iterator[Tensor]:
    yield from rows.split(sizes)


@given(
    sizes=st.lists(st.integers(1, 30), min_size=1, max_size=5),
    offset=st.sampled_from([0.0, -3.0, 1e5, 1e9, -1e9]),
    scale=st.sampled_from([1e-2, 1.0, 1e4]),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=40)
def test_standardisation_in_parts_is_numpys_mean_and_deviation(
    sizes: list[int], offset: float, scale: float, seed: int
) -> None:
    rows = offset + scale * np.random.default_rng(seed).normal(size=(sum(sizes), 3))
    units = _gaussian(_parts(torch.from_numpy(rows), sizes))
    # A few steps between neighbouring numbers of the data's size are all that rounding may cost.
    few_steps = 16.0 * np.spacing(np.abs(rows).max())
    np.testing.assert_allclose(units.shift.numpy(), rows[0] + (rows - rows[0]).mean(0), atol=few_steps, rtol=0)
    expected = (rows - rows[0]).std(0) if len(rows) > 1 else np.ones(3)
    np.testing.assert_allclose(units.scale.numpy(), expected, rtol=1e-9, atol=few_steps)
    assert units.shift.dtype == units.scale.dtype == torch.float64


def test_a_large_offset_does_not_drown_the_noise() -> None:
    noise = np.random.default_rng(0).normal(size=(5000, 2))
    rows = torch.from_numpy(1e9 + noise)
    units = _gaussian(rows.split(137))
    standardised = units.standardised(rows)
    np.testing.assert_allclose(units.scale.numpy(), noise.std(0), rtol=1e-6)
    np.testing.assert_allclose(standardised.mean(0).numpy(), 0.0, atol=1e-6)
    np.testing.assert_allclose(standardised.std(0, correction=0).numpy(), 1.0, rtol=1e-6)
    np.testing.assert_allclose(units.to_data_units(standardised).numpy(), rows.numpy(), rtol=1e-15)
    # The networks see the noise too: the offset goes before the cast to float32.
    config = Config(n_components=2, latent_dim=2, style_dim=2, network="mlp", hidden_layer_sizes=(8,))
    seen = build(config, (2,), units).standardised(rows)
    assert seen.dtype == torch.float32
    np.testing.assert_allclose(seen.numpy(), (noise - noise.mean(0)) / noise.std(0), atol=1e-5)


@pytest.mark.parametrize("constant", [0.0, 0.1, -7.3, 1e9 + 0.1, 1e-30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_constant_features_keep_scale_one(constant: float, dtype: torch.dtype) -> None:
    rows = torch.full((1000, 2), constant, dtype=dtype)
    rows[:, 1] = torch.linspace(-1.0, 1.0, 1000, dtype=dtype)
    units = _gaussian(rows.split(77))
    assert units.scale[0].item() == 1.0
    assert units.scale[1].item() == pytest.approx(rows[:, 1].double().numpy().std(), rel=1e-10)
    assert units.standardised(rows)[:, 0].abs().max() < 1e-6
    assert units.log_volume(rows).item() == pytest.approx(math.log(units.scale[1].item()))


def test_small_features_are_not_taken_for_constants() -> None:
    rows = 1e-12 * torch.randn(500, 1, dtype=torch.float64)
    assert _gaussian([rows]).scale.item() == pytest.approx(rows.numpy().std(), rel=1e-9)


def test_standardisation_keeps_the_events_shape() -> None:
    rows = np.random.default_rng(1).normal(size=(30, 2, 3, 4)) * np.arange(1, 5)
    units = _gaussian([torch.from_numpy(rows)])
    np.testing.assert_allclose(units.scale.numpy(), rows.std(0), rtol=1e-12)
    assert units.log_volume(rows).item() == pytest.approx(np.log(rows.std(0)).sum())


# ---------------------------------------------------------------- determinism and independence


def _small_model(
    family: str, event_shape: tuple[int, ...], network: Any = "mlp", **settings: Any
) -> tuple[GaussianMixtureVAE, Tensor]:
    options = {"n_components": 3, "latent_dim": 2, "style_dim": 2, "hidden_layer_sizes": (16,), **settings}
    config = Config(**{"network": network, "style_dim": 4, **options})
    generator = torch.Generator().manual_seed(8)
    y = torch.rand(9, *event_shape, generator=generator)
    likelihood = BernoulliLikelihood() if family == "bernoulli" else _gaussian([5.0 * y])
    return build(config, event_shape, likelihood), y if family == "bernoulli" else 5.0 * y


KINDS = [
    ("gaussian", (3,), "mlp"),
    ("bernoulli", (1, 9, 8), "conv"),
    ("bernoulli", (1, 14, 14), "paper-mnist"),
    ("gaussian", (3, 8, 8), "paper-svhn"),
]


@pytest.mark.parametrize(("family", "event_shape", "network"), KINDS)
@torch.no_grad()
def test_every_row_is_answered_alone(family: str, event_shape: tuple[int, ...], network: str) -> None:
    """Subsets, other orders and single rows get the same answers, batch norm or not."""
    model, y = _small_model(family, event_shape, network)
    model(3.0 * y.clamp(0.0, 0.3), _noise(0, 2, 9, dtype=torch.float32))  # move batch norm's running moments
    model.double().eval()
    y = y.double()
    noise = _noise(9, 11, 1)
    together = [model.embed(y), model.log_posterior(y), model.log_evidence(y, noise)]
    for rows in ([4], [8, 0, 3], list(range(8, -1, -1))):
        alone = [model.embed(y[rows]), model.log_posterior(y[rows]), model.log_evidence(y[rows], noise)]
        for whole, part in zip(together, alone, strict=True):
            torch.testing.assert_close(whole[rows], part, rtol=1e-9, atol=1e-9)
    latents = _noise(10, 9).x
    torch.testing.assert_close(model.decode(latents)[[5]], model.decode(latents[[5]]), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("bound", BOUNDS)
@torch.no_grad()
def test_answers_depend_on_the_noise_given_and_on_nothing_else(bound: str) -> None:
    model, y = _small_model("gaussian", (3,), bound=bound)
    before = torch.get_rng_state()
    noise, other = (_noise(seed, 4, 9, dtype=torch.float32) for seed in (1, 2))
    first, again, changed = model(y, noise), model(y, noise), model(y, other)
    for name in first._fields:
        assert torch.equal(getattr(first, name), getattr(again, name))
    assert not torch.equal(first.reconstruction, changed.reconstruction)
    assert torch.equal(first.w_prior, changed.w_prior)
    assert torch.equal(model.log_evidence(y, noise), model.log_evidence(y, noise))
    draws = [model.sample_observation(noise.x[0], torch.Generator().manual_seed(5)) for _ in range(2)]
    assert torch.equal(*draws)
    model.embed(y), model.log_posterior(y), model.decode(noise.x[0])
    assert torch.equal(torch.get_rng_state(), before)


@torch.no_grad()
def test_shared_noise_is_that_noise_for_every_row() -> None:
    model, y = _small_model("gaussian", (3,))
    shared = _noise(3, 6, 1, dtype=torch.float32)
    spelled_out = Noise(shared.x.expand(6, 9, 2), shared.w.expand(6, 9, 2))
    for one, other in zip(model(y, shared), model(y, spelled_out), strict=True):
        torch.testing.assert_close(one, other)
    torch.testing.assert_close(model.log_evidence(y, shared), model.log_evidence(y, spelled_out))


@pytest.mark.parametrize("bound", BOUNDS)
@torch.no_grad()
def test_many_samples_are_the_mean_of_single_ones(bound: str) -> None:
    model, y = _small_model("bernoulli", (5,), bound=bound)
    noise = _noise(3, 6, 9, dtype=torch.float32)
    terms = model(y, noise)
    singles = [model(y, Noise(noise.x[s : s + 1], noise.w[s : s + 1])) for s in range(6)]
    for name in terms._fields:
        mean = torch.stack([getattr(single, name) for single in singles]).mean(0)
        torch.testing.assert_close(getattr(terms, name), mean, rtol=1e-5, atol=1e-5)


# ---------------------------------------------------------------- one component


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize(("family", "event_shape", "network"), KINDS[:2])
def test_one_component_makes_the_two_level_autoencoder(
    family: str, event_shape: tuple[int, ...], network: str, bound: str
) -> None:
    model, y = _small_model(family, event_shape, network, n_components=1, bound=bound)
    noise = _noise(3, 500, 9, dtype=torch.float32)
    terms = model(y, noise)
    assert terms.z_prior.tolist() == [0.0] * 9
    assert terms.assignment.tolist() == [[1.0]] * 9
    assert model.log_posterior(y).tolist() == [[0.0]] * 9
    q_x, q_w = model.recognition(model.standardised(y))
    w = q_w.mean + q_w.log_scale.exp() * noise.w
    p_x = model.generative.mixture(w).components
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(q_x.mean, q_x.log_scale.exp()),
        torch.distributions.Normal(p_x.mean[..., 0, :], p_x.log_scale[..., 0, :].exp()),
    ).sum(-1)
    tolerance = 1e-4 if bound == "paper" else 0.3
    torch.testing.assert_close(terms.conditional_prior, kl.mean(0), rtol=0, atol=tolerance)
    # λ has nothing to hold up.
    plain = torch.autograd.grad(terms.evidence_bound.mean(), model.recognition.output.weight, retain_graph=True)
    held = torch.autograd.grad(lower_bound(terms, 0.5), model.recognition.output.weight)
    torch.testing.assert_close(held, plain)


# ---------------------------------------------------------------- extremes and gradients


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("min_information", [0.0, 0.5])
@pytest.mark.parametrize("network", ["mlp", "paper-synthetic"])
def test_observations_far_away_keep_everything_finite(bound: str, min_information: float, network: str) -> None:
    """10,000 standard deviations from the data, in float32, beside an ordinary row."""
    model, y = _small_model("gaussian", (3,), network, bound=bound, hidden_layer_sizes=(64, 64))
    y = y.clone()
    y[0] = model.likelihood.to_data_units(torch.tensor([1e4, -1e4, 1e4])).float()
    y[1, 2] = model.likelihood.to_data_units(torch.tensor([0.0, 0.0, -1e4]))[2]
    noise = _noise(3, 2, 9, dtype=torch.float32)
    terms = model(y, noise)
    assert all(value.isfinite().all() for value in terms)
    for slope in torch.autograd.grad(lower_bound(terms, min_information), list(model.parameters())):
        assert slope.isfinite().all()
    with torch.no_grad():
        assert model.log_evidence(y, noise).isfinite().all()
        assert model.log_posterior(y).exp().sum(-1).sub(1.0).abs().max() < 1e-5
        assert model.embed(y).isfinite().all()


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_latents_far_away_keep_everything_finite(bound: str, family: str) -> None:
    """An encoder, styles and a decoder pushed 10,000 standard deviations out, in float32."""
    model, y = _small_model(family, (3,), bound=bound)
    with torch.no_grad():
        model.recognition.output.bias.copy_(torch.tensor([1e4, -1e4, 9.0, -1e4, 1e4, -1e4, -1e4, 9.0]))
        model.generative.mixture.output.bias.mul_(0.0).add_(torch.linspace(-1e4, 1e4, 12))
    noise = _noise(3, 2, 9, dtype=torch.float32)
    terms = model(y, noise)
    assert all(value.isfinite().all() for value in terms)
    for slope in torch.autograd.grad(lower_bound(terms, 0.0), list(model.parameters())):
        assert slope.isfinite().all()
    with torch.no_grad():
        assert model.log_evidence(y, noise).isfinite().all()


@pytest.mark.parametrize("min_information", [0.0, 5.0])
@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("family", ["gaussian", "bernoulli"])
def test_the_whole_bounds_gradient_is_that_of_finite_differences(
    family: str, bound: str, min_information: float
) -> None:
    """Every parameter of every network, through samples and responsibilities, at fixed noise."""
    n_outputs = 2 if family == "gaussian" else 1
    encoder = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    decoder = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2 * n_outputs), nn.Unflatten(1, (n_outputs, 2)))
    model, y = _small_model(family, (2,), (encoder, decoder), hidden_layer_sizes=(4,), bound=bound)
    model, y, noise = model.double(), y[:3].double(), _noise(3, 2, 3)
    names = [name for name, _ in model.named_parameters()]

    def objectives(*weights: Tensor) -> tuple[Tensor, Tensor]:
        terms = torch.func.functional_call(model, dict(zip(names, weights, strict=True)), (y, noise))
        return terms.evidence_bound, lower_bound(terms, min_information)

    parameters = tuple(model.parameters())
    assert {name.split(".")[0] for name in names} == {"generative", "recognition"}
    assert torch.autograd.gradcheck(objectives, parameters)
    slopes = torch.autograd.grad(objectives(*parameters)[1], parameters)
    assert all(slope.abs().max() > 0 for slope in slopes)


def test_float32_and_float64_tell_the_same() -> None:
    model, y = _small_model("gaussian", (3,), hidden_layer_sizes=(32, 32))
    noise = _noise(3, 5, 9)
    single = model(y, Noise(*(part.float() for part in noise)))
    double = model.double()(y.double(), noise)
    for name in single._fields:
        assert getattr(single, name).dtype == torch.float32
        assert getattr(double, name).dtype == torch.float64
        torch.testing.assert_close(getattr(single, name).double(), getattr(double, name), rtol=2e-4, atol=2e-4)


# ---------------------------------------------------------------- building


def test_a_pair_of_modules_becomes_the_trunks() -> None:
    encoder, decoder = (
        nn.Sequential(nn.Linear(4, 6), nn.Tanh()),
        nn.Sequential(nn.Linear(2, 4), nn.Unflatten(1, (1, 4))),
    )
    model, y = _small_model("bernoulli", (4,), (encoder, decoder), hidden_layer_sizes=(11, 13))
    assert model.recognition.output.in_features == 6
    assert model.generative.mixture.hidden[0].out_features == 13
    torch.testing.assert_close(model.decode(torch.ones(1, 2)), torch.sigmoid(decoder(torch.ones(1, 2))[:, 0]))
    output = model.recognition.output
    expected = nn.functional.linear(encoder(y), output.weight, output.bias)
    torch.testing.assert_close(model.embed(y), expected[:, :2])
    # A step of training moves the model's copy, not the user's modules.
    before = [parameter.clone() for parameter in (*encoder.parameters(), *decoder.parameters())]
    lower_bound(model(y, _noise(0, 1, 9, dtype=torch.float32)), 0.0).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += parameter.grad
    after = [*encoder.parameters(), *decoder.parameters()]
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))
    assert all(parameter.grad is None for parameter in after)
    assert not torch.equal(model.recognition.encoder[0].weight, encoder[0].weight)


def test_a_file_of_weights_is_the_whole_model() -> None:
    model, y = _small_model("gaussian", (3,))
    copy, _ = _small_model("gaussian", (3,))
    torch.nn.init.ones_(copy.generative.mixture.output.weight)
    copy.units = GaussianLikelihood(torch.zeros(3).double(), torch.ones(3).double())
    copy.load_state_dict(model.state_dict())
    noise = _noise(3, 2, 9, dtype=torch.float32)
    for one, other in zip(model(y, noise), copy(y, noise), strict=True):
        assert torch.equal(one, other)
