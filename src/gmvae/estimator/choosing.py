"""Numbers of clusters side by side: what halves of the data say for each, and what fits with several seeds say."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any, NamedTuple

from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning

from gmvae.config import Config
from gmvae.estimator.fit_warnings import CollapseWarning
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.inputs import fit_rows
from gmvae.estimator.seeds import draw_seed
from gmvae.estimator.starting import Ground
from gmvae.estimator.together import fit_together
from gmvae.initialisation import MAX_COMPONENTS, Evidence, choose
from gmvae.metrics import stability


class Fits(NamedTuple):
    """What fits of one number of clusters with several seeds say.

    Attributes
    ----------
    lower_bounds : list of float
        Held-out bound of each, in nats per row; each seed holds out its own rows, the same for every number.
    agreement : float or None
        Mean adjusted Rand index between the clusters of any two; None for a single fit.
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
    """One number of clusters.

    Attributes
    ----------
    n_components : int
    evidence : Evidence or None
        What halves of the rows say; None where they are too small.
    fits : Fits or None
        None without fits, or while they are still to come.
    """

    n_components: int
    evidence: Evidence | None
    fits: Fits | None


class Choice(NamedTuple):
    """Numbers of clusters to choose from.

    Attributes
    ----------
    candidates : list of Candidate
        In rising order.
    """

    candidates: list[Candidate]

    @property
    def n_components(self) -> int | None:
        """What ``n_components="auto"`` takes of these; None where the rows are too few to say."""
        found = [each.evidence for each in self.candidates if each.evidence is not None]
        return choose(found) if found else None


def choose_k(
    estimator: GMVAE,
    X: Any,
    numbers: Sequence[int] = range(2, MAX_COMPONENTS + 1),
    *,
    n_fits: int = 2,
    known: Sequence[Candidate] = (),
    on_step: Callable[[Choice, Candidate | None], object] | None = None,
) -> Choice:
    """Compare numbers of clusters by the halves of the data, and by fits with several seeds.

    Parameters
    ----------
    estimator : GMVAE
        Its parameters are those of the fits, whatever its `n_components`; their seeds count up from its
        `random_state`.
    X : array-like
        As in `GMVAE.fit`.
    numbers : sequence of int
        Each from 2 on.
    n_fits : int
        Fits for each number; 0 leaves them out.
    known : sequence of Candidate
        Of an earlier call with the same estimator, X and ``n_fits``; what they say is not computed again.
    on_step : callable, optional
        Called with the choice so far: once the halves are compared, and with the candidate whose fits have ended.

    Returns
    -------
    choice : Choice

    Raises
    ------
    ValueError
        If a number is below 2 or above that of the rows, or as `GMVAE.fit` does.
    DivergedError
        If training stays non-finite although the learning rate was lowered.

    Examples
    --------
    >>> import numpy as np
    >>> from gmvae import GMVAE, choose_k
    >>> X = np.random.default_rng(0).normal(size=(90, 3)) + 9.0 * np.eye(3)[np.arange(90) % 3]
    >>> choice = choose_k(GMVAE(random_state=0), X, range(2, 5), n_fits=0)
    >>> choice.n_components, choice.candidates[1].evidence.stability
    (3, 1.0)
    """
    numbers = sorted({_number(each) for each in numbers})
    if not numbers:
        raise ValueError("`numbers` must hold at least one; got none.")
    if not isinstance(n_fits, Integral) or n_fits < 0:
        raise ValueError(f"`n_fits` must be an integer of at least 0; got {n_fits!r}.")
    before = {each.n_components: each for each in known}
    estimator = clone(estimator).set_params(n_components=numbers[-1])
    config = Config(**estimator.get_params(deep=False))
    rows = fit_rows(estimator, X, numbers[-1])
    first = int(config.random_state) if isinstance(config.random_state, Integral) else draw_seed(config.random_state)
    if before.keys() >= set(numbers):
        evidence = {number: before[number].evidence for number in numbers}
    else:
        found = Ground(rows, config.likelihood).evidence(numbers, draw_seed(first))
        evidence = {each.n_components: each for each in found}
    fits = {number: before[number].fits for number in numbers if number in before}

    def so_far() -> Choice:
        return Choice([Candidate(number, evidence.get(number), fits.get(number)) for number in numbers])

    if on_step is not None:
        on_step(so_far(), None)
    for number in numbers if n_fits else ():
        if fits.get(number) is None:
            seeds = range(first, first + n_fits)
            fits[number] = _fits([clone(estimator).set_params(n_components=number, random_state=s) for s in seeds], X)
            if on_step is not None:
                on_step(so_far(), Candidate(number, evidence.get(number), fits[number]))
    return so_far()


def _fits(estimators: Sequence[GMVAE], X: Any) -> Fits:
    started = time.perf_counter()
    with warnings.catch_warnings():
        # What is returned tells of both, number by number.
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", CollapseWarning)
        fit_together(estimators, X)
    return Fits(
        lower_bounds=[each.lower_bound_ for each in estimators],
        agreement=stability([each.labels_ for each in estimators]) if len(estimators) > 1 else None,
        n_components_effective=[each.n_components_effective_ for each in estimators],
        n_converged=sum(each.converged_ for each in estimators),
        seconds=time.perf_counter() - started,
    )


def _number(each: Any) -> int:
    if isinstance(each, bool) or not isinstance(each, Integral) or each < 2:
        raise ValueError(f"`numbers` must be integers of at least 2; got {each!r}.")
    return int(each)
