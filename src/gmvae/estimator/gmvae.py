"""The estimator `GMVAE`, with scikit-learn's words for the paper's symbols."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import numpy as np

from gmvae.config import Config
from gmvae.estimator.docstring import with_parameters
from gmvae.estimator.inputs import fit_observations, set_features
from gmvae.estimator.queries import FittedQueries
from gmvae.estimator.transaction import restored_unless_finished
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.fit import fit
from gmvae.runs.checkpoints import seeded_fit


@with_parameters
class GMVAE(FittedQueries):
    """Clustering with a Gaussian Mixture Variational Autoencoder (Dilokthanakul et al. 2016).

    The model is p(w) p(z) p(x|w,z) p(y|x). It is trained on a lower bound on log p(y), for which the discrete z is
    never sampled. In the paper's letters a row of X is y, its cluster z, its embedding (`transform`) x and its style
    (`transform_style`) w.

    Parameters
    ----------
    {parameters}

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of every row of the X that was fitted. Saved models do not have it, nor fits to a Dataset.
    weights_ : ndarray of shape (n_components,)
        Share of every cluster: the mean of `predict_proba` over the fitted X (of a Dataset, over the sample of its rows
        that is kept in memory), weighted by `sample_weight`. Rows with a known class count wholly for its cluster.
    classes_ : ndarray of shape (n_components,), object
        The class of each cluster, by `partial_labels`; None for clusters without one, which come last.
    n_components_ : int
        Number of clusters, K: the one given, or the one that "auto" found.
    style_dim_ : int
        Dimension of the style.
    likelihood_ : str
        The likelihood of the fit; "mixed" where columns have different ones, or entries are missing.
    column_likelihoods_ : dict
        The likelihood of every column of a table, by name or number.
    categories_ : dict
        Levels of every category and yes/no column, by name.
    n_components_effective_ : float
        Effective number of clusters: the exponential of the entropy of `weights_`.
    lower_bound_ : float
        Held-out bound: the lower bound on log p(y), in nats per row and in the data's units, on rows that training did
        not see.
    lower_bounds_ : list of float
        Held-out bound after every epoch of the best restart.
    restart_bounds_ : list of float
        Held-out bound of every restart; NaN for one that diverged.
    fitted_ : Fitted
        The record of the fit, with the model as a torch module; it answers and is saved without scikit-learn.
    held_out_log_likelihoods_ : ndarray of shape (n_held_out,)
        Estimates of log p(y) of at most 1,000 held-out rows, in rising order, with which `is_novel` compares; empty in
        models from files of earlier versions.
    stability_ : float
        Mean adjusted Rand index between the clusters of restarts: 1 where all are equal; NaN with one restart.
    converged_ : bool
        Whether training ended because the clusters had settled or the held-out bound no longer gained.
    n_iter_ : int
        Epochs run.
    history_ : History
        Terms of the bound, clusters in use, learning rate and time, per epoch.
    event_shape_ : tuple of int
        Shape of one row: (n_features,) or (C, H, W).
    n_features_in_ : int
        Number of values in a row.
    feature_names_in_ : ndarray of str
        Column names, where X had them.

    References
    ----------
    Dilokthanakul et al. 2016, arXiv:1611.02648.

    Examples
    --------
    >>> from sklearn.datasets import load_digits
    >>> from gmvae import GMVAE
    >>> X = load_digits().images / 16
    >>> model = GMVAE(n_components=10, max_iter=2, tol=10.0, n_iter_no_change=1, random_state=0).fit(X)
    >>> model.predict_proba(X).shape
    (1797, 10)
    >>> images, labels = model.sample(5, component=3, mean=True)
    >>> images.shape
    (5, 1, 8, 8)
    """

    def __init__(
        self,
        n_components: int | str = 10,
        *,
        latent_dim: int = 10,
        style_dim: int | str = "auto",
        likelihood: str = "auto",
        size_factors: str = "auto",
        covariate: str | None = None,
        network: Any = "auto",
        hidden_layer_sizes: tuple[int, ...] | str = "auto",
        batch_norm: bool = False,
        effort: str = "labels",
        max_iter: int | str = "auto",
        batch_size: int | str = "auto",
        learning_rate: float = 1e-3,
        learning_rate_schedule: str = "one-cycle",
        max_grad_norm: float | None = None,
        min_information: float = 0.0,
        warm_up: float = 0.0,
        n_mc_samples: int = 1,
        bound: str = "exact",
        n_init: int = 1,
        init: str = "auto",
        component_weights: str = "auto",
        consistency: float | str = "auto",
        tol: float = 0.01,
        n_iter_no_change: int = 20,
        validation_fraction: float = 0.1,
        restarts_at_once: int | str = "auto",
        precision: str = "auto",
        compile: bool | str = "auto",
        device: str = "auto",
        random_state: Any = None,
        warm_start: bool = False,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.latent_dim = latent_dim
        self.style_dim = style_dim
        self.likelihood = likelihood
        self.size_factors = size_factors
        self.covariate = covariate
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.batch_norm = batch_norm
        self.effort = effort
        self.max_iter = max_iter
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_schedule = learning_rate_schedule
        self.max_grad_norm = max_grad_norm
        self.min_information = min_information
        self.warm_up = warm_up
        self.n_mc_samples = n_mc_samples
        self.bound = bound
        self.n_init = n_init
        self.init = init
        self.component_weights = component_weights
        self.consistency = consistency
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.validation_fraction = validation_fraction
        self.restarts_at_once = restarts_at_once
        self.precision = precision
        self.compile = compile
        self.device = device
        self.random_state = random_state
        self.warm_start = warm_start
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        partial_labels: Any = None,
        run_dir: str | Path | None = None,
        resume: bool = False,
        on_epoch: Callable[[Self], object] | None = None,
        on_start: Callable[[np.ndarray], object] | None = None,
    ) -> Self:
        """Learn the model and the clusters of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, H, W) or (n_samples, C, H, W)
            Arrays, torch tensors, or pandas, polars or Arrow tables, which may hold text and categories. NaN is a
            missing entry. uint8 images are divided by 255 under the Bernoulli likelihood. Sparse matrices and arrays of
            SciPy stay sparse; only the rows of a minibatch become dense. A `pyarrow.dataset.Dataset` of Parquet or
            Arrow files, with categories too, is read in parts, so that it may be larger than memory: see docs/scale.md.
        y : ignored
        sample_weight : array-like of shape (n_samples,) or str, optional
            How much every row counts, at least 0: 2 as if the row occurred twice, 0 as if it were absent. Only ratios
            of weights matter. Levels, quartiles and rounding of columns and `held_out_log_likelihoods_` are found
            without weights, from the rows whose weight is above 0. For a Dataset, the name of a column, above 0 in
            every row.
        partial_labels : array-like of shape (n_samples,) or str, optional
            Classes of some rows, whole numbers or text; -1, None, NaN or "" where unknown. In training and in `labels_`
            a row with a known class belongs to the cluster of that class. Held-out rows are drawn from the others, and
            the held-out bound uses no labels. For a Dataset, the name of a column.
        run_dir : str or Path, optional
            Folder for a checkpoint per epoch, ``history.csv`` and TensorBoard events. A folder that holds an earlier
            run is refused unless ``resume=True``, and so is one in which another process is fitting.
        resume : bool
            Go on from the checkpoint in ``run_dir``. With the same X, weights, labels and parameters the result on a
            CPU equals that of an uninterrupted run, bit for bit, or up to rounding where several restarts are trained
            as one stacked model.
        on_epoch : callable, optional
            Called after every epoch of every restart with an estimator that has the weights and the `history_` so far.
            It must not be used after the function has returned.
        on_start : callable, optional
            Called before the training with the starting clusters (n_samples,) of the first restart. Of more than 10,000
            rows only a sample is clustered; the others have -1. ``run_dir`` gets them as ``start.parquet``.

        Returns
        -------
        self : GMVAE

        Raises
        ------
        ValueError
            If a parameter or X is outside its domain, or ``run_dir`` is in use.
        DivergedError
            If training stays non-finite although the learning rate was lowered.

        Notes
        -----
        A fit that fails or is interrupted leaves the estimator as it was.
        """
        config = Config(**self.get_params(deep=False))
        if resume and run_dir is None:
            raise ValueError("`run_dir` must be given with `resume=True`; got None: name the folder of the run.")
        with restored_unless_finished([self]), ExitStack() as held:
            observations = fit_observations(self, X, config.n_components, sample_weight, partial_labels)
            previous = self._fitted if self.warm_start and self.__sklearn_is_fitted__() else None
            shown = self._shown(on_epoch)
            asked = seeded_fit(run_dir, observations, config, held, resume=resume, on_epoch=shown, on_start=on_start)
            (found,) = fit(observations, config, [asked], previous)
            self._take_over(found, X)
        return self

    @classmethod
    def load(cls, path: str | Path, *, network: Any = None, device: str = "auto") -> Self:
        """Read a model that `save` wrote.

        Parameters
        ----------
        path : str or Path
        network : pair of torch modules, optional
            The encoder and decoder, if the model was fitted with modules of your own.
        device : str
            Where to compute: "cpu", "cuda", "cuda:N" or "auto".

        Raises
        ------
        ModelFileError
            If the file cannot be read as a model.
        """
        fitted = Fitted.load(path, network=network, device=device)
        estimator = cls(**vars(fitted.config))
        estimator._fitted = fitted
        set_features(estimator, math.prod(fitted.event_shape), fitted.feature_names)
        return estimator
