"""The families of p(y|x) by name, in the order in which "auto" asks them."""

from __future__ import annotations

from collections.abc import Mapping

from gmvae.likelihoods.bernoulli import BernoulliLikelihood
from gmvae.likelihoods.categorical import CategoricalLikelihood
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.hurdle import HurdleLikelihood
from gmvae.likelihoods.likelihood import Likelihood
from gmvae.likelihoods.negative_binomial import NegativeBinomialLikelihood, SizedNegativeBinomialLikelihood
from gmvae.likelihoods.poisson import PoissonLikelihood, SizedPoissonLikelihood
from gmvae.likelihoods.sized_count_likelihood import SizedCountLikelihood

FAMILIES: Mapping[str, type[Likelihood]] = {
    each.name: each
    for each in (
        BernoulliLikelihood,
        NegativeBinomialLikelihood,
        GaussianLikelihood,
        HurdleLikelihood,
        PoissonLikelihood,
        CategoricalLikelihood,
    )
}
"""`gmvae.config` has the same names."""

SIZED_FAMILIES: Mapping[str, type[SizedCountLikelihood]] = {
    each.name: each for each in (SizedNegativeBinomialLikelihood, SizedPoissonLikelihood)
}
"""Those that there are with size factors."""
