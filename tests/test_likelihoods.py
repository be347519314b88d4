"""Likelihoods: what they learn from rows, what the encoder sees, what densities pay for it, what is refused."""

from __future__ import annotations

import math
import warnings
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, stats
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.config import COUNTS, LikelihoodName
from gmvae.distributions import Normal
from gmvae.likelihoods import (
    FAMILIES,
    GaussianLikelihood,
    PoissonLikelihood,
    blank_likelihood,
    likelihood_for,
)
from gmvae.likelihoods.columns import rounding_noise
from gmvae.likelihoods.families import SIZED_FAMILIES
from gmvae.likelihoods.heavy_tails import HeavyTails, heavy_tails
from gmvae.likelihoods.poisson import Poisson
from gmvae.metrics import accuracy_hungarian


def tails(columns: list[int], centre: float = 2.0, spread: float = 0.5) -> HeavyTails:
    values = (torch.full((len(columns),), value, dtype=torch.float64) for value in (centre, spread, -9.0, 9.0))
    return HeavyTails(torch.tensor(columns), *values)


# ---------------------------------------------------------------- all families


def test_the_config_has_the_names() -> None:
    assert get_args(LikelihoodName) == ("auto", *FAMILIES)
    assert tuple(SIZED_FAMILIES) == COUNTS


def zeros_and_ones() -> NDArray[np.float64]:
    """Rows that every family takes."""
    return np.random.default_rng(6).integers(0, 2, size=(50, 3)).astype(np.float64)


@pytest.mark.parametrize("gaps", [False, True])
@pytest.mark.parametrize(
    ("name", "shape"),
    [(name, shape) for name in FAMILIES for shape in ((3,), (1, 3, 1)) if (name, shape[0]) != ("hurdle", 1)],
)
def test_a_blank_likelihood_takes_what_another_learned(name: str, shape: tuple[int, ...], gaps: bool) -> None:
    if name == "categorical" and len(shape) > 1:
        pytest.skip("images have no categories")
    rows = zeros_and_ones().reshape(50, *shape)
    if gaps:
        rows.flat[::5] = np.nan
    learned = likelihood_for(name, rows, size_factors="none")
    assert learned.name == ("mixed" if gaps or name == "categorical" else name)
    blank = blank_likelihood(learned.name, shape, learned.state_dict())
    blank.load_state_dict(learned.state_dict())
    y = torch.from_numpy(rows[:7])
    assert torch.equal(blank.standardised(y), learned.standardised(y))
    outputs = torch.randn(learned.n_outputs, 7, *learned.decoded_shape(shape), dtype=torch.float64)
    log_probs = [
        each.log_prob(each.distribution(list(outputs), len(shape)), y, each.standardised(y))
        for each in (blank, learned)
    ]
    assert torch.equal(*log_probs)
    assert log_probs[0].shape == (7,)


# ---------------------------------------------------------------- heavy tails


def test_bent_columns_are_numpys_asinh_and_others_stay() -> None:
    y = np.random.default_rng(0).standard_cauchy((40, 3))
    bent = tails([0, 2])(torch.from_numpy(y)).numpy()
    np.testing.assert_allclose(bent[:, [0, 2]], np.arcsinh((y[:, [0, 2]] - 2.0) / 0.5), rtol=1e-12)
    assert np.array_equal(bent[:, 1], y[:, 1])


def test_a_bend_is_undone() -> None:
    y = torch.from_numpy(np.random.default_rng(1).standard_cauchy((40, 3)))
    units = GaussianLikelihood(torch.full((3,), 0.3).double(), torch.full((3,), 2.0).double(), tails=tails([1]))
    torch.testing.assert_close(units.to_data_units(units.standardised(y)), y, rtol=1e-10, atol=1e-10)


def test_a_sample_far_out_stays_in_the_range_of_the_fit() -> None:
    units = GaussianLikelihood(torch.zeros(1).double(), torch.ones(1).double(), tails=tails([0]))
    farthest = math.sinh(9.0) * 0.5 + 2.0
    assert units.to_data_units(torch.tensor([[800.0], [-800.0]]).double()).flatten().tolist() == pytest.approx(
        [farthest, 4.0 - farthest]
    )


