"""Numbers of clusters side by side: what halves of the data say for each, and what fits with several seeds say."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Integral
from typing import NamedTuple

from gmvae.config import Config
from gmvae.domains import Domain, integer, require
from gmvae.fitting.fit import fit
from gmvae.fitting.restarts import SeededFit
from gmvae.fitting.starts import TrainingData, learned_likelihood
from gmvae.fitting.warn import without_warnings_of_fits
from gmvae.initialisation.n_clusters import Criteria, choose
from gmvae.metrics import stability
from gmvae.observations import Observations
from gmvae.seeds import draw_seed
from gmvae.user_warnings import warn_user

_NUMBERS = Domain("integers of at least 2", low=2, integral=True)


class Fits(NamedTuple):
    """What fits of one number of clusters with several seeds say.

    Attributes
    ----------
    lower_bounds : list of float
        Held-out bound of each, in nats per row; each seed holds out its own rows, the same for every number.
    agreement : float or None
        The `stability` of their clusters, as between the restarts of one fit; None for a single fit.
    n_components_effective : list of float
        Clusters in use in each.
    n_converged : int
        How many had stopped improving.
    seconds : float
        Wall time of all.
    """

    lower_bounds: list[float]
    agreement: float | None
    n_components_effective: list[float]
    n_converged: int
    seconds: float


class Candidate(NamedTuple):
    """One number of clusters, and what halves of the rows and fits of them say of it."""

    n_components: int
    criteria: Criteria | None  # None where halves are too small
    fits: Fits | None  # None without fits, or while they are still to come

    @property
    def evidence(self) -> Criteria | None:
        """The earlier name of `criteria`."""
        warn_user("`evidence` is named `criteria` now, and ends in version 0.4: use `criteria`.", FutureWarning)
        return self.criteria


class Choice(NamedTuple):
    """Numbers of clusters to choose from, in rising order."""

    candidates: list[Candidate]

    @property
    def n_components(self) -> int | None:
        """What ``n_components="auto"`` takes of these; None where the rows are too few to say."""
        found = [each.criteria for each in self.candidates if each.criteria is not None]
        return choose(found) if found else None


def choose_k(
    observations: Observations,
    config: Config,
    numbers: Sequence[int],
    *,
    n_fits: int,
    known: Sequence[Candidate] = (),
    on_step: Callable[[Choice, Candidate | None], object] | None = None,
) -> Choice:
    """Compare numbers of clusters; see `gmvae.choose_k`."""
    numbers = list(numbers)
    for each in numbers:
        require("numbers", _NUMBERS, each)
    numbers = sorted({int(each) for each in numbers})
    if not numbers:
        raise ValueError("`numbers` must hold at least one; got none.")
    require("n_fits", integer(0), n_fits)
    observations.check(numbers[-1])
    before = {each.n_components: each for each in known}
    first = int(config.random_state) if isinstance(config.random_state, Integral) else draw_seed(config.random_state)
    if before.keys() >= set(numbers):
        criteria = {number: each.criteria for number, each in before.items()}
    else:
        data = TrainingData(observations, learned_likelihood(config, observations))
        found = data.criteria(numbers, draw_seed(first))
        criteria = {each.n_components: each for each in found}
    fits = {number: each.fits for number, each in before.items()}

    def so_far() -> Choice:
        return Choice([Candidate(number, criteria.get(number), fits.get(number)) for number in numbers])

    if on_step is not None:
        on_step(so_far(), None)
    for number in numbers if n_fits else ():
        if fits.get(number) is None:
            seeded = [SeededFit(draw_seed(seed)) for seed in range(first, first + n_fits)]
            fits[number] = _fits(observations, replace(config, n_components=number), seeded)
            if on_step is not None:
                on_step(so_far(), Candidate(number, criteria.get(number), fits[number]))
    return so_far()


def _fits(observations: Observations, config: Config, seeded: Sequence[SeededFit]) -> Fits:
    started = time.perf_counter()
    with without_warnings_of_fits():
        found = fit(observations, config, seeded)
    fits = [each.fitted for each in found]
    return Fits(
        lower_bounds=[each.lower_bound for each in fits],
        agreement=stability([each.proba.argmax(1) for each in found]) if len(found) > 1 else None,
        n_components_effective=[each.n_components_effective for each in fits],
        n_converged=sum(each.converged for each in fits),
        seconds=time.perf_counter() - started,
    )
