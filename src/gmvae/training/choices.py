"""What is chosen where a hyperparameter is left at "auto", each with its reason."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any, NamedTuple

import torch

from gmvae.config import MIN_AUGMENTED_SIZE, Config
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape

_MIN_PARAMETERS_FOR_BF16 = 200_000
"""Below it, casting weights costs what faster matrix products save."""
_MAX_PARAMETERS_STACKED_ON_CPU = 1_000_000
"""Above it, a step's matrix products alone keep a processor busy, and stacked convolutions are slow; below it, the
calls take their share of the time."""
_CONSISTENCY = 5.0
"""Nats. On MNIST 10 and 20 give much the same clusters."""
_MIN_STEPS_TO_COMPILE = 2_000
"""Compiling takes about as long as so many steps."""

_log = logging.getLogger("gmvae")


class Choice(NamedTuple):
    """A value and the reason for it."""

    value: Any
    reason: str


def decide(
    config: Config, model: GaussianMixtureVAE, event_shape: Shape, device: torch.device, n_steps: int, n_runs: int
) -> tuple[Config, list[str]]:
    """Replace "auto" by what suits the model and the device, and say why.

    Parameters
    ----------
    model : GaussianMixtureVAE
        As it will be trained.
    event_shape : tuple of int
        Shape of an observation: (p,) or (C, H, W).
    device : torch.device
        Where.
    n_steps : int
        Gradient steps of a run at most.
    n_runs : int
        Restarts, of all fits.

    Returns
    -------
    config : Config
        Without "auto" in `consistency`, `precision` and `compile`, and, if there are several runs, in
        `restarts_at_once`.
    reasons : list of str
        One sentence a choice; they are logged, too.

    Raises
    ------
    ValueError
        If views are to agree of rows that are no images.
    """
    choices = {}
    if config.consistency == "auto":
        choices["consistency"] = _consistency(event_shape)
    elif config.consistency and len(event_shape) == 1:
        raise ValueError(
            f"`consistency` must be 0 or 'auto' for rows that are no images; got {config.consistency!r}: reshape X to "
            "(n, H, W), or set it to 0."
        )
    if config.precision == "auto":
        choices["precision"] = _precision(model, device)
    if config.compile == "auto":
        choices["compile"] = _compile(device, n_steps)
    if config.restarts_at_once == "auto" and n_runs > 1:
        choices["restarts_at_once"] = _restarts_at_once(config, model, device, n_runs)
    reasons = [f"{name}={choice.value!r}: {choice.reason}" for name, choice in choices.items()]
    for reason in reasons:
        _log.info(reason)
    return dataclasses.replace(config, **{name: choice.value for name, choice in choices.items()}), reasons


def _consistency(event_shape: Shape) -> Choice:
    if len(event_shape) == 1:
        return Choice(0.0, "rows that are no images cannot be moved")
    if min(event_shape[1:]) < MIN_AUGMENTED_SIZE:
        return Choice(0.0, "images of so few pixels lose what they show when they are moved by a part of one")
    return Choice(_CONSISTENCY, "an image that is moved a little stays what it is")


def _precision(model: GaussianMixtureVAE, device: torch.device) -> Choice:
    likelihood = model.likelihood
    if not likelihood.takes_bfloat16:
        return Choice("32-true", likelihood.precision_reason)
    if not _multiplies_bf16(device):
        return Choice("32-true", f"this {device.type} has no bfloat16 matrix products")
    if _n_parameters(model) < _MIN_PARAMETERS_FOR_BF16:
        return Choice("32-true", "the network is too small to gain from bfloat16")
    reason = f"this {device.type} multiplies bfloat16 matrices faster, and {likelihood.precision_reason}"
    return Choice("bf16-mixed", reason)


def _compile(device: torch.device, n_steps: int) -> Choice:
    if device.type == "cpu":
        return Choice(False, "on a CPU matrix products take most of a step, and compiling gains next to nothing")
    if n_steps < _MIN_STEPS_TO_COMPILE:
        return Choice(False, f"compiling would take longer than it saves in {n_steps:,} steps")
    return Choice(True, f"{n_steps:,} steps are worth compiling for")


def _restarts_at_once(config: Config, model: GaussianMixtureVAE, device: torch.device, n_runs: int) -> Choice:
    if not isinstance(config.network, str):
        return Choice(1, "networks of your own may not be stackable")
    if device.type == "cpu" and _n_parameters(model) > _MAX_PARAMETERS_STACKED_ON_CPU:
        return Choice(1, "the network is large enough to keep the CPU busy alone")
    return Choice(n_runs, "steps of a small network, or on a GPU, are taken faster together")


def _n_parameters(model: GaussianMixtureVAE) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
