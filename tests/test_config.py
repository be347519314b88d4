"""Every hyperparameter: its domain, its sentence, its value in the paper's presets."""

from __future__ import annotations

import dataclasses
import json
import math
import re
import subprocess
import sys
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any, Literal, NamedTuple

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from gmvae import PRESETS, domains, preset
from gmvae.config import Config
from gmvae.training.minibatches import MIN_EPOCHS, MIN_STEPS, MIN_STEPS_OF_EPOCH, steps_for

FIELDS = {field.name: field for field in dataclasses.fields(Config)}

NETWORKS = ("auto", "mlp", "conv", "paper-synthetic", "paper-mnist", "paper-svhn")
PAIR = (nn.Identity(), nn.Identity())
NO_NUMBERS = [True, False, np.True_, "3", None, 1j, [1], np.array([1, 2]), np.array(1), torch.tensor(1), Decimal(1)]


class Held(NamedTuple):
    """Fields of one domain: the end of their sentence, and values that are in it and that are not."""

    names: str
    says: str
    good: Sequence[Any]
    bad: Sequence[Any]


def words(name: str, *choices: str, more: str = "") -> Held:
    bad = ("", "AUTO", "adam", 0, None, True, [], ("auto",))
    return Held(name, f"one of {', '.join(map(repr, choices))}{more}", choices, bad)


DOMAINS = (
    Held(
        "latent_dim n_mc_samples n_init n_iter_no_change",
        "an integer of at least 1",
        (1, 7, np.int64(3), np.uint8(2), 10**12),
        (0, -1, 1.0, 2.5, np.float64(2.0), math.nan, math.inf, *NO_NUMBERS),
    ),
    Held(
        "n_components style_dim batch_size max_iter restarts_at_once",
        "an integer of at least 1 or 'auto'",
        (1, "auto", np.int32(9)),
        (0, -1, 1.0, 2.5, math.nan, "many", *NO_NUMBERS),
    ),
    Held("verbose", "an integer of at least 0", (0, 1, 2), (-1, 0.5, True, None, "1")),
    Held(
        "learning_rate",
        "a positive number",
        (1, 1e-300, 0.5, np.float32(0.1), Fraction(1, 4), np.int16(2)),
        (0, 0.0, -1e-9, math.nan, math.inf, -math.inf, *NO_NUMBERS),
    ),
    Held("max_grad_norm", "a positive number or None", (None, 1, 0.5), (0, -1.0, math.inf, math.nan, "1", True)),
    Held(
        "min_information tol",
        "a number of at least 0",
        (0, 0.0, 1e9, np.float64(0.3)),
        (-1e-9, math.nan, math.inf, *NO_NUMBERS),
    ),
    Held("consistency", "a number of at least 0 or 'auto'", (0, 0.5, "auto"), (-1e-9, math.inf, *NO_NUMBERS)),
    Held("warm_up", "a number in [0, 1]", (0, 0.3, 1, 1.0), (-0.1, 1.01, math.nan, "0.5", True, None)),
    Held("validation_fraction", "a number in [0, 1)", (0, 0.0, 0.999), (1, 1.0, -0.1, math.nan, "0.1", True, None)),
    Held("batch_norm warm_start", "True or False", (True, False), (1, 0, "yes", None)),
    Held("compile", "True, False or 'auto'", (True, False, "auto"), (1, "yes", None)),
    words(
        "likelihood",
        *("auto", "bernoulli", "negative-binomial", "gaussian", "hurdle", "poisson", "categorical"),
        more=" or a dict of such names by column",
    ),
    words("learning_rate_schedule", "one-cycle", "constant"),
    words("effort", "labels", "density"),
    words("bound", "exact", "paper"),
    words("init", "auto", "neighbours", "kmeans", "gmm", "random"),
    words("component_weights", "auto", "learned", "uniform"),
    words("precision", "auto", "32-true", "bf16-mixed", "64-true"),
    Held(
        "network",
        f"one of {', '.join(map(repr, NETWORKS))} or a pair (encoder, decoder) of torch modules",
        (*NETWORKS, PAIR),
        ("resnet", None, 3, (nn.Identity(),), (1, 2), ("mlp", "mlp"), list(PAIR), (nn.Identity(), None)),
    ),
    Held(
        "size_factors",
        "'auto', 'total', 'none' or the name of a column",
        ("auto", "none", "depth"),
        ("", 0, None, True, ["a"]),
    ),
    Held("covariate", "None or the name of a column", (None, "lane"), ("", 0, True, ["a"])),
    Held(
        "device",
        "'auto', 'cpu', 'cuda' or 'cuda:N'",
        ("auto", "cpu", "cuda", "cuda:0", "cuda:13"),
        ("gpu", "cuda:", "cuda:x", "cuda:-1", "cpu:1", "auto:0", "cuda:0\n", "", None, 0, torch.device("cpu")),
    ),
    Held(
        "random_state",
        "None, an integer in [0, 2**32) or a numpy RandomState",
        (None, 0, 2**32 - 1, np.uint32(5), np.random.RandomState(0)),
        (-1, 2**32, 0.5, "a", True, [1], np.random.default_rng(0)),
    ),
    Held(
        "hidden_layer_sizes",
        "a non-empty tuple of integers of at least 1 or 'auto'",
        ((1,), (500, 500), (np.int64(4),), "auto"),
        ((), [], 500, (0,), (8, -1), (8.0,), (True,), "88", "", None, ("8",), np.array([8])),
    ),
)
BY_FIELD = {name: held for held in DOMAINS for name in held.names.split()}


@pytest.mark.parametrize("name", FIELDS)
def test_every_field_has_a_domain_and_says_so(name: str) -> None:
    held = BY_FIELD[name]
    for good in held.good:
        assert getattr(Config(**{name: good}), name) == good
    for bad in held.bad:
        with pytest.raises(ValueError, match="must be") as caught:
            Config(**{name: bad})
        expected = f"`{name}` must be {held.says}; got {bad!r}."
        if name == "network" and isinstance(bad, str):
            expected = expected.replace(" or a pair (encoder, decoder) of torch modules", "")
        assert str(caught.value) == expected


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
