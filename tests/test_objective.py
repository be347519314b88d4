"""The equation on hand-made distributions: every term by quadrature, by Monte Carlo and by naive loops."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import special, stats
from torch import Tensor

from gmvae import objective
from gmvae.distributions import Mixture, Normal, reparameterise
from gmvae.objective import (
    CONDITIONAL_PRIORS,
    Guidance,
    GuidedTerms,
    Terms,
    WeightSum,
    latent_terms,
    log_importance_weights,
    lower_bound,
    sharpened,
)

BOUNDS = ["exact", "paper"]
Array = NDArray[np.float64]


def log_mean_exp(log_weights: Tensor) -> Tensor:
    """The importance-weighted bound, of log weights (S, B)."""
    return torch.logsumexp(log_weights, 0) - math.log(len(log_weights))


class World(NamedTuple):
    """One observation with q(x|y), q(w|y) and a mixture whose components move and breathe with w."""

    x_mean: Array
    x_scale: Array
    w_mean: Array
    w_scale: Array
    weights: Array
    means: Array  # (K, D_x)
    moves: Array  # (K, D_x, D_w)
    log_scales: Array  # (K, D_x)

    @classmethod
    def draw(cls, seed: int, n_components: int, latent_dim: int, style_dim: int) -> World:
        rng = np.random.default_rng(seed)
        return cls(
            x_mean=rng.normal(size=latent_dim),
            x_scale=rng.uniform(0.5, 1.0, latent_dim),
            w_mean=rng.normal(size=style_dim) * 0.5,
            w_scale=rng.uniform(0.5, 1.2, style_dim),
            weights=rng.dirichlet(np.full(n_components, 5.0)),
            means=rng.normal(size=(n_components, latent_dim)) * 1.2,
            moves=rng.normal(size=(n_components, latent_dim, style_dim)) * 0.4,
            log_scales=rng.uniform(-0.7, 0.4, (n_components, latent_dim)),
        )

    def components(self, w: Array) -> tuple[Array, Array]:
        """Means and scales (n, K, D_x) at styles w (n, D_w)."""
        sway = 0.3 * np.sin(w.sum(-1))[:, None, None]
        return self.means + np.einsum("kdj,nj->nkd", self.moves, w), np.exp(self.log_scales + sway)

    def terms(self, x_noise: Tensor, w_noise: Tensor, bound: str, reconstruction: Tensor | None = None) -> Terms:
        """The library's terms for noise (S, D): a batch of one."""
        q_x, q_w = self.posterior()
        x, w = reparameterise(q_x, x_noise[:, None]), reparameterise(q_w, w_noise[:, None])
        if reconstruction is None:
            reconstruction = torch.zeros(len(x), 1, dtype=torch.float64)
        return latent_terms(reconstruction, q_x, q_w, x, self.mixture(w[:, 0]), CONDITIONAL_PRIORS[bound])

    def posterior(self) -> tuple[Normal, Normal]:
        as_tensor = [torch.from_numpy(value[None]) for value in self[:4]]
        return Normal(as_tensor[0], as_tensor[1].log()), Normal(as_tensor[2], as_tensor[3].log())

    def mixture(self, w: Tensor) -> Mixture:
        means, scales = self.components(w.numpy())
        components = Normal(torch.from_numpy(means)[:, None], torch.from_numpy(scales).log()[:, None])
        return Mixture(torch.from_numpy(np.log(self.weights)), components)


class Integrals(NamedTuple):
    """Terms of one observation by the trapezoidal rule, which converges exponentially on normal tails."""

    paper: float
    exact: float
    w_prior: float
    z_prior: float
    assignment: Array
    evidence: float  # E[log Σ_k π_k N(x | μ_k(w), σ²_k(w))]


def _integrate(world: World, points: int) -> Integrals:
    """Numerical integration over x and w, all in numpy and scipy."""
    axes = [
        np.linspace(mean - 7.5 * scale, mean + 7.5 * scale, points)
        for mean, scale in zip(
            np.concatenate([world.x_mean, world.w_mean]), np.concatenate([world.x_scale, world.w_scale]), strict=True
        )
    ]
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, len(axes))
    cell = np.prod([axis[1] - axis[0] for axis in axes])
    x, w = grid[:, : len(world.x_mean)], grid[:, len(world.x_mean) :]
    log_q_x = stats.norm(world.x_mean, world.x_scale).logpdf(x).sum(-1)
    log_q_w = stats.norm(world.w_mean, world.w_scale).logpdf(w).sum(-1)
    measure = np.exp(log_q_x + log_q_w) * cell
    means, scales = world.components(w)
    log_component = stats.norm(means, scales).logpdf(x[:, None]).sum(-1)
    joint = np.log(world.weights) + log_component
    responsibility = special.softmax(joint, -1)
    kl = np.log(scales / world.x_scale) + (world.x_scale**2 + (world.x_mean - means) ** 2) / (2.0 * scales**2) - 0.5
    log_p_w = stats.norm(0, 1).logpdf(w).sum(-1)
    assert measure.sum() == pytest.approx(1.0, abs=1e-9)
    return Integrals(
        paper=measure @ (responsibility * kl.sum(-1)).sum(-1),
        exact=measure @ (responsibility * (log_q_x[:, None] - log_component)).sum(-1),
        w_prior=measure @ (log_q_w - log_p_w),
        z_prior=measure @ special.rel_entr(responsibility, world.weights).sum(-1),
        assignment=measure @ responsibility,
        evidence=measure @ special.logsumexp(joint, -1),
    )


