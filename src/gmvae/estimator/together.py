"""Several seeds at once: what a study of seeds fits, as one stacked model where that is faster."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from gmvae.config import Config
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.inputs import fit_observations, set_features
from gmvae.estimator.transaction import restored_unless_finished
from gmvae.fitting.fit import fit
from gmvae.runs.checkpoints import seeded_fit
from gmvae.runs.folder import RunFolder

_OWN = {"random_state", "warm_start"}


def fit_together(
    estimators: Sequence[GMVAE],
    X: Any,
    *,
    run_dirs: Sequence[str | Path] | None = None,
    resume: bool = False,
    on_epoch: Callable[[GMVAE], object] | None = None,
) -> list[GMVAE]:
    """Fit estimators that differ only in `random_state`, several at once where that is faster.

    On a GPU, and on a CPU for small networks, they are trained as one stacked model (`restarts_at_once`). Each result
    equals that of `fit`, up to rounding. `warm_start` is ignored. With ``n_components="auto"`` all have as many
    clusters as the first.

    Parameters
    ----------
    estimators : sequence of GMVAE
    X : array-like
        As in `GMVAE.fit`.
    run_dirs : sequence of str or Path, optional
        A folder for each of them, as `run_dir` in `GMVAE.fit`.
    resume : bool
        Go on from the checkpoints in those of ``run_dirs`` that hold a run; the others are begun.
    on_epoch : callable, optional
        As in `GMVAE.fit`; it is called for each of them, and may tell them apart by `random_state`.

    Returns
    -------
    estimators : list of GMVAE
        The same, fitted.

    Raises
    ------
    ValueError
        If there is no estimator, if they differ in more than `random_state`, if there is not one folder for each, or
        as `GMVAE.fit` does.
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
    if run_dirs is not None and len({Path(run_dir) for run_dir in run_dirs}) != len(estimators):
        raise ValueError(
            f"`run_dirs` must be as many different folders as estimators, {len(estimators)}; got {len(run_dirs)}, "
            f"{len({Path(run_dir) for run_dir in run_dirs})} of them different: name one for each."
        )
    config = Config(**shared)
    with restored_unless_finished(estimators), ExitStack() as held:
        observations = fit_observations(estimators[0], X, config.n_components)
        first = estimators[0]
        for estimator in estimators[1:]:
            set_features(estimator, first.n_features_in_, getattr(first, "feature_names_in_", None))
        fits = []
        for index, estimator in enumerate(estimators):
            folder = None if run_dirs is None else Path(run_dirs[index])
            own = replace(config, random_state=estimator.random_state)
            go_on = resume and folder is not None and RunFolder(folder).config.is_file()
            shown = estimator._shown(on_epoch)
            fits.append(seeded_fit(folder, observations, own, held, resume=go_on, on_epoch=shown))
        for estimator, found in zip(estimators, fit(observations, config, fits), strict=True):
            settings = {name: getattr(estimator, name) for name in _OWN}
            fitted = replace(found.fitted, config=replace(found.fitted.config, **settings))
            estimator._take_over(found._replace(fitted=fitted), X)
    return list(estimators)


def _shared(estimator: GMVAE) -> dict[str, Any]:
    return {name: value for name, value in estimator.get_params(deep=False).items() if name not in _OWN}
