"""`choose_k`: numbers of clusters side by side."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sklearn.base import clone

from gmvae.config import Config
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.inputs import fit_observations
from gmvae.fitting import choice_of_k
from gmvae.fitting.choice_of_k import Candidate, Choice
from gmvae.initialisation.n_clusters import MAX_COMPONENTS


def choose_k(
    estimator: GMVAE,
    X: Any,
    numbers: Sequence[int] = range(2, MAX_COMPONENTS + 1),
    *,
    n_fits: int = 2,
    known: Sequence[Candidate] = (),
    on_step: Callable[[Choice, Candidate | None], object] | None = None,
) -> Choice:
    """Compare numbers of clusters: by how well halves of the data agree on the clusters, and fits with several seeds.

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
        Candidates of an earlier call with the same estimator, X and ``n_fits``, which are not computed again.
    on_step : callable, optional
        Called with the choice so far and the candidate whose fits have just ended; at first with None, when the halves
        have been compared.

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
    >>> choice.n_components, choice.candidates[1].criteria.stability
    (3, 1.0)
    """
    asked = clone(estimator)
    observations = fit_observations(asked, X, "auto")
    config = Config(**{**asked.get_params(deep=False), "n_components": "auto"})
    return choice_of_k.choose_k(observations, config, numbers, n_fits=n_fits, known=known, on_step=on_step)