def _even_noise(points: int) -> tuple[Tensor, Tensor]:
    """A grid of normal quantiles in two dimensions: a mean over it is an integral, not a guess."""
    quantiles = torch.from_numpy(stats.norm.ppf((np.arange(points) + 0.5) / points))
    x, w = torch.cartesian_prod(quantiles, quantiles).unsqueeze(-1).unbind(1)
    return x, w


def _noise(seed: int, n_samples: int, *dims: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(n_samples, dim, generator=generator, dtype=torch.float64) for dim in dims]


# ---------------------------------------------------------------- the terms against quadrature


@pytest.mark.parametrize("seed", range(4))
def test_every_term_is_its_integral_on_the_line(seed: int) -> None:
    world = World.draw(seed, n_components=1 + seed, latent_dim=1, style_dim=1)
    integrals = _integrate(world, points=301)
    for bound in BOUNDS:
        terms = world.terms(*_even_noise(400), bound)
        assert terms.conditional_prior.item() == pytest.approx(getattr(integrals, bound), abs=3e-3)
        assert terms.w_prior.item() == pytest.approx(integrals.w_prior, abs=1e-9)
        assert terms.z_prior.item() == pytest.approx(integrals.z_prior, abs=1e-3)
        np.testing.assert_allclose(terms.assignment[0].numpy(), integrals.assignment, atol=1e-3)


@pytest.mark.parametrize("seed", range(3))
def test_every_term_is_its_integral_in_the_plane(seed: int) -> None:
    world = World.draw(10 + seed, n_components=3, latent_dim=2, style_dim=1)
    integrals = _integrate(world, points=61)
    n_chunks, n_samples = 40, 5000
    for bound in BOUNDS:
        chunks = [world.terms(*_noise(100 * seed + c, n_samples, 2, 1), bound) for c in range(n_chunks)]
        for name, expected in (("conditional_prior", getattr(integrals, bound)), ("z_prior", integrals.z_prior)):
            values = torch.cat([getattr(terms, name) for terms in chunks])
            error = values.std().item() / math.sqrt(n_chunks)
            assert error < 0.01
            assert values.mean().item() == pytest.approx(expected, abs=5.0 * error), (bound, name)
        assert chunks[0].w_prior.item() == pytest.approx(integrals.w_prior, abs=1e-8)


@pytest.mark.parametrize("seed", range(3))
def test_the_papers_term_exceeds_the_exact_one_by_the_covariances(seed: int) -> None:
    """Σ_k Cov(r_k, log p(x|z_k)) ≥ 0, the covariance over x at fixed w (the paper's is the looser bound)."""
    world = World.draw(20 + seed, n_components=3, latent_dim=1, style_dim=1)
    integrals = _integrate(world, points=301)
    x = np.linspace(world.x_mean - 8 * world.x_scale, world.x_mean + 8 * world.x_scale, 401)
    w = np.linspace(world.w_mean - 8 * world.w_scale, world.w_mean + 8 * world.w_scale, 201)
    q_x = stats.norm(world.x_mean, world.x_scale).pdf(x)[:, 0] * (x[1] - x[0])
    q_w = stats.norm(world.w_mean, world.w_scale).pdf(w)[:, 0] * (w[1] - w[0])
    means, scales = world.components(w)
    gap = 0.0
    for weight, mean, scale in zip(q_w, means, scales, strict=True):
        log_component = stats.norm(mean[:, 0], scale[:, 0]).logpdf(x)
        responsibility = special.softmax(np.log(world.weights) + log_component, -1)
        expected = q_x @ (responsibility * log_component) - (q_x @ responsibility) * (q_x @ log_component)
        assert expected.sum() >= -1e-12
        gap += weight * expected.sum()
    assert integrals.paper - integrals.exact == pytest.approx(gap, abs=1e-8)
    even = _even_noise(400)
    difference = world.terms(*even, "paper").conditional_prior - world.terms(*even, "exact").conditional_prior
    assert difference.item() == pytest.approx(gap, abs=3e-3)
    assert gap > 1e-3


