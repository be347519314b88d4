"""Numbers: whatever the data and the settings, answers are finite and a bound stays below what it bounds."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from sklearn.exceptions import ConvergenceWarning

import gmvae.training.loop
from gmvae import GMVAE, CollapseWarning, DivergedError, TrainingWarning

Tally = Callable[[str, int], None]

# ---------------------------------------------------------------- everything is finite, or the guard says so

FAR = (1e3, 1e8, 0.9e12)
"""Standard deviations; steps beyond all measure make weights by which nothing stays finite so far off."""
KINDS = [
    "normal",
    "cauchy",
    "lognormal",
    "outliers",
    "discrete",
    "collinear",
    "constant",
    "two values",
    "binary",
    "grey",
]


def rows_of(kind: str, n: int, p: int, rng: np.random.Generator) -> NDArray[Any]:
    """Rows of a kind, in clusters, in units between a millionth and a million."""
    X = rng.normal(size=(n, p)) + 3.0 * rng.normal(size=(5, p))[rng.integers(0, 5, n)]
    if kind in ("binary", "grey"):
        return (X > 0.5) if kind == "binary" else special.expit(X).round(1)
    if kind == "cauchy":
        X = rng.standard_cauchy((n, p)) ** 3
    elif kind == "lognormal":
        X = np.exp(5.0 * X.clip(-9.0, 9.0))
    elif kind == "outliers":
        X[rng.integers(0, n, 2), rng.integers(0, p, 2)] = [1e8, -1e8]
    elif kind == "discrete":
        X = X.round().clip(-1.0, 2.0)
    elif kind == "collinear":
        X = X[:, :1] * rng.normal(size=p)
    elif kind == "constant":
        X[:, rng.random(p) < 0.5] = 1.0 / 3.0
    elif kind == "two values":
        X = np.where(X[:, :1] > 0.0, X[:1], X[1:2])
    units = 10.0 ** rng.uniform(-6.0, 6.0, size=p if rng.random() < 0.5 else 1)
    return (X * units + rng.choice([0.0, 1.0, 1e3]) * units).astype(rng.choice(["f4", "f8"]))


def case(number: int) -> tuple[NDArray[Any], dict[str, Any]]:
    """One of endlessly many fits: its rows and its parameters."""
    rng = np.random.default_rng(number)
    p = int(np.exp(rng.uniform(0.0, np.log(2000))))
    K = int(np.exp(rng.uniform(0.0, np.log(200))))
    latent_dim, n_mc_samples = int(rng.integers(1, 12)), int(rng.integers(1, 4))
    most = min(20_000, max(300, 1_500_000 // (p + 3 * K * latent_dim * n_mc_samples)))  # a second's work or so
    n = int(np.exp(rng.uniform(np.log(5), np.log(most))))
    K = min(K, n)
    near = (n <= 1000 and K <= 50) or K <= 3  # otherwise neighbours take long to find
    kind = KINDS[number % len(KINDS)]
    return rows_of(kind, n, p, rng), {
        "n_components": K,
        "latent_dim": latent_dim,
        "style_dim": int(rng.integers(1, 5)),
        "hidden_layer_sizes": tuple(rng.integers(1, 40, size=rng.integers(1, 4)).tolist()),
        "batch_norm": bool(rng.random() < 0.2),
        "likelihood": "gaussian" if rng.random() < 0.3 else "auto",
        "bound": str(rng.choice(["exact", "paper"])),
        "init": str(rng.choice(["random", "neighbours"])) if near else "random",
        "precision": str(rng.choice(["32-true", "bf16-mixed"])),
        "learning_rate": float(10.0 ** rng.choice([-3.0, -2.0, 0.0, 3.0, 10.0], p=[0.5, 0.2, 0.1, 0.1, 0.1])),
        "learning_rate_schedule": str(rng.choice(["constant", "one-cycle"])),
        "max_grad_norm": 1.0 if rng.random() < 0.2 else None,
        "min_information": float(rng.choice([0.0, 0.5])),
        "warm_up": float(rng.choice([0.0, 0.5])),
        "n_mc_samples": n_mc_samples,
        "n_init": int(rng.integers(1, 3)),
        "restarts_at_once": int(rng.integers(1, 3)),
        "validation_fraction": float(rng.choice([0.0, 0.1])),
        "batch_size": max(int(rng.choice([2, 16, 128])), n // 20),
        "max_iter": int(rng.integers(1, 3)),
        "random_state": number,
        "device": "cpu",
    }


def assert_sound(fitted: GMVAE, X: NDArray[Any]) -> None:
    """Finite everywhere, and probabilities of each row that add up."""
    K = fitted.n_components_
    found = {name: fitted.history_[name] for name in fitted.history_}
    found |= {"weights_": fitted.weights_, "held out": fitted.held_out_log_likelihoods_, "bound": fitted.lower_bound_}
    found |= {"samples": fitted.sample(20)[0], "means": fitted.sample(20, mean=True)[0]}
    found |= {"means of components": fitted.components().means, "scales": fitted.components().scales}
    asked = {"the data": X}
    if fitted.likelihood_ == "gaussian":
        mean, scale = X.mean(0, dtype=np.float64), X.std(0, dtype=np.float64)
        for far in FAR[: 3 if fitted.learning_rate <= 0.01 else 2 if fitted.learning_rate <= 1.0 else 0]:
            asked[f"{far:g} standard deviations away"] = mean + far * scale * np.sign(X[:20] - mean)
    for where, rows in asked.items():
        proba = fitted.predict_proba(rows)
        assert proba.min() >= 0.0, where
        np.testing.assert_allclose(proba.sum(1), 1.0, rtol=0, atol=1e-12, err_msg=where)
        assert np.isin(fitted.predict(rows), np.arange(K)).all(), where
        for method in ("transform", "transform_style", "reconstruct", *(["predict_log_odds"] if K > 1 else [])):
            found[f"{method} of {where}"] = getattr(fitted, method)(rows)
        found[f"score_samples of {where}"] = fitted.score_samples(rows[:200], n_importance_samples=3)
    for what, values in found.items():
        assert np.isfinite(values).all(), what
    assert np.isin(fitted.labels_, np.arange(K)).all()
    np.testing.assert_allclose(fitted.weights_.sum(), 1.0, rtol=0, atol=1e-9)
    assert 1.0 - 1e-9 <= fitted.n_components_effective_ <= K + 1e-9
    assert (fitted.history_["z_prior"] >= -1e-5).all()
    if fitted.component_weights == "uniform":
        assert (fitted.history_["z_prior"] <= math.log(K) + 1e-5).all()


@pytest.mark.parametrize(
    ("first", "n_fits"),
    [(18, 14), pytest.param(0, 400, marks=pytest.mark.slow)],  # up to a few seconds each
)
def test_fits_are_finite_or_say_that_they_are_not(
    first: int, n_fits: int, monkeypatch: pytest.MonkeyPatch, tally: Tally
) -> None:
    caught: list[str] = []
    lower_learning_rate = gmvae.training.loop.lower_learning_rate

    def counted(state: Any, failure: Exception, learning_rate: float) -> Any:
        caught.append(str(failure))
        return lower_learning_rate(state, failure, learning_rate)

    monkeypatch.setattr(gmvae.training.loop, "lower_learning_rate", counted)
    n_caught, n_diverged = 0, 0
    for number in range(first, first + n_fits):
        X, parameters = case(number)
        caught.clear()
        diverged = []
        fitted = GMVAE(**parameters)
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            try:
                fitted.fit(X)
                assert_sound(fitted, X)
            except DivergedError as error:
                assert not hasattr(fitted, "labels_")
                diverged = [str(error)]
            except AssertionError as error:
                raise AssertionError(f"case {number}: {parameters}") from error
        kinds = {warning.category for warning in told}
        assert kinds <= {ConvergenceWarning, CollapseWarning, TrainingWarning}, (number, [str(w.message) for w in told])
        said = [str(w.message) for w in told if w.category is TrainingWarning] + diverged
        n_restored = sum("restored the state before it" in sentence for sentence in said)
        n_given_up = len(caught) - n_restored
        assert 0 <= n_given_up <= parameters["n_init"], number
        assert any("even after the learning rate was lowered" in each for each in said) == (n_given_up > 0), number
        n_caught += len(caught)
        n_diverged += bool(diverged)
    tally("fits of the stress grid: finite everywhere, or an error that says why not", n_fits)
    tally("non-finite values caught in training, each told", n_caught)
    tally("fits given up with an error", n_diverged)


# ---------------------------------------------------------------- a bound stays below what it bounds

TINY: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 1,
    "style_dim": 1,
    "hidden_layer_sizes": (16,),
    "validation_fraction": 0.0,  # all rows decide when to stop: the held-out bound is of all
    "effort": "density",
    "tol": 0.0,
    "learning_rate": 1e-2,
    "batch_size": 20,
    "n_iter_no_change": 1000,
    "device": "cpu",
}


def few_rows(family: str, seed: int) -> NDArray[Any]:
    rng = np.random.default_rng(seed)
    component = rng.integers(0, 3, 60)
    X = rng.normal(size=(60, 2)) + 4.0 * np.array([[-1.0, 0.0], [1.0, 1.0], [1.0, -1.0]])[component]
    if family == "bernoulli":
        chance = np.array([[0.9, 0.9, 0.1, 0.1, 0.5], [0.1, 0.2, 0.9, 0.9, 0.5], [0.9, 0.1, 0.9, 0.1, 0.5]])
        return (rng.random((60, 5)) < chance[component]).astype(float)
    return X * [37.0, 0.02] + [1e4, -3.0]


@torch.no_grad()
def exact_log_evidence(fitted: GMVAE, X: NDArray[Any], n_x: int = 151, n_w: int = 41) -> NDArray[Any]:
    """log ∫∫ p(w) Σ_k p(x|w,z=k)/K p(y|x) dx dw of every row, summed over a grid; in nats, in the data's units."""
    model = copy.deepcopy(fitted.fitted_.model).double()
    ws, dw = np.linspace(-6.0, 6.0, n_w, retstep=True)
    ts, dt = np.linspace(-7.0, 7.0, n_x, retstep=True)  # x in standard deviations of its component
    log_p = np.full(len(X), -np.inf)
    for w in ws:
        mixture = model.generative.mixture(torch.tensor([w])).components
        for mean, scale in zip(mixture.mean[:, 0].tolist(), mixture.log_scale[:, 0].exp().tolist(), strict=True):
            p_y = model.observation(torch.from_numpy(mean + scale * ts)[:, None])
            if fitted.likelihood_ == "gaussian":
                units = model.units
                where = (p_y.mean * units.scale + units.shift).numpy()[:, None]
                spread = (p_y.log_scale.exp() * units.scale).numpy()[:, None]
                given_x = stats.norm.logpdf(X[None], where, spread).sum(-1)
            else:
                given_x = stats.bernoulli.logpmf(X[None], special.expit(p_y.logits.numpy())[:, None]).sum(-1)
            weight = stats.norm.logpdf(ts) + math.log(dt) + stats.norm.logpdf(w) + math.log(dw / 3)
            log_p = np.logaddexp(log_p, special.logsumexp(given_x + weight[:, None], axis=0))
    return log_p


