"""Both halves of the figure joined: the terms of the bound for training, and the queries.

Observations y are in the data's own units; what the networks see of them, "seen", is what
`Likelihood.standardised` gives.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from gmvae import objective
from gmvae.distributions import reparameterise
from gmvae.generative import Generative
from gmvae.likelihoods import Likelihood, Observation
from gmvae.objective import GuidedTerms, Terms
from gmvae.recognition import Posterior, Recognition

ELEMENTS_AT_ONCE = 2**22
"""Floats that one chunk of importance samples may hold: 16 MiB in float32, beside the decoder's hidden layers."""


class Noise(NamedTuple):
    """Standard normal noise for x (S, B, D_x) and w (S, B, D_w); B = 1 shares it between rows."""

    x: Tensor
    w: Tensor

    def of(self, rows: slice) -> Noise:
        """That of some of the rows."""
        return Noise(self.x[:, rows], self.w[:, rows])


class GaussianMixtureVAE(nn.Module):
    """The Gaussian Mixture Variational Autoencoder of Dilokthanakul et al. (2016).

    Parameters
    ----------
    generative : Generative
        p(w) p(z) p(x|w,z) p(y|x).
    recognition : Recognition
        q(x|y) q(w|y).
    likelihood : Likelihood
        The family of p(y|x), and what was learned for it from the data.
    bound : {"exact", "paper"}
        Form of the conditional-prior term.
    """

    def __init__(self, generative: Generative, recognition: Recognition, likelihood: Likelihood, bound: str) -> None:
        super().__init__()
        self.generative = generative
        self.recognition = recognition
        self.units = likelihood  # named so in the files of weights
        self.bound = bound
        self.guided_at_means = False  # whether guidance looks at the means of q(x|y) q(w|y) alone
        self.conditional_prior = objective.CONDITIONAL_PRIORS[bound]

    @property
    def K(self) -> int:
        """Number of components."""
        return self.generative.mixture.streams[1]

    @property
    def D_x(self) -> int:
        """Dimension of the latent that carries the mixture."""
        return self.generative.mixture.streams[2]

    @property
    def device(self) -> torch.device:
        """Where it computes."""
        return self.generative.mixture.output.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of its weights."""
        return self.generative.mixture.output.weight.dtype

    def forward(
        self,
        y: Tensor,
        noise: Noise,
        guided: Tensor | None = None,
        target: Tensor | None = None,
        label: Tensor | None = None,
    ) -> Terms | GuidedTerms:
        """The four terms of the bound for observations y (B, *event), with S samples each.

        With other observations ``guided`` (B, *event), as `standardised` gives them, come their posteriors and what
        these are guided to: probabilities ``target`` (B, K), by default the sharpened posteriors of y. Where the
        component of an observation is known, ``label`` (B,) has it; -1 elsewhere.
        """
        seen = self.standardised(y)
        q = self.recognition(seen if guided is None else torch.cat([seen, guided]))
        q_x, q_w = (each.of(slice(len(seen))) for each in q)
        x = reparameterise(q_x, noise.x)
        mixture = self.generative.mixture(reparameterise(q_w, noise.w))
        reconstruction = self.log_likelihood(x, y, seen)
        terms = objective.latent_terms(reconstruction, q_x, q_w, x, mixture, self.conditional_prior, label)
        if guided is None:
            return terms
        q_guided = Posterior(*(each.of(slice(len(seen), None)) for each in q))
        if target is None:
            target = objective.sharpened(self.plug_in(Posterior(q_x, q_w)))
        return GuidedTerms(terms, target, self.guided_log_posterior(q_guided, noise))

    def noise(self, n_samples: int, n_rows: int, generator: torch.Generator) -> Noise:
        """Draw noise of the model's type, on the generator's device."""
        shapes = ((n_samples, n_rows, dim) for dim in (self.D_x, self.generative.style_dim))
        dtype, device = self.dtype, generator.device
        return Noise(*(torch.randn(shape, generator=generator, dtype=dtype, device=device) for shape in shapes))

    def standardised(self, y: Tensor) -> Tensor:
        """What the networks see of observations y."""
        return self.likelihood.standardised(y).to(self.dtype)

    @property
    def likelihood(self) -> Likelihood:
        """The family of p(y|x), and what was learned for it from the data."""
        return self.units

    def embed(self, y: Tensor) -> Tensor:
        """Mean of q(x|y), shape (B, D_x)."""
        return self.recognition(self.standardised(y)).x.mean

    def embed_style(self, y: Tensor) -> Tensor:
        """Mean of q(w|y), shape (B, D_w)."""
        return self.recognition(self.standardised(y)).w.mean

    def log_posterior(self, y: Tensor) -> Tensor:
        """log p(z|y) with the means of q(x|y) and q(w|y) plugged in, shape (B, K)."""
        return self.plug_in(self.recognition(self.standardised(y)))

    def mean_posterior(self, y: Tensor, noise: Noise) -> Tensor:
        """q(z|y) = E[p(z|x,w)] over samples of q(x|y) q(w|y), as the terms of the bound see it; shape (B, K)."""
        q = self.recognition(self.standardised(y))
        mixture = self.generative.mixture(reparameterise(q.w, noise.w))
        return mixture.log_posterior(reparameterise(q.x, noise.x)).exp().mean(0)

    def mean_log_posterior(self, q: Posterior, noise: Noise) -> Tensor:
        """log p(z|x,w) averaged over samples and the means of q(x|y) q(w|y), shape (B, K)."""
        x, w = (
            torch.cat([each.mean.unsqueeze(0), reparameterise(each, drawn)])
            for each, drawn in zip(q, noise, strict=True)
        )
        return self.generative.mixture(w).log_posterior(x).mean(0)

    def guided_log_posterior(self, q: Posterior, noise: Noise) -> Tensor:
        """log p(z|x,w) that guidance draws to its target, shape (B, K)."""
        return self.plug_in(q) if self.guided_at_means else self.mean_log_posterior(q, noise)

    def plug_in(self, q: Posterior) -> Tensor:
        """log p(z|x, w) at the means of q(x|y) and q(w|y), shape (B, K)."""
        return self.generative.mixture(q.w.mean).log_posterior(q.x.mean)

    def log_evidence(self, y: Tensor, noise: Noise) -> Tensor:
        """Importance-weighted estimate of log p(y) (Burda et al. 2016), shape (B,), in nats.

        The S samples are taken in chunks, so memory does not grow with S. Of several, none counts for more than all
        others together (`objective.WeightSum`).
        """
        seen = self.standardised(y)
        q = self.recognition(seen)
        per_sample = len(y) * max(2 * self.K * self.D_x, math.prod(y.shape[1:]))
        chunk = max(1, ELEMENTS_AT_ONCE // per_sample)
        nothing = seen.new_full((len(y),), -math.inf)
        weights = objective.WeightSum(nothing, nothing)
        for noise_x, noise_w in zip(noise.x.split(chunk), noise.w.split(chunk), strict=True):
            _, log_weights = self.importance_samples(y, seen, q, Noise(noise_x, noise_w))
            weights = weights.plus(log_weights)
        total = weights.truncated if len(noise.x) > 1 else weights.largest
        return total - math.log(len(noise.x))

    def impute(self, y: Tensor, noise: Noise) -> Tensor:
        """Mean of the missing entries given the observed ones, E[y_mis|y_obs], in observations (B, *event).

        The S samples of q(x|y) count by their self-normalised importance weights (Mattei and Frellsen 2019). Of a
        category it is the most probable level; observed entries stay.
        """
        x, weights = self._weighted_samples(y, noise)
        mean = self.observation(x).mean
        weights = weights.view(*weights.shape, *[1] * (mean.dim() - 2))
        return torch.where(y.isnan(), self.likelihood.to_data_units((weights * mean).sum(0)).to(y.dtype), y)

    def draw_missing(self, y: Tensor, noise: Noise, n_draws: int, generator: torch.Generator) -> Tensor:
        """Draws of the missing entries given the observed ones, in observations (B, *event); (B, n_draws, *event)."""
        x, weights = self._weighted_samples(y, noise)
        chosen = torch.multinomial(weights.T, n_draws, replacement=True, generator=generator)
        of_rows = x[chosen.T, torch.arange(len(y), device=x.device)]
        drawn = self.sample_observation(of_rows.flatten(0, 1), generator).unflatten(0, of_rows.shape[:2]).movedim(0, 1)
        return torch.where(y.isnan().unsqueeze(1), drawn.to(y.dtype), y.unsqueeze(1))

    def importance_samples(self, y: Tensor, seen: Tensor, q: Posterior, noise: Noise) -> tuple[Tensor, Tensor]:
        """Samples of q(x|y), (S, B, D_x), and logs of their importance weights for p(x|y), (S, B)."""
        x, w = reparameterise(q.x, noise.x), reparameterise(q.w, noise.w)
        reconstruction = self.log_likelihood(x, y, seen)
        return x, objective.log_importance_weights(reconstruction, *q, x, w, self.generative.mixture(w))

    def _weighted_samples(self, y: Tensor, noise: Noise) -> tuple[Tensor, Tensor]:
        """Samples of q(x|y), (S, B, D_x), and their importance weights, (S, B), which sum to 1 over samples."""
        seen = self.standardised(y)
        x, log_weights = self.importance_samples(y, seen, self.recognition(seen), noise)
        return x, log_weights.softmax(0)

    def decode(self, x: Tensor, batch: Tensor | None = None) -> Tensor:
        """Mean of p(y|x) for latents x (B, D_x), in batches (B,) or the largest one, shape (B, *event)."""
        return self.likelihood.to_data_units(self.observation(x, batch).mean)

    def sample_observation(self, x: Tensor, generator: torch.Generator) -> Tensor:
        """Draw y ~ p(y|x) for latents x (B, D_x), shape (B, *event)."""
        batch = self.likelihood.draw_batch(tuple(x.shape[:-1]), generator)
        return self.likelihood.to_data_units(self.observation(x, batch).sample(generator))

    def observation(self, x: Tensor, batch: Tensor | None = None) -> Observation:
        """p(y|x) for latents x (..., D_x) in batches (...) or the largest one; of which values, the likelihood says."""
        return self.generative.observation(x, self.likelihood, batch)

    def log_likelihood(self, x: Tensor, y: Tensor, seen: Tensor) -> Tensor:
        """log p(y|x) in nats, shape (S, B), for latents x (S, B, D_x), observations y and what is seen of them."""
        return self.likelihood.log_prob(self.observation(x, self.likelihood.batch_of(y)), y, seen)


def log_odds(log_posterior: Tensor) -> Tensor:
    """log [p(z=k|y) / (1 − p(z=k|y))] of log p(z|y) (B, K): it tells rows apart whose probabilities round to 1."""
    log_posterior = log_posterior.double()
    best = log_posterior.argmax(-1, keepdim=True)
    others = log_posterior.scatter(-1, best, -math.inf).logsumexp(-1, keepdim=True)
    at_most_half = log_posterior.clamp(max=-math.log(2.0))
    odds = at_most_half - torch.log1p(-at_most_half.exp())
    return odds.scatter(-1, best, log_posterior.gather(-1, best) - others)