# ---------------------------------------------------------------- the terms against torch.distributions


@pytest.mark.parametrize(("n_components", "latent_dim", "style_dim"), [(1, 2, 1), (4, 3, 2), (6, 8, 5)])
def test_every_term_is_its_monte_carlo_mean(n_components: int, latent_dim: int, style_dim: int) -> None:
    """An independent simulation with torch.distributions that even samples z, which the library never does."""
    world = World.draw(30 + n_components, n_components, latent_dim, style_dim)
    n_samples = 40_000
    torch.manual_seed(n_components)
    law_x = torch.distributions.Normal(torch.from_numpy(world.x_mean), torch.from_numpy(world.x_scale))
    law_w = torch.distributions.Normal(torch.from_numpy(world.w_mean), torch.from_numpy(world.w_scale))
    x, w = law_x.sample((n_samples,)), law_w.sample((n_samples,))
    means, scales = (torch.from_numpy(value) for value in world.components(w.numpy()))
    components = torch.distributions.Independent(torch.distributions.Normal(means, scales), 1)
    prior_z = torch.distributions.Categorical(torch.from_numpy(world.weights))
    log_component = components.log_prob(x[:, None])
    posterior_z = torch.distributions.Categorical(logits=log_component + prior_z.logits)
    z = posterior_z.sample()
    row = torch.arange(n_samples)
    chosen = torch.distributions.Normal(means[row, z], scales[row, z])
    log_q_x = law_x.log_prob(x).sum(-1)
    samples = {
        "paper": torch.distributions.kl_divergence(law_x, chosen).sum(-1),
        "exact": log_q_x - chosen.log_prob(x).sum(-1),
        "w_prior": (law_w.log_prob(w) - torch.distributions.Normal(0.0, 1.0).log_prob(w)).sum(-1),
        "z_prior": torch.distributions.kl_divergence(posterior_z, prior_z),
    }
    chunks = {
        bound: [world.terms(*_noise(7 * c, 2000, latent_dim, style_dim), bound) for c in range(20)] for bound in BOUNDS
    }
    for name, reference in samples.items():
        field = "conditional_prior" if name in BOUNDS else name
        values = torch.cat([getattr(terms, field) for terms in chunks[name if name in BOUNDS else "exact"]])
        error = math.hypot(reference.std().item() / math.sqrt(n_samples), values.std().item() / math.sqrt(20))
        assert values.mean().item() == pytest.approx(reference.mean().item(), abs=5.0 * error + 1e-9), name
    shares = torch.bincount(z, minlength=n_components) / n_samples
    assignment = torch.cat([terms.assignment for terms in chunks["exact"]]).mean(0)
    torch.testing.assert_close(assignment, shares.double(), rtol=0, atol=5.0 * 0.5 * math.sqrt(2.0 / n_samples))


def test_reconstruction_is_the_mean_over_samples_of_a_known_expectation() -> None:
    """y | x ~ N(2x - 1, 0.5²) has E_q[log p(y|x)] in closed form."""
    world = World.draw(40, 2, 1, 1)
    x_noise, w_noise = _even_noise(300)
    q_x, _ = world.posterior()
    x, y, scale = reparameterise(q_x, x_noise[:, None]), 0.7, 0.5
    log_likelihood = torch.distributions.Normal(2.0 * x[..., 0] - 1.0, scale).log_prob(torch.tensor(y).double())
    terms = world.terms(x_noise, w_noise, "exact", log_likelihood)
    square = (y - 2.0 * world.x_mean[0] + 1.0) ** 2 + 4.0 * world.x_scale[0] ** 2
    expected = -0.5 * math.log(2.0 * math.pi * scale**2) - square / (2.0 * scale**2)
    assert terms.reconstruction.item() == pytest.approx(expected, rel=3e-3)
    total = terms.reconstruction - terms.conditional_prior - terms.w_prior - terms.z_prior
    torch.testing.assert_close(terms.evidence_bound, total)


# ---------------------------------------------------------------- identities


