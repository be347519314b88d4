"""Rows with missing entries: the model that answers for them, and what it answers where nothing is observed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmvae.likelihoods import JointLikelihood
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape

_N_STYLES = 1000
"""Draws of the style over which the prior's mean of x is taken."""


def with_gaps(model: GaussianMixtureVAE, event_shape: Shape, bound: str) -> GaussianMixtureVAE:
    """The same model, for observations with missing entries even where its fit had none."""
    if isinstance(model.likelihood, JointLikelihood):
        return model
    likelihood = JointLikelihood.of(model.likelihood, event_shape).to(model.generative.mixture.output.weight.device)
    return GaussianMixtureVAE(model.generative, model.recognition, likelihood, bound).eval()


def prior_of_components(model: GaussianMixtureVAE) -> Tensor:
    """log p(z), (K,): the posterior of a row of which nothing is observed."""
    return model.generative.mixture.log_weights.detach().log_softmax(-1)


@torch.no_grad()
def prior_of_latents(model: GaussianMixtureVAE) -> Any:
    """The prior's mean of x, (D_x,)."""
    weight = model.generative.mixture.output.weight
    generator = torch.Generator().manual_seed(0)
    w = torch.randn(_N_STYLES, model.generative.style_dim, generator=generator).to(weight)
    mixture = model.generative.mixture(w)
    return (mixture.log_weights.exp()[:, None] * mixture.components.mean).sum(-2).mean(0).cpu().numpy()
