"""The estimator: what it takes, its answers against the model by hand, what it keeps, and that it finds clusters."""

from __future__ import annotations

import dataclasses
import inspect
import re
import time
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from numpy.typing import NDArray
from scipy import special, stats
from sklearn.datasets import make_blobs
from sklearn.exceptions import NotFittedError
from torch import Tensor, nn

import gmvae.fitting.starts
from gmvae import GMVAE, ModelFileError, persistence
from gmvae.config import Config
from gmvae.data.synthetic import arcs
from gmvae.distributions import LOG_SCALE_BOUNDS
from gmvae.estimator.inputs import query_rows
from gmvae.fitted.certainty import is_ambiguous
from gmvae.fitting import restarts, selection
from gmvae.likelihoods import BernoulliLikelihood, likelihood_for
from gmvae.metrics import accuracy_hungarian, ari
from gmvae.model import GaussianMixtureVAE
from gmvae.observations import shaped_as_fitted
from gmvae.training import Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)

SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 1,
    "component_weights": "learned",
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "batch_size": 16,
    "init": "random",
    "random_state": 0,
    "device": "cpu",
}


def small(**changed: Any) -> GMVAE:
    return GMVAE(**{**SMALL, **changed})


def whole_numbers(n: int = 60, p: int = 4) -> NDArray[Any]:
    """Values that every numeric type holds exactly, and no Bernoulli variable takes."""
    return np.random.default_rng(0).integers(0, 9, size=(n, p)).astype(np.float64)


def grey(n: int = 30, channels: int = 1, size: int = 8) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 256, size=(n, channels, size, size), dtype=np.uint8)


def weights(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}


def assert_same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


class Encoder(nn.Module):
    """A trunk of the user's own."""

    def __init__(self, p: int) -> None:
        super().__init__()
        self.layer = nn.Linear(p, 7)
        self.norm = nn.BatchNorm1d(7)

    def forward(self, y: Tensor) -> Tensor:
        return torch.tanh(self.norm(self.layer(y.flatten(1))))


class Decoder(nn.Module):
    """Its counterpart, for normal or Bernoulli data."""

    def __init__(self, shape: tuple[int, ...], n_outputs: int) -> None:
        super().__init__()
        self.shape = (n_outputs, *shape)
        self.layer = nn.Linear(2, int(np.prod(self.shape)))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x).unflatten(-1, self.shape)


def own_pair(shape: tuple[int, ...] = (4,), n_outputs: int = 2) -> tuple[nn.Module, nn.Module]:
    torch.manual_seed(0)
    return Encoder(int(np.prod(shape))), Decoder(shape, n_outputs)


# ---------------------------------------------------------------- one truth about hyperparameters


def test_signature_is_the_config() -> None:
    parameters = list(inspect.signature(GMVAE.__init__).parameters.values())[1:]
    fields = dataclasses.fields(Config)
    assert [p.name for p in parameters] == [f.name for f in fields]
    for parameter, field in zip(parameters, fields, strict=True):
        assert parameter.default == field.default, field.name
        assert type(parameter.default) is type(field.default), field.name
    assert [p.name for p in parameters if p.kind is not inspect.Parameter.KEYWORD_ONLY] == ["n_components"]


def test_docstring_names_every_parameter_with_its_default() -> None:
    section = inspect.getdoc(GMVAE).split("Parameters\n----------\n")[1].split("\n\nAttributes")[0]  # type: ignore[union-attr]
    entries = re.findall(r"^(\w+) : (.+), default=(.+)$", section, flags=re.MULTILINE)
    assert [name for name, _, _ in entries] == [field.name for field in dataclasses.fields(Config)]
    for (name, kind, default), field in zip(entries, dataclasses.fields(Config), strict=True):
        assert eval(default) == field.default, name
        choices = field.metadata["domain"].choices if field.metadata["domain"] else ()
        for choice in choices:
            assert f'"{choice}"' in kind, name


def test_docstring_names_every_attribute() -> None:
    fitted = small().fit(pd.DataFrame(whole_numbers(), columns=list("abcd")))
    public = {name for name in vars(fitted) if name.endswith("_") and not name.startswith("_")}
    public |= {name for name, kind in inspect.getmembers(GMVAE) if isinstance(kind, property) and name.endswith("_")}
    public.discard("_repr_html_")
    section = inspect.getdoc(GMVAE).split("Attributes\n----------\n")[1].split("\n\nReferences")[0]  # type: ignore[union-attr]
    assert set(re.findall(r"^(\w+_) : ", section, flags=re.MULTILINE)) == public


def test_every_public_method_is_documented() -> None:
    for name, method in inspect.getmembers(GMVAE, callable):
        if not name.startswith("_"):
            assert inspect.getdoc(method), name


def test_parameters_are_checked_at_fit_and_not_before() -> None:
    estimator = GMVAE(n_components=0)
    with pytest.raises(ValueError, match="`n_components` must be an integer of at least 1 or 'auto'; got 0"):
        estimator.fit(whole_numbers())


def test_parameters_stay_as_given() -> None:
    given = {**SMALL, "hidden_layer_sizes": [8], "n_components": np.int64(3), "learning_rate": np.float32(0.01)}
    estimator = GMVAE(**given).fit(whole_numbers())
    for name, value in given.items():
        assert getattr(estimator, name) is value


# ---------------------------------------------------------------- what X may be