def test_a_density_of_bent_values_integrates_to_one_in_the_datas_units() -> None:
    units = GaussianLikelihood(torch.tensor([0.4]).double(), torch.tensor([1.7]).double(), tails=tails([0]))

    def density(y: float) -> float:
        value = units.standardised(torch.tensor([[y]], dtype=torch.float64))
        return float(np.exp(stats.norm.logpdf(value.item(), 0.2, 0.6) - units.log_volume(value).item()))

    ends = units.to_data_units(torch.tensor([[-5.0], [5.0]], dtype=torch.float64)).flatten().tolist()
    assert integrate.quad(density, *ends, points=[2.0], limit=500)[0] == pytest.approx(1.0, abs=1e-6)


def test_log_volume_is_the_slope_by_finite_differences() -> None:
    units = GaussianLikelihood(torch.tensor([0.4, 1.0]).double(), torch.tensor([1.7, 0.2]).double(), tails=tails([1]))
    value = torch.tensor([[0.3, -1.2], [1.0, 4.0]]).double()
    step = 1e-6
    slopes = [
        (units.to_data_units(value + e) - units.to_data_units(value - e)).sum(1) / (2 * step)
        for e in step * torch.eye(2)
    ]
    torch.testing.assert_close(units.log_volume(value), torch.stack(slopes).log().sum(0), rtol=1e-6, atol=1e-6)


def cauchy_beside(n: int = 2000) -> NDArray[np.float64]:
    rng = np.random.default_rng(2)
    marked = rng.normal(size=n)
    marked[rng.random(n) < 0.05] = -999.0
    bimodal = np.where(rng.random(n) < 0.3, 8.0, 0.0) + rng.normal(size=n)
    zeros = np.where(rng.random(n) < 0.9, 0.0, rng.lognormal(9.0, 0.5, n))
    columns = [rng.standard_cauchy(n), rng.normal(size=n), marked, rng.random(n) < 0.01, bimodal, zeros, np.ones(n)]
    return np.column_stack(columns).astype(np.float64)


def test_tails_are_told_from_modes_and_rare_answers() -> None:
    rows = cauchy_beside()
    found = heavy_tails(rows, torch.from_numpy(rows).split(300))
    assert found is not None
    assert found.columns.tolist() == [0, 2]
    quartiles = np.quantile(rows[:, 0], [0.25, 0.5, 0.75])
    assert (found.centre[0].item(), found.spread[0].item()) == pytest.approx(
        (quartiles[1], (quartiles[2] - quartiles[0]) / (2 * stats.norm.ppf(0.75))), rel=1e-3
    )
    bent = found(torch.from_numpy(rows))[:, [0, 2]]
    torch.testing.assert_close(found.low, bent.amin(0) - 1.0)
    torch.testing.assert_close(found.high, bent.amax(0) + 1.0)
    assert heavy_tails(rows[:, [1, 3, 4]], []) is None


def test_log_normal_columns_are_seen_as_their_logarithms() -> None:
    rng = np.random.default_rng(4)
    normal = rng.normal(size=3000)
    moved = np.where(rng.random(3000) < 0.03, 28.0, 20.0) + normal
    columns = [np.exp(0.7 * normal), 20.0 + normal, -np.exp(normal), np.exp(normal) * (rng.random(3000) < 0.9), moved]
    rows = np.column_stack(columns)
    found = heavy_tails(rows, [torch.from_numpy(rows)])
    assert found is not None
    assert found.columns.tolist() == [0]
    bent = found(torch.from_numpy(rows))[:, 0].numpy()
    upper = normal > stats.norm.ppf(0.25)
    assert np.polyfit(normal[upper], bent[upper], 1)[0] == pytest.approx(0.7, rel=0.02)
    assert abs(stats.skew(bent)) < 0.15


def test_columns_are_told_apart_at_any_size() -> None:
    normal = np.random.default_rng(5).normal(size=500)
    for size in (1e-120, 1.0, 1e120):
        rows = size * np.column_stack([np.exp(normal), normal, np.ones(500)])
        found = heavy_tails(rows, [torch.from_numpy(rows)])
        assert found is not None
        assert found.columns.tolist() == [0]


