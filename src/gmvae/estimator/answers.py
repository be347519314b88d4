"""What a fitted model answers about rows that have been checked: clusters, embeddings, densities, new observations.

Nothing here needs scikit-learn, which takes as long to import as PyTorch: the command line asks here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmvae.config import Domain, require
from gmvae.estimator.batches import map_rows
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.observations import FARTHEST

N_IMPORTANCE_SAMPLES = 64
N_NOVELTY_SAMPLES = 16
"""As many for the rows held out of a fit as for those asked about, or their densities would not compare."""
AMBIGUOUS_ABOVE = 0.5
"""Nats of entropy: 80 to 20 between two clusters."""
NOVEL_BELOW = 1.0
"""Percent of the rows held out of a fit."""


def labels(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Most probable component of every row, (n,)."""
    return map_rows(lambda y: model.log_posterior(y).argmax(-1), rows, like(model).device, batch_size)


def proba(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """p(z|y) of every row, (n, K), with the means of q(x|y) and q(w|y) plugged in; float64, so that rows sum to 1."""
    return map_rows(lambda y: model.log_posterior(y).double().softmax(-1), rows, like(model).device, batch_size)


def log_odds(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """log [p(z=k|y) / (1 − p(z=k|y))] of every row, (n, K), in float64."""
    return map_rows(model.log_odds, rows, like(model).device, batch_size)


def embedding(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Mean of q(x|y) of every row, (n, D_x)."""
    return map_rows(model.embed, rows, like(model).device, batch_size)


def style(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Mean of q(w|y) of every row, (n, D_w)."""
    return map_rows(model.embed_style, rows, like(model).device, batch_size)


def observations(model: GaussianMixtureVAE, latents: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """Mean of p(y|x), (n, *event), for latents (n, D_x)."""
    weight = like(model)
    return map_rows(lambda x: model.decode(x.to(weight.dtype)), latents, weight.device, batch_size)


def log_evidence(
    model: GaussianMixtureVAE,
    rows: np.ndarray,
    n_importance_samples: int = N_IMPORTANCE_SAMPLES,
    batch_size: int | None = None,
) -> np.ndarray:
    """Importance-weighted estimate of log p(y) of every row, (n,), in nats; all rows share the same noise."""
    _require_count("n_importance_samples", n_importance_samples)
    weight = like(model)
    generator = torch.Generator().manual_seed(0)
    dims = (model.generative.mixture.streams[-1], model.generative.style_dim)
    noise = Noise(*(torch.randn(n_importance_samples, 1, dim, generator=generator).to(weight) for dim in dims))
    return map_rows(lambda y: model.log_evidence(y, noise), rows, weight.device, batch_size)


def novelty_evidence(model: GaussianMixtureVAE, rows: np.ndarray, batch_size: int | None = None) -> np.ndarray:
    """The estimate of log p(y) by which rows are novel or not, (n,)."""
    return log_evidence(model, rows, N_NOVELTY_SAMPLES, batch_size)


def ambiguous(chances: np.ndarray, above: float = AMBIGUOUS_ABOVE) -> np.ndarray:
    """Whether the entropy of probabilities (n, K) is above so many nats, (n,)."""
    require("above", Domain("a number of nats of at least 0", low=0.0), above)
    return -(chances * np.log(np.maximum(chances, np.finfo(chances.dtype).tiny))).sum(1) > above


def novel(
    model: GaussianMixtureVAE,
    rows: np.ndarray,
    held_out: np.ndarray,
    below: float = NOVEL_BELOW,
    batch_size: int | None = None,
) -> np.ndarray:
    """Whether the density of every row is below a percentile of those of held-out rows, (n,)."""
    require("below", Domain("a percentage from 0 to 100", low=0.0, high=100.0), below)
    if not len(held_out):
        raise ValueError(
            "The model must know the densities of rows that were held out of its fit; it has none, as while it is "
            "being fitted or in a file of an earlier version: fit it anew."
        )
    return novelty_evidence(model, rows, batch_size) < np.percentile(held_out, below)


@torch.inference_mode()
def draw(
    model: GaussianMixtureVAE, n_samples: int, component: Any = None, style: Any = None, *, mean: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """New observations (n_samples, *event) and their components (n_samples,); see `GMVAE.sample`."""
    _, K, _ = model.generative.mixture.streams
    style_dim = model.generative.style_dim
    _require_count("n_samples", n_samples)
    if component is not None:
        component = np.asarray(component)
        fits = component.shape in {(), (n_samples,)} and np.issubdtype(component.dtype, np.integer)
        if not fits or component.min() < 0 or component.max() >= K:
            raise ValueError(
                f"`component` must be None, or one integer in 0..{K - 1} or {n_samples} of them; got "
                f"{component.tolist()!r}."
            )
    weight = like(model)
    generator = torch.Generator(weight.device).manual_seed(seed)
    chances = model.generative.mixture.log_weights.softmax(-1)
    drawn = torch.multinomial(chances, n_samples, replacement=True, generator=generator)
    if component is not None:
        drawn.copy_(torch.from_numpy(np.array(component)))
    w = torch.randn(n_samples, style_dim, generator=generator, device=weight.device, dtype=weight.dtype)
    if style is not None:
        style = np.array(style)  # a copy: torch takes no negative strides
        if style.shape not in {(style_dim,), (n_samples, style_dim)}:
            raise ValueError(
                f"`style` must have shape ({style_dim},) or ({n_samples}, {style_dim}); got shape {style.shape}."
            )
        check_style(style)
        w = torch.from_numpy(style).to(w).expand_as(w)
    x = model.generative.sample_latent(drawn, w, generator)
    y = model.decode(x) if mean else model.sample_observation(x, generator)
    return y.cpu().numpy(), drawn.cpu().numpy()


def check_style(style: np.ndarray) -> None:
    """Raise unless a style is of numbers that the networks can reckon with."""
    if style.dtype.kind not in "biuf" or not (np.abs(style) <= FARTHEST).all():
        raise ValueError(f"`style` must hold finite numbers of at most {FARTHEST:g}; got {style.tolist()!r}.")


def like(model: GaussianMixtureVAE) -> Tensor:
    """A tensor of the model's device and floating-point type."""
    return model.generative.mixture.output.weight


def _require_count(name: str, value: object) -> None:
    require(name, Domain("an integer of at least 1", low=1, integral=True), value)
