"""p(y|x), one family a file: which rows suit it, what it learns from them, what the encoder sees, what is scored."""

from gmvae.likelihoods.auto import families_of, likelihood_for, likelihood_from_sample
from gmvae.likelihoods.bernoulli import BernoulliLikelihood
from gmvae.likelihoods.categorical import CategoricalLikelihood
from gmvae.likelihoods.families import FAMILIES
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.hurdle import HurdleLikelihood
from gmvae.likelihoods.joint import JointLikelihood
from gmvae.likelihoods.likelihood import ColumnMoments, Discrete, Likelihood, Observation
from gmvae.likelihoods.negative_binomial import NegativeBinomialLikelihood
from gmvae.likelihoods.poisson import PoissonLikelihood
from gmvae.likelihoods.stored import LIKELIHOODS, blank_likelihood

__all__ = [
    "FAMILIES",
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ColumnMoments",
    "Discrete",
    "GaussianLikelihood",
    "HurdleLikelihood",
    "JointLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "Observation",
    "PoissonLikelihood",
    "blank_likelihood",
    "families_of",
    "likelihood_for",
    "likelihood_from_sample",
]
