"""What a fitted model answers about rows: assignments, embeddings and densities, in batches."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin, clone

from gmvae.arrays import has_missing
from gmvae.estimator.frames import note_empty, warn_of_table
from gmvae.estimator.generation import FittedGeneration
from gmvae.estimator.inputs import check_in_memory, query_rows, set_features
from gmvae.fitted.certainty import AMBIGUOUS_ABOVE, is_ambiguous
from gmvae.fitted.fitted import N_IMPORTANCE_SAMPLES, Fitted
from gmvae.fitted.novelty import NOVEL_BELOW
from gmvae.fitting.selection import BestRestart
from gmvae.shards import is_dataset
from gmvae.sparse_rows import AnyRows
from gmvae.weights_and_labels import checked_weights


class FittedQueries(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, FittedGeneration, ABC):
    """The queries of a fitted `GMVAE`, and how it takes over a fit."""

    def fit_predict(self, X: Any, y: Any = None, **kwargs: Any) -> np.ndarray:
        """Call `fit`, and return `labels_`; a Dataset is refused before the fit, as its labels are not kept."""
        check_in_memory(X)
        return super().fit_predict(X, y, **kwargs)

    def fit_transform(self, X: Any, y: Any = None, **fit_params: Any) -> np.ndarray:
        """Call `fit` and `transform`; a Dataset is refused before the fit, as its rows are answered in batches."""
        check_in_memory(X)
        return super().fit_transform(X, y, **fit_params)

    def predict(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Most probable cluster of every row.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        batch_size : int, optional
            Rows at a time, rounded up to a multiple of 16; by default as many as need a few megabytes in the widest
            layer. On a CPU it does not change the answers; only the last bits of densities may differ.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
        """
        return self.fitted_.labels(self._rows(X), batch_size)

    def predict_proba(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Probability of every cluster: p(z|x,w) at the means of q(x|y) and q(w|y).

        Parameters are those of `predict`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        return self.fitted_.proba(self._rows(X), batch_size)

    def predict_log_odds(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Log-odds of every cluster, log [p(z=k|y) / (1 − p(z=k|y))].

        They order rows whose probabilities all round to 1, as `gmvae.metrics.accuracy_exemplar` needs. Parameters are
        those of `predict`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples, n_components)
            `predict_proba` is their logistic function.
        """
        return self.fitted_.log_odds(self._rows(X), batch_size)

    def transform(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Embedding of every row: the mean of q(x|y). Parameters are those of `predict`.

        Returns
        -------
        embedding : ndarray of shape (n_samples, latent_dim)
        """
        return self.fitted_.embedding(self._rows(X), batch_size)

    def transform_style(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Style of every row: the mean of q(w|y). Parameters are those of `predict`.

        The model does not use a coordinate that hardly varies over the rows.

        Returns
        -------
        style : ndarray of shape (n_samples, style_dim)
        """
        return self.fitted_.style(self._rows(X), batch_size)

    def score_samples(
        self, X: Any, *, n_importance_samples: int = N_IMPORTANCE_SAMPLES, batch_size: int | None = None
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(y) of every row (Burda et al. 2016).

        X and `batch_size` are those of `predict`; ``batch_size`` counts rows, not samples.

        Parameters
        ----------
        n_importance_samples : int
            The estimate is a lower bound in expectation, and more samples bring it nearer to log p(y). The weight of a
            sample is truncated at the sum of the weights of all others of its row.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the data's units.
        """
        return self.fitted_.log_evidence(self._rows(X), n_importance_samples, batch_size)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None, *, batch_size: int | None = None) -> float:
        """Mean of `score_samples`, in nats per row, weighted by ``sample_weight`` (n_samples,) where it is given."""
        log_likelihood = self.score_samples(X, batch_size=batch_size)
        if sample_weight is None:
            return float(log_likelihood.mean())
        return float(np.average(log_likelihood, weights=checked_weights(sample_weight, len(log_likelihood))))

    def is_ambiguous(self, X: Any, above: float = AMBIGUOUS_ABOVE, *, batch_size: int | None = None) -> np.ndarray:
        """Whether a row lies between clusters: the entropy of its `predict_proba` is above a threshold.

        X and `batch_size` are those of `predict`.

        Parameters
        ----------
        above : float
            Nats. The entropy is at most log K; it is 0.5, the default, for 80 to 20 between two clusters, and 0.69 for
            50 to 50.

        Returns
        -------
        ambiguous : ndarray of shape (n_samples,), bool
        """
        return is_ambiguous(self.predict_proba(X, batch_size=batch_size), above)

    def is_novel(self, X: Any, below: float = NOVEL_BELOW, *, batch_size: int | None = None) -> np.ndarray:
        """Whether a row is unlike those of the fit: its density is below a percentile of the held-out rows' densities.

        Densities are those of `score_samples` with 16 importance samples, which takes far longer than `predict`. X and
        `batch_size` are those of `predict`.

        Parameters
        ----------
        below : float
            Percentile of `held_out_log_likelihoods_`: about as many percent of rows like those of the fit are flagged.

        Returns
        -------
        novel : ndarray of shape (n_samples,), bool

        Raises
        ------
        ValueError
            If the model has no held-out densities, as one from a file of an earlier version.
        """
        return self.fitted_.novel(self._rows(X), below, batch_size)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _rows(self, X: Any, note: Callable[[str], object] = warn_of_table) -> AnyRows:
        fitted = self.fitted_
        rows = query_rows(self, X, fitted.event_shape, fitted.columns, note)
        fitted.model.likelihood.check(rows)
        if has_missing(rows):
            note_empty(rows, note)
        return rows

    def _take_over(self, found: BestRestart, X: Any) -> None:
        """Hold a fit, the clusters of its rows, and the kind of frame that answers come in."""
        self._fitted = found.fitted
        self._template = None
        if found.fitted.columns is not None:
            self._template = X.schema.empty_table() if is_dataset(X) else X[:0]
        if is_dataset(X):
            self.__dict__.pop("labels_", None)
        else:
            self.labels_ = found.proba.argmax(1)

    def _shown(self, on_epoch: Callable[[Self], object] | None) -> Callable[[Fitted], object] | None:
        """Make of a function of estimators one of fits that go on."""
        if on_epoch is None:
            return None
        shown = clone(self)
        set_features(shown, self.n_features_in_, getattr(self, "feature_names_in_", None))

        def show(so_far: Fitted) -> None:
            shown._fitted = so_far
            on_epoch(shown)

        return show

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.config.latent_dim
