"""Likelihoods: what they learn from rows, what the encoder sees, what densities pay for it, what is refused."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import integrate, stats

from gmvae.config import LikelihoodName
from gmvae.distributions import Normal
from gmvae.likelihoods import LIKELIHOODS, GaussianLikelihood, likelihood_for
from gmvae.likelihoods.columns import rounding_noise
from gmvae.likelihoods.heavy_tails import HeavyTails, heavy_tails


def tails(columns: list[int], centre: float = 2.0, spread: float = 0.5) -> HeavyTails:
    values = (torch.full((len(columns),), value, dtype=torch.float64) for value in (centre, spread, -9.0, 9.0))
    return HeavyTails(torch.tensor(columns), *values)


# ---------------------------------------------------------------- all families


def test_the_config_has_the_names() -> None:
    assert get_args(LikelihoodName) == ("auto", *LIKELIHOODS)


def zeros_and_ones() -> NDArray[np.float64]:
    """Rows that every family takes."""
    return np.random.default_rng(6).integers(0, 2, size=(50, 3)).astype(np.float64)


@pytest.mark.parametrize("name", LIKELIHOODS)
@pytest.mark.parametrize("shape", [(3,), (1, 3, 1)])
def test_a_blank_likelihood_takes_what_another_learned(name: str, shape: tuple[int, ...]) -> None:
    rows = zeros_and_ones().reshape(50, *shape)
    learned = likelihood_for(name, rows)
    assert learned.name == name
    blank = LIKELIHOODS[name].blank(shape, learned.state_dict())
    blank.load_state_dict(learned.state_dict())
    y = torch.from_numpy(rows[:7])
    assert torch.equal(blank.standardised(y), learned.standardised(y))
    outputs = torch.randn(learned.n_outputs, 7, *shape, dtype=torch.float64)
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
    rare = torch.from_numpy((np.arange(1000) < 5).astype(np.float64)[:, None])
    units = GaussianLikelihood.from_batches([rare], torch.tensor([1.0 / math.sqrt(12.0)]).double())
    assert units.rounding is not None
    assert units.rounding.item() == pytest.approx(1.0 / math.sqrt(3.0))
    even = torch.from_numpy((np.arange(1000) < 500).astype(np.float64)[:, None])
    units = GaussianLikelihood.from_batches([even], torch.tensor([1.0 / math.sqrt(12.0)]).double())
    assert units.rounding is not None
    assert units.rounding.item() == pytest.approx(1.0 / math.sqrt(3.0))


def test_values_without_steps_are_recorded_as_they_are() -> None:
    outputs = torch.zeros(2, 3), torch.randn(2, 3)
    exact = GaussianLikelihood(torch.zeros(3), torch.ones(3)).distribution(outputs, 1)
    assert torch.equal(exact.log_scale, Normal.from_network(*outputs).log_scale)
    one = GaussianLikelihood(torch.zeros(3).double(), torch.ones(3).double(), torch.tensor([0.0, 0.5, 0.0]).double())
    recorded = one.distribution(outputs, 1)
    torch.testing.assert_close(recorded.log_scale[:, [0, 2]], exact.log_scale[:, [0, 2]])
