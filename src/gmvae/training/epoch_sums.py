"""Sums of the terms over an epoch, kept on the device and read once at its end."""

from __future__ import annotations

import copy
from typing import NamedTuple

import torch

from gmvae.objective import TERMS, Terms, evidence_bound
from gmvae.training.divergence import NonFiniteError
from gmvae.training.processes import Processes


class EpochMeans(NamedTuple):
    """Means over an epoch's observations: columns of `Epoch`."""

    lower_bound: float
    reconstruction: float
    conditional_prior: float
    w_prior: float
    z_prior: float
    assignment_entropy: float
    effective_components: float


class EpochSums:
    """Sums of the terms and of the assignments over an epoch's observations, each times its weight.

    Terms of ``n_members`` models that are trained as one stack have a leading axis of members.
    """

    def __init__(self, n_components: int, device: torch.device, n_members: int | None = None) -> None:
        members = () if n_members is None else (n_members,)
        self.total_weight: int | torch.Tensor = 0
        self.terms = torch.zeros(*members, len(TERMS), dtype=torch.float64, device=device)
        self.not_finite = torch.zeros(*members, len(TERMS), dtype=torch.bool, device=device)
        self.entropy = torch.zeros(members, dtype=torch.float64, device=device)
        self.assignment = torch.zeros(*members, n_components, dtype=torch.float64, device=device)

    @torch.no_grad()
    def add(self, terms: Terms, weight: torch.Tensor | None = None) -> None:
        """Add the terms of a minibatch, whose observations may have weights."""
        if weight is None:
            self.total_weight = self.total_weight + terms.reconstruction.shape[-1]
        else:
            self.total_weight = self.total_weight + weight.sum(-1, dtype=torch.float64)
            terms = terms._replace(**{name: weight * getattr(terms, name) for name in TERMS})
        sums = torch.stack([getattr(terms, name).sum(-1, dtype=torch.float64) for name in TERMS], -1)
        # Those of the first step that has any: all later steps are not finite either.
        self.not_finite = torch.where(self.not_finite.any(-1, keepdim=True), self.not_finite, ~sums.isfinite())
        self.terms += sums
        entropies, assignments = torch.special.entr(terms.assignment), terms.assignment
        if weight is not None:
            entropies, assignments = weight.unsqueeze(-1) * entropies, weight.unsqueeze(-1) * assignments
        self.entropy += entropies.sum((-2, -1), dtype=torch.float64)
        self.assignment += assignments.sum(-2, dtype=torch.float64)

    def member(self, member: int) -> EpochSums:
        """The sums of one member."""
        one = copy.copy(self)
        one.terms, one.not_finite = self.terms[member], self.not_finite[member]
        one.entropy, one.assignment = self.entropy[member], self.assignment[member]
        if isinstance(self.total_weight, torch.Tensor):
            one.total_weight = self.total_weight[member]
        return one

    def over(self, processes: Processes) -> EpochSums:
        """The sums over all processes, of which each calls with those of its part."""
        if not processes.several:
            return self
        found, device = copy.copy(self), self.terms.device
        found.terms, found.entropy, found.assignment = self.terms.clone(), self.entropy.clone(), self.assignment.clone()
        weight = torch.as_tensor(self.total_weight, dtype=torch.float64, device=device).clone()
        # A term is at fault where it is for all that had a fault: after the first step all terms are in all parts.
        faults = torch.cat([self.not_finite, self.not_finite.any(-1, keepdim=True)], -1).double()
        processes.add_up(found.terms, found.entropy, found.assignment, weight, faults)
        found.total_weight = weight
        found.not_finite = (faults[..., :-1] == faults[..., -1:]) & (faults[..., -1:] > 0.0)
        return found

    def means(self) -> EpochMeans:
        """Divide by the number of observations, or by the sum of their weights.

        NonFiniteError if a term was not finite.
        """
        culprits = [name for name, bad in zip(TERMS, self.not_finite.tolist(), strict=True) if bad]
        if len(culprits) == len(TERMS):
            raise NonFiniteError("the gradient")  # it made the weights non-finite, and with them every term
        if culprits:
            raise NonFiniteError(f"the {culprits[0].replace('_', ' ')} term")
        terms = (self.terms / self.total_weight).tolist()
        return EpochMeans(
            lower_bound=evidence_bound(*terms),
            **dict(zip(TERMS, terms, strict=True)),
            assignment_entropy=float(self.entropy) / float(self.total_weight),
            effective_components=float(torch.special.entr(self.assignment / self.total_weight).sum().exp()),
        )