@given(
    n_samples=st.integers(1, 3),
    n_rows=st.integers(1, 3),
    n_components=st.integers(1, 4),
    latent_dim=st.integers(1, 3),
    style_dim=st.integers(1, 3),
    seed=st.integers(0, 10_000),
)
@settings(max_examples=25)
def test_terms_equal_a_loop_over_everything(
    n_samples: int, n_rows: int, n_components: int, latent_dim: int, style_dim: int, seed: int
) -> None:
    rng = np.random.default_rng(seed)

    def normal(*shape: int) -> Normal:
        return Normal(torch.from_numpy(rng.normal(size=shape)), torch.from_numpy(rng.normal(size=shape) * 0.4))

    q_x, q_w = normal(n_rows, latent_dim), normal(n_rows, style_dim)
    weights = rng.dirichlet(np.ones(n_components))
    mixture = Mixture(torch.from_numpy(np.log(weights)), normal(n_samples, n_rows, n_components, latent_dim))
    x, w = (torch.from_numpy(rng.normal(size=(n_samples, n_rows, dim))) for dim in (latent_dim, style_dim))
    reconstruction = torch.from_numpy(rng.normal(size=(n_samples, n_rows)))
    found = {bound: latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS[bound]) for bound in BOUNDS}
    importance = log_importance_weights(reconstruction, q_x, q_w, x, w, mixture)

    def law(normal: Normal, *index: int) -> Any:
        return stats.norm(normal.mean[index].numpy(), normal.log_scale[index].exp().numpy())

    for b in range(n_rows):
        paper = exact = z_prior = 0.0
        assignment = np.zeros(n_components)
        law_x, law_w = law(q_x, b), law(q_w, b)
        for s in range(n_samples):
            at = x[s, b].numpy()
            laws = [law(mixture.components, s, b, k) for k in range(n_components)]
            joint = np.array([weights[k] * laws[k].pdf(at).prod() for k in range(n_components)])
            log_q = law_x.logpdf(at).sum()
            for k in range(n_components):
                r = joint[k] / joint.sum()
                ratio = law_x.std() / laws[k].std()
                shift = (law_x.mean() - laws[k].mean()) / laws[k].std()
                paper += r * (0.5 * (ratio**2 + shift**2 - 1.0) - np.log(ratio)).sum() / n_samples
                exact += r * (log_q - laws[k].logpdf(at).sum()) / n_samples
                z_prior += special.xlogy(r, r / weights[k]) / n_samples
                assignment[k] += r / n_samples
            style = w[s, b].numpy()
            log_weight = reconstruction[s, b].item() + stats.norm.logpdf(style).sum() + math.log(joint.sum())
            log_weight -= log_q + law_w.logpdf(style).sum()
            assert importance[s, b].item() == pytest.approx(log_weight, rel=1e-9, abs=1e-9)
        assert found["paper"].conditional_prior[b].item() == pytest.approx(paper, rel=1e-9, abs=1e-9)
        assert found["exact"].conditional_prior[b].item() == pytest.approx(exact, rel=1e-9, abs=1e-9)
        for terms in found.values():
            assert terms.reconstruction[b].item() == pytest.approx(reconstruction[:, b].mean().item())
            assert terms.z_prior[b].item() == pytest.approx(z_prior, rel=1e-9, abs=1e-9)
            np.testing.assert_allclose(terms.assignment[b].numpy(), assignment, atol=1e-12)


@pytest.mark.parametrize("seed", range(3))
def test_the_exact_bound_sums_z_out_sample_by_sample(seed: int) -> None:
    """Conditional prior + z-prior = log q(x|y) - log Σ_k π_k N(x | μ_k, σ²_k), not only on average."""
    world = World.draw(50 + seed, 4, 3, 2)
    x_noise, w_noise = _noise(seed, 1, 3, 2)
    terms = world.terms(x_noise, w_noise, "exact")
    q_x, q_w = world.posterior()
    x, w = reparameterise(q_x, x_noise[:, None]), reparameterise(q_w, w_noise[:, None])
    means, scales = world.components(w[:, 0].numpy())
    densities = [stats.norm(means[0, k], scales[0, k]).pdf(x[0, 0].numpy()).prod() for k in range(4)]
    log_q = stats.norm(world.x_mean, world.x_scale).logpdf(x[0, 0].numpy()).sum()
    expected = log_q - math.log(world.weights @ densities)
    assert (terms.conditional_prior + terms.z_prior).item() == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize("bound", BOUNDS)
def test_one_component_is_the_two_level_autoencoder(bound: str) -> None:
    """With K = 1 the z-prior is exactly 0 and the conditional prior is KL(q(x|y) ‖ p(x|w))."""
    world = World.draw(60, 1, 2, 1)
    terms = world.terms(*_noise(0, 20_000, 2, 1), bound)
    assert terms.z_prior.tolist() == [0.0]
    assert terms.assignment.tolist() == [[1.0]]
    w = np.linspace(world.w_mean - 9 * world.w_scale, world.w_mean + 9 * world.w_scale, 801)
    means, scales = world.components(w)
    kl = torch.distributions.kl_divergence(
        torch.distributions.Normal(torch.from_numpy(world.x_mean), torch.from_numpy(world.x_scale)),
        torch.distributions.Normal(torch.from_numpy(means[:, 0]), torch.from_numpy(scales[:, 0])),
    ).sum(-1)
    expected = np.trapezoid(stats.norm(world.w_mean, world.w_scale).pdf(w)[:, 0] * kl.numpy(), w[:, 0])
    assert terms.conditional_prior.item() == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("n_components", [2, 5, 10, 16])
