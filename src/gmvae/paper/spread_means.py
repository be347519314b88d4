"""A fit that begins with components at chosen means, in place of those that random weights give."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

from gmvae.estimator import GMVAE
from gmvae.generative import MixturePrior

_STYLE_SHARE = 0.1
"""Share of its usual influence that the style has on components with given means."""


def spread_means(model: GMVAE, scale: float, X: NDArray[Any]) -> None:
    """Let the fit start from components with unit scales around means drawn from N(0, scale²)."""
    epochs = model.max_iter
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.set_params(max_iter=1, verbose=0).fit(X[: model.batch_size])
    generator = torch.Generator().manual_seed(model.random_state)
    means = scale * torch.randn(model.n_components_, model.latent_dim, generator=generator)
    place(model.fitted_.model.generative.mixture, means, torch.ones_like(means))
    model.set_params(max_iter=epochs, verbose=1, warm_start=True)


@torch.no_grad()
def place(mixture: MixturePrior, means: Tensor, scales: Tensor) -> None:
    """Put components at ``means`` with ``scales`` (K, D_x), nearly so at every style."""
    mixture.output.weight.mul_(_STYLE_SHARE)
    mixture.output.bias.copy_(torch.stack([means, scales.log()]).flatten())
