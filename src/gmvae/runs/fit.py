"""From observations to a fit in a run folder."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from gmvae.atomic import sweep
from gmvae.config import Config
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.fit import Fit, fit
from gmvae.fitting.restarts import Task
from gmvae.observations import Observations
from gmvae.runs.checkpoints import Checkpoints, begin, go_on_with
from gmvae.runs.folder import RunFolder


def task_in(
    folder: RunFolder,
    observations: Observations,
    config: Config,
    *,
    resume: bool = False,
    on_epoch: Callable[[Fitted], object] | None = None,
    on_start: Callable[[np.ndarray], object] | None = None,
) -> Task:
    """A fit in a run folder, which the caller holds (`RunFolder.alone`), new or to go on with; see `fit_into`."""
    seed = go_on_with(folder, config) if resume else begin(folder, config)
    for written in (folder.path, folder.checkpoints):
        sweep(written)
    return Task(seed, Checkpoints(folder, resume, observations.checksum()), on_epoch, on_start)


def fit_into(
    folder: RunFolder,
    observations: Observations,
    config: Config,
    *,
    resume: bool = False,
    previous: Fitted | None = None,
    on_epoch: Callable[[Fitted], object] | None = None,
    on_start: Callable[[np.ndarray], object] | None = None,
) -> Fit:
    """Fit in a run folder, which the caller holds (`RunFolder.alone`), or go on with the fit that is in it.

    `previous` is that of `fitting.fit.fit`, `on_epoch` and `on_start` are those of `Task`.

    Raises
    ------
    ValueError
        If a new run would replace an earlier one, or a resumed one was started with other parameters or data, or never.
    """
    task = task_in(folder, observations, config, resume=resume, on_epoch=on_epoch, on_start=on_start)
    (found,) = fit(observations, config, [task], previous)
    return found
