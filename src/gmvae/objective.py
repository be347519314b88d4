"""The equation: four terms, two bounds, the information constraint, the importance-weighted bound.

Pure functions of distributions and samples. All terms are costs or gains in nats per observation,
averaged over the Monte Carlo samples: shape (B,).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

from gmvae.distributions import Mixture, Normal

Value = TypeVar("Value", float, Tensor)


class Terms(NamedTuple):
    """The four terms of the evidence bound (section 4 of the paper), unmodified, with what they were taken at.

    Attributes
    ----------
    reconstruction : Tensor of shape (B,)
        E_q(x|y)[log p(y|x)].
    conditional_prior : Tensor of shape (B,)
        E_q(w|y) E_p(z|x,w)[KL(q(x|y) ‖ p(x|w,z))], in the form of the chosen bound.
    w_prior : Tensor of shape (B,)
        KL(q(w|y) ‖ p(w)).
    z_prior : Tensor of shape (B,)
        E_q[KL(p(z|x,w) ‖ p(z))], between 0 and log K for uniform p(z).
    assignment : Tensor of shape (B, K)
        p(z|x,w) averaged over the samples.
    """

    reconstruction: Tensor
    conditional_prior: Tensor
    w_prior: Tensor
    z_prior: Tensor
    assignment: Tensor

    @property
    def evidence_bound(self) -> Tensor:
        """The unmodified evidence lower bound, shape (B,)."""
        return evidence_bound(self.reconstruction, self.conditional_prior, self.w_prior, self.z_prior)


TERMS = Terms._fields[:4]


def evidence_bound(reconstruction: Value, conditional_prior: Value, w_prior: Value, z_prior: Value) -> Value:
    """The evidence lower bound from its four terms."""
    return reconstruction - conditional_prior - w_prior - z_prior


def paper_conditional_prior(q_x: Normal, x: Tensor, mixture: Mixture, log_joint: Tensor, posterior: Tensor) -> Tensor:
    """Responsibilities times the analytic KL, Σ_k p(z=k|x,w) KL(q(x|y) ‖ p(x|w,z=k)); shape (S, B)."""
    q_each = Normal(q_x.mean.unsqueeze(-2), q_x.log_scale.unsqueeze(-2))
    return (posterior * q_each.kl(mixture.components)).sum(-1)


def exact_conditional_prior(q_x: Normal, x: Tensor, mixture: Mixture, log_joint: Tensor, posterior: Tensor) -> Tensor:
    """Both factors at the same sample, Σ_k p(z=k|x,w) [log q(x|y) − log p(x|w,z=k)]; shape (S, B).

    Together with the z-prior it is log q(x|y) − log Σ_k π_k p(x|w,z=k): z is summed out exactly.
    """
    return q_x.log_prob(x) - (posterior * (log_joint - mixture.log_weights)).sum(-1)


ConditionalPrior = Callable[[Normal, Tensor, Mixture, Tensor, Tensor], Tensor]

CONDITIONAL_PRIORS: dict[str, ConditionalPrior] = {
    "paper": paper_conditional_prior,
    "exact": exact_conditional_prior,
}


def latent_terms(
    reconstruction: Tensor,
    q_x: Normal,
    q_w: Normal,
    x: Tensor,
    mixture: Mixture,
    conditional_prior: ConditionalPrior,
    label: Tensor | None = None,
) -> Terms:
    """The four terms from samples.

    Where the component of an observation is known, p(z|x,w) is its indicator and the z-prior log (1 / π_z): their
    evidence bound is one on log p(y, z).

    Parameters
    ----------
    reconstruction : Tensor of shape (S, B)
        log p(y|x) for each sample.
    q_x, q_w : Normal over (B, D)
        q(x|y) and q(w|y).
    x : Tensor of shape (S, B, D_x)
        Samples of q(x|y).
    mixture : Mixture with components (S, B, K, D_x)
        p(x|w) at samples w of q(w|y).
    conditional_prior : callable
        One of `CONDITIONAL_PRIORS`.
    label : Tensor of int, shape (B,), optional
        Known components; -1 where there is none.
    """
    log_joint = mixture.log_joint(x)
    log_posterior = torch.log_softmax(log_joint, -1)
    posterior = log_posterior.exp()
    z_prior = (posterior * (log_posterior - mixture.log_weights)).sum(-1)
    if label is not None:
        known = label.unsqueeze(-1) == torch.arange(posterior.shape[-1], device=label.device)
        posterior = torch.where(label.unsqueeze(-1) >= 0, known.to(posterior.dtype), posterior)
        z_prior = torch.where(label >= 0, -(known * mixture.log_weights).sum(-1), z_prior)
    return Terms(
        reconstruction=reconstruction.mean(0),
        conditional_prior=conditional_prior(q_x, x, mixture, log_joint, posterior).mean(0),
        w_prior=q_w.kl_to_standard(),
        z_prior=z_prior.mean(0),
        assignment=posterior.mean(0),
    )


class GuidedTerms(NamedTuple):
    """The terms of a minibatch, and what guidance compares.

    Attributes
    ----------
    terms : Terms
    target : Tensor of shape (B, K)
        Probabilities to which the guided observations are drawn.
    guided : Tensor of shape (B, K)
        log p(z|x,w) of the guided observations, averaged over samples and the means: guidance to a cluster holds for
        every sample, so that the style cannot take over what tells clusters apart, and for the means, at which
        `predict` looks. Of images with augmented copies it is that at the means alone.
    """

    terms: Terms
    target: Tensor
    guided: Tensor


class Guidance(NamedTuple):
    """What guided observations are drawn to, beside the bound.

    Attributes
    ----------
    target : Tensor of shape (B, K) or None
        Probabilities; None takes the posterior of the minibatch's observation in the same place, sharpened.
    weight : float
        Cost in nats of one nat of cross-entropy.
    """

    target: Tensor | None
    weight: float

    def cost(self, output: GuidedTerms, sample_weight: Tensor | None = None) -> Tensor:
        """Weighted cross-entropy of the guided posteriors to their target, the mean over the minibatch.

        ``sample_weight`` (B,), of the minibatch's observations, counts where these are the target; a target of its own
        is of rows that were drawn by their weights.
        """
        weight = sample_weight if self.target is None else None
        return -self.weight * weighted_mean((output.target * output.guided).sum(-1), weight)


def sharpened(log_posterior: Tensor) -> Tensor:
    """Squares of the probabilities over their sum (B, K), as a target: no gradient reaches them."""
    return torch.softmax(2.0 * log_posterior.detach(), -1)


def weighted_mean(value: Tensor, weight: Tensor | None) -> Tensor:
    """Mean over the last axis, of observations, each times its weight, whose mean over the fit is 1."""
    return value.mean(-1) if weight is None else (weight * value).mean(-1)


def lower_bound(
    terms: Terms, min_information: float, warm_up: float = 1.0, sample_weight: Tensor | None = None
) -> Tensor:
    """What training maximises: the evidence bound of the minibatch, the last axis, under the information constraint.

    The z-prior's minibatch mean costs max(λ, mean), so below λ its gradient is exactly zero (section 5 of the paper).
    ``warm_up`` is the weight of the conditional prior and the w-prior; with λ = 0 and a weight of 1 it is the plain
    bound. With ``sample_weight`` (B,) of mean 1 all means are weighted.
    """
    z_prior = weighted_mean(terms.z_prior, sample_weight).clamp(min=min_information)
    others = terms.reconstruction - warm_up * (terms.conditional_prior + terms.w_prior)
    return weighted_mean(others, sample_weight) - z_prior


def information(assignment: Tensor, weight: Tensor | None = None) -> Tensor:
    """I(z; y) = H(mean of q(z|y)) - mean of H(q(z|y)) in nats, for q(z|y) of shape (B, K): what z tells about a row.

    With ``weight`` (B,) means are weighted by its shares of its sum.
    """
    entropy = torch.special.entr(assignment).sum(-1)
    if weight is None:
        return torch.special.entr(assignment.mean(0)).sum() - entropy.mean()
    share = weight / weight.sum()
    return torch.special.entr(share @ assignment).sum() - share @ entropy


def log_importance_weights(
    reconstruction: Tensor, q_x: Normal, q_w: Normal, x: Tensor, w: Tensor, mixture: Mixture
) -> Tensor:
    """log [p(y|x) p(w) Σ_k π_k p(x|w,z=k) / (q(x|y) q(w|y))] for each sample; shape (S, B).

    Its log-mean-exp over samples is the importance-weighted bound on log p(y) (Burda et al. 2016),
    with z summed out; `WeightSum` says how the model takes it.
    """
    standard = Normal(torch.zeros_like(w[:1, :1]), torch.zeros_like(w[:1, :1]))
    return reconstruction + standard.log_prob(w) + mixture.log_prob(x) - q_x.log_prob(x) - q_w.log_prob(w)


class WeightSum(NamedTuple):
    """A sum of importance weights, apart from its largest term.

    Attributes
    ----------
    largest, others : Tensor of shape (B,)
        Logarithm of the largest weight, and of the sum of all others.
    """

    largest: Tensor
    others: Tensor

    def plus(self, log_weights: Tensor) -> WeightSum:
        """The sum with the weights (S, B) of further samples."""
        everything = torch.cat([self.largest[None], log_weights])
        largest, at = everything.max(0)
        rest = everything.scatter(0, at[None], -math.inf).logsumexp(0)
        return WeightSum(largest, torch.logaddexp(self.others, rest))

    @property
    def truncated(self) -> Tensor:
        """Logarithm of the sum in which the largest weight counts for no more than all others together; shape (B,).

        Weights are unbounded (Ionides 2008): where q(x|y) is far from the posterior, as between and beyond the rows of
        a fit, one sample in its tail may outweigh all others a thousandfold, and noise that rows share makes this a
        peak of the density. The truncated sum is never above the plain one, so it is a bound in expectation too.
        """
        return torch.logaddexp(self.others, torch.minimum(self.largest, self.others))
