"""The estimator `GMVAE`, with scikit-learn's words for the paper's symbols."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Self

import numpy as np
from sklearn.utils.validation import check_is_fitted

from gmvae.config import Config
from gmvae.estimator import document
from gmvae.estimator.inputs import fit_rows
from gmvae.estimator.queries import FittedQueries
from gmvae.estimator.seeds import draw_seed
from gmvae.estimator.undoing import undone_unless_finished
from gmvae.estimator.values import checksum
from gmvae.estimator.watching import watch


class GMVAE(FittedQueries):
    """Clustering with a Gaussian Mixture Variational Autoencoder (Dilokthanakul et al. 2016).

    One generative model p(w) p(z) p(x|w,z) p(y|x), trained on its evidence bound without ever sampling
    the discrete z. Rows of X are the paper's y, `transform` gives its x, clusters are its z.

    Parameters
    ----------
    n_components : int or "auto", default=10
        Number of clusters, K. "auto" takes as many, from 2 on, as halves of the data agree on; see `n_components_`.
    latent_dim : int, default=10
        Dimension D_x of the latent that carries the mixture.
    style_dim : int or "auto", default="auto"
        Dimension D_w of the style latent. "auto" takes 4 for images and 2 for tables.
    likelihood : {"auto", "bernoulli", "gaussian", "poisson"}, default="auto"
        p(y|x). "auto" takes "bernoulli" for booleans, uint8 images and grey levels within [0, 1] (rows of which a
        tenth or more of the values are exactly 0 or 1), else "gaussian" (mean and scale); "poisson" is for counts.
    network : {"auto", "mlp", "conv", "paper-synthetic", "paper-mnist", "paper-svhn"} or pair of modules, default="auto"
        Hidden layers. "auto" takes "conv" for images of at least 8x8 pixels, else "mlp". A pair
        (encoder, decoder) of torch modules maps (n, *event) to features (n, width), and (n, latent_dim) to
        (n, 1, *event) logits for "bernoulli" or log-rates for "poisson", or (n, 2, *event) means and log-scales for
        "gaussian". The modules are copied: every restart begins with the weights they have.
    hidden_layer_sizes : tuple of int, default=(500, 500)
        Widths of "mlp", mirrored in the decoder; "conv" has one fully connected layer of the last width.
    batch_norm : bool, default=False
        Batch normalisation in "mlp" and "conv".
    max_iter : int or "auto", default="auto"
        Epochs at most. "auto" takes enough for 3,000 gradient steps, between 20 and 500 epochs.
    batch_size : int, default=128
        Rows per gradient step.
    learning_rate : float, default=1e-3
        Adam's step size; its peak under "one-cycle".
    learning_rate_schedule : {"one-cycle", "constant"}, default="one-cycle"
        "one-cycle" rises over a tenth of the epochs and falls to zero along a cosine.
    max_grad_norm : float or None, default=None
        Clip the gradient's norm to this.
    min_information : float, default=0.0
        The paper's λ in nats: the z-term costs nothing while its minibatch mean is below it.
    warm_up : float, default=0.0
        Share of the epochs over which the x- and w-terms rise to their full weight.
    n_mc_samples : int, default=1
        Monte Carlo samples per row, M.
    bound : {"exact", "paper"}, default="exact"
        "exact" sums z out; "paper" is the looser bound of the paper.
    n_init : int, default=1
        Restarts; the best held-out bound is kept.
    init : {"auto", "neighbours", "kmeans", "gmm", "random"}, default="auto"
        Clusters on which the components start; "auto" lets the others compete, "random" starts anywhere.
    component_weights : {"learned", "uniform"}, default="learned"
        π of p(z): learned, from the shares of the starting clusters on, or 1/K each, as in the paper.
    consistency : float or "auto", default="auto"
        Nats by which an image and a slightly moved copy are drawn to one cluster. "auto" takes 5 from 16x16 pixels on.
    tol : float, default=0.01
        Least gain in the held-out bound that counts, in nats per row.
    n_iter_no_change : int, default=20
        Training stops after so many epochs without a gain of `tol`.
    validation_fraction : float, default=0.1
        Share of the rows held out to decide when to stop; 0 uses training rows, at most 10,000.
    restarts_at_once : int or "auto", default="auto"
        Restarts trained as one stacked model. "auto" takes all on a GPU and for small networks.
    precision : {"auto", "32-true", "bf16-mixed", "64-true"}, default="auto"
        "auto" takes matrix products in bfloat16 for Bernoulli data on a device that has them, else 32 bits.
    compile : bool or "auto", default="auto"
        Compile the model with `torch.compile`. "auto" does on a GPU for long runs; on a CPU it gains next to nothing.
    device : str, default="auto"
        "cpu", "cuda", "cuda:N", or "auto" for a GPU where there is one.
    random_state : int, RandomState or None, default=None
        Seed; None takes a fresh one. The same seed gives the same result on the same machine, on a CPU bit for bit.
    warm_start : bool, default=False
        Go on from the previous solution, without restarts, when `fit` is called again.
    verbose : int, default=0
        1 reports every epoch on standard error.

    Attributes
    ----------
    labels_ : ndarray of shape (n_samples,)
        Cluster of every row of the X that was fitted; not kept in saved models.
    weights_ : ndarray of shape (n_components,)
        Share of every cluster: the mean of `predict_proba` over the fitted X.
    n_components_ : int
        Number of clusters, K: the one asked for, or the one found by "auto".
    style_dim_ : int
        Dimension of the style.
    n_components_effective_ : float
        Effective number of clusters, exp of the entropy of `weights_`.
    lower_bound_ : float
        Evidence bound on the held-out rows, in nats per row in the data's units.
    lower_bounds_ : list of float
        The same after every epoch of the best restart.
    restart_bounds_ : list of float
        The same for every restart; NaN for one that diverged.
    held_out_log_likelihoods_ : ndarray of shape (n_held_out,)
        Log-density of at most 1,000 held-out rows in rising order, by which `is_novel` judges; empty in models from
        files of earlier versions.
    stability_ : float
        Mean adjusted Rand index between the clusters of restarts: 1 where all are alike; NaN with one restart.
    converged_ : bool
        Whether the held-out bound had stopped improving.
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
        network: Any = "auto",
        hidden_layer_sizes: tuple[int, ...] = (500, 500),
        batch_norm: bool = False,
        max_iter: int | str = "auto",
        batch_size: int = 128,
        learning_rate: float = 1e-3,
        learning_rate_schedule: str = "one-cycle",
        max_grad_norm: float | None = None,
        min_information: float = 0.0,
        warm_up: float = 0.0,
        n_mc_samples: int = 1,
        bound: str = "exact",
        n_init: int = 1,
        init: str = "auto",
        component_weights: str = "learned",
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
        self.network = network
        self.hidden_layer_sizes = hidden_layer_sizes
        self.batch_norm = batch_norm
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
        run_dir: str | Path | None = None,
        resume: bool = False,
        on_epoch: Callable[[Self], object] | None = None,
        on_start: Callable[[np.ndarray], object] | None = None,
    ) -> Self:
        """Learn the model and the clusters of X.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), (n_samples, H, W) or (n_samples, C, H, W)
            Arrays, torch tensors, pandas or polars frames; float, integer or boolean. uint8 images are
            scaled to [0, 1] under the Bernoulli likelihood.
        y : ignored
        run_dir : str or Path, optional
            Folder for a checkpoint per epoch, ``history.csv`` and TensorBoard events. One that holds an earlier run
            is refused, unless that is resumed, and so is one in which another process is fitting.
        resume : bool
            Go on from the checkpoint in ``run_dir``. With the same X and parameters the result on a CPU
            equals that of an uninterrupted run, bit for bit; up to rounding where restarts are trained as one stack.
        on_epoch : callable, optional
            Called after every epoch of every restart with an estimator that answers from the weights of that moment and
            has the `history_` so far. It is good until the function returns.
        on_start : callable, optional
            Called before the training with the starting clusters (n_samples,) of the first restart, -1 for rows that
            were not looked at beyond 10,000; ``run_dir`` gets them as ``start.parquet``.

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
        from gmvae.estimator.fitting import Task, adopt, fit_all  # brings what a fitted model answers without
        from gmvae.estimator.run import Run, opened
        from gmvae.estimator.starting import Ground, counted

        config = Config(**self.get_params(deep=False))
        if resume and run_dir is None:
            raise ValueError("`run_dir` must be given with `resume=True`; got None: name the folder of the run.")
        with undone_unless_finished([self]):
            rows = fit_rows(self, X, config.n_components)
            run = None if run_dir is None else Run(Path(run_dir), resume, checksum(rows))
            with opened(run, config, draw_seed(config.random_state)) as seed:
                go_on = self.warm_start and self.__sklearn_is_fitted__()
                start = self._model if go_on else Ground(rows, config.likelihood)
                config = counted(config, start, seed)
                task = Task(seed, run, watch(self, on_epoch, rows.shape[1:], config), on_start)
                (fit,) = fit_all(rows, config, [task], start)
                adopt(self, fit, rows, config)
        return self

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
