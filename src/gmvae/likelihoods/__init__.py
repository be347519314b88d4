"""p(y|x), one family a file: which rows suit it, what it learns from them, what the encoder sees, what is scored."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from gmvae.likelihoods.bernoulli import BernoulliLikelihood
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.likelihood import Likelihood, Observation
from gmvae.likelihoods.poisson import PoissonLikelihood

LIKELIHOODS: Mapping[str, type[Likelihood]] = {
    each.name: each for each in (BernoulliLikelihood, GaussianLikelihood, PoissonLikelihood)
}
"""By name; "auto" takes the first that suits the rows. `gmvae.config` has the same names."""


def likelihood_for(name: str, rows: np.ndarray) -> Likelihood:
    """Learn a likelihood from the rows (n, *event) of a fit.

    Parameters
    ----------
    name : str
        One of `LIKELIHOODS`, or "auto".
    rows : ndarray of shape (n, *event)

    Raises
    ------
    ValueError
        If the rows hold values that the family does not have.
    """
    kind = next(each for each in LIKELIHOODS.values() if each.suits(rows)) if name == "auto" else LIKELIHOODS[name]
    return kind.learn(rows)


__all__ = [
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "GaussianLikelihood",
    "Likelihood",
    "Observation",
    "PoissonLikelihood",
    "likelihood_for",
]
