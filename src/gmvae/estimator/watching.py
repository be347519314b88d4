"""Looking at a run that goes on: after every epoch, an estimator with the weights of that moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from gmvae.config import Config
from gmvae.estimator.queries import FittedQueries
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape

if TYPE_CHECKING:
    from gmvae.training import State

Estimator = TypeVar("Estimator", bound=FittedQueries)


def watch(
    estimator: Estimator, on_epoch: Callable[[Estimator], object] | None, event_shape: Shape, config: Config
) -> Callable[[GaussianMixtureVAE, State], None] | None:
    """Make of a function of estimators one of a model and the state of its training."""
    if on_epoch is None:
        return None
    partial = type(estimator)(**estimator.get_params(deep=False))
    partial._config, partial.event_shape_ = config, event_shape
    partial.held_out_log_likelihoods_ = np.empty(0)
    for name in ("n_features_in_", "feature_names_in_"):
        if hasattr(estimator, name):
            setattr(partial, name, getattr(estimator, name))

    def show(model: GaussianMixtureVAE, state: State) -> None:
        partial._model, partial.history_, partial.n_iter_ = model, state.history, len(state.history.epochs)
        on_epoch(partial)

    return show
