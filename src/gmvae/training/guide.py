"""What guides the posterior beside the bound: the starting clusters at first, then agreement between views."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from gmvae.config import Config
from gmvae.model import GaussianMixtureVAE
from gmvae.objective import Guidance
from gmvae.observations import Observations
from gmvae.training.adam import adam

N_STEPS, LEARNING_RATE = 500, 1e-3
"""Gradient steps that teach the starting clusters before the first epoch, and Adam's step size in them."""
START_WEIGHT = 5.0
"""Nats that a nat of cross-entropy to the starting clusters costs at first. It falls to nothing at the end and not
before: nothing else in the bound holds clusters that the data's neighbourhoods show."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
"""Its multiples fill [0, 1) evenly: by them steps are dealt out to the start and to the views."""
ANGLE, LOG_SCALE, SHEAR, SHIFT = 0.2, 0.15, 0.15, 0.1
"""Largest rotation in radians, log of the zoom, shear, and shift as a share of the image, of a random view."""


class StartingClusters(NamedTuple):
    """Rows and where they start.

    Attributes
    ----------
    rows : Tensor of int, shape (m,)
        Indices of some of the training rows.
    clusters : Tensor of int, shape (m,)
        Their clusters.
    """

    rows: Tensor
    clusters: Tensor


class Guide:
    """Gives every step the views to look at, and where their posteriors are drawn to.

    Parameters
    ----------
    model : GaussianMixtureVAE
    rows : Observations
    start : StartingClusters or None
        Without them the components start anywhere.
    config : Config
        Its `consistency` is a number.
    n_steps : int
        Gradient steps of the whole training.
    """

    def __init__(
        self,
        model: GaussianMixtureVAE,
        rows: Observations,
        start: StartingClusters | None,
        config: Config,
        n_steps: int,
    ) -> None:
        self.model = model
        self.rows = rows
        self.start = start and StartingClusters(*(indices.to(rows.home) for indices in start))
        self.n_components = config.K
        self.n_steps = n_steps
        self.consistency = float(config.consistency)

    def view(self, y: Tensor, step: int, generator: torch.Generator) -> tuple[Tensor | None, Guidance | None]:
        """Views for a step on observations y (B, *event), counted from the first of all."""
        faded = step / self.n_steps
        due_to_views = bool(self.consistency) and step * _GOLDEN % 1.0 < faded
        if self.start is not None and not due_to_views:
            view, target = self._drawn(self.start, len(y), generator)
            return view, Guidance(target, START_WEIGHT * (1.0 - faded))
        if self.consistency:
            return augmented(self.model.standardised(y), generator), Guidance(None, self.consistency)
        return None, None

    def teach(
        self,
        batch_size: int,
        generator: torch.Generator,
        autocast: Callable[[], AbstractContextManager[object]],
    ) -> None:
        """Let the posteriors start as the clusters that were found, before the first epoch."""
        if self.start is None:
            return
        # One row more for each, so that no share is 0.
        counts = torch.bincount(self.start.clusters, minlength=self.n_components) + 1.0
        self.model.generative.mixture.begin_with(counts / counts.sum())
        optimizer = adam(self.model.parameters(), LEARNING_RATE)
        self.model.train()
        for _ in range(N_STEPS):
            view, target = self._drawn(self.start, batch_size, generator)
            with autocast():
                log_posterior = self.model.mean_log_posterior(view, self.model.noise(1, len(view), generator))
            optimizer.zero_grad()
            (-(target * log_posterior).sum(-1).mean()).backward()
            optimizer.step()

    def _drawn(self, start: StartingClusters, n: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Views of random rows of the start, and their clusters as probabilities (n, K)."""
        drawn = torch.randint(len(start.rows), (n,), generator=generator, device=generator.device).to(self.rows.home)
        seen = self.model.standardised(self.rows.take(start.rows[drawn]).y)
        target = functional.one_hot(start.clusters[drawn].to(seen.device), self.n_components)
        return augmented(seen, generator) if self.consistency else seen, target


def augmented(images: Tensor, generator: torch.Generator) -> Tensor:
    """Random small affine maps of images (B, C, H, W): each turned, zoomed, sheared and shifted on its own."""

    def within(bound: float) -> Tensor:
        share = torch.rand(len(images), generator=generator, dtype=images.dtype, device=images.device)
        return bound * (2.0 * share - 1.0)

    angle, shear = within(ANGLE), within(SHEAR)
    across, down = within(LOG_SCALE).exp(), within(LOG_SCALE).exp()
    cos, sin = angle.cos(), angle.sin()
    # Coordinates run from -1 to 1, so that a shift by a share of the image is twice as much.
    first = torch.stack([cos * across, shear * cos - sin * down, within(2.0 * SHIFT)], -1)
    second = torch.stack([sin * across, shear * sin + cos * down, within(2.0 * SHIFT)], -1)
    grid = functional.affine_grid(torch.stack([first, second], 1), list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