def test_equal_components_cost_no_information(n_components: int, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(0)
    one = torch.randn(3, 4, 1, 2, generator=generator).to(dtype).expand(3, 4, n_components, 2)
    weights = torch.full((n_components,), -math.log(n_components), dtype=dtype)
    q_x, x = Normal(torch.zeros(4, 2, dtype=dtype), torch.zeros(4, 2, dtype=dtype)), one[:, :, 0] + 0.3
    for bound in BOUNDS:
        terms = latent_terms(
            torch.zeros(3, 4), q_x, q_x, x, Mixture(weights, Normal(one, 0.1 * one)), CONDITIONAL_PRIORS[bound]
        )
        assert (terms.assignment == terms.assignment[:, :1]).all()
        assert terms.z_prior.abs().max() < 1e-6
        # Nothing depends on how many equal components there are.
        single = Mixture(torch.zeros(1, dtype=dtype), Normal(one[:, :, :1], 0.1 * one[:, :, :1]))
        alone = latent_terms(torch.zeros(3, 4), q_x, q_x, x, single, CONDITIONAL_PRIORS[bound])
        torch.testing.assert_close(terms.conditional_prior, alone.conditional_prior, rtol=1e-5, atol=1e-5)


@given(seed=st.integers(0, 10_000), n_components=st.integers(1, 20), spread=st.floats(0.0, 1e3))
@settings(max_examples=25)
def test_information_lies_between_nothing_and_log_k(seed: int, n_components: int, spread: float) -> None:
    rng = np.random.default_rng(seed)
    means = torch.from_numpy(spread * rng.normal(size=(2, 3, n_components, 2))).float()
    weights = torch.full((n_components,), -math.log(n_components))
    q = Normal(torch.zeros(3, 2), torch.zeros(3, 2))
    x = torch.from_numpy(rng.normal(size=(2, 3, 2))).float()
    mixture = Mixture(weights, Normal(means, torch.zeros_like(means)))
    terms = latent_terms(torch.zeros(2, 3), q, q, x, mixture, CONDITIONAL_PRIORS["exact"])
    assert terms.z_prior.min() >= -1e-6
    assert terms.z_prior.max() <= math.log(n_components) + 1e-6
    torch.testing.assert_close(terms.assignment.sum(-1), torch.ones(3))


def test_certain_clusters_cost_log_k() -> None:
    means = torch.tensor([[-1e4], [0.0], [1e4], [2e4]])
    mixture = Mixture(torch.full((4,), -math.log(4.0)), Normal(means, torch.zeros(4, 1)))
    q = Normal(torch.zeros(1, 1), torch.zeros(1, 1))
    terms = latent_terms(torch.zeros(1, 1), q, q, torch.zeros(1, 1, 1), mixture, CONDITIONAL_PRIORS["paper"])
    assert terms.z_prior.item() == pytest.approx(math.log(4.0))
    assert terms.assignment.tolist() == [[0.0, 1.0, 0.0, 0.0]]
    # The one component that counts is q itself; the far ones weigh nothing, whatever their KL.
    assert terms.conditional_prior.item() == 0.0


# ---------------------------------------------------------------- the information constraint


def _rows(seed: int, n_rows: int = 5) -> tuple[dict[str, Tensor], Terms]:
    """Leaves of a small graph, and terms for a minibatch that depend on all of them."""
    generator = torch.Generator().manual_seed(seed)

    def leaf(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64).requires_grad_()

    leaves = {"q": leaf(4, n_rows, 2), "means": leaf(3, n_rows, 4, 2), "log_scales": leaf(3, n_rows, 4, 2)}
    q_x, q_w = Normal(leaves["q"][0], 0.3 * leaves["q"][1]), Normal(leaves["q"][2], 0.3 * leaves["q"][3])
    x = reparameterise(q_x, torch.randn(3, n_rows, 2, generator=generator, dtype=torch.float64))
    log_weights = torch.full((4,), -math.log(4.0), dtype=torch.float64)
    mixture = Mixture(log_weights, Normal(leaves["means"], 0.3 * leaves["log_scales"]))
    reconstruction = -(x - 1.0).square().sum(-1)
    return leaves, latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS["exact"])


def _gradients(value: Tensor, leaves: dict[str, Tensor]) -> list[Tensor]:
    return list(torch.autograd.grad(value, list(leaves.values()), retain_graph=True))


