"""The estimator `GMVAE`, with scikit-learn's words for the paper's symbols."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, ClusterMixin, TransformerMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from gmvae.estimator import document
from gmvae.estimator.fitting import Run, fit_best, resolved, warn_if_collapsed
from gmvae.estimator.inputs import check_bernoulli, fit_rows, query_rows
from gmvae.metrics import effective_components
from gmvae.model import Noise, UnitInterval
from gmvae.training import as_tensor, converged

_ROWS_AT_ONCE = 1024


class GMVAE(ClassNamePrefixFeaturesOutMixin, TransformerMixin, ClusterMixin, BaseEstimator):
    """Clustering with a Gaussian Mixture Variational Autoencoder (Dilokthanakul et al. 2016).
    """

    def __init__(
        self,
        n_components: int = 10,
        *,
        latent_dim: int = 10,
        style_dim: int = 4,
        likelihood: str = "auto",
        network: Any = "auto",
        hidden_layer_sizes: tuple[int, ...] = (500, 500),
        max_iter: int | str = "auto",
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        learning_rate_schedule: str = "one-cycle",
        max_grad_norm: float | None = None,
        min_information: float = 0.0,
        n_mc_samples: int = 1,
        bound: str = "exact",
        n_init: int = 1,
        init: str = "kmeans",
        tol: float = 0.01,
        n_iter_no_change: int = 10,
        validation_fraction: float = 0.1,
        precision: str = "32-true",
        device: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.latent_dim = latent_dim
        self.style_dim = style_dim
        self.likelihood = likelihood
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.max_grad_norm = max_grad_norm
        self.min_information = min_information
        self.n_mc_samples = n_mc_samples
        self.bound = bound
        self.n_init = n_init
        self.init = init
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.precision = precision
        self.device = device
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None, *, run_dir: str | Path | None = None, resume: bool = False) -> Self:
        """Learn the model and the clusters of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, H, W) or (n_samples, C, H, W)
            Arrays, torch tensors, pandas or polars frames; float, integer or boolean. uint8 images are
            scaled to [0, 1].
        y : ignored
            Present for scikit-learn's convention.
        run_dir : str or Path, optional
            Folder for a checkpoint per epoch, ``history.csv`` and TensorBoard events.
        resume : bool
            Go on from the checkpoint in ``run_dir``. With the same X and parameters the result on a CPU
            equals that of an uninterrupted run, bit for bit.

        Returns
        -------
        self : GMVAE

        Raises
        ------
        ValueError
            If a parameter or X is outside its domain.
        DivergedError
            If training stays non-finite although the learning rate was lowered.
        """
        config = resolved(self.get_params(deep=False))
        rows = fit_rows(self, X, config.n_components)
        seed = int(check_random_state(config.random_state).randint(np.iinfo(np.int32).max))
        run = None
        if run_dir is not None:
            run = Run(Path(run_dir), resume)
            seed = document.open_run(run, config, seed)
        previous = self._model if self.warm_start and self.__sklearn_is_fitted__() else None
        fit = fit_best(rows, config, seed, run, previous)

        self._model = fit.model
        self.event_shape_ = rows.shape[1:]
        self.history_ = fit.state.history
        self.n_iter_ = len(fit.state.history.epochs)
        self.converged_ = converged(fit.state, config)
        self.lower_bound_ = fit.state.best_bound
        self.restart_bounds_ = fit.bounds
        proba = self._proba(rows)
        self.labels_ = proba.argmax(1)
        self.weights_ = proba.mean(0)
        self.n_components_effective_ = effective_components(self.weights_)
        warn_if_collapsed(self.n_components_effective_, self.history_.epochs[-1].z_prior, config)
        if not self.converged_:
            warnings.warn(
                f"The held-out bound still rose by more than `tol` within the last {config.n_iter_no_change} of "
                f"{self.n_iter_} epochs; raise `max_iter` to go on or `tol` to accept it.",
                ConvergenceWarning,
                stacklevel=2,
            )
        return self

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
        latents = np.asarray(X)
        if latents.ndim != 2 or latents.shape[1] != self.latent_dim:
            raise ValueError(f"X must have shape (n, {self.latent_dim}); got {latents.shape}: pass what `transform` gave.")
        return self._map(latents, lambda x: self._model.decode(x.to(self._like.dtype)))

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
        generator = torch.Generator().manual_seed(0)
        dims = (self.latent_dim, self.style_dim)
        noise = Noise(*(torch.randn(n_importance_samples, 1, dim, generator=generator).to(self._like) for dim in dims))
        return self._map(rows, lambda y: self._model.log_evidence(y, noise))

    def score(self, X: Any, y: Any = None) -> float:
        """Mean of `score_samples`, in nats per row."""
        return float(self.score_samples(X).mean())

    def sample(
        self, n_samples: int = 1, component: int | None = None, style: Any = None, *, mean: bool = False
    ) -> tuple[np.ndarray, np.ndarray]:
        """Draw new observations from the model.

        Parameters
        ----------
        n_samples : int
            How many.
        component : int, optional
            Draw from this cluster only; by default clusters are drawn from p(z).
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
        K = self.n_components
        if n_samples < 1:
            raise ValueError(f"`n_samples` must be an integer of at least 1; got {n_samples!r}.")
        if component is not None and not 0 <= component < K:
            raise ValueError(f"`component` must be in 0..{K - 1}; got {component!r}.")
        seed = int(check_random_state(self.random_state).randint(np.iinfo(np.int32).max))
        generator = torch.Generator(self._like.device).manual_seed(seed)
        device = self._like.device
        labels = torch.randint(K, (n_samples,), generator=generator, device=device)
        if component is not None:
            labels.fill_(component)
        w = torch.randn(n_samples, self.style_dim, generator=generator, device=device, dtype=self._like.dtype)
        if style is not None:
            style = np.asarray(style)
            if style.shape not in {(self.style_dim,), (n_samples, self.style_dim)}:
                raise ValueError(
                    f"`style` must have shape ({self.style_dim},) or ({n_samples}, {self.style_dim}); got {style.shape}."
                )
            w = torch.from_numpy(style).to(w).expand_as(w)
        with torch.no_grad():
            x = self._model.generative.sample_latent(labels, w, generator)
            y = self._model.decode(x) if mean else self._model.sample_observation(x, generator)
        return y.cpu().numpy(), labels.cpu().numpy()

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one safetensors file; no pickle is involved."""
        check_is_fitted(self)
        document.save(self, path)

    @classmethod
    def load(cls, path: str | Path, *, network: Any = None, device: str = "auto") -> Self:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : str or Path
        network : pair of torch modules, optional
            The trunks, if the model was fitted with trunks of the user's own.
        device : str
            Where it shall compute.

        Raises
        ------
        ModelFileError
            If the file cannot be read as a model.
        """
        return document.load(cls, path, network, device)

    @property
    def lower_bounds_(self) -> list[float]:
        """Held-out bound after every epoch of the best restart."""
        return [float(bound) for bound in self.history_["lower_bound_held_out"]]

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
        parts = (rows[first : first + _ROWS_AT_ONCE] for first in range(0, len(rows), _ROWS_AT_ONCE))
        return np.concatenate([function(as_tensor(np.array(part)).to(device)).cpu().numpy() for part in parts])

    @property
    def _like(self) -> Tensor:
        """A tensor of the model's device and floating-point type."""
        return self._model.generative.mixture.output.weight

    @property
    def _n_features_out(self) -> int:
        return self.latent_dim

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_model")
