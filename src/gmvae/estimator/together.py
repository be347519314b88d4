"""Several seeds at once: what a study of seeds fits, as one stacked model where that is faster."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from gmvae.config import Config
from gmvae.estimator.fitting import Task, adopt, fit_all
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.inputs import fit_rows
from gmvae.estimator.seeds import draw_seed
from gmvae.estimator.starting import Ground, counted
from gmvae.estimator.undoing import undone_unless_finished
from gmvae.estimator.watching import watch

_OWN = {"random_state", "warm_start"}


def fit_together(
    estimators: Sequence[GMVAE], X: Any, *, on_epoch: Callable[[GMVAE], object] | None = None
) -> list[GMVAE]:
    """Fit estimators that differ in `random_state` alone.

    Each ends where its own `fit` would have, up to rounding where several are trained as one stacked model: on a GPU,
    and on a CPU for small networks, or as `restarts_at_once` says. They start anew, whatever `warm_start` says. With
    ``n_components="auto"`` all have as many clusters as the first.

    Parameters
    ----------
    estimators : sequence of GMVAE
    X : array-like
        As in `GMVAE.fit`.
    on_epoch : callable, optional
        As in `GMVAE.fit`; it is called for each of them, and may tell them apart by `random_state`.

    Returns
    -------
    estimators : list of GMVAE
        The same, fitted.

    Raises
    ------
    ValueError
        If there is no estimator, if they differ in more than `random_state`, or as `GMVAE.fit` does.
    DivergedError
        If training stays non-finite although the learning rate was lowered.

    Examples
    --------
    >>> import numpy as np
    >>> from gmvae import GMVAE, fit_together
    >>> X = np.random.default_rng(0).normal(size=(60, 3))
    >>> small = {"hidden_layer_sizes": (8,), "max_iter": 2, "tol": 10.0, "n_iter_no_change": 1}
    >>> models = fit_together([GMVAE(1, **small, random_state=seed) for seed in range(3)], X)
    >>> [len(model.lower_bounds_) for model in models]
    [2, 2, 2]
    """
    if not estimators:
        raise ValueError("`estimators` must hold at least one; got none.")
    shared = _shared(estimators[0])
    for estimator in estimators:
        for name, value in _shared(estimator).items():
            if value is not shared[name] and value != shared[name]:
                raise ValueError(
                    f"`estimators` must differ in `random_state` alone; got {name}={shared[name]!r} and {value!r}: "
                    "fit them one by one."
                )
    config = Config(**shared)
    with undone_unless_finished(estimators):
        rows = fit_rows(estimators[0], X, config.n_components)
        for estimator in estimators[1:]:
            fit_rows(estimator, X, config.n_components)  # it takes note of X's features
        seeds = [draw_seed(estimator.random_state) for estimator in estimators]
        ground = Ground(rows, config.likelihood)
        config = counted(config, ground, seeds[0])
        tasks = [
            Task(seed, on_epoch=watch(estimator, on_epoch, rows.shape[1:], config))
            for estimator, seed in zip(estimators, seeds, strict=True)
        ]
        fits = fit_all(rows, config, tasks, ground)
        for estimator, fit in zip(estimators, fits, strict=True):
            own = Config(**estimator.get_params(deep=False))
            adopt(estimator, fit, rows, dataclasses.replace(own, n_components=config.n_components))
    return list(estimators)


def _shared(estimator: GMVAE) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params(deep=False).items() if name not in _OWN}
