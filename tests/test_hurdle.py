"""The hurdle likelihood: one value with a probability of its own, all others normal."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from scipy.special import expit
from sklearn.exceptions import ConvergenceWarning

from gmvae import GMVAE
from gmvae.likelihoods import families_of, likelihood_for
from gmvae.likelihoods.hurdle import HurdleLikelihood, mostly_repeated


def gains(n: int = 400, seed: int = 0) -> NDArray[Any]:
    """A gain that is mostly 0 and a grade that is mostly 7.5."""
    rng = np.random.default_rng(seed)
    gain = np.where(rng.random(n) < 0.8, 0.0, 1000.0 + 100.0 * rng.normal(size=n))
    grade = np.where(rng.random(n) < 0.6, 7.5, 5.0 + rng.normal(size=n))
    return np.column_stack([gain, grade])


def test_it_learns_the_repeated_value_and_the_units_of_the_others() -> None:
    y = gains()
    learned = HurdleLikelihood.learn(y)
    assert learned.value.tolist() == [0.0, 7.5]
    for column, value, shift, scale in zip(y.T, (0.0, 7.5), learned.others.shift, learned.others.scale, strict=True):
        others = column[column != value]
        np.testing.assert_allclose([shift, scale], [others.mean(), others.std()], rtol=1e-9)


def test_log_probabilities_and_gradients_are_scipys() -> None:
    y = gains()
    learned, rng = HurdleLikelihood.learn(y), np.random.default_rng(1)
    raw = torch.from_numpy(rng.normal(size=(3, 400, 2))).requires_grad_()
    observation = learned.distribution(list(raw), 1)
    rows = torch.from_numpy(y)
    found = learned.log_prob(observation, rows, learned.standardised(rows))
    shift, scale = learned.others.shift.numpy(), learned.others.scale.numpy()
    logits, mean, log_scale = raw[0].detach().numpy(), observation.others.mean, observation.others.log_scale
    normal = stats.norm(shift + scale * mean.detach().numpy(), scale * log_scale.exp().detach().numpy())
    one = y == learned.value.numpy()
    expected = np.where(one, np.log(expit(logits)), np.log(expit(-logits)) + normal.logpdf(y))
    np.testing.assert_allclose(found.detach().numpy(), expected.sum(1), rtol=1e-9)
    (gradient,) = torch.autograd.grad(found.sum(), raw)
    np.testing.assert_allclose(gradient[0].numpy(), one - expit(logits), rtol=1e-9, atol=1e-12)
    assert (gradient[1].numpy()[one] == 0.0).all()
    assert (gradient[1].numpy()[~one] != 0.0).all()


def test_masses_and_densities_add_up_to_one() -> None:
    learned = HurdleLikelihood.learn(gains()[:, :1])
    raw = torch.tensor([0.3, -0.4, 0.2], dtype=torch.float64).view(3, 1, 1)
    grid = torch.linspace(-2000.0, 4000.0, 200_001, dtype=torch.float64)[:, None]
    others = grid[(grid != 0.0).any(1)]
    observation = learned.distribution(list(raw), 1)
    density = learned.log_prob(observation, others, others).exp()
    mass = learned.log_prob(observation, torch.zeros(1, 1, dtype=torch.float64), others[:1]).exp()
    total = float(density.sum() * (grid[1] - grid[0]) + mass)
    assert total == pytest.approx(1.0, abs=1e-3)


def test_samples_and_means_follow_it() -> None:
    learned = HurdleLikelihood.learn(gains())
    raw = torch.tensor([[1.0, -0.5], [0.2, 0.4], [0.1, 0.3]], dtype=torch.float64)
    observation = learned.distribution([each.expand(40_000, -1) for each in raw], 1)
    drawn = observation.sample(torch.Generator().manual_seed(0)).numpy()
    np.testing.assert_allclose((drawn == [0.0, 7.5]).mean(0), expit([1.0, -0.5]), atol=0.01)
    np.testing.assert_allclose(drawn.mean(0), observation.mean[0].numpy(), rtol=0.02)


def test_the_encoder_sees_which_rows_have_the_value_and_the_others_standardised() -> None:
    y = gains()
    y[3, 0] = np.nan
    learned = HurdleLikelihood.learn(y)
    seen = learned.standardised(torch.from_numpy(y)).numpy()
    assert seen.shape == (400, 4)
    assert np.isnan(seen[3, [0, 2]]).all()
    np.testing.assert_array_equal(seen[4:, :2], y[4:] == [0.0, 7.5])
    others = y[:, 1] != 7.5
    assert (seen[~others, 3] == 0.0).all()
    np.testing.assert_allclose([seen[others, 3].mean(), seen[others, 3].std()], [0.0, 1.0], atol=1e-9)


def test_auto_takes_it_where_numbers_stand_beside_other_kinds() -> None:
    y, rng = gains(), np.random.default_rng(2)
    rows = np.column_stack([y, rng.normal(size=400), rng.integers(0, 3, 400), rng.random(400) < 0.9])
    assert mostly_repeated(rows).tolist() == [True, True, False, False, False]
    kinds = [None, None, None, "categorical", "bernoulli"]
    assert families_of("auto", rows, kinds=kinds) == {
        "bernoulli": [4],
        "gaussian": [2],
        "hurdle": [0, 1],
        "categorical": [3],
    }
    assert families_of("auto", rows[:, :3]) == {"gaussian": [0, 1, 2]}, "numbers alone, as flat pictures, stay normal"
    assert families_of("gaussian", rows, kinds=kinds)["gaussian"] == [0, 1, 2]


def test_what_it_cannot_be() -> None:
    with pytest.raises(ValueError, match="must have several values; got 1 in nearly all rows of column 0"):
        likelihood_for("hurdle", np.ones((20, 1)))
    with pytest.raises(ValueError, match="must not be 'hurdle' for images"):
        likelihood_for("hurdle", np.ones((20, 1, 8, 8)))


def test_people_with_and_without_gains(tmp_path: Path) -> None:
    """A frame through a fit, its file and back: zeros are drawn as zeros, and clusters see who has a gain."""
    rng = np.random.default_rng(3)
    rich = rng.random(400) < 0.5
    gain = np.where(rich & (rng.random(400) < 0.9), np.round(5000.0 + 500.0 * rng.normal(size=400)), 0.0)
    job = np.where(rich, "owner", "clerk")
    frame = pd.DataFrame({"gain": gain, "job": job, "town": rng.choice(["a", "b", "c"], 400)})
    settings = {"latent_dim": 2, "hidden_layer_sizes": (16,), "max_iter": 200, "random_state": 0}
    model = GMVAE(2, **settings).fit(frame)
    with pytest.warns(ConvergenceWarning):
        GMVAE(2, **settings | {"max_iter": 5}).fit(frame)
    assert model.column_likelihoods_["gain"] == "hurdle"
    drawn = model.sample(300)[0]
    assert 0.3 < (drawn["gain"] == 0).mean() < 0.75
    assert drawn["gain"][drawn["gain"] > 0].min() > 2000
    assert max((model.labels_ == rich).mean(), (model.labels_ != rich).mean()) > 0.95
    model.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model")
    np.testing.assert_array_equal(again.predict_proba(frame), model.predict_proba(frame))
    np.testing.assert_array_equal(again.score_samples(frame), model.score_samples(frame))
    gaps = frame.assign(gain=np.where(np.arange(400) < 50, np.nan, gain))
    filled = model.impute(gaps)["gain"].to_numpy()
    assert np.abs(filled[:50] - gain[:50]).mean() < np.abs(gain[:50] - gain.mean()).mean()
