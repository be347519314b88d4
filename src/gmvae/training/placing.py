"""Before the first epoch of a placed start: teach the encoder where the embedding lies."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import torch
from torch import Tensor

from gmvae.model import GaussianMixtureVAE
from gmvae.training.adam import adam
from gmvae.training.rows import Rows

N_STEPS = 500
LEARNING_RATE = 1e-3


def place_embedding(
    model: GaussianMixtureVAE,
    rows: Rows,
    indices: Tensor,
    target: Callable[[Tensor], Tensor],
    batch_size: int,
    generator: torch.Generator,
    autocast: Callable[[], AbstractContextManager[object]],
) -> None:
    """Regress the mean of q(x|y) on ``target``, so that posteriors start as the clusters that were found.

    Parameters
    ----------
    indices : Tensor of int
        Rows to learn from.
    target : callable
        Maps observations (B, *event) to places (B, D_x).
    autocast : callable
        Gives the context of the training's precision.
    """
    optimizer = adam(model.recognition.parameters(), LEARNING_RATE)
    model.train()
    for _ in range(N_STEPS):
        drawn = torch.randint(len(indices), (batch_size,), generator=generator, device=generator.device)
        y = rows.take(indices[drawn.to(indices.device)])
        with autocast():
            embedding = model.embed(y)
        error = (embedding - target(y)).square().sum(-1).mean()
        optimizer.zero_grad()
        error.backward()
        optimizer.step()
