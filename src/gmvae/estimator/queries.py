"""What a fitted model answers: assignments, embeddings, densities and new samples, in batches."""

from __future__ import annotations

from abc import ABC
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from gmvae.config import Config, Domain, require
from gmvae.estimator.inputs import check_bernoulli, latent_rows, query_rows
from gmvae.generative import Family
from gmvae.model import GaussianMixtureVAE, Noise, UnitInterval
from gmvae.networks import Shape
from gmvae.training import as_tensor

_ROWS_AT_ONCE = 1024


class Components(NamedTuple):
    """Normal components in the latent space.

    Attributes
    ----------
    means, scales : ndarray of shape (n_components, latent_dim)
        Means and standard deviations.
    """

    means: np.ndarray
    scales: np.ndarray


def draw_seed(random_state: Any) -> int:
    """A seed from ``random_state``; None takes it from the system and leaves numpy's global generator alone."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    return int(check_random_state(random_state).randint(np.iinfo(np.int32).max))


def _require_count(name: str, value: object) -> None:
    require(name, Domain("an integer of at least 1", low=1, integral=True), value)


class FittedQueries(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator, ABC):
    """The methods of `GMVAE` that need a fitted model."""

    random_state: Any
    event_shape_: Shape
    _config: Config
    _model: GaussianMixtureVAE

    @property
    def likelihood_(self) -> Family:
        """The likelihood that was taken: "bernoulli" or "gaussian"."""
        return self._model.family

    def predict(self, X: Any) -> np.ndarray:
        """Most probable cluster of every row.

        Returns
        -------
        labels : ndarray of shape (n_samples,), int
        """
        return self.predict_proba(X).argmax(1)

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probability of every cluster, p(z|y), with the means of q(x|y) and q(w|y) plugged in.

        Returns
        -------
        proba : ndarray of shape (n_samples, n_components)
            Rows sum to 1.
        """
        return self._proba(self._rows(X))

    def transform(self, X: Any) -> np.ndarray:
        """Embed X: the mean of q(x|y).

        Returns
        -------
        embedding : ndarray of shape (n_samples, latent_dim)
        """
        return self._map(self._rows(X), self._model.embed)

    def inverse_transform(self, X: Any) -> np.ndarray:
        """Mean of the data given latents.

        Parameters
        ----------
        X : array-like of shape (n, latent_dim)
            Places in the latent space, as from `transform`.

        Returns
        -------
        observations : ndarray of shape (n, n_features) or (n, C, H, W)
            In the data's units; uint8 images come back as values in [0, 1].
        """
        check_is_fitted(self)
        return self._map(latent_rows(X, self._config.latent_dim), lambda x: self._model.decode(x.to(self._like.dtype)))

    def reconstruct(self, X: Any) -> np.ndarray:
        """Observations after a passage through the latent space; shape as `inverse_transform`'s."""
        return self.inverse_transform(self.transform(X))

    def score_samples(self, X: Any, *, n_importance_samples: int = 64) -> np.ndarray:
        """Importance-weighted estimate of log p(y) of every row (Burda et al. 2016).

        Parameters
        ----------
        X : array-like
            As in `fit`.
        n_importance_samples : int
            More samples tighten the estimate, which is a lower bound in expectation.

        Returns
        -------
        log_likelihood : ndarray of shape (n_samples,)
            In nats, in the data's units.
        """
        rows = self._rows(X)
        _require_count("n_importance_samples", n_importance_samples)
        generator = torch.Generator().manual_seed(0)
        dims = (self._config.latent_dim, self._config.style_dim)
        noise = Noise(*(torch.randn(n_importance_samples, 1, dim, generator=generator).to(self._like) for dim in dims))
        return self._map(rows, lambda y: self._model.log_evidence(y, noise))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`, in nats per row."""
        return float(self.score_samples(X).mean())

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
        K, style_dim = self._config.n_components, self._config.style_dim
        _require_count("n_samples", n_samples)
        if component is not None:
            component = np.asarray(component)
            fits = component.shape in {(), (n_samples,)} and np.issubdtype(component.dtype, np.integer)
            if not fits or component.min() < 0 or component.max() >= K:
                raise ValueError(
                    f"`component` must be None, or one integer in 0..{K - 1} or {n_samples} of them; got "
                    f"{component.tolist()!r}."
                )
        generator = torch.Generator(self._like.device).manual_seed(draw_seed(self.random_state))
        device = self._like.device
        labels = torch.randint(K, (n_samples,), generator=generator, device=device)
        if component is not None:
            labels.copy_(torch.from_numpy(np.array(component)))
        w = torch.randn(n_samples, style_dim, generator=generator, device=device, dtype=self._like.dtype)
        if style is not None:
            style = np.array(style)  # a copy: torch takes no negative strides
            if style.shape not in {(style_dim,), (n_samples, style_dim)}:
                raise ValueError(
                    f"`style` must have shape ({style_dim},) or ({n_samples}, {style_dim}); got shape {style.shape}."
                )
            w = torch.from_numpy(style).to(w).expand_as(w)
        with torch.no_grad():
            x = self._model.generative.sample_latent(labels, w, generator)
            y = self._model.decode(x) if mean else self._model.sample_observation(x, generator)
        return y.cpu().numpy(), labels.cpu().numpy()

    @torch.no_grad()
    def components(self, style: Any = None) -> Components:
        """Components of the latent mixture p(x|w) at one style.

        Parameters
        ----------
        style : array-like of shape (style_dim,), optional
            w; by default 0, the centre of p(w).
        """
        check_is_fitted(self)
        style_dim = self._config.style_dim
        w = np.zeros(style_dim) if style is None else np.array(style)
        if w.shape != (style_dim,):
            raise ValueError(f"`style` must have shape ({style_dim},); got shape {w.shape}.")
        parts = self._model.generative.mixture(torch.from_numpy(w).to(self._like)).components
        return Components(parts.mean.cpu().numpy(), parts.log_scale.exp().cpu().numpy())

    def _rows(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        rows = query_rows(self, X, self.event_shape_)
        if isinstance(self._model.units, UnitInterval):
            check_bernoulli(rows, float(self._model.units.top_level))
        return rows

    def _proba(self, rows: np.ndarray) -> np.ndarray:
        return self._map(rows, lambda y: self._model.log_posterior(y).double().softmax(-1))

    @torch.no_grad()
    def _map(self, rows: np.ndarray, function: Callable[[Tensor], Tensor]) -> np.ndarray:
        """Apply ``function`` to rows in parts, so that memory does not grow with their number."""
        device = self._like.device
        results = None
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = as_tensor(np.array(rows[first : first + _ROWS_AT_ONCE])).to(device)
            result = function(part).cpu().numpy()
            if results is None:
                results = np.empty((len(rows), *result.shape[1:]), result.dtype)
            results[first : first + len(result)] = result
        assert results is not None
        return results

    @property
    def _like(self) -> Tensor:
        """A tensor of the model's device and floating-point type."""
        return self._model.generative.mixture.output.weight

    @property
    def _n_features_out(self) -> int:
        return self._config.latent_dim

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")
