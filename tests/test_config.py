"""Every hyperparameter: its domain, its sentence, its value in the paper's presets."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gmvae import PRESETS, domains, preset
from gmvae.config import MIN_EPOCHS, MIN_STEPS, MIN_STEPS_OF_EPOCH, Config, steps_for

FIELDS = {field.name: field for field in dataclasses.fields(Config)}

INTEGERS = [
    "latent_dim",
    "batch_size",
    "n_mc_samples",
    "n_init",
    "n_iter_no_change",
]
POSITIVE = ["learning_rate"]
NON_NEGATIVE = ["min_information", "tol"]
CHOICES = {
    "likelihood": ("auto", "bernoulli", "negative-binomial", "gaussian", "hurdle", "poisson", "categorical"),
    "learning_rate_schedule": ("one-cycle", "constant"),
    "effort": ("labels", "density"),
    "bound": ("exact", "paper"),
    "init": ("auto", "neighbours", "kmeans", "gmm", "random"),
    "component_weights": ("learned", "uniform"),
    "precision": ("auto", "32-true", "bf16-mixed", "64-true"),
}
NETWORKS = ("auto", "mlp", "conv", "paper-synthetic", "paper-mnist", "paper-svhn")
NO_NUMBERS = [True, False, np.True_, "3", None, 1j, [1], np.array([1, 2]), np.array(1), torch.tensor(1), Decimal(1)]


def refusal(**value: Any) -> str:
    with pytest.raises(ValueError, match="must be") as caught:
        Config(**value)
    return str(caught.value)


# ---------------------------------------------------------------- domains and their sentences


@pytest.mark.parametrize("name", INTEGERS)
def test_counts_are_integers_from_one(name: str) -> None:
    for good in (1, 7, np.int64(3), np.uint8(2), 10**12):
        assert getattr(Config(**{name: good}), name) == good
    for bad in (0, -1, 1.0, 2.5, np.float64(2.0), math.nan, math.inf, *NO_NUMBERS):
        domain = "an integer of at least 1 or 'auto'" if name == "n_components" else "an integer of at least 1"
        assert refusal(**{name: bad}) == f"`{name}` must be {domain}; got {bad!r}."


@pytest.mark.parametrize("name", POSITIVE)
def test_rates_are_positive_and_finite(name: str) -> None:
    for good in (1, 1e-300, 0.5, np.float32(0.1), Fraction(1, 4), np.int16(2)):
        assert getattr(Config(**{name: good}), name) == good
    for bad in (0, 0.0, -1e-9, math.nan, math.inf, -math.inf, *NO_NUMBERS):
        assert refusal(**{name: bad}) == f"`{name}` must be a positive number; got {bad!r}."


@pytest.mark.parametrize("name", NON_NEGATIVE)
def test_thresholds_may_be_zero(name: str) -> None:
    for good in (0, 0.0, 1e9, np.float64(0.3)):
        assert getattr(Config(**{name: good}), name) == good
    for bad in (-1e-9, math.nan, math.inf, *NO_NUMBERS):
        assert refusal(**{name: bad}) == f"`{name}` must be a number of at least 0; got {bad!r}."


@pytest.mark.parametrize("name", CHOICES)
def test_choices(name: str) -> None:
    for good in CHOICES[name]:
        assert getattr(Config(**{name: good}), name) == good
    listed = ", ".join(map(repr, CHOICES[name]))
    more = " or a dict of such names by column" if name == "likelihood" else ""
    for bad in ("", "AUTO", "adam", 0, None, True, [], ("auto",)):
        assert refusal(**{name: bad}) == f"`{name}` must be one of {listed}{more}; got {bad!r}."


@pytest.mark.parametrize("name", ["max_iter", "n_components"])
def test_integers_that_may_be_found(name: str) -> None:
    assert [getattr(Config(**{name: good}), name) for good in (1, "auto", np.int32(9))] == [1, "auto", 9]
    for bad in (0, "many", 1.5, True, None):
        assert refusal(**{name: bad}) == f"`{name}` must be an integer of at least 1 or 'auto'; got {bad!r}."


@pytest.mark.parametrize("name", ["n_components", "style_dim"])
def test_sizes_are_integers_or_auto(name: str) -> None:
    assert [getattr(Config(**{name: good}), name) for good in (1, 7, "auto")] == [1, 7, "auto"]
    for bad in (0, -1, 1.5, "2", None, True):
        assert refusal(**{name: bad}) == f"`{name}` must be an integer of at least 1 or 'auto'; got {bad!r}."


def test_size_factors_are_a_word_or_the_name_of_a_column() -> None:
    assert [Config(size_factors=good).size_factors for good in ("auto", "none", "depth")] == ["auto", "none", "depth"]
    for bad in ("", 0, None, True):
        said = f"`size_factors` must be 'auto', 'total', 'none' or the name of a column; got {bad!r}."
        assert refusal(size_factors=bad) == said


def test_max_grad_norm_may_be_none() -> None:
    assert [Config(max_grad_norm=good).max_grad_norm for good in (None, 1, 0.5)] == [None, 1, 0.5]
    for bad in (0, -1.0, math.inf, math.nan, "1", True):
        assert refusal(max_grad_norm=bad) == f"`max_grad_norm` must be a positive number or None; got {bad!r}."


def test_warm_up_is_a_share() -> None:
    assert [Config(warm_up=good).warm_up for good in (0, 0.3, 1, 1.0)] == [0, 0.3, 1, 1.0]
    for bad in (-0.1, 1.01, math.nan, "0.5", True, None):
        assert refusal(warm_up=bad) == f"`warm_up` must be a number in [0, 1]; got {bad!r}."


def test_validation_fraction_is_a_share_below_one() -> None:
    assert [Config(validation_fraction=good).validation_fraction for good in (0, 0.0, 0.999)] == [0, 0.0, 0.999]
    for bad in (1, 1.0, -0.1, math.nan, "0.1", True, None):
        assert refusal(validation_fraction=bad) == f"`validation_fraction` must be a number in [0, 1); got {bad!r}."


def test_verbose_counts_from_zero() -> None:
    assert [Config(verbose=good).verbose for good in (0, 1, 2)] == [0, 1, 2]
    for bad in (-1, 0.5, True, None, "1"):
        assert refusal(verbose=bad) == f"`verbose` must be an integer of at least 0; got {bad!r}."


def test_batch_norm_is_a_truth_value() -> None:
    assert Config(batch_norm=True).batch_norm
    assert refusal(batch_norm=1) == "`batch_norm` must be True or False; got 1."


def test_warm_start_is_a_truth_value() -> None:
    assert Config(warm_start=True).warm_start
    for bad in (1, 0, "yes", None):
        assert refusal(warm_start=bad) == f"`warm_start` must be True or False; got {bad!r}."


def test_devices_are_spelled_out() -> None:
    for good in ("auto", "cpu", "cuda", "cuda:0", "cuda:13"):
        assert Config(device=good).device == good
    for bad in ("gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "auto:0", "cuda:0\n", "", None, 0, torch.device("cpu")):
        assert refusal(device=bad) == f"`device` must be 'auto', 'cpu', 'cuda' or 'cuda:N'; got {bad!r}."


def test_random_state_is_a_seed_or_a_generator() -> None:
    for good in (None, 0, 2**32 - 1, np.uint32(5), np.random.RandomState(0)):
        assert Config(random_state=good).random_state is good
    for bad in (-1, 2**32, 0.5, "a", True, [1], np.random.default_rng(0)):
        sentence = f"`random_state` must be None, an integer in [0, 2**32) or a numpy RandomState; got {bad!r}."
        assert refusal(random_state=bad) == sentence


def test_hidden_layers_are_counts() -> None:
    for good in ((1,), (500, 500), [16, 8], (np.int64(4),)):
        assert Config(hidden_layer_sizes=good).hidden_layer_sizes == tuple(good)
    assert Config(hidden_layer_sizes="auto").hidden_layer_sizes == "auto"
    for bad in ((), [], 500, (0,), (8, -1), (8.0,), (True,), "88", "", None, ("8",), np.array([8])):
        sentence = f"`hidden_layer_sizes` must be a non-empty tuple of integers of at least 1 or 'auto'; got {bad!r}."
        assert refusal(hidden_layer_sizes=bad) == sentence


def test_network_is_a_name_or_a_pair_of_modules() -> None:
    pair = (nn.Identity(), nn.Identity())
    assert Config(network=pair).network is pair
    for good in NETWORKS:
        assert Config(network=good).network == good
    listed = "`network` must be one of " + ", ".join(map(repr, NETWORKS))
    assert refusal(network="resnet") == f"{listed}; got 'resnet'."
    for bad in (None, 3, (nn.Identity(),), (1, 2), ("mlp", "mlp"), list(pair), (nn.Identity(), None)):
        assert refusal(network=bad) == f"{listed} or a pair (encoder, decoder) of torch modules; got {bad!r}."


def test_restarts_at_once_is_an_integer_or_auto() -> None:
    assert [Config(restarts_at_once=good).restarts_at_once for good in (1, "auto", np.int32(9))] == [1, "auto", 9]
    for bad in (0, "all", 1.5, None, True):
        sentence = f"`restarts_at_once` must be an integer of at least 1 or 'auto'; got {bad!r}."
        assert refusal(restarts_at_once=bad) == sentence


def test_compile_is_a_boolean_or_auto() -> None:
    assert [Config(compile=good).compile for good in (True, False, "auto")] == [True, False, "auto"]
    for bad in (1, "yes", None):
        assert refusal(compile=bad) == f"`compile` must be True, False or 'auto'; got {bad!r}."


def test_columns_are_named() -> None:
    for name, free in (("size_factors", "none"), ("covariate", None)):
        for good in ("depth", free):
            assert getattr(Config(**{name: good}), name) == good
        for bad in ("", 0, True, ["a"]):
            assert refusal(**{name: bad}).endswith(f"the name of a column; got {bad!r}.")


def test_every_field_has_been_tried_above() -> None:
    singles = {
        "n_components",
        "style_dim",
        "max_iter",
        "size_factors",
        "max_grad_norm",
        "validation_fraction",
        "warm_up",
        "verbose",
        "warm_start",
        "batch_norm",
        "device",
    }
    singles |= {"consistency", "random_state", "hidden_layer_sizes", "network", "restarts_at_once", "compile"}
    singles |= {"size_factors", "covariate"}
    assert {*INTEGERS, *POSITIVE, *NON_NEGATIVE, *CHOICES, *singles} == set(FIELDS)


def test_every_field_has_help() -> None:
    for field in FIELDS.values():
        assert field.metadata["help"].endswith("."), field.name


def test_the_estimators_docstring_gives_the_help_and_the_symbol_of_every_field() -> None:
    from gmvae import GMVAE

    section = str(GMVAE.__doc__).split("Attributes\n")[0]
    entries = re.split(r"^    (?=\w+ : )", section, flags=re.MULTILINE)[1:]
    texts = {entry.split(" : ")[0]: " ".join(entry.split()) for entry in entries}
    assert list(texts) == list(FIELDS)
    for name, field in FIELDS.items():
        assert " ".join(field.metadata["help"].split()) in texts[name]
        assert field.metadata["symbol"] in texts[name]


def test_types_are_named_as_numpydoc_does() -> None:
    assert domains.integer(1).or_auto().type == 'int or "auto"'
    assert domains.POSITIVE.or_none().type == "float or None"
    assert domains.choice(Literal["a", "b"]).type == '{"a", "b"}'
    assert all(field.metadata["domain"].type for field in FIELDS.values())


def test_numbers_become_pythons_own() -> None:
    """An int8 of numpy would overflow in the first product of sizes."""
    config = Config(
        n_components=np.int8(3), tol=np.float32(0.5), hidden_layer_sizes=[np.uint8(7)], max_iter=np.int16(2)
    )
    values = (config.n_components, config.tol, config.max_iter, config.hidden_layer_sizes[0])
    assert [type(value) for value in values] == [int, float, int, int]
    assert isinstance(config.hidden_layer_sizes, tuple)
    assert hash(config) == hash(Config(n_components=3, tol=0.5, hidden_layer_sizes=(7,), max_iter=2))


def test_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Config().n_components = 3  # type: ignore[misc]


# ---------------------------------------------------------------- epochs


@given(n_rows=st.integers(1, 10**7), batch_size=st.integers(1, 10**4))
def test_auto_epochs_are_the_fewest_that_take_enough_steps(n_rows: int, batch_size: int) -> None:
    _, steps, found = steps_for(Config(batch_size=batch_size), n_rows)
    assert found >= MIN_EPOCHS
    assert found * steps >= MIN_STEPS
    if found > MIN_EPOCHS:
        assert (found - 1) * steps < MIN_STEPS
    assert steps_for(Config(max_iter=np.int64(7), batch_size=batch_size), n_rows).epochs == 7


@given(n_rows=st.integers(1, 10**5), batch_size=st.integers(1, 10**4))
def test_an_epoch_is_the_fewest_passes_that_take_enough_steps(n_rows: int, batch_size: int) -> None:
    of_pass = max(1, n_rows // batch_size)
    steps = steps_for(Config(batch_size=batch_size), n_rows).per_epoch
    assert steps % of_pass == 0
    assert steps >= MIN_STEPS_OF_EPOCH > steps - of_pass or steps == of_pass


# ---------------------------------------------------------------- presets


@pytest.mark.parametrize("name", PRESETS)
def test_presets_train_as_the_paper_does(name: str) -> None:
    config = Config(**preset(name))
    assert config.bound == "paper"
    assert config.learning_rate == 1e-4
    assert config.learning_rate_schedule == "constant"
    assert config.max_grad_norm is None
    assert config.min_information == 0.5, "the default of the authors' public code"
    assert config.network == name


def test_preset_of_the_synthetic_experiment() -> None:
    config = Config(**preset("paper-synthetic"))
    assert (config.n_components, config.latent_dim, config.style_dim) == (8, 2, 2)
    assert (config.batch_size, config.max_iter, config.likelihood) == (200, 500, "gaussian")


@pytest.mark.parametrize("name", ["paper-mnist", "paper-svhn"])
def test_presets_of_images(name: str) -> None:
    config = Config(**preset(name))
    assert (config.latent_dim, config.style_dim) == (200, 150)
    assert (config.batch_size, config.max_iter, config.likelihood) == (50, 100, "bernoulli")


def test_presets_are_handed_out_as_copies() -> None:
    preset("paper-mnist")["n_components"] = 99
    assert preset("paper-mnist")["n_components"] == 10


def test_unknown_preset() -> None:
    with pytest.raises(ValueError, match="`preset` must be one of 'paper-synthetic', 'paper-mnist', 'paper-svhn'; got"):
        preset("mnist")


def test_config_is_light() -> None:
    code = "import json, sys, gmvae.config; print(json.dumps([m for m in ('torch', 'numpy') if m in sys.modules]))"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert json.loads(said) == []
