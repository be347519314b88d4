"""The left half of the paper's figure: p(w) p(z) p(x|w,z) p(y|x)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from gmvae.distributions import Mixture, Normal
from gmvae.likelihoods import Likelihood, Observation
from gmvae.networks import fully_connected


class MixturePrior(nn.Module):
    """p(x|w, z): one network β maps the style w to K means and K scales (section 2 of the paper).

    Parameters
    ----------
    n_components, latent_dim, style_dim : int
        K, D_x and D_w.
    width : int
        Hidden tanh units.
    learned_weights : bool
        Whether π, the softmax of `log_weights`, is learned; else it stays as it is.
    """

    def __init__(
        self, n_components: int, latent_dim: int, style_dim: int, width: int, *, learned_weights: bool = False
    ) -> None:
        super().__init__()
        self.streams = (2, n_components, latent_dim)
        self.hidden = fully_connected([style_dim, width], activation=nn.Tanh)
        self.output = nn.Linear(width, math.prod(self.streams))
        self.log_weights = nn.Parameter(
            torch.full((n_components,), -math.log(n_components)), requires_grad=learned_weights
        )

    def forward(self, w: Tensor) -> Mixture:
        """Mixture over x for every style w (S, B, D_w); its components have shape (S, B, K, D_x)."""
        mean, raw_log_scale = self.output(self.hidden(w)).unflatten(-1, self.streams).unbind(-3)
        return Mixture(self.log_weights.log_softmax(-1), Normal.from_network(mean, raw_log_scale))

    @torch.no_grad()
    def begin_alike(self) -> None:
        """Begin with components that are nearly alike: multiply the output layer by 1 / √(2 D_x).

        The log densities of two components at a point differ by a sum over D_x coordinates: with a layer's usual
        weights by several nats where D_x = 200. Posteriors are then certain from the first step on, and under the
        paper's bound one component takes all rows. So scaled, they differ by some tenths of a nat whatever D_x is.
        """
        factor = (2 * self.streams[2]) ** -0.5
        self.output.weight.mul_(factor)
        self.output.bias.mul_(factor)

    @torch.no_grad()
    def begin_with(self, shares: Tensor, style: float) -> None:
        """Begin with these weights (K,), if they are learned, and with this share of the usual influence of the style.

        With the usual scale of a layer's weights the means of one component differ between two styles about as much as
        those of two components at one style, and which component a place belongs to depends on the style drawn.
        """
        self.output.weight.mul_(style)
        if self.log_weights.requires_grad:
            self.log_weights.copy_(shares.log())


class ObservationModel(nn.Module):
    """p(y|x): a decoder maps latents (B, D_x) to raw outputs (B, n_outputs, *event) of a likelihood.

    Where the likelihood has a covariate, indicators of batches stand beside the latents, (B, D_x + n_batches).
    """

    def __init__(self, decoder: nn.Module) -> None:
        super().__init__()
        self.decoder = decoder

    def forward(self, x: Tensor, likelihood: Likelihood, batch: Tensor | None = None) -> Observation:
        """Distribution of y for latents x (..., D_x), of batches (...) of a covariate; by default of the largest."""
        outputs = self.decoder(likelihood.decoder_input(x, batch).flatten(0, -2))
        each = [output.unflatten(0, x.shape[:-1]) for output in outputs.unbind(1)]
        return likelihood.distribution_in(each, outputs.dim() - 2, batch)


class Generative(nn.Module):
    """The generative model: the prior of x given style and cluster, and the data given x.

    Parameters
    ----------
    mixture : MixturePrior
        p(x|w, z) for all components at once, with the weights of p(z).
    observation : ObservationModel
        p(y|x).
    style_dim : int
        D_w; p(w) is N(0, I).
    """

    def __init__(self, mixture: MixturePrior, observation: ObservationModel, style_dim: int) -> None:
        super().__init__()
        self.mixture = mixture
        self.observation = observation
        self.style_dim = style_dim

    def sample_latent(self, components: Tensor, w: Tensor, generator: torch.Generator) -> Tensor:
        """Draw x ~ p(x | w, z) for cluster indices (B,) and styles (B, D_w); shape (B, D_x)."""
        everything = self.mixture(w).components
        row = torch.arange(len(components), device=w.device)
        return Normal(everything.mean[row, components], everything.log_scale[row, components]).sample(generator)
