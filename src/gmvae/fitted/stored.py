"""A model out of a file, rebuilt and held to what a model can be."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from gmvae import persistence
from gmvae.build import rebuild
from gmvae.config import Config
from gmvae.device import device_for
from gmvae.fitted.document import check, config_of
from gmvae.model import GaussianMixtureVAE
from gmvae.persistence import ModelFileError, broken
from gmvae.seeds import seeded


class Stored(NamedTuple):
    """The model on its device, in evaluation mode, its configuration there, and the document of the file."""

    model: GaussianMixtureVAE
    config: Config
    document: dict[str, Any]


def read(path: str | Path, *, network: Any, device: str) -> Stored:
    """Read a model file; ModelFileError if it is none, ValueError if there is no such device."""
    place = device_for(Config(device=device).device)
    tensors, document = persistence.read(path, "model")
    check(path, document)
    config = config_of(path, document["parameters"], network)
    try:
        with seeded(0):
            model = rebuild(config, tuple(document["event_shape"]), document["likelihood"], tensors)
    except ValueError as error:
        raise ModelFileError(
            f"`path` must hold the weights of its own network; {str(path)!r} does not: {str(error).rstrip('.')}."
        ) from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise broken(path, "model", "its weights are not all finite")
    return Stored(model.eval().to(place), replace(config, device=device), document)
