"""Sums over an epoch, kept on the device and read once."""

from __future__ import annotations

from typing import NamedTuple

import torch

from gmvae.objective import Terms

TERMS = ("reconstruction", "conditional_prior", "w_prior", "z_prior")


class Means(NamedTuple):
    """Means over an epoch's observations, in nats; the effective number of components is a number."""

    reconstruction: float
    conditional_prior: float
    w_prior: float
    z_prior: float
    assignment_entropy: float
    effective_components: float

    @property
    def lower_bound(self) -> float:
        """The unmodified evidence bound."""
        return self.reconstruction - self.conditional_prior - self.w_prior - self.z_prior


class Totals:
    """Sums of the terms and of the assignments over an epoch's observations."""

    def __init__(self, n_components: int, device: torch.device) -> None:
        self.n_observations = 0
        self.terms = torch.zeros(len(TERMS), dtype=torch.float64, device=device)
        self.entropy = torch.zeros((), dtype=torch.float64, device=device)
        self.assignment = torch.zeros(n_components, dtype=torch.float64, device=device)

    def add(self, terms: Terms) -> None:
        assignment = terms.assignment.detach().double()
        self.n_observations += len(assignment)
        self.terms += torch.stack([getattr(terms, name).detach().double().sum() for name in TERMS])
        self.entropy += torch.special.entr(assignment).sum()
        self.assignment += assignment.sum(0)

    def means(self) -> Means:
        """Divide by the number of observations."""
        terms = dict(zip(TERMS, (self.terms / self.n_observations).tolist(), strict=True))
        effective = torch.special.entr(self.assignment / self.n_observations).sum().exp()
        entropy = float(self.entropy) / self.n_observations
        return Means(**terms, assignment_entropy=entropy, effective_components=float(effective))
