"""Counts with size factors, and the negative binomial family: against scipy, and through fits."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from scipy.spatial.distance import pdist
from torch import Tensor
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.fitted.novelty import Novelty
from gmvae.likelihoods import NegativeBinomialLikelihood, PoissonLikelihood, blank_likelihood, likelihood_for
from gmvae.likelihoods.negative_binomial import NegativeBinomial
from gmvae.metrics import accuracy_hungarian

SMALL: dict[str, Any] = {"latent_dim": 2, "hidden_layer_sizes": (32,), "batch_size": 40, "random_state": 0}


def quietly(estimator: GMVAE, X: Any, **options: Any) -> GMVAE:
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, **options)


def cells(n: int = 300, genes: int = 20, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Three clusters of cells, whose depths differ twentyfold, and which is which."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 3, n)
    shares = rng.dirichlet(np.full(genes, 0.5), 3)[clusters]
    rates = rng.gamma(5.0, shares * np.exp(rng.uniform(3.0, 6.0, n))[:, None] / 5.0)
    X = rng.poisson(rates)
    X[:, 0] += 1  # none is empty
    return X, clusters


# ---------------------------------------------------------------- the negative binomial


@pytest.mark.parametrize("theta", [0.01, 0.7, 30.0, 1e4])
@pytest.mark.parametrize("rate", [1e-4, 0.4, 20.0, 1e5])
def test_log_probabilities_and_gradients_are_scipys(theta: float, rate: float) -> None:
    counts = np.array([0.0, 1.0, 2.0, 17.0, 1000.0, 1e5])
    log_rate = torch.full((6, 1), math.log(rate), dtype=torch.float64, requires_grad=True)
    log_theta = torch.full((1,), math.log(theta), dtype=torch.float64, requires_grad=True)
    log_prob = NegativeBinomial(log_rate, log_theta).log_prob(torch.from_numpy(counts)[:, None])
    expected = stats.nbinom.logpmf(counts, theta, theta / (theta + rate))
    np.testing.assert_allclose(log_prob.detach().numpy(), expected, rtol=1e-7, atol=1e-7)
    log_prob.sum().backward()
    assert log_rate.grad is not None
    assert log_theta.grad is not None
    by_rate = theta * (counts - rate) / (theta + rate)
    np.testing.assert_allclose(log_rate.grad.numpy()[:, 0], by_rate, rtol=1e-9, atol=1e-9)
    by_theta = special.digamma(counts + theta) - special.digamma(theta) + np.log(theta / (theta + rate))
    by_theta = theta * (by_theta + (rate - counts) / (theta + rate))
    np.testing.assert_allclose(log_theta.grad.item(), by_theta.sum(), rtol=1e-6, atol=1e-6)


def test_log_probabilities_of_draws_of_several_models_at_once_are_those_of_each() -> None:
    """Two models of their own θ, three draws of rates for the same counts, nearly all of which are 0."""
    generator = torch.Generator().manual_seed(0)
    count = torch.poisson(torch.full((2, 5, 4), 0.3), generator=generator)
    log_rate = torch.randn(2, 3, 5, 4, generator=generator, dtype=torch.float64)
    log_theta = torch.randn(2, 4, generator=generator, dtype=torch.float64).requires_grad_()

    def total(log_rate: Tensor, log_theta: Tensor, count: Tensor) -> Tensor:
        return NegativeBinomial(log_rate, log_theta).log_prob(count).square().sum()

    together = torch.func.vmap(total)(log_rate, log_theta, count)
    (gradient,) = torch.autograd.grad(together.sum(), log_theta)
    alone = torch.stack([total(*each) for each in zip(log_rate, log_theta, count, strict=True)])
    torch.testing.assert_close(together, alone)
    torch.testing.assert_close(gradient, torch.autograd.grad(alone.sum(), log_theta)[0])
    of_one = torch.func.vmap(total, in_dims=(0, None, None))(log_rate, log_theta[0], count[0])
    torch.testing.assert_close(of_one, torch.stack([total(each, log_theta[0], count[0]) for each in log_rate]))
    assert torch.autograd.gradcheck(lambda log_theta: total(log_rate[0], log_theta, count[0]), log_theta[0])


def test_exported_log_probabilities_are_the_same() -> None:
    count = torch.tensor([[0.0, 1.0, 0.0, 70.0]])
    log_rate, log_theta = torch.tensor([[0.1, 2.0, -3.0, 4.0]]).double(), torch.tensor([0.3, 2.0, -1.0, 0.7]).double()

    class Module(torch.nn.Module):
        def forward(self, log_rate: Tensor, log_theta: Tensor, count: Tensor) -> Tensor:
            return NegativeBinomial(log_rate, log_theta).log_prob(count)

    exported = torch.export.export(Module(), (log_rate, log_theta, count)).module()
    torch.testing.assert_close(exported(log_rate, log_theta, count), Module()(log_rate, log_theta, count))


@pytest.mark.parametrize("rate", [1e-30, 1e-8, 1e8])
def test_far_tails_are_finite(rate: float) -> None:
    """p(0) = (1 + μ/θ)^-θ, and of a huge count the leading terms, where probabilities themselves are 0."""
    law = NegativeBinomial(torch.tensor([[math.log(rate)]]).double(), torch.tensor([math.log(2.0)]).double())
    assert law.log_prob(torch.tensor([[0.0]])).item() == pytest.approx(-2.0 * math.log1p(rate / 2.0), rel=1e-6)
    y = 1e12
    leading = math.log(y) + y * -math.log1p(2.0 / rate) - 2.0 * math.log1p(rate / 2.0)
    assert law.log_prob(torch.tensor([[y]]).double()).item() == pytest.approx(leading, rel=1e-6)


def test_poisson_is_the_limit() -> None:
    counts = torch.tensor([[0.0], [3.0], [9.0]]).double()
    law = NegativeBinomial(torch.full((3, 1), math.log(4.0)).double(), torch.tensor([14.0]).double())
    np.testing.assert_allclose(law.log_prob(counts), stats.poisson.logpmf(counts[:, 0], 4.0), rtol=1e-4)


def test_it_sums_to_one_and_draws_have_its_moments() -> None:
    law = NegativeBinomial(torch.full((1, 1), math.log(6.0)), torch.tensor([math.log(1.5)]))
    assert law.log_prob(torch.arange(400.0).reshape(-1, 1)).double().exp().sum().item() == pytest.approx(1.0, abs=1e-5)
    many = NegativeBinomial(torch.full((200_000, 1), math.log(6.0)), torch.tensor([math.log(1.5)]))
    drawn = many.sample(torch.Generator().manual_seed(0)).double()
    assert drawn.mean().item() == pytest.approx(6.0, rel=0.01)
    assert drawn.var().item() == pytest.approx(6.0 + 36.0 / 1.5, rel=0.03)
    assert (drawn == 0).double().mean().item() == pytest.approx(stats.nbinom.pmf(0, 1.5, 0.2), rel=0.03)


def test_its_dispersion_begins_where_the_moments_have_it() -> None:
    rows = stats.nbinom.rvs(2.0, 2.0 / (2.0 + np.array([5.0, 40.0])), size=(20_000, 2), random_state=0)
    learned = likelihood_for("negative-binomial", rows, size_factors="none")
    assert isinstance(learned, NegativeBinomialLikelihood)
    np.testing.assert_allclose(learned.log_dispersion.exp().detach().numpy(), 2.0, rtol=0.1)


# ---------------------------------------------------------------- size factors


def with_column(X: NDArray[Any]) -> NDArray[np.float64]:
    """Counts with their totals, in thousands, as second column."""
    return np.insert(X.astype(float), 1, X.sum(1) / 1000.0, axis=1)


@pytest.mark.parametrize("name", ["poisson", "negative-binomial"])
@pytest.mark.parametrize("column", [False, True])
def test_what_is_learned_seen_and_scored(name: str, column: bool) -> None:
    X, _ = cells()
    rows = with_column(X) if column else X
    learned = likelihood_for(name, rows, size_factors="1" if column else "total")
    assert isinstance(learned, PoissonLikelihood | NegativeBinomialLikelihood)
    shape = rows.shape[1:]
    assert learned.seen_shape(shape) == learned.decoded_shape(shape) == (20,)
    totals = X.sum(1, keepdims=True)
    logs = np.log1p(X * np.median(totals) / totals)
    y = torch.from_numpy(rows)
    np.testing.assert_allclose(learned.standardised(y), (logs - logs.mean(0)) / logs.std(0), rtol=1e-9, atol=1e-9)

    outputs = torch.randn(300, 20, generator=torch.Generator().manual_seed(0)).double()
    assert learned.size_factors is not None
    shares = special.softmax(outputs.numpy() + learned.log_mean.numpy(), axis=1)
    observation = learned.distribution([outputs], 1)
    np.testing.assert_allclose(learned.sizes(rows), totals[:, 0], rtol=1e-12)
    mean = totals * shares
    if name == "poisson":
        expected = stats.poisson.logpmf(X, mean)
    else:
        assert isinstance(learned, NegativeBinomialLikelihood)
        theta = learned.log_dispersion.exp().detach().numpy()
        expected = stats.nbinom.logpmf(X, theta, theta / (theta + mean))
    scored = learned.log_prob(observation, y, learned.standardised(y)).detach()
    np.testing.assert_allclose(scored, expected.sum(1), rtol=2e-3)  # the bounds of outputs are smooth
    entries = observation.entry_log_prob(y).detach().numpy()
    if column:
        assert np.array_equal(entries[:, 1], np.zeros(300))
        entries = np.delete(entries, 1, axis=1)
    np.testing.assert_allclose(entries.sum(1), scored, rtol=1e-6)

    at_median = observation.mean.numpy()
    resized = learned.resized(at_median, rows)
    if column:
        np.testing.assert_allclose(at_median[:, 1], np.median(totals) / 1000.0)
        np.testing.assert_allclose(resized[:, 1], rows[:, 1])
        at_median, resized = np.delete(at_median, 1, axis=1), np.delete(resized, 1, axis=1)
    np.testing.assert_allclose(at_median.sum(1), np.median(totals))
    np.testing.assert_allclose(resized.sum(1), totals[:, 0])

    blank = blank_likelihood(name, shape, learned.state_dict())
    blank.load_state_dict(learned.state_dict())
    again = blank.log_prob(blank.distribution([outputs], 1), y, blank.standardised(y))
    assert torch.equal(again, learned.log_prob(observation, y, y))


@pytest.mark.parametrize("weighted", [False, True])
def test_clusters_start_on_pearson_residuals_of_the_median_dispersion_and_logs(weighted: bool) -> None:
    X, _ = cells()
    weights = np.random.default_rng(1).integers(1, 4, len(X)) if weighted else np.ones(len(X), dtype=int)
    learned = likelihood_for("negative-binomial", X, weights=weights.astype(float) if weighted else None)
    repeated = np.repeat(X, weights, axis=0)
    share = repeated.sum(0) / repeated.sum()
    mean = repeated.sum(1, keepdims=True) * share
    over_poisson = ((repeated - mean) ** 2 - mean).sum(0) / (mean**2).sum(0)
    theta = 1.0 / np.clip(np.sort(over_poisson[repeated.mean(0) >= 0.02]), 0.01, 1.0)
    assert learned.residual_dispersion == pytest.approx(theta[(len(theta) - 1) // 2])  # the lower median
    mean = X.sum(1, keepdims=True) * share
    residuals = ((X - mean) / np.sqrt(mean + mean**2 / learned.residual_dispersion)).clip(-50.0, 50.0)
    found, logs = np.split(learned.described(torch.from_numpy(X)).numpy(), 2, axis=1)
    np.testing.assert_allclose(found / residuals, learned.residual_weight, rtol=1e-9)
    seen = learned.standardised(torch.from_numpy(X)).numpy()
    np.testing.assert_allclose(logs - logs[:1], seen - seen[:1], rtol=1e-9, atol=1e-12)
    variances = [np.repeat(each, weights, axis=0).var(0).sum() for each in (found, logs)]
    assert variances[0] == pytest.approx(1.5 * variances[1])


def test_logs_are_compared_as_if_those_that_are_not_standardised_stood_beside_them() -> None:
    """Distances are those of both side by side, with half the total variance; columns without counts do not matter."""
    X, _ = cells()
    X = np.hstack([X, np.zeros((len(X), 50))])
    learned = likelihood_for("negative-binomial", X)
    weights = learned.log_weights
    assert weights is not None
    standardised = learned.standardised(torch.from_numpy(X)).numpy()
    logs = np.log1p(X * np.median(X.sum(1)) / X.sum(1, keepdims=True))
    both = np.hstack([standardised, logs * np.sqrt(0.5 * standardised.var(0).sum() / logs.var(0).sum())])
    np.testing.assert_allclose(pdist(weights * standardised), pdist(both), rtol=1e-6)


@pytest.mark.parametrize("theta", [2.0, 8.0, 1000.0])
def test_the_dispersion_of_residuals_is_that_of_most_columns(theta: float) -> None:
    """A tenth of the columns differ between clusters."""
    generator = np.random.default_rng(0)
    shares = generator.lognormal(0.0, 1.0, (1, 200)) * np.where(np.arange(200) < 20, [[3.0], [0.3]], 1.0)
    size = generator.lognormal(0.0, 0.8, (2000, 1))
    mean = 5.0 * size * shares[generator.integers(0, 2, 2000)]
    X = generator.poisson(generator.gamma(theta, mean / theta)).astype(float)
    learned = likelihood_for("negative-binomial", X[X.sum(1) > 0])
    assert isinstance(learned, NegativeBinomialLikelihood)
    assert learned.residual_dispersion == pytest.approx(min(theta, 100.0), rel=0.2)


def test_sizes_are_drawn_from_those_of_the_fit_by_their_weights() -> None:
    X, _ = cells(2000)
    weights = np.random.default_rng(1).integers(1, 4, 2000)
    learned = likelihood_for("negative-binomial", X, weights=weights.astype(float))
    assert isinstance(learned, NegativeBinomialLikelihood)
    assert learned.size_factors is not None
    drawn = learned.size_factors.draw((50_000,), torch.Generator().manual_seed(0))
    expected = np.repeat(X.sum(1), weights)
    for share in (0.1, 0.5, 0.9):
        assert np.quantile(drawn, share) == pytest.approx(np.quantile(expected, share), rel=0.03)


def test_auto_takes_totals_of_complete_rows_of_one_family_of_counts() -> None:
    X, _ = cells(50)
    gaps = X.astype(float)
    gaps[3, 2] = np.nan
    kinds: list[str | None] = [None] * 20
    kinds[4] = "gaussian"
    of = {"rows": X, "gaps": gaps}
    for name, rows, given, sized in (
        ("negative-binomial", "rows", None, True),
        ("poisson", "rows", None, False),
        ("negative-binomial", "gaps", None, False),
        ("negative-binomial", "rows", kinds, False),
    ):
        learned = likelihood_for(name, of[rows], kinds=given)
        assert (learned.sizes(X) is not None) == sized
    for rows, given in (("gaps", None), ("rows", kinds)):
        with pytest.raises(ValueError, match="`size_factors` must be 'none' unless X is a complete table of counts"):
            likelihood_for("negative-binomial", of[rows], kinds=given, size_factors="total")
    with pytest.raises(ValueError, match="`size_factors` must be 'none' unless X is a complete table of counts"):
        likelihood_for("gaussian", X, size_factors="total")
    with pytest.raises(ValueError, match="`size_factors` must name columns of X, a, b; got 'depth'"):
        likelihood_for("poisson", X[:, :2], ["a", "b"], size_factors="depth")
    with pytest.raises(ValueError, match="of counts of one likelihood; got '0' for no other columns"):
        likelihood_for("poisson", X[:, :1], size_factors="0")


def test_rows_without_counts_are_refused() -> None:
    X, _ = cells(50)
    empty = X.copy()
    empty[7] = 0
    with pytest.raises(ValueError, match=r"X must have a count above 0 in every row .* got none in row 7: drop it"):
        GMVAE(2, likelihood="negative-binomial").fit(empty)
    learned = likelihood_for("negative-binomial", X)
    with pytest.raises(ValueError, match="got none in row 7"):
        learned.check(empty)
    wrong = with_column(X)
    wrong[5, 1] = 0.0
    with pytest.raises(ValueError, match=r"X must be above 0 in the column of size factors; got 0 at X\[5, 1\]"):
        likelihood_for("negative-binomial", wrong, size_factors="1")


# ---------------------------------------------------------------- fits


@pytest.mark.parametrize("size_factors", ["total", "1", "none"])
def test_clusters_are_found_saved_and_drawn_from(size_factors: str, tmp_path: Path) -> None:
    X, clusters = cells()
    rows = with_column(X) if size_factors == "1" else X
    model = GMVAE(3, likelihood="negative-binomial", size_factors=size_factors, max_iter=20, **SMALL)
    fitted = quietly(model, rows)
    assert fitted.likelihood_ == "negative-binomial"
    if size_factors != "none":
        assert accuracy_hungarian(clusters, fitted.labels_) > 0.95
    fitted.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model")
    for method in ("predict_proba", "transform", "score_samples", "reconstruct", "is_novel"):
        assert np.array_equal(getattr(again, method)(rows), getattr(fitted, method)(rows))
    (drawn, _), (mean, _) = fitted.sample(3000), fitted.sample(3000, mean=True)
    counts = np.delete(drawn, 1, axis=1) if size_factors == "1" else drawn
    assert np.array_equal(counts, counts.round())
    assert mean.shape == drawn.shape == (3000, rows.shape[1])
    if size_factors != "none":
        for share in (0.1, 0.5, 0.9):
            assert np.quantile(counts.sum(1), share) == pytest.approx(np.quantile(X.sum(1), share), rel=0.25)


def test_what_is_novel_does_not_follow_the_depth() -> None:
    """Held-out rows of all depths are flagged alike, though their densities fall with the depth."""
    rng = np.random.default_rng(0)
    sizes = np.exp(rng.uniform(3.0, 8.0, 4000))
    densities = -2.0 * sizes**0.6 * np.exp(0.1 * rng.normal(size=4000))
    known, asked = slice(0, 1000), slice(1000, None)
    novel = Novelty.of(densities[known], sizes[known], 10.0)
    found = novel.holds(densities[asked], sizes[asked])
    deep = sizes[asked] > np.median(sizes)
    for part in (deep, ~deep):
        assert found[part].mean() == pytest.approx(0.1, abs=0.03)
    rarely = Novelty.of(densities[known], sizes[known], 0.1)
    assert rarely.holds(np.array([-2.0 * 500.0**0.6 * 1.6]), np.array([500.0]))[0]


def test_seeds_restarts_stacks_and_warm_starts() -> None:
    X, _ = cells(120)
    settings = {"likelihood": "negative-binomial", "max_iter": 2, **SMALL}
    one, stacked = (quietly(GMVAE(3, n_init=2, restarts_at_once=at_once, **settings), X) for at_once in (1, 2))
    np.testing.assert_allclose(one.restart_bounds_, stacked.restart_bounds_, rtol=1e-4)
    quietly(stacked.set_params(warm_start=True), X)
    assert np.isfinite(stacked.score_samples(X)).all()


def test_a_column_of_a_mixed_table_has_the_family() -> None:
    X, _ = cells(120)
    table = np.column_stack([X[:, 1], np.random.default_rng(0).normal(size=120)])
    fitted = quietly(GMVAE(2, likelihood={"0": "negative-binomial"}, max_iter=2, **SMALL), table)
    assert fitted.column_likelihoods_ == {0: "negative-binomial", 1: "gaussian"}
    assert np.isfinite(fitted.score_samples(table)).all()


def test_from_the_command_line(tmp_path: Path) -> None:
    X, _ = cells(120)
    names = ",".join(["g0", "depth", *(f"g{i}" for i in range(1, 20))])
    np.savetxt(tmp_path / "counts.csv", with_column(X), fmt="%g", delimiter=",", header=names, comments="")
    runner, run, table = CliRunner(), str(tmp_path / "run"), str(tmp_path / "counts.csv")
    sets = ["likelihood=negative-binomial", "size_factors=depth", "hidden_layer_sizes=16", "latent_dim=2"]
    for command in (
        ["fit", table, "-k", "3", "--epochs", "2", "--seed", "0", "-o", run, "-q", *(f"--set={each}" for each in sets)],
        ["predict", run, table, "-o", str(tmp_path / "labels.csv"), "--proba", "--novel", "5"],
        ["sample", run, "-n", "7", "--seed", "0", "-o", str(tmp_path / "drawn.csv")],
        ["info", run],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    assert "negative-binomial" in result.output
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 121