def test_bent_columns_may_be_as_far_as_numbers_go() -> None:
    units = GaussianLikelihood(torch.zeros(2).double(), torch.ones(2).double(), tails=tails([1]))
    low, high = units.limits()
    assert (low.tolist(), high.tolist()) == ([-1e12, -1e150], [1e12, 1e150])


# ---------------------------------------------------------------- rounding


def test_steps_of_grids_are_found() -> None:
    rng = np.random.default_rng(3)
    whole = rng.integers(0, 9, 200)
    columns = [whole, 0.1 * whole, whole // 5, rng.normal(size=200), np.full(200, 3), 2.5 * (whole // 3) - 7]
    found = rounding_noise(np.column_stack(columns).astype(np.float64))
    assert found is not None
    assert found.tolist() == pytest.approx([each / math.sqrt(12) for each in (1.0, 0.1, 1.0, 0.0, 0.0, 2.5)])


def test_steps_too_fine_to_matter_are_left() -> None:
    ids = np.arange(2000.0)[:, None]
    assert rounding_noise(ids) is None
    assert rounding_noise(np.random.default_rng(4).normal(size=(50, 2))) is None


def test_rounding_adds_its_variance() -> None:
    """A normal variable that is rounded has the variance of both (Sheppard 1898), by simulation."""
    outputs = torch.zeros(1, 1), torch.full((1, 1), -0.4)
    exact = GaussianLikelihood(torch.zeros(1).double(), torch.ones(1).double()).distribution(outputs, 1)
    rounded = np.round(stats.norm.rvs(scale=exact.log_scale.exp().item(), size=400_000, random_state=5))
    step = rounding_noise(rounded[:, None])
    assert step is not None
    units = GaussianLikelihood(torch.zeros(1).double(), torch.ones(1).double(), step)
    recorded = units.distribution(outputs, 1)
    assert recorded.log_scale.exp().item() == pytest.approx(rounded.std(), rel=5e-3)


def test_a_rare_yes_keeps_its_density() -> None:
    units = GaussianLikelihood.learn((np.arange(1000) < 5).astype(np.float64)[:, None])
    assert units.rounding is not None
    assert units.rounding.item() == pytest.approx(1.0 / math.sqrt(3.0))
    units = GaussianLikelihood.learn((np.arange(1000) < 500).astype(np.float64)[:, None])
    assert units.rounding is not None
    assert units.rounding.item() == pytest.approx(1.0 / math.sqrt(3.0))


def test_values_without_steps_are_recorded_as_they_are() -> None:
    outputs = torch.zeros(2, 3), torch.randn(2, 3)
    exact = GaussianLikelihood(torch.zeros(3), torch.ones(3)).distribution(outputs, 1)
    assert torch.equal(exact.log_scale, Normal.from_network(*outputs).log_scale)
    one = GaussianLikelihood(torch.zeros(3).double(), torch.ones(3).double(), torch.tensor([0.0, 0.5, 0.0]).double())
    recorded = one.distribution(outputs, 1)
    torch.testing.assert_close(recorded.log_scale[:, [0, 2]], exact.log_scale[:, [0, 2]])


# ---------------------------------------------------------------- counts


@pytest.mark.parametrize("rate", [1e-6, 0.3, 4.0, 900.0, 1e6, 3e12])
def test_poisson_log_probabilities_and_gradients_are_scipys(rate: float) -> None:
    counts = stats.poisson(rate).ppf([1e-6, 0.1, 0.5, 0.9, 1 - 1e-6]).clip(0)
    counts = np.concatenate([counts, [0.0, 1.0, np.round(1.7 * rate)]])
    log_rate = torch.full((len(counts), 1), math.log(rate), dtype=torch.float64, requires_grad=True)
    log_prob = Poisson(log_rate).log_prob(torch.from_numpy(counts)[:, None])
    rounding = 1e-15 * rate * max(1.0, math.log(rate))
    np.testing.assert_allclose(log_prob.detach().numpy(), stats.poisson.logpmf(counts, rate), rtol=1e-9, atol=rounding)
    log_prob.sum().backward()
    assert log_rate.grad is not None
    np.testing.assert_allclose(log_rate.grad.numpy()[:, 0], counts - rate, rtol=1e-9, atol=1e-9 * rate)


def test_poisson_gradients_are_finite_differences() -> None:
    counts = torch.tensor([[0, 3, 120], [7, 1, 0]], dtype=torch.uint8)
    log_rate = torch.tensor([[-2.0, 1.0, 5.0], [1.5, 0.0, 0.4]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda log_rate: Poisson(log_rate).log_prob(counts), (log_rate,))


def test_large_counts_keep_their_log_probability_in_single_precision() -> None:
    """Terms of 10^7 nats make a sum of about 8."""
    log_rate = torch.tensor([[math.log(1e6)]])
    count = torch.tensor([[1_000_500.0]])
    rate = float(log_rate.double().exp())
    expected = stats.poisson.logpmf(1_000_500, rate)
    assert Poisson(log_rate).log_prob(count).item() == pytest.approx(expected, abs=1e-4)


def test_poisson_sums_to_one_and_has_its_moments() -> None:
    counts = torch.arange(200.0, dtype=torch.float64)[:, None]
    law = Poisson(torch.full((200, 1), 3.1, dtype=torch.float64))
    assert law.log_prob(counts).exp().sum().item() == pytest.approx(1.0, abs=1e-12)
    rate = math.exp(3.1)
    assert law.mean[0].item() == pytest.approx(rate)
    drawn = Poisson(torch.full((100_000, 1), 3.1)).sample(torch.Generator().manual_seed(0))
    assert drawn.mean().item() == pytest.approx(rate, rel=0.01)
    assert drawn.var().item() == pytest.approx(rate, rel=0.02)


def counts(n: int = 400, seed: int = 7) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Three clusters of counts, and which is which."""
    rng = np.random.default_rng(seed)
    clusters = rng.integers(0, 3, n)
    rates = np.array([[20.0, 2.0, 1.0, 300.0], [2.0, 20.0, 1.0, 300.0], [2.0, 2.0, 12.0, 300.0]])
    return rng.poisson(rates[clusters]), clusters


def test_what_is_learned_of_counts() -> None:
    rows, _ = counts()
    rows[:, 2] = 0
    learned = likelihood_for("poisson", rows)
    assert isinstance(learned, PoissonLikelihood)
    seen = learned.standardised(torch.from_numpy(rows)).numpy()
    logs = np.log1p(rows[:, [0, 1, 3]])
    np.testing.assert_allclose(seen[:, [0, 1, 3]], (logs - logs.mean(0)) / logs.std(0), rtol=1e-9, atol=1e-12)
    assert np.array_equal(seen[:, 2], np.zeros(400))
    rates = learned.distribution([torch.zeros(1, 4, dtype=torch.float64)], 1).mean[0].numpy()
    np.testing.assert_allclose(rates, np.maximum(rows.mean(0), 1 / 400), rtol=1e-3)  # the bounds are smooth
    rates = learned.distribution([torch.tensor([[-1e4, -1.0, 1.0, 1e4]]).double()], 1).mean[0].numpy()
    expected = np.exp([-10.0, -1.0, 1.0, 10.0]) * np.maximum(rows.mean(0), 1 / 400)
    np.testing.assert_allclose(rates, expected, rtol=1e-3)


@pytest.mark.parametrize(("value", "named"), [(-1.0, "-1"), (0.5, "0.5"), (2.0**54, r"1\.80144e\+16")])
def test_what_is_no_count_is_named(value: float, named: str) -> None:
    rows = np.ones((5, 2))
    rows[3, 1] = value
    sentence = rf"X must hold whole numbers from 0 to 2\*\*53 for a Poisson likelihood; got {named} at X\[3, 1\]: count"
    for check in (PoissonLikelihood.learn, likelihood_for("poisson", np.ones((5, 2))).check):
        with pytest.raises(ValueError, match=sentence):
            check(rows)
    for kind in (bool, np.uint8, np.int64, np.float32):
        PoissonLikelihood.learn(np.ones((5, 2), dtype=kind))


SMALL_POISSON: dict[str, Any] = {
    "likelihood": "poisson",
    "latent_dim": 2,
    "hidden_layer_sizes": (32,),
    "batch_size": 40,
    "random_state": 0,
    "device": "cpu",
}


def quietly(estimator: GMVAE, X: NDArray[Any]) -> GMVAE:
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X)


def test_clusters_of_counts_are_found_saved_and_drawn_from(tmp_path: Path) -> None:
    X, clusters = counts()
    fitted = quietly(GMVAE(3, max_iter=30, **SMALL_POISSON), X)
    assert fitted.likelihood_ == "poisson"
    assert accuracy_hungarian(clusters, fitted.labels_) > 0.95
    fitted.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model", device="cpu")
    assert again.likelihood_ == "poisson"
    for method in ("predict_proba", "transform", "score_samples", "reconstruct"):
        assert np.array_equal(getattr(again, method)(X), getattr(fitted, method)(X))
    (drawn, _), (rates, _) = fitted.sample(3000), fitted.sample(3000, mean=True)  # of the same latents
    assert np.array_equal(drawn, drawn.round())
    assert drawn.min() >= 0
    surprise = (drawn - rates) / np.sqrt(rates)
    np.testing.assert_allclose(surprise.mean(0), 0.0, atol=0.08)
    np.testing.assert_allclose(surprise.var(0), 1.0, atol=0.15)
    with pytest.raises(ValueError, match="X must hold whole numbers"):
        fitted.predict(X + 0.5)


def test_scores_of_counts_are_log_probabilities_of_the_model() -> None:
    """Against the average of scipy's probabilities over draws of x from p(x)."""
    rows = counts()[0][:, :1]
    fitted = quietly(GMVAE(2, max_iter=60, **SMALL_POISSON), rows)
    model, generator = fitted.fitted_.model, torch.Generator().manual_seed(0)
    w = torch.randn(20_000, 2, generator=generator)
    with torch.no_grad():
        z = torch.multinomial(model.generative.mixture.log_weights.exp(), 20_000, True, generator=generator)
        rates = model.observation(model.generative.sample_latent(z, w, generator)).mean.numpy()
    expected = stats.poisson.logpmf(np.arange(150), rates)
    expected = np.logaddexp.reduce(expected, axis=0) - math.log(20_000)
    scores = fitted.score_samples(np.arange(150)[:, None], n_importance_samples=10_000)
    assert 0.9 < np.exp(scores).sum() < 1.02, "importance sampling stays below"
    assert -0.25 < (scores - expected)[rows[:, 0]].mean() < 0.02
    assert fitted.lower_bound_ < scores[rows[:, 0]].mean()


def test_counts_in_images_restarts_and_another_start() -> None:
    images = np.random.default_rng(8).poisson(3.0, size=(60, 8, 8)).astype(np.uint8)
    fitted = quietly(GMVAE(2, max_iter=2, n_init=2, restarts_at_once=2, init="random", **SMALL_POISSON), images)
    assert fitted.score_samples(images).shape == (60,)
    quietly(fitted.set_params(warm_start=True), images)
    assert np.isfinite(fitted.score_samples(images)).all()


def test_counts_from_the_command_line(tmp_path: Path) -> None:
    X, _ = counts(120)
    np.savetxt(tmp_path / "counts.csv", X, fmt="%d", delimiter=",", header="a,b,c,d", comments="")
    runner, run, table = CliRunner(), str(tmp_path / "run"), str(tmp_path / "counts.csv")
    small = [f"--set={each}" for each in ("likelihood=poisson", "hidden_layer_sizes=16", "latent_dim=2")]
    for command in (
        ["fit", table, "-k", "3", "--epochs", "2", "--seed", "0", "--device", "cpu", "-o", run, "-q", *small],
        ["predict", run, table, "-o", str(tmp_path / "labels.csv"), "--proba", "--novel", "5"],
        ["sample", run, "-n", "7", "--seed", "0", "-o", str(tmp_path / "drawn.csv")],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    told = runner.invoke(app, ["info", run, "--json"])
    assert "poisson" in told.stdout
    assert len((tmp_path / "labels.csv").read_text().splitlines()) == 121
    (tmp_path / "halves.csv").write_text("a,b,c,d\n1,2,3,4.5\n")
    refused = runner.invoke(app, ["predict", run, str(tmp_path / "halves.csv")])
    assert refused.exit_code == 2
    assert "X must hold whole numbers from 0 to 2**53" in refused.stderr
