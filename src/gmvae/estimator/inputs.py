"""From whatever users call X to rows of the event's shape, and what their values say about the likelihood."""

from __future__ import annotations

import math
import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_array, validate_data

from gmvae.generative import Family
from gmvae.model import Standardise, UnitInterval
from gmvae.networks import Shape

MAX_CHANNELS = 4
MIN_BLACK_OR_WHITE = 0.1
"""Share of zeros and ones from which flat rows within [0, 1] count as images; those of digits and clothes have half."""
_BLOCK_BYTES = 2**24


def fit_rows(estimator: BaseEstimator, X: Any, n_components: int) -> np.ndarray:
    """Validate X for fitting and return rows (n, *event), where event is (p,) or (C, H, W).

    Raises
    ------
    ValueError
        If X is not numeric, not finite, too few for the components or neither rows nor images.
    """
    X = _host(X)
    event_shape = _event_shape(X)
    if event_shape is None:
        rows = validate_data(estimator, X, dtype="numeric", ensure_min_samples=2)
    else:
        rows = _images(estimator, X, event_shape, min_samples=2)
        estimator.n_features_in_ = math.prod(event_shape)
        vars(estimator).pop("feature_names_in_", None)
    if len(rows) < n_components:
        raise ValueError(
            f"`n_components` must be at most the number of rows; got {n_components} for {len(rows)} rows: "
            "take fewer components."
        )
    return rows


def query_rows(estimator: BaseEstimator, X: Any, event_shape: Shape) -> np.ndarray:
    """Validate X against a fitted estimator and return rows (n, *event_shape); flat rows of images pass too."""
    X = _host(X)
    shape = _event_shape(X)
    if shape is not None and shape != event_shape:
        raise ValueError(
            f"X must have observations of shape {event_shape} as in `fit`; got {shape}: resize or reshape the images."
        )
    if shape is not None:
        return _images(estimator, X, event_shape)
    flat = validate_data(estimator, X, dtype="numeric", reset=False)
    return flat.reshape(len(flat), *event_shape)


def latent_rows(X: Any, latent_dim: int) -> np.ndarray:
    """Validate places in the latent space, (n, latent_dim)."""
    latents = check_array(_host(X))
    if latents.shape[1] != latent_dim:
        raise ValueError(f"X must have shape (n, {latent_dim}), as `transform` gives; got shape {latents.shape}.")
    return latents


def family_for(likelihood: str, rows: np.ndarray) -> Family:
    """Resolve ``likelihood='auto'``: Bernoulli for booleans, uint8 images and grey levels within [0, 1].

    Images within [0, 1] hold grey levels; flat rows do where a tenth or more of the values are exactly 0 or 1, as in
    images and unlike measurements that were scaled to [0, 1].

    Raises
    ------
    ValueError
        If Bernoulli is asked for and values lie outside [0, 1].
    """
    if likelihood == "gaussian":
        return "gaussian"
    if likelihood == "auto":
        grey_levels = rows.dtype == np.uint8 and rows.ndim == 4
        return "bernoulli" if grey_levels or (_within_unit_interval(rows) and _black_or_white(rows)) else "gaussian"
    check_bernoulli(rows, 255.0)
    return "bernoulli"


def top_level(rows: np.ndarray) -> float:
    """What uint8 values are divided by under a Bernoulli likelihood: 1 for zeros and ones, else 255."""
    return 255.0 if rows.dtype == np.uint8 and rows.max() > 1 else 1.0


def check_units(rows: np.ndarray, units: UnitInterval | Standardise) -> None:
    """Raise unless ``rows`` can be in the units that the model was fitted in."""
    if isinstance(units, UnitInterval):
        check_bernoulli(rows, float(units.top_level))


def check_bernoulli(rows: np.ndarray, level: float) -> None:
    """Raise unless values, uint8 ones divided by ``level``, lie in [0, 1]."""
    if not (_within_unit_interval(rows) or (rows.dtype == np.uint8 and rows.max() <= level)):
        raise ValueError(
            f"X must lie in [0, 1] for a Bernoulli likelihood; got values from {rows.min()} to {rows.max()}: rescale "
            "X as in `fit`, or fit with `likelihood='gaussian'`."
        )


def _within_unit_interval(rows: np.ndarray) -> bool:
    return rows.dtype == np.bool_ or all(bool(block.min() >= 0 and block.max() <= 1) for block in _blocks(rows))


def _black_or_white(rows: np.ndarray) -> bool:
    if rows.ndim == 4:
        return True
    extremes = sum(int(((block == 0) | (block == 1)).sum()) for block in _blocks(rows))
    return extremes >= MIN_BLACK_OR_WHITE * rows.size


def _host(X: Any) -> Any:
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()  # numpy has no bfloat16


def _event_shape(X: Any) -> Shape | None:
    """(C, H, W) of images (n, C, H, W) or (n, H, W); None for rows."""
    shape = getattr(X, "shape", None)
    if shape is None or len(shape) <= 2:
        return None
    if len(shape) == 3:
        return (1, int(shape[1]), int(shape[2]))
    if len(shape) == 4 and shape[1] <= MAX_CHANNELS:
        return (int(shape[1]), int(shape[2]), int(shape[3]))
    raise ValueError(
        f"X must have shape (n, p), (n, H, W) or (n, C, H, W) with at most {MAX_CHANNELS} channels; got "
        f"{tuple(shape)}: move the channels with `X.transpose(0, 3, 1, 2)` or flatten the rows."
    )


def _images(estimator: BaseEstimator, X: Any, event_shape: Shape, min_samples: int = 1) -> np.ndarray:
    """Images as (n, C, H, W) without a copy, so that memory maps stay on disk whatever the order of their axes."""
    images = check_array(X, dtype="numeric", allow_nd=True, ensure_min_samples=min_samples, estimator=estimator)
    return images if images.ndim == 4 else images.reshape(len(images), *event_shape)


def checksum(rows: np.ndarray) -> str:
    """CRC-32 of the values in order."""
    total = zlib.crc32(f"{rows.dtype.str} {rows.shape}".encode())
    for block in _blocks(rows):
        total = zlib.crc32(np.ascontiguousarray(block).data, total)
    return f"{total:08x}"


def _blocks(rows: np.ndarray) -> Iterator[np.ndarray]:
    """Consecutive rows, a few megabytes at once, because the array may be larger than memory."""
    step = max(1, _BLOCK_BYTES // max(1, rows[:1].nbytes))
    return (rows[first : first + step] for first in range(0, len(rows), step))
