"""The right half of the paper's figure: q(x|y) q(w|y). The third factor, p(z|x, w), is not a network."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from gmvae.distributions import Normal


class Posterior(NamedTuple):
    """q(x|y) and q(w|y), each diagonal normal over (B, D)."""

    x: Normal
    w: Normal


class Recognition(nn.Module):
    """q(x|y) and q(w|y): shared hidden layers, four output streams (section 3 of the paper).

    Parameters
    ----------
    encoder : nn.Module
        Maps y (B, *event) to features (B, width).
    width, latent_dim, style_dim : int
        Number of features, D_x and D_w.
    """

    def __init__(self, encoder: nn.Module, width: int, latent_dim: int, style_dim: int) -> None:
        super().__init__()
        self.encoder = encoder
        self.streams = (latent_dim, latent_dim, style_dim, style_dim)
        self.output = nn.Linear(width, sum(self.streams))

    def forward(self, y: Tensor) -> Posterior:
        """Approximate posterior of x and w for observations y (B, *event)."""
        x_mean, x_log_scale, w_mean, w_log_scale = self.output(self.encoder(y)).split(self.streams, dim=-1)
        return Posterior(Normal.from_network(x_mean, x_log_scale), Normal.from_network(w_mean, w_log_scale))
