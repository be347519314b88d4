"""The values that "auto" takes, each with its reason."""

from __future__ import annotations

import dataclasses
import logging
from typing import Any

import torch

from gmvae.config import MIN_AUGMENTED_SIZE, Config
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape

_MIN_PARAMETERS_FOR_BF16 = 1_000_000
"""Below it, casting weights and activations costs as much as faster matrix products save (docs/performance.md)."""
_MAX_PARAMETERS_STACKED_ON_CPU = 1_000_000
"""Above it, matrix products take most of a step, and stacked convolutions are slow; below it, the overhead of calls,
which a stack shares, takes much of it."""
_CONSISTENCY = 5.0
"""Nats. 10 and 20 give similar clusters on MNIST."""
_MIN_STEPS_TO_COMPILE = 2_000
"""Compiling takes about as long as this many steps."""

Reasoned = tuple[Any, str]
"""A value and the reason for it."""

_log = logging.getLogger("gmvae")


def resolve_auto(
    config: Config, model: GaussianMixtureVAE, event_shape: Shape, device: torch.device, n_steps: int, n_runs: int
) -> tuple[Config, list[str]]:
    """Replace "auto" by values that suit the model as it will be trained, the data and the device, and give reasons.

    A run takes at most ``n_steps`` gradient steps; ``n_runs`` are the restarts of all fits.

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
        If `consistency` is above 0 for rows that are no images.
    """
    resolved: dict[str, Reasoned] = {}
    if config.consistency == "auto":
        resolved["consistency"] = _consistency(event_shape)
    elif config.consistency and len(event_shape) == 1:
        raise ValueError(
            f"`consistency` must be 0 or 'auto' for rows that are no images; got {config.consistency!r}: reshape X to "
            "(n, H, W), or set it to 0."
        )
    if config.precision == "auto":
        resolved["precision"] = _precision(model, device)
    if config.compile == "auto":
        resolved["compile"] = _compile(device, n_steps)
    if config.restarts_at_once == "auto" and n_runs > 1:
        resolved["restarts_at_once"] = _restarts_at_once(config, model, device, n_runs)
    reasons = [f"{name}={value!r}: {reason}" for name, (value, reason) in resolved.items()]
    for reason in reasons:
        _log.info(reason)
    return dataclasses.replace(config, **{name: value for name, (value, _) in resolved.items()}), reasons


def augments(config: Config, event_shape: Shape) -> bool:
    """Whether randomly transformed copies of observations of this shape take part in training."""
    return (_consistency(event_shape)[0] if config.consistency == "auto" else config.consistency) > 0.0


def _consistency(event_shape: Shape) -> Reasoned:
    if len(event_shape) == 1:
        return (0.0, "only images have random transformations")
    if min(event_shape[1:]) < MIN_AUGMENTED_SIZE:
        return (0.0, "transformations of images of so few pixels change what they show")
    return (_CONSISTENCY, "an image and a randomly transformed copy are pulled to the same cluster")


def _precision(model: GaussianMixtureVAE, device: torch.device) -> Reasoned:
    likelihood = model.likelihood
    if not likelihood.takes_bfloat16:
        return ("32-true", likelihood.precision_reason)
    if not _multiplies_bf16(device):
        return ("32-true", f"this {device.type} has no bfloat16 matrix products")
    if _n_parameters(model) < _MIN_PARAMETERS_FOR_BF16:
        return ("32-true", "the network is too small to gain from bfloat16")
    reason = f"this {device.type} multiplies bfloat16 matrices faster, and {likelihood.precision_reason}"
    return ("bf16-mixed", reason)


def _compile(device: torch.device, n_steps: int) -> Reasoned:
    if device.type == "cpu":
        return (False, "on a CPU matrix products take most of a step, and compiling gains next to nothing")
    if n_steps < _MIN_STEPS_TO_COMPILE:
        return (False, f"compiling would take longer than it saves in {n_steps:,} steps")
    return (True, f"{n_steps:,} steps are worth compiling for")


def _restarts_at_once(config: Config, model: GaussianMixtureVAE, device: torch.device, n_runs: int) -> Reasoned:
    if not isinstance(config.network, str):
        return (1, "networks of your own may not support stacking")
    if device.type == "cpu" and _n_parameters(model) > _MAX_PARAMETERS_STACKED_ON_CPU:
        return (1, "the network is large enough to keep the CPU busy alone")
    return (n_runs, "stacked steps are faster for a small network or on a GPU")


def _n_parameters(model: GaussianMixtureVAE) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _multiplies_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
