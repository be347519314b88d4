"""What training maximises on one minibatch: the bound, less the cost of guidance."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gmvae.objective import Terms, lower_bound, weighted_mean
from gmvae.training.minibatches import Minibatch
from gmvae.training.processes import ONE_PROCESS, Processes


def minibatch_objective(
    output: Any, minibatch: Minibatch, min_information: float, processes: Processes = ONE_PROCESS
) -> tuple[Terms, Tensor]:
    """The terms in a model's output for a minibatch, and what training maximises; of a stack, for every member.

    Of a minibatch that is divided between processes it is this one's share: gradients of all shares add up to the
    gradient of the whole.

    Parameters
    ----------
    min_information : float
        λ.
    """
    weight, guidance = minibatch.weight, minibatch.guidance
    terms = output if guidance is None else output.terms
    if not processes.several:
        bound = lower_bound(terms, min_information, minibatch.warm_up, weight)
        return terms, bound if guidance is None else bound - guidance.cost(output, weight)
    share, z_prior = len(terms.z_prior) / minibatch.n, terms.z_prior
    if min_information:  # below it the z-prior, in the mean of the whole minibatch, has no gradient
        whole = share * weighted_mean(z_prior.detach(), weight)
        processes.add_up(whole)
        z_prior = torch.where(whole < min_information, z_prior.detach(), z_prior)
    bound = lower_bound(terms._replace(z_prior=z_prior), 0.0, minibatch.warm_up, weight)
    return terms, share * (bound if guidance is None else bound - guidance.cost(output, weight))
