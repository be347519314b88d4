"""From whatever users call X to rows of the event's shape, by scikit-learn's rules."""

from __future__ import annotations

import math
import os
import reprlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from scipy.sparse import issparse
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch
from sklearn.utils.validation import check_array, validate_data

from gmvae.arrays import FARTHEST, check_finite, image_shape, image_shape_as_fitted
from gmvae.config import COUNTS
from gmvae.data.coded_parts import learn_coding, learned_columns
from gmvae.data.columns import Columns
from gmvae.data.dataset import Dataset
from gmvae.data.frames import as_table, is_frame, with_types
from gmvae.data.labelled_parts import learn_classes
from gmvae.data.options import in_words_of_python
from gmvae.estimator.frames import columns_of, encoded, learned, table_of, warn_of_table
from gmvae.networks import Shape
from gmvae.observations import Observations, sampled, shaped_as_fitted
from gmvae.shards import is_dataset, shards_of
from gmvae.sparse_rows import AnyRows, SparseRows


@in_words_of_python()
def fit_observations(
    estimator: BaseEstimator, X: Any, n_components: int | str, sample_weight: Any = None, partial_labels: Any = None
) -> Observations:
    """Validate X for fitting, rows of shape (p,) or images of shape (C, H, W), and what is known of its rows.

    ValueError if X is not numeric, not finite, too few for the components or neither rows nor images, or as
    `Observations.with_weights_and_labels` does.
    """
    X = _on_host(X)
    if is_dataset(X):
        for name, column in (("sample_weight", sample_weight), ("partial_labels", partial_labels)):
            if not isinstance(column, str | None):
                raise ValueError(
                    f"`{name}` must be the name of a column of the Dataset, which is read in parts; got "
                    f"{type(column).__name__}: write the values into its files as a column."
                )
        shards = shards_of(X, learn_coding, sample_weight, partial_labels, learn_classes)
        observations = sampled(shards, n_components, learned_columns(shards))
        set_features(estimator, observations.y.shape[1], observations.names)
        return observations
    table = table_of(X)
    if table is None:
        observations = _numeric(estimator, X)
    else:
        observations = learned(table, estimator.likelihood, sample_weight)
        set_features(estimator, table.num_columns, table.column_names)
    observations = observations.with_weights_and_labels(sample_weight, partial_labels)
    observations.check(n_components)
    if table is None and is_frame(X) and estimator.likelihood not in COUNTS:
        observations.columns = columns_of(as_table(X), (), sample_weight)
    return observations


def _numeric(estimator: BaseEstimator, X: Any) -> Observations:
    if isinstance(X, SparseRows):  # whose columns have names, as an integration makes them
        check_finite(X)
        set_features(estimator, X.shape[1], X.names)
        return Observations(X, X.names)
    event_shape = image_shape(X)
    if event_shape is None:
        rows = _numbers(X, validate_data, estimator, ensure_min_samples=2, accept_sparse="csr")
    else:
        rows = _images(estimator, X, event_shape, min_samples=2)
        set_features(estimator, math.prod(event_shape), None)
    names = getattr(estimator, "feature_names_in_", None)
    return Observations(rows, None if names is None else names.tolist())


def set_features(estimator: BaseEstimator, n_features: int, names: Sequence[str] | None) -> None:
    """Set `n_features_in_` and `feature_names_in_`, by which scikit-learn knows the columns of a fit."""
    estimator.n_features_in_ = n_features
    vars(estimator).pop("feature_names_in_", None)
    if names is not None:
        estimator.feature_names_in_ = np.array(names, dtype=object)


@in_words_of_python()
def query_rows(
    estimator: BaseEstimator,
    X: Any,
    event_shape: Shape,
    columns: Columns | None = None,
    note: Callable[[str], object] = warn_of_table,
) -> AnyRows:
    """Validate X against a fitted estimator and return rows (n, *event_shape); flat rows of images pass too.

    With ``columns``, those of the fit's table, X is a table whose columns are found by name; ``note`` is called with a
    sentence on each thing that was left out or counts as missing.
    """
    X = _on_host(X)
    check_in_memory(X)
    if columns is not None:
        table = table_of(X) if columns.of_numbers else as_table(X)
        if table is not None:
            return encoded(table, columns, note)
    if isinstance(X, SparseRows):
        return shaped_as_fitted(X, event_shape)
    if image_shape_as_fitted(X, event_shape) is not None:
        return _images(estimator, X, event_shape)
    flat = _numbers(X, validate_data, estimator, reset=False, accept_sparse="csr")
    return flat.reshape(len(flat), *event_shape)


def check_in_memory(X: Any) -> None:
    """ValueError for a Dataset: what is answered of all its rows would need memory that grows with them."""
    if is_dataset(X):
        raise ValueError(
            "X must be rows in memory to be answered; got a pyarrow Dataset: ask batch by batch, `for batch in "
            "X.to_batches()`, or let `gmvae predict RUN FOLDER -o OUT/` write files."
        )