@pytest.mark.parametrize("seed", range(3))
def test_below_the_threshold_the_z_term_has_no_gradient_and_the_others_keep_theirs(seed: int) -> None:
    leaves, terms = _rows(seed)
    information = terms.z_prior.mean().item()
    bound = lower_bound(terms, 1.5 * information)
    others = (terms.reconstruction - terms.conditional_prior - terms.w_prior).mean()
    assert bound.item() == pytest.approx(others.item() - 1.5 * information, rel=1e-12)
    for actual, expected in zip(_gradients(bound, leaves), _gradients(others, leaves), strict=True):
        assert torch.equal(actual, expected)
    (of_z,) = torch.autograd.grad(bound, terms.z_prior, retain_graph=True)
    assert of_z.tolist() == [0.0] * 5
    # Without the constraint the z-prior does pull.
    assert any(slope.abs().max() > 1e-4 for slope in _gradients(terms.z_prior.mean(), leaves))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_from_the_threshold_on_the_bound_is_the_plain_one(share: float) -> None:
    leaves, terms = _rows(3)
    bound = lower_bound(terms, share * terms.z_prior.mean().item())
    plain = terms.evidence_bound.mean()
    assert bound.item() == pytest.approx(plain.item(), rel=1e-12)
    for actual, expected in zip(_gradients(bound, leaves), _gradients(plain, leaves), strict=True):
        torch.testing.assert_close(actual, expected, rtol=1e-12, atol=1e-14)


def _bare(z_prior: list[float]) -> tuple[Tensor, Terms]:
    z = torch.tensor(z_prior, dtype=torch.float64, requires_grad=True)
    nothing = torch.zeros_like(z, requires_grad=False)
    return z, Terms(nothing, nothing, nothing, z, nothing[:, None])


@pytest.mark.parametrize(
    ("threshold", "value", "slope"),
    [(0.9, -1.0, -0.5), (1.0, -1.0, -0.5), (1.1, -1.1, 0.0), (0.0, -1.0, -0.5)],
)
def test_the_threshold_meets_the_minibatch_mean_not_the_rows(threshold: float, value: float, slope: float) -> None:
    z, terms = _bare([0.0, 2.0])
    bound = lower_bound(terms, threshold)
    assert bound.item() == pytest.approx(value)
    assert torch.autograd.grad(bound, z)[0].tolist() == [slope, slope]


def test_the_threshold_leaves_the_reported_terms_alone() -> None:
    _, terms = _rows(4)
    before = [value.clone() for value in terms]
    lower_bound(terms, 100.0)
    assert all(torch.equal(value, kept) for value, kept in zip(terms, before, strict=True))
    total = terms.reconstruction - terms.conditional_prior - terms.w_prior - terms.z_prior
    torch.testing.assert_close(terms.evidence_bound, total)


@pytest.mark.parametrize("warmth", [0.0, 0.3, 1.0])
def test_warmth_weighs_the_terms_of_x_and_w_alone(warmth: float) -> None:
    _, terms = _rows(6)
    bound = lower_bound(terms, 0.0, warmth)
    weights = {"reconstruction": 1.0, "conditional_prior": -warmth, "w_prior": -warmth, "z_prior": -1.0}
    expected = sum(weight * getattr(terms, name).detach().numpy().mean() for name, weight in weights.items())
    assert bound.item() == pytest.approx(expected, rel=1e-12)


def _guided(terms: Terms, n_components: int = 3) -> tuple[GuidedTerms, Tensor, Tensor]:
    """Terms with the posteriors of five observations and of five guided ones, and the leaves under them."""
    generator = torch.Generator().manual_seed(9)
    own, guided = (torch.randn(5, n_components, dtype=torch.float64, generator=generator) for _ in range(2))
    own.requires_grad_(), guided.requires_grad_()
    return GuidedTerms(terms, sharpened(torch.log_softmax(own, -1)), torch.log_softmax(guided, -1)), own, guided


def test_guidance_costs_its_weight_times_the_cross_entropy_to_its_target() -> None:
    given, _, guided = _guided(_rows(5)[1])
    target = torch.eye(3, dtype=torch.float64)[[0, 2, 1, 1, 0]]
    bound = lower_bound(given.terms, 0.0) - Guidance(target, 0.7).cost(given._replace(target=target))
    chances = special.softmax(guided.detach().numpy(), -1)
    entropy = np.mean([-np.log(row[k]) for row, k in zip(chances, [0, 2, 1, 1, 0], strict=True)])
    assert bound.item() == pytest.approx(given.terms.evidence_bound.mean().item() - 0.7 * entropy, rel=1e-12)
    (slope,) = torch.autograd.grad(bound, guided)
    np.testing.assert_allclose(slope.numpy(), -0.7 * (chances - target.numpy()) / 5.0, rtol=1e-9)