KINDS = {
    "list": lambda X: X.tolist(),
    "float32": lambda X: X.astype(np.float32),
    "float16": lambda X: X.astype(np.float16),
    "int64": lambda X: X.astype(np.int64),
    "int8": lambda X: X.astype(np.int8),
    "uint8": lambda X: X.astype(np.uint8),
    "uint16": lambda X: X.astype(np.uint16),
    "object": lambda X: X.astype(object),
    "big-endian": lambda X: X.astype(">f4"),
    "Fortran": np.asfortranarray,
    "every other row": lambda X: np.repeat(X, 2, axis=0)[::2],
    "every other column": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "reversed": lambda X: X[::-1].copy()[::-1],
    "read-only": lambda X: np.broadcast_to(X, X.shape),
    "torch": lambda X: torch.from_numpy(X),
    "torch with gradient": lambda X: torch.from_numpy(X).requires_grad_(),
    "torch bfloat16": lambda X: torch.from_numpy(X).bfloat16(),
    "torch transposed": lambda X: torch.from_numpy(X.T.copy()).T,
    "torch int": lambda X: torch.from_numpy(X).int(),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_array_gives_the_same_fit(kind: str) -> None:
    X = whole_numbers()
    expected, same = small(max_iter=1).fit(X), KINDS[kind](X)
    fitted = small(max_iter=1).fit(same)
    assert_same_weights(weights(fitted.fitted_.model), weights(expected.fitted_.model))
    assert np.array_equal(fitted.predict_proba(same), expected.predict_proba(X))
    assert np.array_equal(fitted.score_samples(same), expected.score_samples(X))
    assert not hasattr(fitted, "feature_names_in_")


@pytest.mark.parametrize("frame", [pd.DataFrame, pl.DataFrame])
def test_frames_keep_their_column_names(frame: Any) -> None:
    X = whole_numbers()
    table = frame({name: X[:, column] for column, name in enumerate("abcd")})
    fitted = small().fit(table)
    assert fitted.feature_names_in_.tolist() == list("abcd")
    assert np.array_equal(fitted.predict(table), small().fit(X).labels_)
    with pytest.raises(ValueError, match="feature names should match those that were passed during fit"):
        fitted.predict(table[["b", "a", "c", "d"]])
    with pytest.warns(UserWarning, match="does not have valid feature names"):
        fitted.predict(X)


def test_booleans() -> None:
    X = whole_numbers() > 4
    fitted = small().fit(X)
    assert fitted.likelihood_ == "bernoulli"
    assert_same_weights(weights(fitted.fitted_.model), weights(small().fit(X.astype(float)).fitted_.model))
    assert np.array_equal(fitted.predict(X), fitted.predict(X.astype(int)))


def test_grey_levels_are_scaled() -> None:
    """uint8 images equal the same images in [0, 1]."""
    levels = grey()
    shares = levels.astype(np.float32) / 255
    fitted, expected = small().fit(levels), small().fit(shares)
    ours, theirs = weights(fitted.fitted_.model), weights(expected.fitted_.model)
    assert (ours.pop("units.top_level"), theirs.pop("units.top_level")) == (255.0, 1.0)
    assert_same_weights(ours, theirs)
    assert np.array_equal(fitted.predict_proba(levels), expected.predict_proba(shares))
    assert np.array_equal(fitted.predict_proba(levels), fitted.predict_proba(shares))
    decoded = fitted.reconstruct(levels)
    assert decoded.min() >= 0
    assert decoded.max() <= 1


def test_uint8_of_zeros_and_ones_is_not_scaled() -> None:
    X = (grey() > 127).astype(np.uint8)
    fitted = small().fit(X)
    assert float(fitted.fitted_.model.units.top_level) == 1.0
    assert np.array_equal(fitted.predict_proba(X), fitted.predict_proba(X.astype(float)))
    with pytest.raises(
        ValueError, match=r"X must lie in \[0, 1\] for a Bernoulli likelihood; got \d+ at X\[0, 0, 0, \d\]"
    ):
        fitted.predict(grey())


def test_images_of_every_shape() -> None:
    X = grey().astype(np.float32) / 255
    fitted = small().fit(X[:, 0])
    assert fitted.event_shape_ == (1, 8, 8)
    assert fitted.n_features_in_ == 64
    proba = fitted.predict_proba(X)
    for same in (
        X[:, 0],
        X.reshape(30, 64),
        torch.from_numpy(X),
        np.asfortranarray(X),
        X[:, :, ::-1, ::-1][:, :, ::-1, ::-1],
    ):
        assert np.array_equal(fitted.predict_proba(same), proba)
    assert fitted.reconstruct(X).shape == (30, 1, 8, 8)
    assert fitted.sample(4)[0].shape == (4, 1, 8, 8)
    assert fitted.transform(X).shape == (30, 2)
    colour = small(max_iter=1).fit(grey(channels=3, size=9))
    assert colour.event_shape_ == (3, 9, 9)
    assert colour.sample(2)[0].shape == (2, 3, 9, 9)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (
            np.zeros((5, 8, 8, 3)),
            r"X must have shape \(n, p\), \(n, H, W\) or .* got \(5, 8, 8, 3\): move the channels",
        ),
        (np.zeros((5, 1, 1, 8, 8)), r"X must have shape .* got \(5, 1, 1, 8, 8\)"),
        (np.zeros((0, 8, 8)), r"Found array with 0 sample\(s\)"),
        (np.zeros((1, 4)), r"Found array with 1 sample\(s\)"),
        (np.zeros(9), "Expected 2D array, got 1D array"),
        (np.full((9, 2), np.nan), "X must hold a value in every row to fit; got none in row 0: drop it"),
        (np.full((9, 8, 8), np.inf), r"X must hold finite numbers .*; got infinity at X\[0, 0, 0\]"),
        (
            np.zeros((2, 4)),
            "`n_components` must be at most the number of rows; got 3 for 2 rows: take fewer",
        ),
    ],
)
def test_unfit_data(X: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        small().fit(X)


@pytest.mark.parametrize("init", ["random", "kmeans", "gmm", "neighbours"])
def test_as_many_components_as_rows(init: str) -> None:
    X = whole_numbers(12)
    fitted = small(n_components=12, init=init, max_iter=1, validation_fraction=0.4).fit(X)
    assert fitted.predict_proba(X).shape == (12, 12)


@pytest.mark.parametrize("init", ["kmeans", "gmm", "neighbours"])
def test_rows_that_are_all_alike(init: str) -> None:
    fitted = small(init=init, max_iter=1).fit(np.full((20, 3), 7.0))
    assert np.isfinite(fitted.score_samples(np.full((2, 3), 7.0))).all()


def test_wrong_shapes_at_predict() -> None:
    images, rows = small().fit(grey()), small().fit(whole_numbers())
    with pytest.raises(ValueError, match=r"X must have observations of shape \(1, 8, 8\) as in `fit`; got \(1, 9, 9\)"):
        images.predict(grey(size=9))
    with pytest.raises(ValueError, match=r"X must have observations of shape \(4,\) as in `fit`; got \(1, 2, 2\)"):
        rows.predict(whole_numbers().reshape(-1, 2, 2))
    with pytest.raises(ValueError, match="X has 3 features, but GMVAE is expecting 4 features"):
        rows.predict(whole_numbers()[:, :3])
    with pytest.raises(ValueError, match=r"got infinity at X\[0, 0\]"):
        rows.score_samples(np.full((2, 4), np.inf))


FAMILIES = [
    (np.array([[True, False]] * 4), "bernoulli"),
    (np.array([[0.0, 1.0]] * 4), "bernoulli"),
    (np.array([[0.2, 0.7]] * 4), "gaussian"),  # measurements scaled to [0, 1]
    (np.array([[0.2] + [0.0] * 3] * 4), "bernoulli"),  # grey levels, most of them black
    (np.array([[0.2, 0.7] * 4 + [0.0]] * 4), "gaussian"),  # measurements beside a constant
    (np.linspace(0, 1, 44).reshape(4, 11), "gaussian"),
    (np.array([[0, 1]] * 4), "bernoulli"),
    (np.array([[0, 1]] * 4, dtype=np.uint8), "bernoulli"),
    (np.array([[0, 255]] * 4, dtype=np.uint8), "gaussian"),  # rows of counts, not grey levels
    (grey(), "bernoulli"),
    (grey(channels=3), "bernoulli"),
    (grey().astype(np.int64), "gaussian"),
    (grey().astype(float) / 255, "bernoulli"),
    (np.array([[0.0, 1.0001]] * 4), "gaussian"),
    (np.array([[-1e-9, 1.0]] * 4), "gaussian"),
    (np.array([[-1, 1]] * 4), "gaussian"),
]


@pytest.mark.parametrize(("X", "family"), FAMILIES)
def test_automatic_likelihood(X: NDArray[Any], family: str) -> None:
    assert likelihood_for("auto", X).name == family
    assert likelihood_for("gaussian", X).name == "gaussian"
    fitted = small(max_iter=1, n_components=1).fit(X)
    assert fitted.likelihood_ == family


def test_bernoulli_by_name_needs_its_values() -> None:
    assert likelihood_for("bernoulli", np.array([[0, 255]], dtype=np.uint8)).name == "bernoulli"
    with pytest.raises(ValueError, match=r"X must lie in \[0, 1\] .* got \d at X\[0, \d\]: rescale"):
        small(likelihood="bernoulli").fit(whole_numbers())


# ---------------------------------------------------------------- answers, against the model by hand


@pytest.fixture(scope="module")
def fitted() -> GMVAE:
    X = whole_numbers(200) + np.random.default_rng(1).normal(size=(200, 4))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return small(precision="64-true", max_iter=20, learning_rate=0.02).fit(X)


@pytest.fixture(scope="module")
def X() -> NDArray[Any]:
    return whole_numbers(50) + 0.25


def posteriors(fitted: GMVAE, X: NDArray[Any]) -> tuple[NDArray[Any], ...]:
    """Means and scales of q(x|y) and q(w|y), from the recognition network alone."""
    units = fitted.fitted_.model.units
    standard = (X - units.shift.numpy()) / units.scale.numpy()
    with torch.no_grad():
        q_x, q_w = fitted.fitted_.model.recognition(torch.from_numpy(standard))
    return tuple(each.numpy() for each in (q_x.mean, q_x.log_scale.exp(), q_w.mean, q_w.log_scale.exp()))


def log_joint(fitted: GMVAE, x: NDArray[Any], w: NDArray[Any]) -> NDArray[Any]:
    """log p(z) N(x | z, w) of every row and component, the components one style at a time."""
    found = []
    for x_row, w_row in zip(x, w, strict=True):
        means, scales = fitted.components(w_row)
        found.append(stats.norm.logpdf(x_row, means, scales).sum(1) + np.log(weights_of(fitted)))
    return np.array(found)


def weights_of(fitted: GMVAE) -> NDArray[Any]:
    """π of p(z)."""
    return special.softmax(fitted.fitted_.model.generative.mixture.log_weights.detach().numpy())


def test_proba_is_the_posterior_at_the_means(fitted: GMVAE, X: NDArray[Any]) -> None:
    x, _, w, _ = posteriors(fitted, X)
    expected = special.softmax(log_joint(fitted, x, w), axis=1)
    proba = fitted.predict_proba(X)
    np.testing.assert_allclose(proba, expected, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(proba.sum(1), 1.0, rtol=1e-14)
    assert proba.min() >= 0
    assert np.ptp(proba, axis=0).min() > 0.01, "rows differ, or this tests nothing"


def test_predict_is_the_most_probable(fitted: GMVAE, X: NDArray[Any]) -> None:
    labels = fitted.predict(X)
    assert labels.dtype.kind == "i"
    assert np.array_equal(labels, fitted.predict_proba(X).argmax(1))


def test_transform_is_the_mean(fitted: GMVAE, X: NDArray[Any]) -> None:
    np.testing.assert_allclose(fitted.transform(X), posteriors(fitted, X)[0], rtol=1e-12)


def decoded(fitted: GMVAE, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and scale of p(y|x) in the data's units."""
    units = fitted.fitted_.model.units
    with torch.no_grad():
        p_y = fitted.fitted_.model.observation(torch.from_numpy(x))
    scale = units.scale.numpy()
    return p_y.mean.numpy() * scale + units.shift.numpy(), p_y.log_scale.exp().numpy() * scale


def test_inverse_transform_is_in_the_datas_units(fitted: GMVAE, X: NDArray[Any]) -> None:
    x = np.random.default_rng(0).normal(size=(9, 2))
    np.testing.assert_allclose(fitted.inverse_transform(x), decoded(fitted, x)[0], rtol=1e-12)
    for same in (x.tolist(), pd.DataFrame(x), torch.from_numpy(x).requires_grad_(), np.asfortranarray(x)):
        assert np.array_equal(fitted.inverse_transform(same), fitted.inverse_transform(x))
    np.testing.assert_allclose(fitted.reconstruct(X), decoded(fitted, posteriors(fitted, X)[0])[0], rtol=1e-12)


def test_inverse_transform_needs_latents(fitted: GMVAE) -> None:
    with pytest.raises(ValueError, match=r"X must have shape \(n, 2\), as `transform` gives; got shape \(3, 4\)"):
        fitted.inverse_transform(np.zeros((3, 4)))
    for bad, sentence in [(np.zeros(2), "Expected 2D"), (np.zeros((0, 2)), "0 sample"), ([[np.nan, 0.0]], "NaN")]:
        with pytest.raises(ValueError, match=sentence):
            fitted.inverse_transform(bad)


def test_score_samples_by_hand(fitted: GMVAE, X: NDArray[Any]) -> None:
    """log-mean of p(y|x) p(w) p(x|w) / q(x|y) q(w|y) with the method's fixed noise, in scipy."""
    x_mean, x_scale, w_mean, w_scale = posteriors(fitted, X[:7])
    generator = torch.Generator().manual_seed(0)
    noise_x, noise_w = (torch.randn(5, 1, dim, generator=generator).double().numpy() for dim in (2, 1))
    log_weights = []
    for each_x, each_w in zip(noise_x, noise_w, strict=True):
        x, w = x_mean + x_scale * each_x, w_mean + w_scale * each_w
        log_p = stats.norm.logpdf(X[:7], *decoded(fitted, x)).sum(1) + stats.norm.logpdf(w).sum(1)
        log_p += special.logsumexp(log_joint(fitted, x, w), axis=1)
        log_q = stats.norm.logpdf(x, x_mean, x_scale).sum(1) + stats.norm.logpdf(w, w_mean, w_scale).sum(1)
        log_weights.append(log_p - log_q)
    expected = special.logsumexp(log_weights, axis=0) - np.log(5)
    np.testing.assert_allclose(fitted.score_samples(X[:7], n_importance_samples=5), expected, rtol=1e-8)
    assert fitted.score(X) == pytest.approx(fitted.score_samples(X).mean(), rel=1e-12)


def test_score_samples_is_a_density_of_the_datas_units() -> None:
    """The same data in other units: log p changes by the log of the volume."""
    X = np.random.default_rng(0).normal(size=(64, 2))
    one, other = (small(precision="64-true").fit(factor * X) for factor in (1.0, 1024.0))
    gained = one.score_samples(X) - other.score_samples(1024.0 * X)
    np.testing.assert_allclose(gained, 2 * np.log(1024.0), rtol=1e-6)


def test_importance_samples_are_a_count(fitted: GMVAE, X: NDArray[Any]) -> None:
    for bad in (0, -1, 2.5, True, None):
        with pytest.raises(ValueError, match="`n_importance_samples` must be an integer of at least 1; got"):
            fitted.score_samples(X, n_importance_samples=bad)


@pytest.mark.parametrize("method", ["predict", "predict_proba", "transform", "score_samples", "reconstruct"])
def test_rows_do_not_see_each_other(fitted: GMVAE, method: str) -> None:
    """More rows than are taken at once, alone or in any order: the same answers, and again the same."""
    X = np.random.default_rng(2).normal(size=(2500, 4)) * 3 + 4
    call = getattr(fitted, method)
    answers = call(X)
    np.testing.assert_allclose(call(X[1020:1030]), answers[1020:1030], rtol=1e-9)
    np.testing.assert_allclose(call(X[2499:]), answers[2499:], rtol=1e-9)
    order = np.random.default_rng(3).permutation(2500)
    np.testing.assert_allclose(call(X[order]), answers[order], rtol=1e-9)
    assert np.array_equal(call(X), answers)


def test_labels_and_shares_of_the_fitted_rows() -> None:
    X = whole_numbers()
    fitted = small()
    assert np.array_equal(fitted.fit_predict(X), fitted.labels_)
    assert np.array_equal(fitted.labels_, fitted.predict(X))
    np.testing.assert_allclose(fitted.weights_, fitted.predict_proba(X).mean(0), rtol=1e-12)
    assert fitted.n_components_effective_ == pytest.approx(np.exp(stats.entropy(fitted.weights_)))
    assert np.array_equal(small().fit_transform(X), fitted.transform(X))
    assert fitted.n_iter_ == len(fitted.lower_bounds_) == 3
    assert fitted.lower_bound_ == max(fitted.lower_bounds_)


# ---------------------------------------------------------------- flags


def test_ambiguous_is_entropy_above_a_threshold(fitted: GMVAE, X: NDArray[Any]) -> None:
    entropy = stats.entropy(fitted.predict_proba(X), axis=1)
    for above in (0.0, float(np.median(entropy)), np.log(3)):
        assert np.array_equal(fitted.is_ambiguous(X, above), entropy > above)
    assert np.array_equal(fitted.is_ambiguous(X), entropy > 0.5)
    certain, torn, torn_less = np.eye(3)[:1], np.array([[0.79, 0.21, 0.0]]), np.array([[0.81, 0.19, 0.0]])
    found = [is_ambiguous(chances).tolist() for chances in (certain, torn, torn_less)]
    assert found == [[False], [True], [False]], "the default lies between 79 and 81 percent"


@pytest.mark.parametrize("validation_fraction", [0.25, 0.0])
def test_held_out_densities_are_of_rows_held_out(validation_fraction: float, monkeypatch: pytest.MonkeyPatch) -> None:
    splits: list[Any] = []
    split_rows = restarts.split_rows
    monkeypatch.setattr(restarts, "split_rows", lambda *given: splits.append(split_rows(*given)) or splits[-1])
    monkeypatch.setattr(selection, "_MAX_SCORED", 12)
    X = whole_numbers()
    fitted = small(validation_fraction=validation_fraction, precision="64-true").fit(X)
    (split,) = splits
    expected = fitted.score_samples(X[split.held_out[:12]], n_importance_samples=16)
    np.testing.assert_allclose(fitted.held_out_log_likelihoods_, np.sort(expected), rtol=1e-12)
    assert bool(torch.isin(split.held_out, split.train).any()) == (validation_fraction == 0)


def test_novel_is_a_density_below_a_percentile(fitted: GMVAE, X: NDArray[Any]) -> None:
    held_out = fitted.held_out_log_likelihoods_
    assert len(held_out) == 20
    assert np.array_equal(held_out, np.sort(held_out))
    densities = fitted.score_samples(X, n_importance_samples=16)
    for below in (1.0, 30.0, 100.0):
        assert np.array_equal(fitted.is_novel(X, below), densities < np.percentile(held_out, below))
    assert 0 < fitted.is_novel(X, 30.0).sum() < len(X), "some are and some are not, or this tests nothing"
    assert np.array_equal(fitted.is_novel(X), fitted.is_novel(X, 1.0))
    assert fitted.is_novel(1000.0 + X).all()
    assert not fitted.is_novel(X, 0.0)[densities >= held_out[0]].any()


def test_unfit_thresholds(fitted: GMVAE, X: NDArray[Any]) -> None:
    for bad in (-0.1, None, "1", np.nan):
        with pytest.raises(ValueError, match="`above` must be a number of nats of at least 0; got"):
            fitted.is_ambiguous(X, bad)
    for bad in (-1, 101, None):
        with pytest.raises(ValueError, match="`below` must be a percentage from 0 to 100; got"):
            fitted.is_novel(X, bad)


def test_a_model_without_held_out_densities_says_so(tmp_path: Path) -> None:
    """One from a file of an earlier version, and one that is being fitted."""
    X, said = whole_numbers(), "must know the densities of rows that were held out of its fit"

    def refuses(model: GMVAE) -> None:
        with pytest.raises(ValueError, match=said):
            model.is_novel(X)

    fitted = small().fit(X, on_epoch=refuses)
    fitted.save(tmp_path / "model")
    tensors, document = persistence.read(tmp_path / "model", "model")
    del document["held_out_log_likelihoods"]
    persistence.write(tmp_path / "old", "model", tensors, document)
    old = GMVAE.load(tmp_path / "old")
    assert np.array_equal(old.predict_proba(X), fitted.predict_proba(X))
    refuses(old)
    old.save(tmp_path / "again")
    refuses(GMVAE.load(tmp_path / "again"))


# ---------------------------------------------------------------- new samples


def test_sample_respects_component_and_style(fitted: GMVAE) -> None:
    """Moments of one component at one style, by the laws of total expectation and variance."""
    style = np.array([0.7])
    drawn, labels = fitted.sample(20000, component=1, style=style)
    assert (labels == 1).all()
    means, scales = fitted.components(style)
    x = means[1] + scales[1] * np.random.default_rng(0).normal(size=(20000, 2))
    y_mean, y_scale = decoded(fitted, x)
    total = np.sqrt(y_mean.var(0) + (y_scale**2).mean(0))
    np.testing.assert_allclose(drawn.mean(0), y_mean.mean(0), atol=6 * np.max(total) / np.sqrt(20000))
    np.testing.assert_allclose(drawn.std(0), total, rtol=0.05)
    smooth = fitted.sample(20000, component=1, style=style, mean=True)[0]
    np.testing.assert_allclose(smooth.std(0), y_mean.std(0), rtol=0.05)


def test_sample_of_a_style_for_each(fitted: GMVAE) -> None:
    styles = np.random.default_rng(0).normal(size=(300, 1))
    one = fitted.sample(300, component=0, style=styles, mean=True)[0]
    other = fitted.sample(300, component=0, style=styles[::-1], mean=True)[0]
    assert not np.allclose(one, other)
    same = fitted.sample(300, component=0, style=np.full((300, 1), 0.3), mean=True)[0]
    assert np.array_equal(same, fitted.sample(300, component=0, style=[0.3], mean=True)[0])


def test_the_style_is_smaller_in_tables() -> None:
    quick = {"max_iter": 1, "hidden_layer_sizes": (8,), "random_state": 0}
    images = np.random.default_rng(0).random((30, 4, 4))
    assert GMVAE(2, **quick).fit(images).style_dim_ == 4
    table = GMVAE(2, **quick).fit(images.reshape(30, -1))
    assert (table.style_dim_, table.style_dim, table.transform_style(images.reshape(30, -1)).shape) == (
        2,
        "auto",
        (30, 2),
    )


def test_components_are_drawn_from_p_of_z(fitted: GMVAE) -> None:
    labels = fitted.sample(6000)[1]
    assert stats.chisquare(np.bincount(labels, minlength=3), 6000 * weights_of(fitted)).pvalue > 1e-4


def test_sample_follows_the_seed() -> None:
    X = whole_numbers()
    seeded, generator, free = (small(random_state=s).fit(X) for s in (0, np.random.RandomState(0), None))
    assert np.array_equal(seeded.sample(5)[0], seeded.sample(5)[0]), "as GaussianMixture: an integer repeats itself"
    assert not np.array_equal(generator.sample(5)[0], generator.sample(5)[0])
    assert not np.array_equal(free.sample(5)[0], free.sample(5)[0])
    assert not np.array_equal(seeded.sample(5)[0], seeded.set_params(random_state=1).sample(5)[0])


def test_bernoulli_samples_are_zeros_and_ones() -> None:
    fitted = small().fit(grey())
    drawn, labels = fitted.sample(400)
    assert drawn.shape == (400, 1, 8, 8)
    assert labels.shape == (400,)
    assert set(np.unique(drawn)) == {0.0, 1.0}
    means = fitted.sample(400, mean=True)[0]
    assert (means > 0).all()
    assert (means < 1).all()
    assert drawn.mean() == pytest.approx(means.mean(), abs=0.02)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"n_samples": 0}, "`n_samples` must be an integer of at least 1; got 0"),
        ({"n_samples": 2.5}, r"`n_samples` must be an integer of at least 1; got 2\.5"),
        ({"n_samples": "3"}, "`n_samples` must be an integer of at least 1; got '3'"),
        ({"component": 3}, r"`component` must be None, or one integer in 0\.\.2 or 4 of them; got 3"),
        ({"component": -1}, r"`component` must be None, or one integer in 0\.\.2 or 4 of them; got -1"),
        ({"component": 1.5}, r"`component` must be None, or one integer in 0\.\.2 or 4 of them; got 1\.5"),
        ({"style": [0.0, 1.0]}, r"`style` must have shape \(1,\) or \(4, 1\); got shape \(2,\)"),
        ({"style": 0.0}, r"`style` must have shape \(1,\) or \(4, 1\); got shape \(\)"),
    ],
)
def test_unfit_wishes(fitted: GMVAE, arguments: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fitted.sample(**{"n_samples": 4, **arguments})


def test_numpy_integers_are_integers(fitted: GMVAE) -> None:
    drawn, labels = fitted.sample(np.int64(4), component=np.int32(2))
    assert drawn.shape == (4, 4)
    assert labels.tolist() == [2] * 4


def test_each_sample_of_its_own_component(fitted: GMVAE) -> None:
    wanted = [2, 0, 1, 1]
    labels = fitted.sample(4, component=wanted, style=[0.0])[1]
    assert labels.tolist() == wanted
    with pytest.raises(ValueError, match=r"`component` must be None, or one .* or 4 of them; got \[0, 1\]"):
        fitted.sample(4, component=[0, 1])


def test_components_against_the_network(fitted: GMVAE) -> None:
    mixture = fitted.fitted_.model.generative.mixture
    hidden = np.tanh(mixture.hidden[0].weight.detach().numpy() @ [0.4] + mixture.hidden[0].bias.detach().numpy())
    output = mixture.output.weight.detach().numpy() @ hidden + mixture.output.bias.detach().numpy()
    means, raw = output.reshape(2, 3, 2)
    found = fitted.components([0.4])
    np.testing.assert_allclose(found.means, means, rtol=1e-9)
    low, high = LOG_SCALE_BOUNDS
    below = high - np.logaddexp(0.0, high - raw)
    np.testing.assert_allclose(np.log(found.scales), low + np.logaddexp(0.0, below - low), rtol=1e-9)
    with pytest.raises(ValueError, match=r"`style` must have shape \(1,\); got shape \(2,\)"):
        fitted.components([0.0, 0.0])


METHODS = ["predict", "predict_proba", "transform", "inverse_transform", "reconstruct", "score_samples", "score"]
METHODS += ["is_ambiguous", "is_novel"]


@pytest.mark.parametrize("method", METHODS)
def test_unfitted_estimators_say_so(method: str, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        getattr(small(), method)(whole_numbers())
    for call in (
        small().sample,
        small().components,
        lambda: small().save(tmp_path / "model"),
        small().get_feature_names_out,
    ):
        with pytest.raises(NotFittedError):
            call()
    assert not (tmp_path / "model").exists()


# ---------------------------------------------------------------- memory


def test_memory_does_not_grow_with_the_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """16 MB on disk: beside the answers, a fraction of it is ever in memory."""
    big = np.lib.format.open_memmap(tmp_path / "X.npy", mode="w+", dtype=np.float64, shape=(200_000, 10))
    big[:] = np.random.default_rng(0).normal(size=big.shape)
    big.flush()
    X = np.load(tmp_path / "X.npy", mmap_mode="r")
    fitted = small(max_iter=1, hidden_layer_sizes=(4,)).fit(X[:500])
    sizes: list[int] = []
    for name in ("log_posterior", "embed", "log_evidence"):
        function = getattr(fitted.fitted_.model, name)
        monkeypatch.setattr(
            fitted.fitted_.model,
            name,
            lambda y, *rest, function=function: (sizes.append(len(y)), function(y, *rest))[1],
        )
    for method, arguments in [("predict_proba", {}), ("transform", {}), ("score_samples", {"n_importance_samples": 1})]:
        tracemalloc.start()
        answer = getattr(fitted, method)(X, **arguments)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak - answer.nbytes < 1_000_000, method
        assert len(answer) == 200_000
    assert max(sizes) <= 8192, "and PyTorch, whose memory tracemalloc does not see, gets no more at once"


# ---------------------------------------------------------------- files


def assert_same_answers(one: GMVAE, other: GMVAE, X: Any) -> None:
    for method in ("predict", "predict_proba", "transform", "score_samples", "reconstruct", "is_ambiguous", "is_novel"):
        assert np.array_equal(getattr(one, method)(X), getattr(other, method)(X)), method
    for ours, theirs in zip(one.sample(6), other.sample(6), strict=True):
        assert np.array_equal(ours, theirs)


CASES: dict[str, tuple[dict[str, Any], Any]] = {
    "rows": ({}, whole_numbers()),
    "64 bits": ({"precision": "64-true"}, whole_numbers()),
    "half precision": ({"precision": "bf16-mixed"}, whole_numbers()),
    "grey images": ({}, grey()),
    "booleans": ({}, whole_numbers() > 4),
    "columns": ({}, pd.DataFrame(whole_numbers(), columns=list("abcd"))),
    "far away": ({"init": "kmeans"}, whole_numbers() * 1e-3 + 1e6),
    "numpy parameters": ({"hidden_layer_sizes": [np.int64(8)], "n_components": np.int8(3)}, whole_numbers()),
    "own trunks": ({"network": own_pair()}, whole_numbers()),
    "own trunks for images": ({"network": own_pair((1, 8, 8), 1)}, grey()),
}


@pytest.mark.parametrize("case", CASES)
def test_saved_model_answers_alike(case: str, tmp_path: Path) -> None:
    changed, X = CASES[case]
    fitted = small(**changed).fit(X)
    fitted.save(tmp_path / "deep" / "model.safetensors")
    loaded = GMVAE.load(tmp_path / "deep" / "model.safetensors", network=changed.get("network"), device="cpu")
    assert_same_answers(fitted, loaded, X)
    assert_same_weights(weights(fitted.fitted_.model), weights(loaded.fitted_.model))
    missing = {"labels_"}
    for name in vars(fitted):
        if name.endswith("_") and name not in missing:
            ours, theirs = getattr(fitted, name), getattr(loaded, name)
            if name == "history_":
                assert ours.epochs == theirs.epochs
            else:
                np.testing.assert_array_equal(ours, theirs, err_msg=name)
                assert type(ours) is type(theirs), name
    assert loaded.lower_bounds_ == fitted.lower_bounds_
    parameters = {**fitted.get_params(), "hidden_layer_sizes": tuple(fitted.hidden_layer_sizes)}
    assert loaded.get_params() == parameters
    loaded.save(tmp_path / "again")
    (tensors, document), (expected, first) = (
        persistence.read(path, "model") for path in (tmp_path / "again", tmp_path / "deep" / "model.safetensors")
    )
    assert_same_weights(tensors, expected)
    assert document == first


def test_loaded_model_can_be_fitted_again(tmp_path: Path) -> None:
    X = whole_numbers()
    fitted = small().fit(X)
    fitted.save(tmp_path / "model")
    loaded = GMVAE.load(tmp_path / "model").fit(X)
    assert_same_weights(weights(fitted.fitted_.model), weights(loaded.fitted_.model))


def test_a_generator_is_not_kept(tmp_path: Path) -> None:
    small(random_state=np.random.RandomState(0)).fit(whole_numbers()).save(tmp_path / "model")
    assert GMVAE.load(tmp_path / "model").random_state is None


def test_file_is_of_the_fit_not_of_later_parameters(tmp_path: Path) -> None:
    X = whole_numbers()
    fitted = small().fit(X)
    expected = fitted.predict_proba(X)
    fitted.set_params(n_components=7, latent_dim=5, style_dim=3, hidden_layer_sizes=(2,))
    assert np.array_equal(fitted.predict_proba(X), expected)
    assert fitted.sample(2, component=2, style=[0.0])[0].shape == (2, 4)
    assert fitted.inverse_transform(fitted.transform(X)).shape == X.shape
    assert len(fitted.score_samples(X)) == len(X)
    assert fitted.get_feature_names_out().tolist() == ["gmvae0", "gmvae1"]
    fitted.save(tmp_path / "model")
    loaded = GMVAE.load(tmp_path / "model")
    assert loaded.n_components == 3
    assert np.array_equal(loaded.predict_proba(X), expected)


def test_own_trunks_are_asked_for(tmp_path: Path) -> None:
    small(network=own_pair()).fit(whole_numbers()).save(tmp_path / "model")
    with pytest.raises(ModelFileError, match=r"`network` must be the pair \(encoder, decoder\) .* got None"):
        GMVAE.load(tmp_path / "model")
    with pytest.raises(ValueError, match=r"`network` must be an encoder that maps an observation \(1, 4\)"):
        GMVAE.load(tmp_path / "model", network=own_pair((5,)))
    with pytest.raises(ModelFileError, match="must hold the weights of its own network"):
        GMVAE.load(tmp_path / "model", network=(nn.Linear(4, 9), own_pair()[1]))


# ---------------------------------------------------------------- trunks of the user's own


def test_own_trunks_stay_as_they_are(tmp_path: Path) -> None:
    pair = own_pair()
    pair[0].eval()
    before = [weights(module) for module in pair]
    fitted = small(network=pair, n_init=2).fit(whole_numbers())
    fitted.save(tmp_path / "model")
    GMVAE.load(tmp_path / "model", network=pair)
    for module, expected in zip(pair, before, strict=True):
        assert_same_weights(weights(module), expected)
        assert all(parameter.grad is None for parameter in module.parameters())
    assert [module.training for module in pair] == [False, True]
    assert fitted.network is pair
    ours = weights(fitted.fitted_.model.recognition.encoder)
    assert not torch.equal(ours["layer.weight"], before[0]["layer.weight"]), "the copy has learnt"


def test_every_restart_begins_with_the_weights_of_own_trunks(monkeypatch: pytest.MonkeyPatch) -> None:
    pair, begun = own_pair(), []
    run = Trainer.run

    def spied(trainer: Trainer, *args: Any) -> Any:
        begun.append(weights(trainer.model))
        return run(trainer, *args)

    monkeypatch.setattr(Trainer, "run", spied)
    small(network=pair, n_init=3).fit(whole_numbers())
    assert len(begun) == 3
    for start in begun:
        assert torch.equal(start["recognition.encoder.layer.weight"], pair[0].layer.weight)
        assert torch.equal(start["generative.observation.decoder.layer.weight"], pair[1].layer.weight)
    heads = [start["recognition.output.weight"] for start in begun]
    assert not torch.equal(heads[0], heads[1]), "the heads are drawn anew"


@pytest.mark.parametrize(
    ("network", "got"),
    [
        ((Encoder(5), Decoder((4,), 2)), r"got the error mat1 and mat2 shapes cannot be multiplied"),
        ((Encoder(4), Decoder((4,), 1)), r"got \(1, 7\) and \(1, 1, 4\)"),
        ((Encoder(4), Decoder((2, 2), 2)), r"got \(1, 7\) and \(1, 2, 2, 2\)"),
        ((nn.Unflatten(1, (2, 2)), Decoder((4,), 2)), r"got \(1, 2, 2\) and"),
    ],
)
def test_own_trunks_of_wrong_shape(network: tuple[nn.Module, nn.Module], got: str) -> None:
    wanted = r"decoder that maps a latent \(1, 2\) to outputs \(1, 2, 4\); "
    with pytest.raises(ValueError, match=wanted + got):
        small(network=network).fit(whole_numbers())


def test_frozen_trunks_stay_frozen() -> None:
    pair = own_pair()
    pair[0].layer.requires_grad_(False)
    fitted = small(network=pair).fit(whole_numbers())
    assert torch.equal(fitted.fitted_.model.recognition.encoder.layer.weight, pair[0].layer.weight)


def test_threads_do_not_share_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers start from PyTorch's one global generator, seeded for each build and put back after it."""
    X, build = whole_numbers(), gmvae.fitting.starts.build

    def slow_build(*args: Any) -> Any:
        time.sleep(0.02)  # time for another thread to seed the generator
        return build(*args)

    monkeypatch.setattr(gmvae.fitting.starts, "build", slow_build)
    before = torch.get_rng_state()
    expected = [small(random_state=seed, max_iter=1).fit(X).lower_bound_ for seed in range(4)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: small(random_state=seed, max_iter=1).fit(X).lower_bound_, [*range(4)] * 2))
    assert found == expected * 2
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- clusters


@pytest.mark.parametrize("random_state", [0, 1, 2])
def test_separated_blobs_are_found_with_the_defaults(random_state: int) -> None:
    X, y = make_blobs(300, 4, centers=3, center_box=(-10, 10), random_state=1)
    fitted = GMVAE(3, max_iter=3, random_state=random_state).fit(X)
    assert accuracy_hungarian(y, fitted.labels_) > 0.98
    assert fitted.n_components_effective_ > 2.9


@pytest.mark.slow
@pytest.mark.parametrize("random_state", [0, 1])
def test_arcs_are_found(random_state: int) -> None:
    X, labels = arcs(3000)
    fitted = GMVAE(5, latent_dim=2, style_dim=2, hidden_layer_sizes=(120, 120), random_state=random_state).fit(X)
    assert ari(labels, fitted.labels_) > 0.9


# ---------------------------------------------------------------- batches

ASKED = ["predict", "predict_proba", "transform", "score_samples", "inverse_transform", "reconstruct", "score"]


@pytest.mark.parametrize("method", ASKED)
def test_answers_do_not_depend_on_the_batch(fitted: GMVAE, X: NDArray[Any], method: str) -> None:
    asked = X[:, :2] if method == "inverse_transform" else X
    expected = getattr(fitted, method)(asked)
    for batch_size in (1, 7, np.int64(49), 10_000):
        found = getattr(fitted, method)(asked, batch_size=batch_size)
        np.testing.assert_allclose(found, expected, rtol=1e-10, atol=1e-12)
    for wrong in (0, 2.5, "8", True):
        with pytest.raises(ValueError, match=f"`batch_size` must be None or an integer of at least 1; got {wrong!r}"):
            getattr(fitted, method)(asked, batch_size=wrong)


@pytest.mark.parametrize(
    ("hidden", "precision", "batch"),
    [
        (512, "32-true", 1024),
        (1024, "32-true", 768),
        (512, "64-true", 768),
        (4096, "32-true", 192),
        (8, "32-true", 1024),
    ],
)
def test_a_batch_is_what_the_widest_layer_fits_into_three_megabytes_up_to_1024_rows(
    hidden: int, precision: str, batch: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    fitted = small(hidden_layer_sizes=(hidden,), precision=precision, max_iter=1).fit(whole_numbers())
    sizes: list[int] = []
    embed = GaussianMixtureVAE.embed
    monkeypatch.setattr(GaussianMixtureVAE, "embed", lambda model, y: (sizes.append(len(y)), embed(model, y))[1])
    X = whole_numbers(9000)
    with caplog.at_level("DEBUG", logger="gmvae"):
        fitted.transform(X)
    assert sizes[1] == batch
    assert sum(sizes) == 9008, "rows, and copies that fill the last sixteen"
    assert max(sizes) == batch
    assert [record.getMessage().split(" at a time")[0] for record in caplog.records] == [f"{batch:,} rows"]
    sizes.clear()
    fitted.transform(X, batch_size=4000)
    assert sizes == [16, 4000, 4000, 992]


def test_memory_maps_answer_as_arrays_do(fitted: GMVAE, X: NDArray[Any], tmp_path: Path) -> None:
    np.save(tmp_path / "X.npy", X)
    for mode in ("r", "c"):
        mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
        assert np.array_equal(fitted.predict(mapped), fitted.predict(X))
        assert np.array_equal(fitted.transform(mapped), fitted.transform(X))


def test_layers_that_work_in_place_leave_the_rows_alone() -> None:
    encoder = nn.Sequential(nn.Threshold(0.6, 0.0, inplace=True), nn.Linear(4, 7))
    X = np.where(whole_numbers() > 4, 1.0, np.where(whole_numbers() > 2, 0.5, 0.0)).astype(np.float32)
    fitted = small(network=(encoder, own_pair(n_outputs=1)[1])).fit(X)
    before = X.copy()
    assert np.array_equal(fitted.transform(X), fitted.transform(np.where(X > 0.6, X, 0.0))), "the layer is at work"
    assert np.array_equal(X, before)


# ---------------------------------------------------------------- arrays from files, without scikit-learn


@pytest.mark.parametrize(
    "X", [whole_numbers(), whole_numbers().astype(np.int16), whole_numbers() > 4, grey(), grey()[:, 0]]
)
def test_rows_of_a_file_are_those_of_the_estimator(X: NDArray[Any]) -> None:
    fitted = small(max_iter=1).fit(X)
    for same in (X, X.reshape(len(X), -1), X[::2]):
        rows = fitted.fitted_.rows(same)
        expected = query_rows(fitted, same, fitted.event_shape_)
        assert (rows.shape, rows.dtype) == (expected.shape, expected.dtype)
        assert np.array_equal(rows, expected)
        assert np.shares_memory(rows, same)


@pytest.mark.parametrize(
    ("X", "sentence"),
    [
        (whole_numbers(p=3), r"X must have shape \(n, 4\) as in `fit`; got \(60, 3\): name the right source"),
        (whole_numbers()[0], r"X must have shape \(n, 4\) as in `fit`; got \(4,\): name the right source"),
        (grey()[:, 0], r"X must have observations of shape \(4,\) as in `fit`; got \(1, 8, 8\)"),
        (whole_numbers(0), "X must hold numbers, in one row or more; got 0 rows of type float64"),
        (whole_numbers().astype(str), "X must hold numbers, in one row or more; got 60 rows of type <U"),
        (np.full((2, 4), -np.inf), "X must hold finite numbers .* got -infinity at"),
        (whole_numbers(), r"X must lie in \[0, 1\] for a Bernoulli likelihood; got \d at X\[\d, \d\]: rescale"),
    ],
)
def test_unfit_files(X: NDArray[Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        BernoulliLikelihood().check(shaped_as_fitted(X, (4,)))
