"""What a fitted model answers, as modules that can be exported: from observations in the data's units to answers."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from gmvae import objective
from gmvae.fitted.gaps import prior_of_components, prior_of_latents, with_gaps
from gmvae.fitted.novelty import Novelty
from gmvae.likelihoods import CategoricalLikelihood
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.networks import Shape
from gmvae.recognition import Posterior

REFUSED = -1
"""The label of a row that `predict` refuses: a graph raises no errors."""


class Answer(NamedTuple):
    """What is said of observations (n, *event), in the order of a graph's outputs."""

    label: Tensor
    proba: Tensor
    embedding: Tensor
    ambiguous: Tensor


class AnswerOnNovelty(NamedTuple):
    """The same, with the density of every observation and whether it is novel."""

    label: Tensor
    proba: Tensor
    embedding: Tensor
    ambiguous: Tensor
    novel: Tensor
    log_likelihood: Tensor


class Answers(nn.Module):
    """Labels, probabilities, embeddings and what is ambiguous or novel, of observations (n, *event).

    Networks compute in float32, what the likelihood makes of observations in float64 as elsewhere. NaN is a missing
    entry, as is a level that the fit did not know; a row without any entry gets what the prior says.

    Parameters
    ----------
    model : GaussianMixtureVAE
        It is copied.
    event_shape : tuple of int
    ambiguous : float
        Nats of entropy above which a row is ambiguous.
    noise : Noise
        For the density, the same for all rows.
    novelty : Novelty, optional
        The rule by which rows are novel; None leaves that out.
    """

    def __init__(
        self, model: GaussianMixtureVAE, event_shape: Shape, ambiguous: float, noise: Noise, novelty: Novelty | None
    ) -> None:
        super().__init__()
        own = copied(model)
        self.row_type = own.likelihood.row_type
        self.takes_gaps = own.likelihood.takes_gaps
        self.model = with_gaps(own, event_shape) if self.takes_gaps else own
        families = own.likelihood.of_columns(event_shape[0])
        is_category = torch.tensor([family == CategoricalLikelihood.name for family in families])
        self.register_buffer("is_category", is_category.view(-1, *[1] * (len(event_shape) - 1)))
        self.register_buffer("log_prior", prior_of_components(own))
        self.register_buffer("prior_mean", torch.as_tensor(prior_of_latents(own)))
        self.threshold = ambiguous
        self.noise = Noise(*(each.float().cpu() for each in noise))
        self.novelty = novelty
        self.is_category: Tensor
        self.log_prior: Tensor
        self.prior_mean: Tensor

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what `forward` gives."""
        return Answer._fields if self.novelty is None else AnswerOnNovelty._fields

    def forward(self, y: Tensor) -> Answer | AnswerOnNovelty:
        likelihood = self.model.likelihood
        valid = likelihood.within(y)
        empty = y.new_zeros(y.shape[0], dtype=torch.bool)  # `len` would fix the number of rows
        if self.takes_gaps:
            y = torch.where(self.is_category & ~valid, torch.nan, y)
            missing = y.isnan()
            valid, empty = valid | missing, missing.flatten(1).all(-1)
        whole = valid.flatten(1).all(-1)
        if not self.takes_gaps:  # zeros in place of what may not be an index
            y = torch.where(whole.view(-1, *[1] * (y.dim() - 1)), y, 0).to(y.dtype)
        seen = self.model.standardised(y)
        q = self.model.recognition(seen)
        log_posterior = torch.where(empty[:, None], self.log_prior, self.model.plug_in(q))
        proba = log_posterior.double().softmax(-1)
        refused = ~whole | proba.isnan().any(-1)
        entropy = -(proba * proba.clamp(min=np.finfo(np.float64).tiny).log()).sum(-1)
        answer = Answer(
            torch.where(refused, REFUSED, log_posterior.argmax(-1)),
            torch.where(refused[:, None], torch.nan, proba).float(),
            torch.where(refused[:, None], torch.nan, torch.where(empty[:, None], self.prior_mean, q.x.mean)),
            (entropy > self.threshold) & ~refused,
        )
        if self.novelty is None:
            return answer
        log_likelihood = torch.where(empty, 0.0, self._log_evidence(y, seen, q))
        novel = self._surprise(y, log_likelihood) > self.novelty.above
        return AnswerOnNovelty(*answer, novel & ~refused, torch.where(refused, torch.nan, log_likelihood).float())

    def _log_evidence(self, y: Tensor, seen: Tensor, q: Posterior) -> Tensor:
        """As `GaussianMixtureVAE.log_evidence`, all samples at once, for the number of rows is not known."""
        _, log_weights = self.model.importance_samples(y, seen, q, self.noise)
        nothing = torch.full_like(log_weights[0], -torch.inf)
        total = objective.WeightSum(nothing, nothing).plus(log_weights).truncated
        return total.double() - np.log(len(self.noise.x))

    def _surprise(self, y: Tensor, log_likelihood: Tensor) -> Tensor:
        """As `Novelty` has it."""
        assert self.novelty is not None
        usual, sizes = self.novelty.usual, self.model.likelihood.sizes_of(y)
        if usual is None or sizes is None:
            return -log_likelihood
        log_size = sizes.log().squeeze(-1)
        distance = (-log_likelihood).clamp(min=0.0).log1p() - _polynomial(usual.centre.convert().coef, log_size)
        place = log_size.clamp(usual.low, usual.high)
        return distance / _polynomial(usual.log_spread.convert().coef, place).exp()

    def as_rows(self, drawn: np.ndarray) -> np.ndarray:
        """Observations drawn from the model as this takes them, a tenth of the entries of every other row missing."""
        if self.row_type == torch.uint8:
            return np.rint(drawn * self.model.likelihood.unit(np.dtype(np.uint8))).astype(np.uint8)
        rows = drawn.astype(np.float32 if self.row_type == torch.float32 else np.float64)
        rows = rows[self.model.likelihood.within(torch.from_numpy(rows)).flatten(1).all(1).numpy()]
        if self.takes_gaps:
            gaps = np.random.default_rng(0).random(rows.shape) < 0.1
            gaps[::2] = False
            rows[gaps] = np.nan
        return rows


class Decoder(nn.Module):
    """The mean of p(y|x), (n, *event), in the data's units, for latents (n, D_x)."""

    outputs = ("mean",)

    def __init__(self, model: GaussianMixtureVAE) -> None:
        super().__init__()
        self.model = copied(model)

    def forward(self, x: Tensor) -> Tensor:
        return self.model.decode(x)


def copied(model: GaussianMixtureVAE) -> GaussianMixtureVAE:
    """A copy on the CPU whose networks compute in float32, of which every runtime has all operations."""
    own = copy.deepcopy(model).cpu()
    own.generative.float()
    own.recognition.float()
    return own.eval()


def _polynomial(coefficients: np.ndarray, x: Tensor) -> Tensor:
    """By Horner's rule, from the lowest power on."""
    value = torch.zeros_like(x)
    for coefficient in coefficients[::-1]:
        value = value * x + float(coefficient)
    return value
