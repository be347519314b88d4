"""Merging components while that raises the bound, as Figure 2 of the paper shows at convergence."""

import numpy as np
import pytest

from gmvae import GMVAE
from gmvae.data import arcs
from gmvae.fitting.warn import without_warnings_of_fits
from gmvae.paper import merging
from gmvae.paper.merging import copy_components, merge_components

TINY = {"hidden_layer_sizes": (8,), "latent_dim": 2, "style_dim": 1, "init": "random", "max_iter": 2, "tol": 0.0}


def fit(seed: int) -> GMVAE:
    with without_warnings_of_fits():
        return GMVAE(4, **TINY, random_state=seed).fit(arcs(200, 0)[0])


@pytest.fixture(scope="module")
def fitted() -> GMVAE:
    return fit(0)


def n_distinct(model: GMVAE) -> int:
    return len(np.unique(model.components()[0].round(5), axis=0))


def test_copies_have_the_parameters_of_their_component(fitted: GMVAE) -> None:
    copied = fit(1)
    copy_components(fitted, copied, [0, 1, 0, 3])
    for own, ours in zip(copied.components(), fitted.components(), strict=True):
        np.testing.assert_array_equal(own, ours[[0, 1, 0, 3]])
    np.testing.assert_array_equal(copied.transform(arcs(50, 1)[0]), fitted.transform(arcs(50, 1)[0]))


def test_merges_stop_at_the_highest_bound_and_copies_stay_on_one_another(
    fitted: GMVAE, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(merging, "mean_bound", lambda model: -abs(n_distinct(model) - 2.0))
    before = fitted.components()[0]
    with without_warnings_of_fits():
        merged, tried = merge_components(fitted, arcs(200, 0)[0], epochs=2, n_tried=3)
    assert n_distinct(merged) == 2
    assert [merge.helps for merge in tried] == [True, True, False, False]
    assert [(merge.without, merge.merged) for merge in tried] == [(-2.0, -1.0), (-1.0, 0.0), (0.0, -1.0), (0.0, -1.0)]
    np.testing.assert_array_equal(fitted.components()[0], before)  # the given model stays as it is


def test_the_pair_that_competes_most_comes_first(fitted: GMVAE, monkeypatch: pytest.MonkeyPatch) -> None:
    posterior = np.array([[0.9, 0.0, 0.1, 0.0], [0.0, 0.5, 0.0, 0.5], [0.0, 0.4, 0.0, 0.6], [0.1, 0.0, 0.9, 0.0]])
    monkeypatch.setattr(GMVAE, "predict_proba", lambda model, X: posterior)
    pairs = merging._competing_pairs(fitted, posterior, [[0], [1], [2], [3]])
    assert pairs[:4] == [(1, 3), (3, 1), (0, 2), (2, 0)]
