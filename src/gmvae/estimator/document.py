"""The estimator as a file and as a run folder: parameters and fitted facts as JSON, weights as tensors."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, cast

import numpy as np
import torch

from gmvae import persistence
from gmvae.atomic import replacing
from gmvae.config import Config
from gmvae.estimator.seeds import seeded
from gmvae.model import GaussianMixtureVAE, Standardise, UnitInterval, build
from gmvae.networks import Shape
from gmvae.persistence import ModelFileError
from gmvae.training import Epoch, History, device_for

if TYPE_CHECKING:
    from gmvae.estimator.fitting import Run
    from gmvae.estimator.gmvae import GMVAE

CUSTOM_NETWORK = "custom"
_FREE_ON_RESUME = {"device", "verbose", "random_state"}


def parameters(config: Config) -> dict[str, Any]:
    """Hyperparameters as JSON values; modules and generators, which have none, by name or as null."""
    values = {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}
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
    tensors, document = persistence.read(path, "model")
    chosen = document["parameters"]
    if chosen["network"] == CUSTOM_NETWORK:
        if network is None:
            raise ModelFileError(
                f"`network` must be the pair (encoder, decoder) that {str(path)!r} was fitted with; got None."
            )
        chosen["network"] = network
    config = Config(**{**chosen, "device": device})
    event_shape = tuple(document["event_shape"])
    units: UnitInterval | Standardise = (
        UnitInterval()
        if document["likelihood"] == "bernoulli"
        else Standardise(*(torch.zeros(event_shape, dtype=torch.float64) for _ in range(2)))
    )
    with seeded(0):
        model = build(config, event_shape, document["likelihood"], units)
    model.to(next(tensor.dtype for name, tensor in tensors.items() if name.endswith("output.weight")))
    model.units.double()  # whatever the weights are: float32 would round away what lies on a large offset
    try:
        model.load_state_dict(tensors)
    except RuntimeError as error:
        raise ModelFileError(
            f"`path` must hold the weights of its own network; {str(path)!r} does not fit: {error}"
        ) from error
    return Stored(model.eval().to(device_for(device)), config, event_shape, document)


def load(kind: type[GMVAE], path: str | Path, network: Any, device: str) -> GMVAE:
    """Read a fitted estimator."""
    model, config, event_shape, document = read(path, network, device)
    estimator = kind(**{field.name: getattr(config, field.name) for field in dataclasses.fields(config)})
    estimator._config = config
    estimator._model = model
    estimator.event_shape_ = event_shape
    estimator.n_features_in_ = document["n_features_in"]
    if document["feature_names_in"] is not None:
        estimator.feature_names_in_ = np.array(document["feature_names_in"], dtype=object)
    estimator.history_ = History(Epoch(*row) for row in document["history"])
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
    return np.array(document.get("held_out_log_likelihoods", []))


def open_run(run: Run, config: Config, seed: int) -> int:
    """Write ``config.json`` of a new run, or hold a resumed one to it; return the run's seed.

    Raises
    ------
    ValueError
        If a resumed run was started with other parameters, or was never started.
    """
    path = run.folder / "config.json"
    now = json.loads(json.dumps({**parameters(config), "random_state": seed}))
    if not run.resume:
        with replacing(path) as temporary:
            temporary.write_text(json.dumps(now, indent=2) + "\n")
        for restart in range(config.n_init):
            run.checkpoint(restart).unlink(missing_ok=True)
            for events in run.tensorboard(restart).glob("events.out.tfevents.*"):
                events.unlink()
        return seed
    if not path.is_file():
        raise ValueError(f"`run_dir` must hold a started run to resume; {str(path)!r} is missing: leave out `resume`.")
    then = json.loads(path.read_text())
    for name, value in now.items():
        if name not in _FREE_ON_RESUME and then.get(name) != value:
            raise ValueError(
                f"`{name}` must be as in the run to resume, {then.get(name)!r}; got {value!r}: set it "
                "back or start anew."
            )
    return int(cast(int, then["random_state"]))


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _feature_names(estimator: GMVAE) -> list[str] | None:
    names = getattr(estimator, "feature_names_in_", None)
    return None if names is None else names.tolist()