def test_copies_are_drawn_to_the_sharpened_posterior_which_stays() -> None:
    given, own, guided = _guided(_rows(5)[1])
    bound = lower_bound(given.terms, 0.0) - Guidance(None, 2.0).cost(given)
    squares = special.softmax(own.detach().numpy(), -1) ** 2
    target = squares / squares.sum(-1, keepdims=True)
    log_guided = special.log_softmax(guided.detach().numpy(), -1)
    expected = given.terms.evidence_bound.mean().item() + 2.0 * (target * log_guided).sum(-1).mean()
    assert bound.item() == pytest.approx(expected, rel=1e-12)
    slopes = torch.autograd.grad(bound, (own, guided), allow_unused=True)
    assert slopes[0] is None
    np.testing.assert_allclose(slopes[1].numpy(), -2.0 * (np.exp(log_guided) - target) / 5.0, rtol=1e-9)


# ---------------------------------------------------------------- the importance-weighted bound


def test_the_largest_weight_counts_for_no_more_than_all_others() -> None:
    """Against sorted weights in plain numbers, however the samples come in parts."""
    log_weights = np.random.default_rng(0).normal(size=(12, 400)) * 3.0
    weights = np.sort(np.exp(log_weights), axis=0)
    others = weights[:-1].sum(0)
    dominated = weights[-1] > others
    assert 50 < dominated.sum() < 350
    nothing = torch.full((400,), -math.inf, dtype=torch.float64)
    for sizes in ([12], [1] * 12, [5, 7], [11, 1]):
        total = WeightSum(nothing, nothing)
        for part in torch.from_numpy(log_weights).split(sizes):
            total = total.plus(part)
        np.testing.assert_allclose(total.largest.exp().numpy(), weights[-1], rtol=1e-12)
        np.testing.assert_allclose(total.others.exp().numpy(), others, rtol=1e-12)
        expected = np.where(dominated, 2.0 * others, weights.sum(0))
        np.testing.assert_allclose(total.truncated.exp().numpy(), expected, rtol=1e-12)


def test_a_weight_that_dwarfs_the_others_hides_none_of_them() -> None:
    nothing = torch.full((3,), -math.inf)
    alike, dwarfed = torch.tensor([-1e4, 0.0, -math.inf]), torch.tensor([-2e4, -200.0, -math.inf])
    total = WeightSum(nothing, nothing).plus(torch.stack([dwarfed, alike, dwarfed]))
    expected = dwarfed + math.log(4.0)
    torch.testing.assert_close(total.truncated, expected)


def _weights_in_one_dimension(world: World, n: int, seed: int, y: float) -> tuple[Tensor, Tensor, Tensor]:
    """log importance weights and both bounds' integrands, (n,), for y | x ~ N(x, 0.6²)."""
    x_noise, w_noise = _noise(seed, n, 1, 1)
    q_x, q_w = world.posterior()
    x, w = reparameterise(q_x, x_noise[:, None]), reparameterise(q_w, w_noise[:, None])
    likelihood = torch.distributions.Normal(x[..., 0], 0.6).log_prob(torch.tensor(y).double())
    mixture = world.mixture(w[:, 0])
    log_weights = log_importance_weights(likelihood, q_x, q_w, x, w, mixture)[:, 0]
    per_sample = []
    for bound in BOUNDS:
        log_joint, log_posterior = mixture.log_joint(x), mixture.log_posterior(x)
        conditional = CONDITIONAL_PRIORS[bound](q_x, x, mixture, log_joint, log_posterior.exp())
        z_prior = (log_posterior.exp() * (log_posterior - mixture.log_weights)).sum(-1)
        per_sample.append((likelihood - conditional - z_prior - q_w.kl_to_standard())[:, 0])
    return log_weights, per_sample[0], per_sample[1]


