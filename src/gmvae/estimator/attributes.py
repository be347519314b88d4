"""What is known of a fit, as attributes with scikit-learn's underscore."""

from __future__ import annotations

from abc import ABC
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from gmvae.fitted.fitted import Fitted
from gmvae.history import History
from gmvae.networks import Shape


class FittedAttributes(BaseEstimator, ABC):
    """The attributes of a fitted `GMVAE`."""

    random_state: Any
    labels_: np.ndarray
    _fitted: Fitted

    @property
    def fitted_(self) -> Fitted:
        """The record of the fit, which answers and is written to files without scikit-learn."""
        check_is_fitted(self)
        return self._fitted

    @property
    def likelihood_(self) -> str:
        """The likelihood that was taken."""
        return self.fitted_.likelihood

    @property
    def event_shape_(self) -> Shape:
        """Shape of one row."""
        return self.fitted_.event_shape

    @property
    def n_components_(self) -> int:
        """Number of clusters, K: the one asked for, or the one found by ``n_components="auto"``."""
        return self.fitted_.config.K

    @property
    def style_dim_(self) -> int:
        """Dimension of the style: the one asked for, or the one taken by ``style_dim="auto"``."""
        return self.fitted_.config.D_w

    @property
    def history_(self) -> History:
        """Terms of the bound, clusters in use, learning rate and time, per epoch."""
        return self.fitted_.history

    @property
    def n_iter_(self) -> int:
        """Epochs run."""
        return self.fitted_.n_epochs

    @property
    def converged_(self) -> bool:
        """Whether the held-out bound had stopped improving."""
        return self.fitted_.converged

    @property
    def lower_bound_(self) -> float:
        """Evidence bound on the held-out rows, in nats per row in the data's units."""
        return self.fitted_.lower_bound

    @property
    def lower_bounds_(self) -> list[float]:
        """Held-out bound after every epoch of the best restart."""
        return [float(bound) for bound in self.history_["lower_bound_held_out"]]

    @property
    def restart_bounds_(self) -> list[float]:
        """Held-out bound of every restart; NaN for one that diverged."""
        return self.fitted_.restart_bounds

    @property
    def stability_(self) -> float:
        """Mean adjusted Rand index between the clusters of restarts; NaN with one restart."""
        return self.fitted_.stability

    @property
    def weights_(self) -> np.ndarray:
        """Share of every cluster: the mean of `predict_proba` over the fitted X."""
        return self.fitted_.weights

    @property
    def n_components_effective_(self) -> float:
        """Effective number of clusters, exp of the entropy of `weights_`."""
        return self.fitted_.n_components_effective

    @property
    def held_out_log_likelihoods_(self) -> np.ndarray:
        """Log-density of at most 1,000 held-out rows in rising order, by which `is_novel` judges."""
        return self.fitted_.held_out_log_likelihoods

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_fitted")
