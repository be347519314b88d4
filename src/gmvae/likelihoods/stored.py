"""Likelihoods as files have them: by their name, and with their weights."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from torch import Tensor

from gmvae.likelihoods.families import FAMILIES, SIZED_FAMILIES
from gmvae.likelihoods.joint import JointLikelihood
from gmvae.likelihoods.likelihood import Likelihood

LIKELIHOODS: Mapping[str, type[Likelihood]] = {**FAMILIES, JointLikelihood.name: JointLikelihood}
"""By the name that is written to files."""


def blank_likelihood(name: str, event_shape: Sequence[int], weights: Mapping[str, Tensor]) -> Likelihood:
    """The likelihood of this name that has these weights, which have yet to be loaded; see `Likelihood.blank`."""
    family = SIZED_FAMILIES[name] if "size_factors.column" in weights else LIKELIHOODS[name]
    return family.blank(event_shape, weights)
