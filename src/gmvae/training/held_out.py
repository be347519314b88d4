"""Held-out rows: their bound and their assignments after an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import Tensor

from gmvae.model import GaussianMixtureVAE
from gmvae.objective import information
from gmvae.observations import Observations

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_N_DRAWS = 16
_MAX_ASSIGNED, _ASSIGNED_AT_ONCE = 1000, 128
"""Draws of the latents, and held-out rows, by which an epoch's assignments are measured, to about a percent."""


class Assignments(NamedTuple):
    """Two measures of the assignments of held-out rows: columns of `Epoch`."""

    information: float
    agreement: float


class HeldOut:
    """Evaluates a model on held-out rows, with the same noise at every call.

    Parameters
    ----------
    model : GaussianMixtureVAE
    rows : Observations
        All observations.
    indices : Tensor of int
        Which of them are held out.
    seed : int
        Seed of the noise.
    fabric : Fabric
    """

    def __init__(
        self, model: GaussianMixtureVAE, rows: Observations, indices: Tensor, seed: int, fabric: Fabric
    ) -> None:
        self.model = model
        self.rows = rows
        self.indices = indices.to(rows.home)
        self.seed = seed
        self.fabric = fabric

    @torch.no_grad()
    def bound(self, n_mc_samples: int, batch_size: int) -> float:
        """Unmodified bound in nats per row."""
        self.model.eval()
        generator = self._generator()
        total = torch.zeros((), dtype=torch.float64, device=self.fabric.device)
        for indices in self.indices.split(batch_size):
            with self.fabric.autocast():
                terms = self.model(self.rows.take(indices).y, self.model.noise(n_mc_samples, len(indices), generator))
            total += terms.evidence_bound.double().sum()
        return total.item() / len(self.indices)

    @torch.no_grad()
    def assignments(self) -> Assignments:
        """Information and agreement of the assignments of at most 1,000 rows, which share their noise."""
        self.model.eval()
        noise = self.model.noise(_N_DRAWS, 1, self._generator())
        drawn, plugged_in = [], []
        for indices in self.indices[:_MAX_ASSIGNED].split(_ASSIGNED_AT_ONCE):
            y = self.rows.take(indices).y
            with self.fabric.autocast():
                drawn.append(self.model.mean_posterior(y, noise))
                plugged_in.append(self.model.log_posterior(y))
        assignment, plug_in = torch.cat(drawn).double(), torch.cat(plugged_in)
        same = assignment.argmax(-1) == plug_in.argmax(-1)
        return Assignments(float(information(assignment)), float(same.double().mean()))

    def _generator(self) -> torch.Generator:
        return torch.Generator(self.fabric.device).manual_seed(self.seed)
