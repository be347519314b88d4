"""Components that share a cluster are merged for as long as that raises the bound."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch

from gmvae.estimator import GMVAE
from gmvae.paper.trials import all_epochs

_N_AVERAGED = 10
"""Last epochs over which a bound is averaged."""


class Merge(NamedTuple):
    """A merge that was tried: which components, and the bounds after as many more epochs without it and with it."""

    kept: list[int]
    copied_over: list[int]
    without: float
    merged: float

    @property
    def helps(self) -> bool:
        """Whether the merged components have the higher bound."""
        return self.merged > self.without


def merge_components(
    model: GMVAE, X: np.ndarray, epochs: int, require_time: Callable[[], None] = lambda: None, n_tried: int = 4
) -> tuple[GMVAE, list[Merge]]:
    """Train on with two components merged and with none merged, and keep the higher bound, until no merge helps.

    Two components merge by one becoming a copy of the other. Copies have the same gradients and stay on one another, as
    the excess ones of the paper's Figure 2 (f). Pairs are tried in the order of how often they compete for the same
    rows: by the cosine between their posteriors p(z|y) over the rows. No labels take part.

    Parameters
    ----------
    model : GMVAE
        A fitted model, which stays as it is.
    X : ndarray of shape (n, ...)
        The rows it was fitted to.
    epochs : int
        Epochs that each side of a comparison trains on for.
    require_time : callable
        Called before each training; what it raises ends the search.
    n_tried : int
        How many merges are tried before none is said to help.

    Returns
    -------
    model : GMVAE
        The last solution, trained on.
    merges : list of Merge
        All that were tried.
    """
    none = list(range(model.fitted_.model.K))
    groups = [[component] for component in none]
    tried: list[Merge] = []
    while len(groups) > 1:
        require_time()
        unmerged = _trained_on(model, X, epochs, none)
        for one, other in _competing_pairs(unmerged, X, groups)[:n_tried]:
            require_time()
            of = np.array(none)
            of[groups[other]] = groups[one][0]
            merged = _trained_on(model, X, epochs, of.tolist())
            tried.append(Merge([*groups[one]], [*groups[other]], mean_bound(unmerged), mean_bound(merged)))
            if tried[-1].helps:
                groups[one] += groups[other]
                del groups[other]
                model = merged
                break
        else:
            return unmerged, tried
    return model, tried


def mean_bound(model: GMVAE) -> float:
    """The bound on the training rows, averaged over the last epochs."""
    return float(model.history_["lower_bound"][-_N_AVERAGED:].mean())


@torch.no_grad()
def copy_components(source: GMVAE, to: GMVAE, of: Sequence[int]) -> None:
    """Give ``to`` the networks of ``source``; its component k is a copy of component ``of[k]``."""
    weights, own = source.fitted_.model.state_dict(), to.fitted_.model.state_dict()
    streams = source.fitted_.model.generative.mixture.streams
    for name, tensor in weights.items():
        if name.startswith("generative.mixture.output"):
            tensor = tensor.unflatten(0, streams)[:, of].flatten(0, 2)
        if not name.endswith("log_weights"):  # as many as components, all alike
            own[name].copy_(tensor)


def _trained_on(model: GMVAE, X: np.ndarray, epochs: int, of: Sequence[int]) -> GMVAE:
    """Train a copy of a model on, its component k beginning as a copy of component ``of[k]``."""
    trained = copy.deepcopy(model).set_params(**all_epochs(epochs), warm_start=True, warm_up=0.0)
    copy_components(model, trained, of)
    return trained.fit(X)


def _competing_pairs(model: GMVAE, X: np.ndarray, groups: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """Pairs of groups of copies, by the cosine between their posteriors, each in both orders."""
    posterior = model.predict_proba(X)
    of_groups = np.stack([posterior[:, group].sum(1) for group in groups])
    directions = of_groups / np.linalg.norm(of_groups, axis=1, keepdims=True)
    cosine = directions @ directions.T
    one, other = np.triu_indices(len(groups), 1)
    order = np.argsort(-cosine[one, other])
    return [pair for i, j in zip(one[order], other[order], strict=True) for pair in ((i, j), (j, i))]
