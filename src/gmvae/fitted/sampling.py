"""New observations and components of a fitted model, with what users may ask for checked; its density by draws."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from gmvae.arrays import FARTHEST, as_tensor
from gmvae.device import torch_defaults
from gmvae.domains import integer, require
from gmvae.model import ELEMENTS_AT_ONCE, GaussianMixtureVAE

COUNT = integer(1)
_N_DRAWS = 8192


class Components(NamedTuple):
    """Normal components in the latent space: means and standard deviations, each (n_components, latent_dim)."""

    means: np.ndarray
    scales: np.ndarray


@torch_defaults()
@torch.inference_mode()
def draw(
    model: GaussianMixtureVAE, n_samples: int, component: Any = None, style: Any = None, *, mean: bool, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """New observations (n_samples, *event) and their components (n_samples,); see `GMVAE.sample`."""
    require("n_samples", COUNT, n_samples)
    style_dim = model.generative.style_dim
    generator = torch.Generator(model.device).manual_seed(seed)
    drawn, w = _components_and_styles(model, n_samples, generator)
    if component is not None:
        component = np.asarray(component)
        fits = component.shape in {(), (n_samples,)} and np.issubdtype(component.dtype, np.integer)
        if not fits or component.min() < 0 or component.max() >= model.K:
            raise ValueError(
                f"`component` must be None, or one integer in 0..{model.K - 1} or {n_samples} of them; got "
                f"{component.tolist()!r}."
            )
        drawn.copy_(torch.from_numpy(np.array(component)))
    if style is not None:
        w = torch.from_numpy(_checked_style(style, (style_dim,), (n_samples, style_dim))).to(w).expand_as(w)
    x = model.generative.sample_latent(drawn, w, generator)
    y = model.decode(x) if mean else model.sample_observation(x, generator)
    return y.cpu().numpy(), drawn.cpu().numpy()


@torch_defaults()
@torch.inference_mode()
def log_density(model: GaussianMixtureVAE, rows: np.ndarray) -> np.ndarray:
    """Estimate log p(y) of rows (n, *event) in nats, (n,), by the mean of p(y|x) over draws of x from the prior.

    It has no bias far from the rows of the fit either, where q(x|y) may be too narrow for importance weights. In more
    than a few dimensions hardly any draw comes near a row.
    """
    generator = torch.Generator(model.device).manual_seed(0)
    x = model.generative.sample_latent(*_components_and_styles(model, _N_DRAWS, generator), generator).unsqueeze(1)
    y = as_tensor(rows).to(model.device)
    seen = model.standardised(y)
    total = seen.new_full((len(y),), -math.inf)
    for part in x.split(max(1, ELEMENTS_AT_ONCE // seen.numel())):
        total = torch.logaddexp(total, model.log_likelihood(part, y, seen).logsumexp(0))
    return (total - math.log(_N_DRAWS)).cpu().numpy()


def _components_and_styles(model: GaussianMixtureVAE, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draws of z (n,) and w (n, D_w) from the prior."""
    shares = model.generative.mixture.log_weights.softmax(-1)
    z = torch.multinomial(shares, n, replacement=True, generator=generator)
    w = torch.randn(n, model.generative.style_dim, generator=generator, device=model.device, dtype=model.dtype)
    return z, w


@torch_defaults()
@torch.inference_mode()
def components(model: GaussianMixtureVAE, style: Any = None) -> Components:
    """Components of p(x|w) at one style (D_w,), by default 0."""
    style_dim = model.generative.style_dim
    w = _checked_style(np.zeros(style_dim) if style is None else style, (style_dim,))
    parts = model.generative.mixture(torch.from_numpy(w).to(model.device, model.dtype)).components
    return Components(parts.mean.cpu().numpy(), parts.log_scale.exp().cpu().numpy())


def _checked_style(style: Any, *shapes: tuple[int, ...]) -> np.ndarray:
    """A copy of a style of one of the shapes: torch takes no negative strides."""
    style = np.array(style)
    if style.shape not in shapes:
        raise ValueError(
            f"`style` must have shape {' or '.join(map(str, shapes))}; got shape {style.shape}: reshape it."
        )
    if style.dtype.kind not in "biuf" or not (np.abs(style) <= FARTHEST).all():
        raise ValueError(f"`style` must hold finite numbers of at most {FARTHEST:g}; got {style.tolist()!r}.")
    return style
