"""Does a device answer as the CPU does? Bounds, gradients, steps, precisions, resumed and stacked fits, and files."""

from __future__ import annotations

import contextlib
import copy
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae import GMVAE, fit_together, preset
from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import LIKELIHOODS
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import lower_bound
from gmvae.paper.provenance import provenance

TOLERANCES = {
    "float64": 1e-8,
    "float32": 1e-3,
    "stacked": 1e-6,
    "resumed": 1e-9,
    "files": 1e-8,
    "TF32": 1e-2,
    "bfloat16": 3e-2,
    "compiled": 1e-3,
}
"""Largest deviation that passes, as a share of the largest value. The first two are from the CPU; of stacked fits from
single ones and of a resumed fit from one in one piece, in float64; of a model that was read on another device from
that on its own; the last three from the device's own fit in float32."""
_N_ROWS, _N_STEPS = 20, 5
_SHAPE = (1, 28, 28)


class Answers(NamedTuple):
    """Bounds before and after some steps, and the first gradients of all parameters in one vector."""

    before: Tensor
    gradients: Tensor
    after: Tensor


def check(device: torch.device) -> dict[str, Any]:
    """Every deviation beside its tolerance, and whether all pass."""
    _allow_tf32(False)
    found: dict[str, Any] = {name: compared(device, getattr(torch, name)) for name in ("float64", "float32")}
    worst = {name: max(each.values()) for name, each in found.items()}
    worst |= {
        "stacked": stacked_deviation(device),
        "resumed": resumed_deviation(device),
        "files": file_deviation(device),
    }
    worst |= precision_deviations(device)
    passed = all(deviation <= TOLERANCES[name] for name, deviation in worst.items())
    return {"deviations": found, "worst": worst, "tolerances": TOLERANCES, "passed": passed, **provenance()}


def compared(device: torch.device, dtype: torch.dtype) -> dict[str, float]:
    """Deviations of the device's answers from the CPU's, for the network of MNIST."""
    config = Config(**preset("paper-mnist"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = build(config, _SHAPE, LIKELIHOODS["bernoulli"].blank(_SHAPE, {})).to(dtype)
        y = (torch.rand(_N_ROWS, *_SHAPE) < 0.3).to(dtype)
        noise = Noise(*(torch.randn(2, _N_ROWS, dim).to(dtype) for dim in (config.latent_dim, config.D_w)))
    there = copy.deepcopy(model).to(device)
    found = answers(there, y.to(device), Noise(*(part.to(device) for part in noise)))
    return {
        name: deviation(own, expected)
        for name, own, expected in zip(Answers._fields, found, answers(model, y, noise), strict=True)
    }


def answers(model: GaussianMixtureVAE, y: Tensor, noise: Noise) -> Answers:
    """What a model says to rows, and after gradient steps on them."""
    optimizer = torch.optim.Adam(model.train().parameters(), lr=1e-3)
    bounds, gradients = [], []
    for _ in range(_N_STEPS + 1):
        optimizer.zero_grad()
        bound = lower_bound(model(y, noise), 0.5)
        (-bound).backward()
        bounds.append(bound.detach())
        gradients.append(torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None]))
        optimizer.step()
    return Answers(bounds[0], gradients[0], torch.stack(bounds[1:]))


def deviation(found: Tensor, expected: Tensor) -> float:
    """Largest difference, as a share of the largest value expected."""
    return float((found.cpu() - expected.cpu()).abs().max() / expected.abs().max())


def stacked_deviation(device: torch.device) -> float:
    """Of the bounds of two seeds trained as one stacked model from those of the same trained one by one."""
    bounds = []
    for at_once in (1, 2):
        models = [_model(device, restarts_at_once=at_once, random_state=seed) for seed in (0, 1)]
        bounds.append(torch.stack([_bounds(model) for model in fit_together(models, _images())]))
    return deviation(bounds[1], bounds[0])


def resumed_deviation(device: torch.device) -> float:
    """Of the bounds of a fit that is interrupted after its first epoch and resumed from those of one in one piece."""

    def interrupt(model: GMVAE) -> None:
        raise KeyboardInterrupt

    whole = _model(device).fit(_images())
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(KeyboardInterrupt):
            _model(device).fit(_images(), run_dir=folder, on_epoch=interrupt)
        resumed = _model(device).fit(_images(), run_dir=folder, resume=True)
    return deviation(_bounds(resumed), _bounds(whole))


def file_deviation(device: torch.device) -> float:
    """Of the probabilities by a model that was fitted on one device and read on the other, both ways."""
    found = []
    for own, other in ((device, torch.device("cpu")), (torch.device("cpu"), device)):
        model = _model(own).fit(_images())
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.safetensors"
            model.save(path)
            read = GMVAE.load(path, device=str(other))
            proba = [torch.from_numpy(each.predict_proba(_images())) for each in (read, model)]
        found.append(deviation(*proba))
    return max(found)


def precision_deviations(device: torch.device) -> dict[str, float]:
    """Of the bounds of a fit in each faster way from those in float32; TF32 and compiling are for GPUs alone."""
    plain = _bounds(_model(device, precision="32-true").fit(_images()))
    found = {"bfloat16": deviation(_bounds(_model(device, precision="bf16-mixed").fit(_images())), plain)}
    if device.type == "cuda":
        found["compiled"] = deviation(_bounds(_model(device, precision="32-true", compile=True).fit(_images())), plain)
        _allow_tf32(True)
        found["TF32"] = deviation(_bounds(_model(device, precision="32-true").fit(_images())), plain)
        _allow_tf32(False)
    return found


def _allow_tf32(allowed: bool) -> None:
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def _images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (64, *_SHAPE), dtype=np.uint8)


def _model(device: torch.device, **settings: Any) -> GMVAE:
    """Of the paper's network, for three epochs from a random start, in float64 unless said otherwise."""
    common = {"init": "random", "max_iter": 3, "batch_size": 32, "precision": "64-true", "compile": False}
    return GMVAE(**{**preset("paper-mnist"), **common, "random_state": 0, "device": str(device), **settings})


def _bounds(model: GMVAE) -> Tensor:
    return torch.tensor(model.lower_bounds_, dtype=torch.float64)
