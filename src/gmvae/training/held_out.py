"""Held-out rows: their bound and their assignments after an epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from gmvae.config import Config
from gmvae.model import GaussianMixtureVAE
from gmvae.objective import information
from gmvae.observations import Observations
from gmvae.training.minibatches import Split
from gmvae.training.processes import ONE_PROCESS, Processes

if TYPE_CHECKING:
    from lightning_fabric import Fabric

_N_DRAWS, _MAX_ASSIGNED = 16, 1000
"""Draws of the latents, and held-out rows, by which an epoch's assignments are measured, to about a percent."""
_MAX_ROWS, _MAX_NUMBERS = 128, 2**22
"""Rows that are assigned at once: as many, or fewer for which a mixture network gives so many numbers."""


class HeldOut:
    """Evaluates a model on the held-out rows of a split, with the same noise at every call."""

    def __init__(
        self, model: GaussianMixtureVAE, observations: Observations, split: Split, config: Config, fabric: Fabric
    ) -> None:
        self.model = model
        self.observations = observations
        self.indices = split.held_out.to(observations.index_device)
        self.seed = split.seed
        self.config = config
        self.fabric = fabric

    @torch.no_grad()
    def bound(self, processes: Processes = ONE_PROCESS) -> float:
        """Unmodified bound on log p(y), without labels, in nats per row: the mean by the rows' weights.

        Several processes, of which each calls, divide the rows between them.
        """
        self.model.eval()
        generator = self._generator()
        totals = torch.zeros(2, dtype=torch.float64, device=self.fabric.device)
        for indices in self.indices.split(self.config.B):
            own = processes.slice(len(indices))
            noise = self.model.noise(self.config.n_mc_samples, len(indices), generator).of(own)
            if own.start == own.stop:
                continue
            y, weight, _ = self.observations.take(indices[own])
            with self.fabric.autocast():
                bound = self.model(y, noise).evidence_bound.double()
            totals[0] += bound.sum() if weight is None else weight.double() @ bound
            totals[1] += len(bound) if weight is None else weight.double().sum()
        processes.add_up(totals)
        total, total_weight = totals.tolist()
        return total / total_weight

    @torch.no_grad()
    def assignments(self) -> tuple[float, float]:
        """Information and agreement of the assignments of at most 1,000 rows, which share their noise."""
        self.model.eval()
        noise = self.model.noise(_N_DRAWS, 1, self._generator())
        at_once = min(_MAX_ROWS, max(1, _MAX_NUMBERS // (_N_DRAWS * 2 * self.model.K * self.model.D_x)))
        drawn, plugged_in, weights = [], [], []
        for indices in self.indices[:_MAX_ASSIGNED].split(at_once):
            y, weight, _ = self.observations.take(indices)
            weights += [] if weight is None else [weight]
            with self.fabric.autocast():
                drawn.append(self.model.mean_posterior(y, noise))
                plugged_in.append(self.model.log_posterior(y))
        assignment, plug_in = torch.cat(drawn).double(), torch.cat(plugged_in)
        same = (assignment.argmax(-1) == plug_in.argmax(-1)).double()
        if not weights:
            return float(information(assignment)), float(same.mean())
        of_rows = torch.cat(weights).double()
        return float(information(assignment, of_rows)), float(of_rows @ same / of_rows.sum())

    def _generator(self) -> torch.Generator:
        return torch.Generator(self.fabric.device).manual_seed(self.seed)
