"""From whatever users call X to rows of the event's shape, by scikit-learn's rules."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from gmvae.estimator.values import image_shape, image_shape_as_fitted
from gmvae.networks import Shape


def fit_rows(estimator: BaseEstimator, X: Any, n_components: int | str) -> np.ndarray:
    """Validate X for fitting and return rows (n, *event), where event is (p,) or (C, H, W).

    Raises
    ------
    ValueError
        If X is not numeric, not finite, too few for the components or neither rows nor images.
    """
    X = _host(X)
    event_shape = image_shape(X)
    if event_shape is None:
        rows = validate_data(estimator, X, dtype="numeric", ensure_min_samples=2)
    else:
        rows = _images(estimator, X, event_shape, min_samples=2)
        estimator.n_features_in_ = math.prod(event_shape)
        vars(estimator).pop("feature_names_in_", None)
    if isinstance(n_components, int) and len(rows) < n_components:
        raise ValueError(
            f"`n_components` must be at most the number of rows; got {n_components} for {len(rows)} rows: "
            "take fewer components."
        )
    return rows


def query_rows(estimator: BaseEstimator, X: Any, event_shape: Shape) -> np.ndarray:
    """Validate X against a fitted estimator and return rows (n, *event_shape); flat rows of images pass too."""
    X = _host(X)
    if image_shape_as_fitted(X, event_shape) is not None:
        return _images(estimator, X, event_shape)
    flat = validate_data(estimator, X, dtype="numeric", reset=False)
    return flat.reshape(len(flat), *event_shape)


def latent_rows(X: Any, latent_dim: int) -> np.ndarray:
    """Validate places in the latent space, (n, latent_dim)."""
    latents = check_array(_host(X))
    if latents.shape[1] != latent_dim:
        raise ValueError(f"X must have shape (n, {latent_dim}), as `transform` gives; got shape {latents.shape}.")
    return latents


def _host(X: Any) -> Any:
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()  # numpy has no bfloat16


def _images(estimator: BaseEstimator, X: Any, event_shape: Shape, min_samples: int = 1) -> np.ndarray:
    """Images as (n, C, H, W) without a copy, so that memory maps stay on disk whatever the order of their axes."""
    images = check_array(X, dtype="numeric", allow_nd=True, ensure_min_samples=min_samples, estimator=estimator)
    return images if images.ndim == 4 else images.reshape(len(images), *event_shape)
