"""The estimator as a file: parameters and fitted facts as JSON, weights as tensors."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvae import persistence
from gmvae.config import Config
from gmvae.device import device_for
from gmvae.estimator.facts import CUSTOM_NETWORK, check, config_of
from gmvae.estimator.seeds import seeded
from gmvae.history import History
from gmvae.model import GaussianMixtureVAE, rebuild
from gmvae.networks import Shape
from gmvae.persistence import ModelFileError, broken

if TYPE_CHECKING:
    from gmvae.estimator.gmvae import GMVAE


def parameters(config: Config) -> dict[str, Any]:
    """Hyperparameters as JSON values; modules and generators, which have none, by name or as null."""
    values = {field.name: getattr(config, field.name) for field in fields(config)}
    if not isinstance(config.network, str):
        values["network"] = CUSTOM_NETWORK
    if isinstance(config.random_state, np.random.RandomState):
        values["random_state"] = None
    return {name: _plain(value) for name, value in values.items()}


def save(estimator: GMVAE, path: str | Path) -> None:
    """Write a fitted estimator."""
    model = estimator._model
    persistence.write(
        path,
        "model",
        model.state_dict(),
        {
            "parameters": parameters(estimator._config),
            "likelihood": model.family,
            "event_shape": list(estimator.event_shape_),
            "n_features_in": estimator.n_features_in_,
            "feature_names_in": _feature_names(estimator),
            "history": estimator.history_.epochs,
            "converged": estimator.converged_,
            "lower_bound": estimator.lower_bound_,
            "restart_bounds": estimator.restart_bounds_,
            "stability": None if math.isnan(estimator.stability_) else estimator.stability_,
            "weights": estimator.weights_.tolist(),
            "n_components_effective": estimator.n_components_effective_,
            "held_out_log_likelihoods": estimator.held_out_log_likelihoods_.tolist(),
        },
    )


class Stored(NamedTuple):
    """A fitted model from a file, ready to answer.

    Attributes
    ----------
    model : GaussianMixtureVAE
        On its device, in evaluation mode.
    config : Config
    event_shape : tuple of int
    document : dict of str
        All else that was written about the fit.
    """

    model: GaussianMixtureVAE
    config: Config
    event_shape: Shape
    document: dict[str, Any]


def read(path: str | Path, network: Any = None, device: str = "auto") -> Stored:
    """Read a fitted model, without scikit-learn."""
    place = device_for(Config(device=device).device)
    tensors, document = persistence.read(path, "model")
    check(path, document)
    config = config_of(path, document["parameters"], network)
    event_shape = tuple(document["event_shape"])
    try:
        with seeded(0):
            model = rebuild(config, event_shape, document["likelihood"], tensors)
    except ValueError as error:
        raise ModelFileError(
            f"`path` must hold the weights of its own network; {str(path)!r} does not: {str(error).rstrip('.')}."
        ) from error
    if not all(tensor.isfinite().all() for tensor in tensors.values()):
        raise broken(path, "model", "its weights are not all finite")
    return Stored(model.eval().to(place), replace(config, device=device), event_shape, document)


def load(kind: type[GMVAE], path: str | Path, network: Any, device: str) -> GMVAE:
    """Read a fitted estimator."""
    model, config, event_shape, document = read(path, network, device)
    estimator = kind(**{field.name: getattr(config, field.name) for field in fields(config)})
    estimator._config = config
    estimator._model = model
    estimator.event_shape_ = event_shape
    estimator.n_features_in_ = document["n_features_in"]
    if document.get("feature_names_in") is not None:
        estimator.feature_names_in_ = np.array(document["feature_names_in"], dtype=object)
    estimator.history_ = History.from_rows(document["history"])
    estimator.n_iter_ = len(estimator.history_.epochs)
    estimator.converged_ = document["converged"]
    estimator.lower_bound_ = document["lower_bound"]
    estimator.restart_bounds_ = document["restart_bounds"]
    stability = document.get("stability")
    estimator.stability_ = math.nan if stability is None else stability
    estimator.weights_ = np.array(document["weights"])
    estimator.n_components_effective_ = document["n_components_effective"]
    estimator.held_out_log_likelihoods_ = held_out_log_likelihoods(document)
    return estimator


def held_out_log_likelihoods(document: dict[str, Any]) -> np.ndarray:
    """What a document says of the densities of held-out rows; files of version 0.1.0 before them say nothing."""
    return np.array(document.get("held_out_log_likelihoods") or [])


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _feature_names(estimator: GMVAE) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()
