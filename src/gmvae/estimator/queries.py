"""What a fitted model answers: assignments, embeddings, densities and new samples, in batches."""

from __future__ import annotations

from abc import ABC
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted

from gmvae.config import Config
from gmvae.estimator import answers
from gmvae.estimator.inputs import latent_rows, query_rows
from gmvae.estimator.seeds import draw_seed
from gmvae.estimator.values import check_units
from gmvae.generative import Family
from gmvae.history import History
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape


class Components(NamedTuple):
    """Normal components in the latent space.

    Attributes
    ----------
    means, scales : ndarray of shape (n_components, latent_dim)
        Means and standard deviations.
    """

    means: np.ndarray
    scales: np.ndarray


class FittedQueries(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator, ABC):
    """The methods of `GMVAE` that need a fitted model."""

    random_state: Any
    event_shape_: Shape
    held_out_log_likelihoods_: np.ndarray
    history_: History
    n_iter_: int
    _config: Config
    _model: GaussianMixtureVAE

    @property
    def likelihood_(self) -> Family:
        """The likelihood that was taken: "bernoulli" or "gaussian"."""
        return self._model.family

    @property
    def n_components_(self) -> int:
        """Number of clusters, K: the one asked for, or the one found by ``n_components="auto"``."""
        return self._config.K

    @property
    def style_dim_(self) -> int:
        """Dimension of the style: the one asked for, or the one taken by ``style_dim="auto"``."""
        return self._config.D_w

    @property
    def lower_bounds_(self) -> list[float]:
        """Held-out bound after every epoch of the best restart."""
        return [float(bound) for bound in self.history_["lower_bound_held_out"]]

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
        rows = self._rows(X)
        return answers.labels(self._model, rows, batch_size)

    def predict_proba(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Probability of every cluster, p(z|y), with the means of q(x|y) and q(w|y) plugged in.

        Parameters are those of `predict`.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        rows = self._rows(X)
        return answers.proba(self._model, rows, batch_size)

    def predict_log_odds(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Log-odds of every cluster, log [p(z=k|y) / (1 − p(z=k|y))].

        They rank rows whose probabilities round to 1, as `gmvae.metrics.accuracy_exemplar` does. Parameters are those
        of `predict`.

        Returns
        -------
        log_odds : ndarray of shape (n_samples, n_components)
            `predict_proba` is their logistic function.
        """
        rows = self._rows(X)
        return answers.log_odds(self._model, rows, batch_size)

    def transform(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Embed X: the mean of q(x|y). Parameters are those of `predict`.

        Returns
        -------
        embedding : ndarray of shape (n_samples, latent_dim)
        """
        rows = self._rows(X)
        return answers.embedding(self._model, rows, batch_size)

    def transform_style(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Style of X: the mean of q(w|y). Parameters are those of `predict`.

        A coordinate that hardly varies over X is not used by the model.

        Returns
        -------
        style : ndarray of shape (n_samples, style_dim)
        """
        rows = self._rows(X)
        return answers.style(self._model, rows, batch_size)

    def inverse_transform(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Mean of the data given latents.

        Parameters
        ----------
        X : array-like of shape (n, latent_dim)
            Places in the latent space, as from `transform`.
        batch_size : int, optional
            As in `predict`.

        Returns
        -------
        observations : ndarray of shape (n, n_features) or (n, C, H, W)
            In the data's units; uint8 images come back as values in [0, 1].
        """
        check_is_fitted(self)
        return answers.observations(self._model, latent_rows(X, self._config.latent_dim), batch_size)

    def reconstruct(self, X: Any, *, batch_size: int | None = None) -> np.ndarray:
        """Observations after a passage through the latent space; shape as `inverse_transform`'s."""
        return self.inverse_transform(self.transform(X, batch_size=batch_size), batch_size=batch_size)

    def score_samples(
        self, X: Any, *, n_importance_samples: int = answers.N_IMPORTANCE_SAMPLES, batch_size: int | None = None
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(y) of every row (Burda et al. 2016).

        Parameters
        ----------
        X : array-like
            As in `fit`.
        n_importance_samples : int
            More samples tighten the estimate, which is a lower bound in expectation. Of several, none counts for more
            than all others of its row together.
        batch_size : int, optional
            As in `predict`; every row counts with all its samples.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the data's units.
        """
        rows = self._rows(X)
        return answers.log_evidence(self._model, rows, n_importance_samples, batch_size)

    def score(self, X: Any, y: Any = None, *, batch_size: int | None = None) -> float:
        """Mean of `score_samples`, in nats per row."""
        return float(self.score_samples(X, batch_size=batch_size).mean())

    def is_ambiguous(
        self, X: Any, above: float = answers.AMBIGUOUS_ABOVE, *, batch_size: int | None = None
    ) -> np.ndarray:
        """Whether a row lies between clusters: the entropy of its `predict_proba` is above a threshold.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        above : float
            Nats, of log K at most. The default 0.5 is the entropy of 80 to 20 between two clusters; of 50 to 50 it is
            0.69.
        batch_size : int, optional
            As in `predict`.

        Returns
        -------
        ambiguous : ndarray of shape (n_samples,), bool
        """
        return answers.ambiguous(self.predict_proba(X, batch_size=batch_size), above)

    def is_novel(self, X: Any, below: float = answers.NOVEL_BELOW, *, batch_size: int | None = None) -> np.ndarray:
        """Whether a row is unlike those of the fit: its density is below a percentile of the held-out rows' densities.

        Densities are those of `score_samples` with 16 importance samples, which takes far longer than `predict`.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        below : float
            Percentile of `held_out_log_likelihoods_`: about so many percent of rows like those of the fit are flagged.
        batch_size : int, optional
            As in `predict`.

        Returns
        -------
        novel : ndarray of shape (n_samples,), bool

        Raises
        ------
        ValueError
            If the model has no held-out densities, as one from a file of an earlier version.
        """
        rows = self._rows(X)
        return answers.novel(self._model, rows, self.held_out_log_likelihoods_, below, batch_size)

    def sample(
        self, n_samples: int = 1, component: Any = None, style: Any = None, *, mean: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
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
        labels : ndarray of shape (n_samples,)
            The cluster of every observation.
        """
        check_is_fitted(self)
        return answers.draw(self._model, n_samples, component, style, mean=mean, seed=draw_seed(self.random_state))

    @torch.inference_mode()
    def components(self, style: Any = None) -> Components:
        """Components of the latent mixture p(x|w) at one style.

        Parameters
        ----------
        style : array-like of shape (style_dim,), optional
            w; by default 0, the centre of p(w).
        """
        check_is_fitted(self)
        style_dim = self._config.D_w
        w = np.zeros(style_dim) if style is None else np.array(style)
        if w.shape != (style_dim,):
            raise ValueError(f"`style` must have shape ({style_dim},); got shape {w.shape}.")
        answers.check_style(w)
        parts = self._model.generative.mixture(torch.from_numpy(w).to(answers.like(self._model))).components
        return Components(parts.mean.cpu().numpy(), parts.log_scale.exp().cpu().numpy())

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = query_rows(self, X, self.event_shape_)
        check_units(rows, self._model.units)
        return rows

    @property
    def _n_features_out(self) -> int:
        return self._config.latent_dim

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")
