"""The same answer: bit for bit in batches of any size, and under changes that the model cannot see."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from gmvae import GMVAE

Tally = Callable[[str, int], None]

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)

QUICK: dict[str, Any] = {
    "n_components": 4,
    "latent_dim": 3,
    "style_dim": 2,
    "hidden_layer_sizes": (16, 12),
    "max_iter": 3,
    "init": "random",
    "random_state": 0,
    "device": "cpu",
}


def blobs(n: int, p: int, dtype: str = "f4") -> NDArray[Any]:
    rng = np.random.default_rng(n + p)
    return (rng.normal(size=(n, p)) + 2.0 * rng.normal(size=(6, p))[rng.integers(0, 6, n)]).astype(dtype)


def images(n: int) -> NDArray[Any]:
    return np.random.default_rng(n).integers(0, 256, size=(n, 1, 9, 9), dtype=np.uint8)


# ---------------------------------------------------------------- batches of any size, rows in any order

MODELS: dict[str, tuple[Callable[[int], NDArray[Any]], dict[str, Any]]] = {
    "small": (lambda n: blobs(n, 6), {}),
    "narrow": (lambda n: blobs(n, 1), {"latent_dim": 1, "style_dim": 1, "hidden_layer_sizes": (5,)}),
    "wide": (lambda n: blobs(n, 20), {"hidden_layer_sizes": (500, 500), "max_iter": 1}),
    "many clusters": (lambda n: blobs(n, 30), {"n_components": 150, "max_iter": 1}),
    "level clusters": (lambda n: blobs(n, 6), {"learning_rate": 1e-7}),  # nearly as likely, all of them
    "batch norm": (lambda n: blobs(n, 6), {"batch_norm": True}),
    "64 bits": (lambda n: blobs(n, 6, "f8"), {"precision": "64-true"}),
    "bfloat16": (lambda n: blobs(n, 6), {"precision": "bf16-mixed"}),
    "images": (images, {"max_iter": 1}),
}
SIZES = (1, 2, 5, 15, 17, 100, 777, 4096, 10**6)


@pytest.mark.parametrize("n", [500, pytest.param(100_000, marks=pytest.mark.slow)])  # single rows take minutes
@pytest.mark.parametrize("name", MODELS)
def test_answers_are_the_same_bits_in_batches_of_any_size(name: str, n: int, tmp_path: Path, tally: Tally) -> None:
    rows, changed = MODELS[name]
    X = rows(n)
    fitted = GMVAE(**{**QUICK, **changed}).fit(X[:300])
    methods = ("predict", "predict_proba", "transform", "transform_style")
    expected = {method: getattr(fitted, method)(X) for method in methods}
    np.save(tmp_path / "X.npy", X)
    for size in SIZES:
        for method in methods if size > 15 or n < 10_000 else ("predict",):
            found = getattr(fitted, method)(np.load(tmp_path / "X.npy", mmap_mode="r"), batch_size=size)
            assert np.array_equal(found, expected[method]), (method, size)
    assert np.array_equal(expected["predict"], expected["predict_proba"].argmax(1))
    some = np.random.default_rng(0).integers(0, n, 20)
    assert np.array_equal(fitted.predict(X[: some.max() + 1]), expected["predict"][: some.max() + 1]), "a part of them"
    assert np.array_equal(fitted.labels_, fitted.predict(X[:300], batch_size=7))
    again = GMVAE(**{**QUICK, **changed}).fit(X[:300])
    assert np.array_equal(again.predict(X), expected["predict"]), "the same seed"
    tally("rows asked about in batches of other sizes, answers bit for bit", n * len(SIZES))


@pytest.mark.parametrize("n", [500, pytest.param(100_000, marks=pytest.mark.slow)])  # nine models of so many rows
@pytest.mark.parametrize("name", MODELS)
def test_rows_in_any_order_get_the_same_clusters(name: str, n: int, tally: Tally) -> None:
    """Unless two clusters are level but for rounding: then the last bit of a matrix product may decide."""
    rows, changed = MODELS[name]
    X = rows(n)
    fitted = GMVAE(**{**QUICK, **changed}).fit(X[:300])
    proba, labels = fitted.predict_proba(X), fitted.predict(X)
    second, first = np.sort(proba, axis=1)[:, -2:].T
    clear = first - second > 1e-6
    if name != "level clusters":
        assert clear.mean() > 0.999
    order = np.random.default_rng(1).permutation(n)
    for moved in (order, np.arange(n)[::-1], np.roll(np.arange(n), 1)):
        np.testing.assert_allclose(fitted.predict_proba(X[moved]), proba[moved], rtol=0, atol=1e-5)
        same = fitted.predict(X[moved]) == labels[moved]
        assert same[clear[moved]].all()
    tally("rows asked about in another order", 3 * n)


# ---------------------------------------------------------------- changes that the model cannot see


def apart(n: int, p: int) -> NDArray[Any]:
    """Four clusters with room between them; where a start must divide one, or join two, rounding decides which."""
    rng = np.random.default_rng(n + p)
    return rng.normal(size=(n, p)) + 25.0 * np.eye(4, p)[rng.integers(0, 4, n)]


def trunks(p: int, seed: int) -> tuple[nn.Sequential, nn.Sequential]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return (
            nn.Sequential(nn.Linear(p, 16), nn.Tanh(), nn.Linear(16, 12), nn.ReLU()),
            nn.Sequential(nn.Linear(3, 16), nn.Tanh(), nn.Linear(16, 2 * p), nn.Unflatten(1, (2, p))),
        )


@pytest.mark.parametrize("n_cases", [2, pytest.param(30, marks=pytest.mark.slow)])  # thirty pairs of fits
def test_columns_in_another_order_with_their_weights_are_the_same_fit(n_cases: int, tally: Tally) -> None:
    for seed in range(n_cases):
        p = 3 + seed
        X = apart(240, p) * 10.0 ** np.arange(p) + 7.0
        order = np.random.default_rng(seed).permutation(p)
        encoder, decoder = trunks(p, seed)
        moved_encoder, moved_decoder = copy.deepcopy((encoder, decoder))
        with torch.no_grad():
            moved_encoder[0].weight.copy_(encoder[0].weight[:, order])
            moved_decoder[2].weight.copy_(decoder[2].weight.unflatten(0, (2, p))[:, order].flatten(0, 1))
            moved_decoder[2].bias.copy_(decoder[2].bias.unflatten(0, (2, p))[:, order].flatten())
        # From a random start: where clusters are found first, rounding may number them in another way.
        settings = {**QUICK, "precision": "64-true", "random_state": seed}
        one = GMVAE(**settings, network=(encoder, decoder)).fit(X)
        other = GMVAE(**settings, network=(moved_encoder, moved_decoder)).fit(X[:, order])
        assert np.array_equal(one.labels_, other.labels_)
        assert np.ptp(one.predict_proba(X), axis=0).max() > 1e-3, "rows differ, or this tests nothing"
        np.testing.assert_allclose(one.predict_proba(X), other.predict_proba(X[:, order]), rtol=0, atol=1e-6)
        np.testing.assert_allclose(one.lower_bounds_, other.lower_bounds_, rtol=1e-6)
        np.testing.assert_allclose(one.score_samples(X), other.score_samples(X[:, order]), rtol=1e-6)
        np.testing.assert_allclose(one.transform(X), other.transform(X[:, order]), rtol=1e-5, atol=1e-6)
        np.testing.assert_allclose(one.sample(50, mean=True)[0][:, order], other.sample(50, mean=True)[0], rtol=1e-5)
    tally("pairs of fits with columns in another order", n_cases)


@pytest.mark.parametrize("n_cases", [3, pytest.param(30, marks=pytest.mark.slow)])  # thirty pairs of fits
def test_other_units_change_nothing_but_the_unit_of_the_density(n_cases: int, tally: Tally) -> None:
    """a + b y for every column: the same clusters, and log p less Σ log b."""
    for seed in range(n_cases):
        rng = np.random.default_rng(seed)
        X = apart(240, 4)
        b = 10.0 ** rng.uniform(-6.0, 6.0, 4)
        a = rng.normal(size=4) * 100.0 * b
        init = ("neighbours", "kmeans")[seed % 2]
        bound = ("exact", "paper")[seed // 2 % 2]
        settings = {**QUICK, "precision": "64-true", "init": init, "bound": bound, "random_state": seed}
        one, other = GMVAE(**settings).fit(X), GMVAE(**settings).fit(a + b * X)
        moved = -np.log(b).sum()
        assert np.array_equal(one.labels_, other.labels_)
        assert len(np.unique(one.labels_)) > 1, "or this tests nothing"
        np.testing.assert_allclose(other.score_samples(a + b * X), one.score_samples(X) + moved, rtol=0, atol=1e-5)
        np.testing.assert_allclose(other.lower_bounds_, np.array(one.lower_bounds_) + moved, rtol=0, atol=1e-5)
        np.testing.assert_allclose(other.held_out_log_likelihoods_, one.held_out_log_likelihoods_ + moved, atol=1e-5)
        assert np.array_equal(other.is_novel(a + b * X), one.is_novel(X))
        np.testing.assert_allclose(other.transform(a + b * X), one.transform(X), rtol=0, atol=1e-5)
        np.testing.assert_allclose((other.reconstruct(a + b * X) - a) / b, one.reconstruct(X), rtol=0, atol=1e-5)
        for name in ("conditional_prior", "w_prior", "z_prior", "effective_components"):
            np.testing.assert_allclose(other.history_[name], one.history_[name], rtol=0, atol=1e-5)
    tally("pairs of fits in other units", n_cases)


# ---------------------------------------------------------------- whatever state PyTorch is in

STATES: dict[str, Callable[[], Any]] = {
    "no_grad": torch.no_grad,
    "inference_mode": torch.inference_mode,
    "autocast": lambda: torch.autocast("cpu", torch.bfloat16),
    "float64 by default": lambda: default_dtype(torch.float64),
}


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


@pytest.mark.parametrize("state", STATES)
def test_the_callers_state_of_torch_changes_nothing_and_stays(state: str, tmp_path: Path) -> None:
    X = blobs(60, 4)
    usual = GMVAE(**{**QUICK, "init": "auto"}).fit(X)
    with STATES[state]():
        before = (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_dtype())
        fitted = GMVAE(**{**QUICK, "init": "auto"}).fit(X)
        fitted.save(tmp_path / "model.safetensors")
        loaded = GMVAE.load(tmp_path / "model.safetensors", device="cpu")
        for query in ("predict_proba", "transform", "score_samples"):
            expected = getattr(usual, query)(X)
            assert np.array_equal(getattr(fitted, query)(X), expected)
            assert np.array_equal(getattr(loaded, query)(X), expected)
        assert np.array_equal(fitted.sample(5)[0], usual.sample(5)[0])
        assert before == (torch.is_grad_enabled(), torch.is_autocast_enabled("cpu"), torch.get_default_dtype())
