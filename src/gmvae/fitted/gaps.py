"""Rows with missing entries: the model that answers for them, and what it answers where nothing is observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor

from gmvae.domains import integer, require
from gmvae.fitted.map_rows import map_rows
from gmvae.likelihoods import JointLikelihood
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.networks import Shape

N_IMPUTATION_SAMPLES = 100
"""Samples of q(x|y) that stand for the posterior where missing entries are filled in."""
_N_STYLES = 1000
"""Draws of the style over which the prior's mean of x is taken."""


def with_gaps(model: GaussianMixtureVAE, event_shape: Shape) -> GaussianMixtureVAE:
    """The same model, for observations with missing entries even where its fit had none."""
    if isinstance(model.likelihood, JointLikelihood):
        return model
    likelihood = JointLikelihood.of(model.likelihood, event_shape).to(model.device)
    return GaussianMixtureVAE(model.generative, model.recognition, likelihood, model.bound).eval()


def prior_of_components(model: GaussianMixtureVAE) -> Tensor:
    """log p(z), (K,): the posterior of a row of which nothing is observed."""
    return model.generative.mixture.log_weights.detach().log_softmax(-1)


@torch.no_grad()
def prior_of_latents(model: GaussianMixtureVAE) -> Any:
    """The prior's mean of x, (D_x,)."""
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(_N_STYLES, model.generative.style_dim, generator=generator).to(model.device, model.dtype)
    mixture = model.generative.mixture(w)
    return (mixture.log_weights.exp()[:, None] * mixture.components.mean).sum(-2).mean(0).cpu().numpy()


def impute(
    model: GaussianMixtureVAE, rows: np.ndarray, noise: Noise, n_samples: int, seed: int, batch_size: int | None
) -> np.ndarray:
    """Rows (n, *event) with their missing entries filled in, by a model `with_gaps`; see `GMVAE.impute`."""
    require("n_samples", integer(0), n_samples)
    rows = rows.astype(np.float64)
    device = noise.x.device
    if n_samples == 0:
        return map_rows(lambda y: model.impute(y, noise), rows, device, batch_size)
    generator = torch.Generator(device).manual_seed(seed)
    drawn = map_rows(lambda y: model.draw_missing(y, noise, n_samples, generator), rows, device, batch_size)
    return np.ascontiguousarray(np.moveaxis(drawn, 1, 0))
