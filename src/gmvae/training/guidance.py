"""Guidance of the posteriors beside the bound: by starting clusters at first, then by agreement of augmented copies.

Known labels guide in a share of the steps, which does not fade.
"""

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
from gmvae.training.augmentation import random_bends, random_maps, transform
from gmvae.training.minibatches import Part, Split

N_STEPS, LEARNING_RATE = 500, 1e-3
"""Gradient steps on the starting clusters before the first epoch, at most, and Adam's step size in them."""
_TAUGHT, _STEPS_OF_MEAN = 0.05, 50
"""Mean cross-entropy to the starting clusters, in nats, below which such steps end, and the steps of a mean. On tables
100 to 250 steps reach it."""
START_WEIGHT = 5.0
"""Initial weight of the cross-entropy to the starting clusters, in nats. It falls linearly to 0 at the last step, not
earlier: no term of the bound keeps clusters that only the graph of nearest neighbours shows."""
_LABEL_WEIGHT, _STEPS_PER_LABEL_STEP = 5.0, 4
"""Weight of the cross-entropy to known labels, in nats, and one step in how many is guided by them."""
_INITIAL_STYLE = 0.1
"""Share of its usual influence that the style has at first, without augmented copies: it takes over what tells clusters
apart in tables, and guidance holds for samples of it, too. Images keep their clusters without: of 3,000 of MNIST in
16×16 pixels .91 are in the right cluster with the usual influence, guidance at the means alone and uniform weights of
the components, .88 as tables are trained (means over four seeds); of Fashion .70 and .64 (one seed)."""
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0
"""Its multiples fill [0, 1) evenly: they decide which steps are guided by the start and which by augmented copies."""


class ClusteredRows(NamedTuple):
    """Indices of some training rows, and their clusters, found or known; each of int and shape (m,)."""

    rows: Tensor
    clusters: Tensor


class PosteriorGuidance:
    """Chooses at every step the observations whose posteriors p(z|y) are guided, and what they are guided to.

    When a share t of the training is done, these are rows of the start in a share 1 - t of the steps, spread evenly,
    and augmented copies of the minibatch in the others. Without `consistency` all are the former, without a start the
    latter. Where there are labels, every fourth step is guided by labelled rows of the training instead, to the end.
    """

    def __init__(
        self,
        model: GaussianMixtureVAE,
        observations: Observations,
        start: ClusteredRows | None,
        config: Config,
        labelled: ClusteredRows | None = None,
    ) -> None:
        self.model = model
        self.observations = observations
        self.start = start and ClusteredRows(*(indices.to(observations.index_device) for indices in start))
        self.labelled = labelled
        self.n_components = config.K
        self.consistency = float(config.consistency)
        model.guided_at_means = self.consistency > 0.0

    def guided(
        self, y: Tensor, step: int, progress: float, generator: torch.Generator, part: Part | None = None
    ) -> tuple[Tensor | None, Guidance | None]:
        """Guided observations and their guidance at a step, counted from 0, on observations y (B, *event).

        ``progress`` is the share of the training that is done. Of those of the whole minibatch they are the part that
        y is.
        """
        part = part or Part(len(y), slice(None))
        if self.labelled is not None and (step + 1) % _STEPS_PER_LABEL_STEP == 0:
            rows, target = self._draw(self.labelled, part, generator)
            return rows, Guidance(target, _LABEL_WEIGHT)
        of_minibatch = bool(self.consistency) and step * _GOLDEN % 1.0 < progress
        if self.start is not None and not of_minibatch:
            rows, target = self._draw(self.start, part, generator)
            return rows, Guidance(target, START_WEIGHT * (1.0 - progress))
        if self.consistency:
            return self._augmented(self.model.standardised(y), part, generator), Guidance(None, self.consistency)
        return None, None

    def pretrain(
        self, batch_size: int, generator: torch.Generator, autocast: Callable[[], AbstractContextManager[object]]
    ) -> None:
        """Fit the posteriors to the starting clusters by their cross-entropy alone; the decoder gets no gradient."""
        if self.start is None:
            return
        # One row more for each, so that no share is 0.
        counts = torch.bincount(self.start.clusters, self._weights(self.start), self.n_components) + 1.0
        style = 1.0 if self.consistency else _INITIAL_STYLE
        self.model.generative.mixture.begin_with(counts / counts.sum(), style)
        optimizer = adam(self.model.parameters(), LEARNING_RATE)
        whole = Part(batch_size, slice(None))
        self.model.train()
        total = torch.zeros((), device=generator.device)
        for step in range(N_STEPS):
            known = self.labelled if (step + 1) % _STEPS_PER_LABEL_STEP == 0 else None
            rows, target = self._draw(known or self.start, whole, generator)
            with autocast():
                noise = self.model.noise(1, batch_size, generator)
                log_posterior = self.model.guided_log_posterior(self.model.recognition(rows), noise)
            cross_entropy = -(target * log_posterior).sum(-1).mean()
            optimizer.zero_grad()
            cross_entropy.backward()
            optimizer.step()
            total += cross_entropy.detach()
            if (step + 1) % _STEPS_OF_MEAN == 0:
                if total < _TAUGHT * _STEPS_OF_MEAN:
                    break
                total.zero_()

    def _draw(self, start: ClusteredRows, part: Part, generator: torch.Generator) -> tuple[Tensor, Tensor]:
        """Random rows of the start (n, *event), under `consistency` augmented, and clusters as probabilities (n, K).

        Rows are drawn in proportion to their weights; of those of the whole minibatch they are a part.
        """
        weights = self._weights(start)
        if weights is None:
            chosen = torch.randint(len(start.rows), (part.n,), generator=generator, device=generator.device)
        else:
            chosen = torch.multinomial(weights.to(generator.device), part.n, replacement=True, generator=generator)
        chosen = chosen[part.own].to(self.observations.index_device)
        rows = self.model.standardised(self.observations.take(start.rows[chosen]).y)
        target = functional.one_hot(start.clusters[chosen].to(rows.device), self.n_components)
        return self._augmented(rows, part, generator) if self.consistency else rows, target

    def _augmented(self, images: Tensor, part: Part, generator: torch.Generator) -> Tensor:
        """Augmented images, by the maps and bends of their places in the whole minibatch."""
        drawn = (draw(part.n, images.dtype, generator)[part.own] for draw in (random_maps, random_bends))
        return transform(images, *drawn)

    def _weights(self, start: ClusteredRows) -> Tensor | None:
        if self.observations.weight is None:
            return None
        return torch.from_numpy(self.observations.weight)[start.rows.cpu()].float().to(start.clusters.device)


def labelled_rows(observations: Observations, split: Split) -> ClusteredRows | None:
    """Training rows whose component is known; None without any."""
    if observations.label is None:
        return None
    label = torch.from_numpy(observations.label)[split.train]
    known = label >= 0
    if not known.any():
        return None
    return ClusteredRows(split.train[known].to(observations.index_device), label[known].to(observations.index_device))
