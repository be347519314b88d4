"""A plain fully connected autoencoder in PyTorch, for the mixture on its latents."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import nn

CHUNK = 10_000


def autoencode(
    X: np.ndarray, hidden: Sequence[int], n_latents: int, batch: int, epochs: int, seed: int
) -> Callable[[np.ndarray], np.ndarray]:
    """Train on squared errors with Adam; return the encoder."""
    torch.manual_seed(seed)
    widths = [X.shape[1], *hidden, n_latents]
    encoder, decoder = _layers(widths), _layers(widths[::-1])
    optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=1e-3)
    rows = torch.from_numpy(X)
    for _ in range(epochs):
        for chosen in torch.randperm(len(rows)).split(batch):
            optimizer.zero_grad()
            nn.functional.mse_loss(decoder(encoder(rows[chosen])), rows[chosen]).backward()
            optimizer.step()

    @torch.no_grad()
    def encode(rows: np.ndarray) -> np.ndarray:
        return torch.cat([encoder(chunk) for chunk in torch.from_numpy(rows).split(CHUNK)]).numpy()

    return encode


def _layers(widths: Sequence[int]) -> nn.Sequential:
    """Linear layers with rectifiers between them."""
    layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())]
    return nn.Sequential(*layers[:-1])
