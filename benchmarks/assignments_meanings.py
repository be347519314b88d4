"""The meanings of p(z|y) that `assignments.py` compares, and the posterior of the model itself as their judge."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch import Tensor
from torch.quasirandom import SobolEngine

from gmvae.distributions import Normal, reparameterise
from gmvae.fitted.map_rows import map_rows
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import log_importance_weights

EDGE = 1e-9
"""Least distance of a Sobol point from 0 and 1, whose normal quantiles are infinite."""
N_IMPORTANCE, AT_ONCE = 1024, 64
"""Importance samples of the model's own posterior, and how many of them are in memory."""

NAMES = {"none": "plug-in", "closed": "mean-field"}

Posterior = Callable[[Tensor], Tensor]
"""Rows (B, *event) to probabilities (B, K) in float64."""


class Meaning(NamedTuple):
    """One meaning of p(z|y).

    Attributes
    ----------
    draws : {"none", "closed", "pseudo", "sobol"}
        Pseudo-random, or scrambled Sobol points through the normal quantile; "none" takes the means, "closed" the mean
        of w and the mean-field optimum over x, p(z=k) exp(−KL(q(x|y) ‖ p(x|w,z=k))) up to a factor.
    S : int
        How many draws.
    over : {"x", "w", "xw"}
        What is drawn; the other latent stays at its mean.
    """

    draws: Literal["none", "closed", "pseudo", "sobol"]
    S: int = 1
    over: Literal["x", "w", "xw"] = "xw"

    @property
    def name(self) -> str:
        if self.draws in NAMES:
            return NAMES[self.draws]
        return f"{self.draws} {self.S}" + (f", {self.over} alone" if self.over != "xw" else "")

    def posterior(self, model: GaussianMixtureVAE, seed: int = 0) -> Posterior:
        """The function of rows, with the draws of a seed."""
        if self.draws == "none":
            return lambda y: model.log_posterior(y).double().softmax(-1)
        if self.draws == "closed":
            return lambda y: mean_field(model, y)
        noise = self._noise(model, seed)

        def average(y: Tensor) -> Tensor:
            mean = model.mean_posterior(y, noise).double()
            return mean / mean.sum(-1, keepdim=True)

        return average

    def _noise(self, model: GaussianMixtureVAE, seed: int) -> Noise:
        """Standard normal draws that all rows share; zeros for a latent that stays at its mean."""
        latent_dim, style_dim = dimensions(model)
        if self.over == "x":
            return Noise(self._normal(latent_dim, seed), torch.zeros(self.S, 1, style_dim))
        if self.over == "w":
            return Noise(torch.zeros(self.S, 1, latent_dim), self._normal(style_dim, seed))
        return Noise(*self._normal(latent_dim + style_dim, seed).split([latent_dim, style_dim], dim=-1))

    def _normal(self, dim: int, seed: int) -> Tensor:
        if self.draws == "pseudo":
            return torch.randn(self.S, 1, dim, generator=torch.Generator().manual_seed(seed))
        points = SobolEngine(dim, scramble=True, seed=seed).draw(self.S, dtype=torch.float64)
        return torch.special.ndtri(points.clamp(EDGE, 1.0 - EDGE)).float().unsqueeze(1)


def mean_field(model: GaussianMixtureVAE, y: Tensor) -> Tensor:
    """The q(z|y) that maximises the bound for q(x|y) q(z|y) at the mean of w, (B, K)."""
    q = model.recognition(model.standardised(y))
    mixture = model.generative.mixture(q.w.mean)
    divergence = Normal(q.x.mean.unsqueeze(-2), q.x.log_scale.unsqueeze(-2)).kl(mixture.components)
    return (mixture.log_weights - divergence).double().softmax(-1)


def dimensions(model: GaussianMixtureVAE) -> tuple[int, int]:
    """D_x and D_w."""
    return model.D_x, model.generative.style_dim


def answers(model: GaussianMixtureVAE, meaning: Meaning, X: np.ndarray, seed: int = 0) -> np.ndarray:
    """p(z|y) of every row, (n, K)."""
    return map_rows(meaning.posterior(model, seed), X, torch.device("cpu"))


class Weighed(NamedTuple):
    """The model's own posterior.

    Attributes
    ----------
    proba : ndarray of shape (n, K)
    effective : ndarray of shape (n,)
        Effective number of importance samples, 1 / Σ_s ω_s².
    """

    proba: np.ndarray
    effective: np.ndarray


def weighed(model: GaussianMixtureVAE, X: np.ndarray, seed: int) -> Weighed:
    """p(z|y) of the generative model, Σ_s ω_s p(z|x_s,w_s), with importance weights ω of draws of q(x|y) q(w|y).

    No meaning of `predict` that is cheap, for it decodes every draw; but it does not depend on where q is wrong, as far
    as enough draws are effective.
    """
    generator = torch.Generator().manual_seed(seed)
    noise = Noise(*(torch.randn(N_IMPORTANCE, 1, dim, generator=generator) for dim in dimensions(model)))

    def both(y: Tensor) -> Tensor:
        seen = model.standardised(y)
        q_x, q_w = model.recognition(seen)
        log_weights, log_posteriors = [], []
        for noise_x, noise_w in zip(noise.x.split(AT_ONCE), noise.w.split(AT_ONCE), strict=True):
            x, w = reparameterise(q_x, noise_x), reparameterise(q_w, noise_w)
            mixture = model.generative.mixture(w)
            likelihood = model.log_likelihood(x, y, seen)
            log_weights.append(log_importance_weights(likelihood, q_x, q_w, x, w, mixture).double())
            log_posteriors.append(mixture.log_posterior(x).double())
        log_shares = torch.cat(log_weights).log_softmax(0)
        log_proba = (log_shares.unsqueeze(-1) + torch.cat(log_posteriors)).logsumexp(0)
        return torch.cat([log_proba.exp(), torch.exp(-torch.logsumexp(2.0 * log_shares, 0)).unsqueeze(-1)], -1)

    found = map_rows(both, X, torch.device("cpu"))
    return Weighed(found[:, :-1] / found[:, :-1].sum(1, keepdims=True), found[:, -1])


def agreement(one: np.ndarray, other: np.ndarray) -> float:
    """Share of rows with the same most probable cluster."""
    return float((one.argmax(1) == other.argmax(1)).mean())


def distance(one: np.ndarray, other: np.ndarray) -> float:
    """Total variation between the probabilities of a row, averaged over the rows."""
    return float(0.5 * np.abs(one - other).sum(1).mean())


def log_loss(labels: np.ndarray, proba: np.ndarray) -> float:
    """Mean −log p of the cluster that is matched to a row's class, as many clusters as classes at least."""
    classes, truth = np.unique(labels, return_inverse=True)
    counts = np.zeros((len(classes), proba.shape[1]))
    np.add.at(counts, (truth, proba.argmax(1)), 1)
    _, cluster_of = linear_sum_assignment(counts, maximize=True)
    right = proba[np.arange(len(truth)), cluster_of[truth]]
    return float(-np.log(np.maximum(right, math.exp(-80.0))).mean())