@pytest.mark.parametrize("seed", range(3))
def test_paper_bound_exact_bound_importance_bound_evidence_in_that_order(seed: int) -> None:
    """Against log p(y) by integration over x and w, in a world where components do depend on w."""
    world, y = World.draw(70 + seed, 3, 1, 1), 0.4
    x, w = np.linspace(-15.0, 15.0, 601), np.linspace(-8.0, 8.0, 321)
    means, scales = world.components(w[:, None])
    density = stats.norm(means, scales).pdf(x)  # (W, K, X), for the single dimension of x
    joint = np.einsum("wkx,k,w,x->", density, world.weights, stats.norm.pdf(w), stats.norm(x, 0.6).pdf(y))
    evidence = math.log(joint * (x[1] - x[0]) * (w[1] - w[0]))
    n = 200_000
    log_weights, exact, paper = _weights_in_one_dimension(world, n, seed, y)

    def mean_and_error(values: Tensor) -> tuple[float, float]:
        return values.mean().item(), values.std().item() / math.sqrt(len(values))

    # With one sample the importance-weighted bound is the exact bound, in expectation.
    of_one, error_of_one = mean_and_error(log_weights)
    of_exact, error_of_exact = mean_and_error(exact)
    assert of_one == pytest.approx(of_exact, abs=5.0 * math.hypot(error_of_one, error_of_exact))
    chain = [mean_and_error(paper), (of_exact, error_of_exact)]
    chain += [mean_and_error(log_mean_exp(log_weights.reshape(size, -1))) for size in (5, 50)]
    chain.append((evidence, 0.0))
    for (lower, its_error), (upper, other_error) in pairwise(chain):
        assert lower <= upper + 4.0 * math.hypot(its_error, other_error)
    assert chain[0][0] < chain[1][0] < chain[2][0]
    # All samples together estimate the evidence itself, without bias before the logarithm.
    ratio = (log_weights - evidence).exp()
    everything = log_mean_exp(log_weights[:, None]).item()
    assert everything == pytest.approx(evidence, abs=5.0 * ratio.std().item() / math.sqrt(n))
    assert everything == pytest.approx(evidence, abs=0.05)


# ---------------------------------------------------------------- far away, and finite differences


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("min_information", [0.0, 0.5])
def test_far_away_terms_and_gradients_are_finite(bound: str, min_information: float) -> None:
    """Samples and components 10,000 standard deviations apart, in float32."""
    far = torch.tensor([[1e4, -1e4], [0.0, 1e4], [0.0, 0.0]])
    q_mean, q_log_scale = far.clone().requires_grad_(), torch.full((3, 2), -5.0, requires_grad=True)
    means = torch.tensor([[0.0, 0.0], [1.0, -1.0], [-1e4, 1e4]]).requires_grad_()
    log_scales = torch.tensor([[0.0, 0.0], [-5.0, 3.0], [-5.0, -5.0]]).requires_grad_()
    q_x = Normal(q_mean, q_log_scale)
    x = reparameterise(q_x, torch.randn(2, 3, 2, generator=torch.Generator().manual_seed(0)))
    mixture = Mixture(torch.full((3,), -math.log(3.0)), Normal(means.expand(2, 3, 3, 2), log_scales.expand(2, 3, 3, 2)))
    terms = latent_terms(torch.zeros(2, 3), q_x, q_x, x, mixture, CONDITIONAL_PRIORS[bound])
    assert all(value.isfinite().all() for value in terms)
    weights = log_importance_weights(torch.zeros(2, 3), q_x, q_x, x, x, mixture)
    total = lower_bound(terms, min_information) + 1e-3 * log_mean_exp(weights).mean()
    for slope in torch.autograd.grad(total, [q_mean, q_log_scale, means, log_scales]):
        assert slope.isfinite().all()


@pytest.mark.parametrize("bound", BOUNDS)
@pytest.mark.parametrize("min_information", [0.0, 10.0])
def test_gradients_are_those_of_finite_differences(bound: str, min_information: float) -> None:
    """Through the samples and through the responsibilities: nothing is detached, no sign is turned."""
    generator = torch.Generator().manual_seed(1)

    def leaf(*shape: int) -> Tensor:
        return (0.6 * torch.randn(*shape, generator=generator, dtype=torch.float64)).requires_grad_()

    x_noise, w_noise = (torch.randn(3, 2, 2, generator=generator, dtype=torch.float64) for _ in range(2))
    log_weights = torch.tensor([0.2, 0.5, 0.3], dtype=torch.float64).log()

    def objectives(q: Tensor, means: Tensor, raw: Tensor) -> tuple[Tensor, ...]:
        q_x, q_w = Normal(q[0], q[1]), Normal(q[2], q[3])
        x, w = reparameterise(q_x, x_noise), reparameterise(q_w, w_noise)
        components = Normal(means + w.unsqueeze(-2), raw + 0.1 * w.sin().unsqueeze(-2))
        mixture = Mixture(log_weights, components)
        reconstruction = -x.square().sum(-1)
        terms = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS[bound])
        weights = log_importance_weights(reconstruction, q_x, q_w, x, w, mixture)
        return *terms, lower_bound(terms, min_information), log_mean_exp(weights)

    assert torch.autograd.gradcheck(objectives, (leaf(4, 2, 2), leaf(3, 2), leaf(3, 2)))


def test_both_bounds_are_named() -> None:
    assert sorted(CONDITIONAL_PRIORS) == BOUNDS
    assert CONDITIONAL_PRIORS["paper"] is objective.paper_conditional_prior
    assert CONDITIONAL_PRIORS["exact"] is objective.exact_conditional_prior
