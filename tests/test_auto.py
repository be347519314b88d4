"""What is chosen where the user leaves it open, and that it can be overridden."""

from __future__ import annotations

import logging
from typing import Any

import numpy as np
import pytest
import torch

from gmvae import GMVAE, TrainingWarning
from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import LIKELIHOODS
from gmvae.model import GaussianMixtureVAE
from gmvae.training import augments, auto, compilation, resolve_auto
from gmvae.training.compilation import compiler_for

CPU, GPU = torch.device("cpu"), torch.device("cuda")
X = np.random.default_rng(0).random((64, 1, 8, 8)).round().astype(np.float32)


def model_of(family: str, width: int) -> GaussianMixtureVAE:
    with torch.random.fork_rng():
        config = Config(style_dim=4, hidden_layer_sizes=(width,), network="mlp")
        return build(config, (20,), LIKELIHOODS[family].blank((20,), {}))


def decided(family: str, width: int, where: torch.device, n_steps: int, n_runs: int, **given: Any) -> Config:
    return resolve_auto(Config(**given), model_of(family, width), (20,), where, n_steps, n_runs)[0]


@pytest.mark.parametrize(
    ("family", "width", "has_bf16", "expected"),
    [
        ("bernoulli", 9000, True, "bf16-mixed"),
        ("bernoulli", 9000, False, "32-true"),
        ("bernoulli", 20, True, "32-true"),
        ("gaussian", 9000, True, "32-true"),
        ("poisson", 9000, True, "32-true"),
    ],
)
def test_bfloat16_is_for_large_networks_on_binary_data(
    family: str, width: int, has_bf16: bool, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_multiplies_bf16", lambda device: has_bf16)
    assert decided(family, width, CPU, 10, 1).precision == expected
    assert decided(family, width, CPU, 10, 1, precision="64-true").precision == "64-true"


@pytest.mark.parametrize(
    ("shape", "consistency", "expected"),
    [
        ((1, 16, 16), "auto", True),
        ((1, 8, 8), "auto", False),
        ((256,), "auto", False),
        ((1, 16, 16), 0.0, False),
        ((1, 8, 8), 1.0, True),
    ],
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
def test_images_with_augmented_copies_keep_uniform_weights(
    shape: tuple[int, ...], consistency: float | str, expected: bool
) -> None:
    settings = {"consistency": consistency, "hidden_layer_sizes": (4,), "max_iter": 1, "random_state": 0}
    assert augments(Config(consistency=consistency), shape) is expected
    y = np.random.default_rng(0).random((40, *shape)).astype(np.float32)
    for given in ("auto", "learned", "uniform"):
        fitted = GMVAE(2, component_weights=given, **settings).fit(y).fitted_
        weights = ("uniform" if expected else "learned") if given == "auto" else given
        assert fitted.config.component_weights == weights
        assert fitted.model.generative.mixture.log_weights.requires_grad is (weights == "learned")
        assert fitted.model.guided_at_means is expected


@pytest.mark.parametrize(("where", "n_steps", "expected"), [(CPU, 10**6, False), (GPU, 10, False), (GPU, 10**6, True)])
def test_compiling_is_for_long_runs_on_a_gpu(
    where: torch.device, n_steps: int, expected: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_multiplies_bf16", lambda device: False)
    assert decided("gaussian", 20, where, n_steps, 1).compile is expected
    assert decided("gaussian", 20, where, n_steps, 1, compile=not expected).compile is not expected


@pytest.mark.parametrize(("width", "where", "expected"), [(20, CPU, 5), (8000, CPU, 1), (8000, GPU, 5)])
def test_restarts_are_stacked_on_a_gpu_and_where_networks_are_small(
    width: int, where: torch.device, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auto, "_multiplies_bf16", lambda device: False)
    assert decided("gaussian", width, where, 10, 5).restarts_at_once == expected
    assert decided("gaussian", width, where, 10, 5, restarts_at_once=3).restarts_at_once == 3


def test_networks_of_the_users_own_are_not_stacked() -> None:
    pair = (torch.nn.Linear(20, 3), torch.nn.Sequential(torch.nn.Linear(10, 40), torch.nn.Unflatten(-1, (2, 20))))
    assert decided("gaussian", 20, CPU, 10, 5, network=pair).restarts_at_once == 1


def test_reasons_are_logged(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, logger="gmvae"):
        _, reasons = resolve_auto(Config(), model_of("gaussian", 20), (20,), CPU, 10, 5)
    assert reasons == [
        "consistency=0.0: only images have random transformations",
        "precision='32-true': means of Gaussian data need more than the 8 bits of bfloat16",
        "compile=False: on a CPU matrix products take most of a step, and compiling gains next to nothing",
        "restarts_at_once=5: stacked steps are faster for a small network or on a GPU",
    ]
    assert [record.getMessage() for record in caplog.records] == reasons
    assert (
        resolve_auto(
            Config(precision="32-true", compile=False, consistency=0.0), model_of("gaussian", 20), (20,), CPU, 10, 1
        )[1]
        == []
    )


def test_views_are_for_images() -> None:
    model = model_of("gaussian", 20)
    settled, reasons = resolve_auto(Config(precision="32-true", compile=False), model, (1, 16, 20), CPU, 10, 1)
    assert settled.consistency == 5.0
    assert reasons == ["consistency=5.0: an image and a randomly transformed copy are pulled to the same cluster"]
    for shape in ((20,), (1, 15, 20)):
        assert resolve_auto(Config(), model, shape, CPU, 10, 1)[0].consistency == 0.0
    assert resolve_auto(Config(consistency=2.0), model, (1, 15, 20), CPU, 10, 1)[0].consistency == 2.0
    with pytest.raises(ValueError, match=r"`consistency` must be 0 or 'auto' for rows that are no images; got 2\.0"):
        resolve_auto(Config(consistency=2.0), model, (20,), CPU, 10, 1)


def test_a_missing_compiler_is_said_once_and_training_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compilation.shutil, "which", lambda name: None)
    settings = {"hidden_layer_sizes": (4,), "max_iter": 2, "tol": 99.0, "n_iter_no_change": 1, "random_state": 0}
    with pytest.warns(
        TrainingWarning, match="`compile` needs a C\\+\\+ compiler such as g\\+\\+ on the PATH"
    ) as caught:
        fitted = GMVAE(1, **settings, network="mlp", compile=True).fit(X)
    assert len(caught) == 1
    plain = GMVAE(1, **settings, network="mlp", compile=False).fit(X)
    assert fitted.lower_bounds_ == plain.lower_bounds_


@pytest.mark.slow  # compiling takes half a minute
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
@pytest.mark.filterwarnings("default")  # the compiler's own
@pytest.mark.skipif(not any(map(compilation.shutil.which, ("g++", "clang++"))), reason="there is no C++ compiler")
def test_a_compiled_model_trains_to_the_same_end() -> None:
    assert compiler_for(CPU)
    settings = {"hidden_layer_sizes": (4,), "max_iter": 3, "precision": "64-true", "random_state": 0}
    one, other = (GMVAE(3, **settings, network="mlp", compile=chosen).fit(X) for chosen in (True, False))
    np.testing.assert_allclose(one.lower_bounds_, other.lower_bounds_, rtol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning")
def test_bfloat16_trains_nearly_as_32_bits_do() -> None:
    """From the clusters on: weights that autocast caches beyond a step would leave the start untrained."""
    settings = {"max_iter": 6, "random_state": 0, "batch_size": 16, "hidden_layer_sizes": (64,)}
    half, full = (GMVAE(3, **settings, precision=name).fit(X) for name in ("bf16-mixed", "32-true"))
    np.testing.assert_allclose(half.lower_bounds_[2:], full.lower_bounds_[2:], rtol=0.03)