def latent_rows(X: Any, latent_dim: int) -> np.ndarray:
    """Validate places in the latent space, (n, latent_dim)."""
    latents = _numbers(_on_host(X), check_array)
    if latents.shape[1] != latent_dim:
        raise ValueError(
            f"X must have shape (n, {latent_dim}), as `transform` gives; got shape {latents.shape}: pass its result."
        )
    if np.isnan(latents).any():
        raise ValueError("X must hold places in the latent space; got NaN: drop its row.")
    if np.abs(latents).max() > FARTHEST**2:  # rows as far as they may be have places farther than they
        raise ValueError(
            f"X must hold places of at most {FARTHEST**2:g}; got {np.abs(latents).max():g}: take nearer ones."
        )
    return latents


def _on_host(X: Any) -> Any:
    """X where rows are looked for: tensors as arrays, masked entries as gaps, lists with text or None as tables."""
    _check_is_rows(X)
    X = with_types(X)
    if np.ma.is_masked(X):
        if X.dtype == object:
            return np.where(np.ma.getmaskarray(X), None, X.data)
        return X.astype(np.float64).filled(np.nan)
    if isinstance(X, list | tuple) and X and isinstance(X[0], list | tuple) and len({len(row) for row in X}) == 1:
        told = any(cell is None or isinstance(cell, str) for row in X for cell in row)
        return np.array(X, dtype=object) if told else X
    if not isinstance(X, torch.Tensor):
        return X
    X = X.detach().cpu()
    return (X.float() if X.dtype == torch.bfloat16 else X).numpy()  # numpy has no bfloat16


def _check_is_rows(X: Any) -> None:
    """Raise ValueError for what is often given in the place of rows, with how to get these."""
    if isinstance(X, str | os.PathLike):
        what = f"the text {os.fspath(X)!r}"
        remedy = "read the file, as by `pandas.read_csv`, or open files as a `pyarrow.dataset.dataset`"
    elif isinstance(X, Dataset):
        what, remedy = "the data set that `load` returns", "give its `X`"
    elif isinstance(X, Bunch):
        what, remedy = "a Bunch of scikit-learn", "give its `data`"
    elif (isinstance(X, dict) and not issparse(X)) or (isinstance(X, list | tuple) and X and isinstance(X[0], dict)):
        what, remedy = "dictionaries", "give `pandas.DataFrame(X)`"
    elif getattr(getattr(X, "dtype", None), "names", None):
        what, remedy = "a structured array", "give `pandas.DataFrame(X)`"
    elif type(X).__name__ == "LazyFrame":
        what, remedy = "a query that has not been run", "give `X.collect()`"
    elif type(X).__name__ in ("Scanner", "RecordBatchReader", "ParquetFile", "ParquetDataset"):
        what, remedy = f"a {type(X).__name__}", "give the table that it reads, or a Dataset of its files"
    elif type(X).__name__ == "AnnData":
        what, remedy = "AnnData", "call `gmvae.fit_anndata`, or `predict_anndata` with a model of it"
    else:
        return
    raise ValueError(f"X must be an array or a frame of rows; got {what}: {remedy}.")


def _numbers(X: Any, validate: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """What scikit-learn makes of X, which has said what is wrong with shapes; then whether it is numbers."""
    kind = getattr(getattr(X, "dtype", None), "kind", "f")
    if kind in "US":
        raise ValueError(f"X must hold numbers; got text, {X.dtype}: encode it as numbers.")
    if kind == "c":
        raise ValueError(f"Complex data not supported: X must hold real numbers; got {X.dtype}: take a part of each.")
    try:
        rows = validate(*arguments, X, dtype="numeric", ensure_all_finite=False, **options)
    except ValueError as error:
        if not str(error).startswith("could not convert string"):
            raise
        raise ValueError(f"X must hold numbers; got {_first_text(X)}: encode it as numbers or drop it.") from error
    except np.exceptions.DTypePromotionError as error:
        raise ValueError("X must hold numbers; got dates beside them: encode them as numbers or drop them.") from error
    except TypeError as error:
        if "NAType" not in str(error):
            raise
        raise ValueError("X must hold numbers, and NaN for gaps; got pandas.NA: give `X.astype('Float64')`.") from error
    if issparse(rows):
        rows = SparseRows(rows)
    if rows.dtype.kind not in "biuf":
        raise ValueError(f"X must hold numbers; got values of type {rows.dtype}: encode them as numbers or drop them.")
    check_finite(rows)
    return rows


def _first_text(X: Any) -> str:
    for place, value in np.ndenumerate(np.asarray(X, dtype=object)):
        try:
            float(value)
        except ValueError:
            return f"{reprlib.repr(value)} at X{[*place]}"
    return "text"


def _images(estimator: BaseEstimator, X: Any, event_shape: Shape, min_samples: int = 1) -> np.ndarray:
    """Images as (n, C, H, W) without a copy, so that memory maps stay on disk whatever the order of their axes."""
    images = _numbers(X, check_array, allow_nd=True, ensure_min_samples=min_samples, estimator=estimator)
    return images if images.ndim == 4 else images.reshape(len(images), *event_shape)
