"""What a fitted model answers: assignments, embeddings, densities and new samples, in batches."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, Self

import numpy as np
from sklearn.base import ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin, clone

from gmvae.arrays import has_missing, missing
from gmvae.estimator.files import FittedFiles
from gmvae.estimator.frames import decoded, warn_of_empty
from gmvae.estimator.inputs import latent_rows, query_rows
from gmvae.fitted.ambiguity import AMBIGUOUS_ABOVE, ambiguous
from gmvae.fitted.fitted import N_IMPORTANCE_SAMPLES, NOVEL_BELOW, Fitted
from gmvae.fitted.sampling import Components
from gmvae.fitting.fit import Fit
from gmvae.seeds import draw_seed
from gmvae.sparse_rows import AnyRows
from gmvae.weights_and_labels import checked_weights


class FittedQueries(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, FittedFiles, ABC):
    """The queries of a fitted `GMVAE`, and how it takes over a fit."""

    def predict(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Most probable cluster of every row.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        batch_size : int, optional
            Rows at a time, rounded up to a multiple of 16; by default as many as one layer's outputs fit into a few
            megabytes. On a CPU the answers are the same bits whatever it is, but for the last bits of densities.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
        """
        return self.fitted_.labels(self._rows(X), batch_size)

    def predict_proba(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Probability of every cluster, p(z|y), with the means of q(x|y) and q(w|y) plugged in.

        Parameters are those of `predict`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        return self.fitted_.proba(self._rows(X), batch_size)

    def predict_log_odds(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Log-odds of every cluster, log [p(z=k|y) / (1 − p(z=k|y))].

        They rank rows whose probabilities round to 1, as `gmvae.metrics.accuracy_exemplar` does. Parameters are those
        of `predict`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples, n_components)
            `predict_proba` is their logistic function.
        """
        return self.fitted_.log_odds(self._rows(X), batch_size)

    def transform(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Embed X: the mean of q(x|y). Parameters are those of `predict`.

        Returns
        -------
        embedding : ndarray of shape (n_samples, latent_dim)
        """
        return self.fitted_.embedding(self._rows(X), batch_size)

    def transform_style(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Style of X: the mean of q(w|y). Parameters are those of `predict`.

        A coordinate that hardly varies over X is not used by the model.

        Returns
        -------
        style : ndarray of shape (n_samples, style_dim)
        """
        return self.fitted_.style(self._rows(X), batch_size)

    def inverse_transform(self, X: Any, *, batch_size: int | None = None) -> Any:
        """Mean of the data given latents. `batch_size` is that of `predict`.

        Parameters
        ----------
        X : array-like of shape (n, latent_dim)
            Places in the latent space, as from `transform`.

        Returns
        -------
        observations : ndarray of shape (n, n_features) or (n, C, H, W)
            In the data's units; uint8 images come back as values in [0, 1], counts with size factors as those of a row
            of median size. A frame where the fit's X was one with
            more than numbers: whole numbers stay whole, and all within the range of the fit.
        """
        return self._as_given(self.fitted_.observations(latent_rows(X, self._n_features_out), batch_size))

    def reconstruct(self, X: Any, *, batch_size: int | None = None) -> Any:
        """Observations after a passage through the latent space; shape as `inverse_transform`'s.

        Counts have the size factor of their row.
        """
        return self._as_given(self.fitted_.reconstructions(self._rows(X), batch_size))

    def score_samples(
        self, X: Any, *, n_importance_samples: int = N_IMPORTANCE_SAMPLES, batch_size: int | None = None
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(y) of every row (Burda et al. 2016).

        X and `batch_size` are those of `predict`; every row counts with all its samples.

        Parameters
        ----------
        n_importance_samples : int
            More samples tighten the estimate, which is a lower bound in expectation. Of several, none counts for more
            than all others of its row together.

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
            Nats, of log K at most. The default 0.5 is the entropy of 80 to 20 between two clusters; of 50 to 50 it is
            0.69.

        Returns
        -------
        ambiguous : ndarray of shape (n_samples,), bool
        """
        return ambiguous(self.predict_proba(X, batch_size=batch_size), above)

    def is_novel(self, X: Any, below: float = NOVEL_BELOW, *, batch_size: int | None = None) -> np.ndarray:
        """Whether a row is unlike those of the fit: its density is below a percentile of the held-out rows' densities.

        Densities are those of `score_samples` with 16 importance samples, which takes far longer than `predict`. X and
        `batch_size` are those of `predict`.

        Parameters
        ----------
        below : float
            Percentile of `held_out_log_likelihoods_`: about so many percent of rows like those of the fit are flagged.

        Returns
        -------
        novel : ndarray of shape (n_samples,), bool

        Raises
        ------
        ValueError
            If the model has no held-out densities, as one from a file of an earlier version.
        """
        return self.fitted_.novel(self._rows(X), below, batch_size)

    def sample(
        self, n_samples: int = 1, component: Any = None, style: Any = None, *, mean: bool = False
    ) -> tuple[Any, np.ndarray]:
        """Draw new observations from the model.

        Parameters
        ----------
        n_samples : int
            How many.
        component : int or array-like of int of shape (n_samples,), optional
            Draw from this cluster, or each sample from its own; by default clusters are drawn from p(z).
        style : array-like of shape (style_dim,) or (n_samples, style_dim), optional
            Use this w; by default styles are drawn from p(w) = N(0, I).
        mean : bool
            Return the mean of p(y|x) in place of a draw: smooth images.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, C, H, W)
            A frame as `inverse_transform`'s where the fit's X was one with more than numbers.
        labels : ndarray of shape (n_samples,)
            The cluster of every observation.
        """
        seed = draw_seed(self.random_state)
        rows, labels = self.fitted_.draw(n_samples, component, style, mean=mean, seed=seed)
        return self._as_given(rows), labels

    def impute(self, X: Any, n_samples: int = 0, *, batch_size: int | None = None) -> Any:
        """Fill missing entries by what the model says of them given the observed ones.

        Parameters
        ----------
        X : array-like
            As in `fit`; NaN is a missing entry.
        n_samples : int
            How many draws of p(y_mis|y_obs) to return. 0 returns its mean in their place, and of a category the most
            probable level.
        batch_size : int, optional
            As in `predict`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, C, H, W)
            Observed entries stay as they are. With ``n_samples`` draws they are stacked along a leading axis. Frames
            with more than numbers are answered by frames of the columns that were fitted, draws by a list of them.
        """
        seed = draw_seed(self.random_state)
        rows = np.asarray(self._rows(X))
        filled = self.fitted_.impute(rows, n_samples, seed=seed, batch_size=batch_size)
        observed = ~missing(rows)
        if n_samples == 0 or not self._answers_by_frames:
            return self._as_given(filled, X, observed)
        return [self._as_given(each, X, observed) for each in filled]

    def components(self, style: Any = None) -> Components:
        """Components of the latent mixture p(x|w) at one style.

        Parameters
        ----------
        style : array-like of shape (style_dim,), optional
            w; by default 0, the centre of p(w).
        """
        return self.fitted_.components(style)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.sparse = True
        return tags

    def _rows(self, X: Any) -> AnyRows:
        fitted = self.fitted_
        rows = query_rows(self, X, fitted.event_shape, fitted.columns)
        fitted.model.likelihood.check(rows)
        if has_missing(rows):
            warn_of_empty(rows)
        return rows

    def _as_given(self, rows: np.ndarray, like: Any = None, observed: np.ndarray | None = None) -> Any:
        """Rows (n, *event) in the form of the fit's X: a frame where that was one with more than numbers."""
        columns = self.fitted_.columns
        if columns is None or not self._answers_by_frames:
            return rows
        return decoded(rows, columns, self._like if like is None else like, observed)

    @property
    def _answers_by_frames(self) -> bool:
        return self.fitted_.columns is not None and not self.fitted_.columns.of_numbers

    def _adopt(self, found: Fit, X: Any) -> None:
        self._fitted = found.fitted
        self._like = None if found.fitted.columns is None else X[:0]
        self.labels_ = found.proba.argmax(1)

    def _shown(self, on_epoch: Callable[[Self], object] | None) -> Callable[[Fitted], object] | None:
        """Make of a function of estimators one of fits that go on."""
        if on_epoch is None:
            return None
        shown = clone(self)
        for name in ("n_features_in_", "feature_names_in_"):
            if hasattr(self, name):
                setattr(shown, name, getattr(self, name))

        def show(so_far: Fitted) -> None:
            shown._fitted = so_far
            on_epoch(shown)

        return show

    @property
    def _n_features_out(self) -> int:
        return self.fitted_.config.latent_dim