@torch.no_grad()
def standard_error(fitted: GMVAE, X: NDArray[Any]) -> float:
    """Of a mean over the rows of single-sample bounds: how much noise alone moves it."""
    from gmvae.model import Noise

    generator = torch.Generator().manual_seed(1)
    y = torch.from_numpy(X)
    repeats = torch.stack(
        [
            fitted.fitted_.model(
                y, Noise(*(torch.randn(1, len(X), 1, generator=generator) for _ in range(2)))
            ).evidence_bound
            for _ in range(64)
        ]
    )
    return float(repeats.double().var(0).mean().sqrt()) / math.sqrt(len(X))


@pytest.mark.parametrize(
    "n_seeds",
    [1, pytest.param(12, marks=pytest.mark.slow)],  # twelve times as many fits, each integrated after every epoch
)
def test_the_bound_never_rises_above_the_evidence(n_seeds: int, tally: Tally) -> None:
    """After every epoch, under either bound and either likelihood, against the integral over both latents."""
    n_compared = 0
    for family, bound, seed in itertools.product(("gaussian", "bernoulli"), ("exact", "paper"), range(n_seeds)):
        X = few_rows(family, seed)
        gaps: list[float] = []

        def compare(partial: GMVAE, X: NDArray[Any] = X, gaps: list[float] = gaps) -> None:
            if len(partial.lower_bounds_) not in (1, 10, 60):
                return
            exact = exact_log_evidence(partial, X).mean()
            gaps.append(exact - partial.lower_bounds_[-1])
            assert gaps[-1] > -4.0 * standard_error(partial, X)

        model = GMVAE(**TINY, bound=bound, likelihood=family, max_iter=60, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            warnings.simplefilter("ignore", CollapseWarning)
            model.fit(X, on_epoch=compare)
        assert len(gaps) == 3
        assert gaps[-1] < 3.0, "close below, or this tests little"
        exact = exact_log_evidence(model, X)
        np.testing.assert_allclose(exact, exact_log_evidence(model, X, 301, 81), atol=0.02)
        # In expectation a bound too; low where a row may come from several places and its posterior has but one.
        above = model.score_samples(X, n_importance_samples=200_000) - exact
        assert -0.2 < above.mean() < 0.1
        assert above.max() < 0.3
        n_compared += len(gaps) + len(X)
    tally("bounds and densities held to an exact integral", n_compared)
