"""A model from a configuration, with new weights, or from weights of a file."""

from __future__ import annotations

import copy
from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional

from gmvae import networks
from gmvae.config import Config
from gmvae.foreign_errors import reason
from gmvae.generative import Generative, MixturePrior, ObservationModel
from gmvae.likelihoods import Likelihood, blank_likelihood
from gmvae.likelihoods.likelihood import below
from gmvae.model import GaussianMixtureVAE
from gmvae.recognition import Recognition


class MisfitError(ValueError):
    """Weights are not those of the model they are meant for."""


def build(config: Config, event_shape: networks.Shape, likelihood: Likelihood) -> GaussianMixtureVAE:
    """Make the model for observations of ``event_shape``; weights come from the global generator.

    Trunks of the user's own are copied with their weights, so that training leaves the user's modules as they are.
    """
    seen, decoded = likelihood.seen_shape(event_shape), likelihood.decoded_shape(event_shape)
    latents = config.latent_dim + likelihood.n_batches
    widths = networks.hidden_widths(config.hidden_layer_sizes, event_shape, shares=likelihood.decodes_shares)
    if isinstance(config.network, str):
        architecture = networks.architecture(config.network, widths, config.batch_norm, event_shape)
        trunks = architecture.build(seen, latents, likelihood.n_outputs, decoded)
        width, mixture_width = architecture.hidden[-1], architecture.mixture_width
    else:
        # Copied together, so that layers which the two share stay shared.
        trunks = networks.Trunks(*(trunk.float() for trunk in copy.deepcopy(config.network)))
        networks.check(trunks, seen, latents, likelihood.n_outputs, decoded)
        width, mixture_width = networks.output_width(trunks.encoder, seen), widths[-1]
    return GaussianMixtureVAE(
        Generative(
            MixturePrior(
                config.K,
                config.latent_dim,
                config.D_w,
                mixture_width,
                learned_weights=config.component_weights != "uniform",
            ),
            ObservationModel(trunks.decoder),
            config.D_w,
        ),
        Recognition(trunks.encoder, width, config.latent_dim, config.D_w),
        likelihood,
        config.bound,
    )


def rebuild(
    config: Config, event_shape: networks.Shape, likelihood: str, weights: Mapping[str, Tensor]
) -> GaussianMixtureVAE:
    """Make the model that has these weights, those of its likelihood among them.

    MisfitError if a tensor is missing, left over or of another shape or kind; no memory is taken for such a model.
    """
    n_layers = len(networks.hidden_widths(config.hidden_layer_sizes, event_shape))
    if n_layers > len(weights):
        raise MisfitError(f"{n_layers} hidden layers cannot come from {len(weights)} tensors")

    learned = below("units.", weights)
    if isinstance(config.network, str):
        n_batches = blank_likelihood(likelihood, event_shape, learned).n_batches
        weights = _told_of_batches(weights, config.latent_dim, n_batches)

    def built() -> GaussianMixtureVAE:
        return build(config, event_shape, blank_likelihood(likelihood, event_shape, learned))

    try:
        with torch.device("meta"):
            wanted = built().state_dict()
    except (RuntimeError, TypeError, OverflowError) as error:
        raise MisfitError(f"a model of such sizes cannot be made: {reason(error)}") from error
    for name in [*wanted, *weights]:
        if name not in weights or name not in wanted:
            raise MisfitError(f"{name} is {'missing' if name in wanted else 'left over'}")
        if weights[name].shape != wanted[name].shape or not torch.can_cast(weights[name].dtype, wanted[name].dtype):
            ours, theirs = (f"shape {tuple(t.shape)} and type {t.dtype}" for t in (wanted[name], weights[name]))
            raise MisfitError(f"{name} must have {ours}, not {theirs}")
    model = built()
    if config.precision == "64-true":
        model.double()
    model.load_state_dict(weights)
    return model


def _told_of_batches(weights: Mapping[str, Tensor], latent_dim: int, n_batches: int) -> Mapping[str, Tensor]:
    """Weights whose decoder takes indicators of batches beside x: in earlier files it did not, and heeds them not."""
    first = "generative.observation.decoder.layers.0.weight"
    if not n_batches or first not in weights or weights[first].dim() != 2 or weights[first].shape[1] != latent_dim:
        return weights
    return {**weights, first: functional.pad(weights[first], (0, n_batches))}
