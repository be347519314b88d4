"""scikit-learn's own conformance checks, and its tools around the estimator."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.datasets import make_blobs
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from gmvae import GMVAE

CONFORMANCE = GMVAE(
    n_components=3,
    latent_dim=2,
    style_dim=1,
    hidden_layer_sizes=(16,),
    max_iter=20,
    precision="64-true",
)


REDRAWN = (
    "a row twice and a row of weight 2 draw other noise and hold out other rows; tests/test_weights.py holds these"
)
CLASSIFIER = "the check takes whatever has `predict_proba` for a classifier; tests/test_sparse.py holds sparse rows"
EXPECTED_TO_FAIL = {
    **{f"check_sample_weight_equivalence_on_{kind}_data": REDRAWN for kind in ("dense", "sparse")},
    **{f"check_estimator_sparse_{kind}": CLASSIFIER for kind in ("array", "matrix")},
}


@pytest.mark.filterwarnings("ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
@parametrize_with_checks([CONFORMANCE], expected_failed_checks=lambda _: EXPECTED_TO_FAIL)
def test_conformance(estimator, check):
    check(estimator)


# ---------------------------------------------------------------- its tools around the estimator

QUIET = pytest.mark.filterwarnings("ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")


def small(**changed):
    settings = {"latent_dim": 2, "style_dim": 1, "hidden_layer_sizes": (8,), "max_iter": 3, "init": "random"}
    return GMVAE(**{"n_components": 3, **settings, "random_state": 0, **changed})


@pytest.fixture(scope="module")
def X():
    return make_blobs(90, 4, centers=3, random_state=0)[0]


@QUIET
def test_pipeline_equals_its_steps(X):
    pipeline = make_pipeline(StandardScaler(), small()).fit(X)
    scaled = StandardScaler().fit_transform(X)
    alone = small().fit(scaled)
    assert np.array_equal(pipeline.predict_proba(X), alone.predict_proba(scaled))
    assert np.array_equal(make_pipeline(StandardScaler(), small()).fit_predict(X), alone.labels_)
    assert np.array_equal(pipeline.transform(X), alone.transform(scaled))
    assert pipeline.score(X) == alone.score(scaled)
    back = pipeline.inverse_transform(pipeline.transform(X))
    np.testing.assert_allclose(back, StandardScaler().fit(X).inverse_transform(alone.reconstruct(scaled)))


@QUIET
def test_grid_search_picks_the_best_held_out_likelihood(X):
    grid = {"n_components": [1, 3], "learning_rate": [1e-9, 0.02]}
    search = GridSearchCV(small(max_iter=5), grid, cv=2, error_score="raise").fit(X)
    by_hand = []
    for parameters in search.cv_results_["params"]:
        halves = [slice(0, 45), slice(45, 90)]
        fits = [small(max_iter=5, **parameters).fit(X[half]) for half in halves]
        by_hand.append(np.mean([fits[0].score(X[halves[1]]), fits[1].score(X[halves[0]])]))
    np.testing.assert_allclose(search.cv_results_["mean_test_score"], by_hand, rtol=1e-6)
    assert search.best_params_ == search.cv_results_["params"][int(np.argmax(by_hand))]
    assert search.best_params_["learning_rate"] == 0.02
    assert np.array_equal(search.predict(X), small(max_iter=5, **search.best_params_).fit(X).labels_)


@QUIET
def test_processes_of_joblib_give_the_same(X):
    seeds = [0, 1]
    found = Parallel(n_jobs=2)(delayed(small(random_state=seed).fit)(X) for seed in seeds)
    for seed, estimator in zip(seeds, found, strict=True):
        assert np.array_equal(estimator.predict_proba(X), small(random_state=seed).fit(X).predict_proba(X))


@QUIET
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda fitted: pickle.loads(pickle.dumps(fitted))])
def test_copies_answer_alike(X, copied):
    fitted = small().fit(X)
    again = copied(fitted)
    assert np.array_equal(again.predict_proba(X), fitted.predict_proba(X))
    assert np.array_equal(again.score_samples(X), fitted.score_samples(X))
    assert again.history_.epochs == fitted.history_.epochs
    again.fit(X)
    assert np.array_equal(again.labels_, fitted.labels_)


@QUIET
def test_clone_is_new_with_the_same_parameters(X):
    trunks = (nn.Sequential(nn.Linear(4, 5), nn.ReLU()), nn.Sequential(nn.Linear(2, 8), nn.Unflatten(1, (2, 4))))
    fitted = small(network=trunks).fit(X)
    new = clone(fitted)
    assert not hasattr(new, "labels_")
    parameters, expected = new.get_params(), fitted.get_params()
    parameters.pop("network")
    expected.pop("network")
    assert parameters == expected
    assert np.array_equal(new.fit(X).labels_, fitted.labels_), "the clone's trunks begin with the same weights"


@QUIET
@pytest.mark.parametrize(("output", "frame"), [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output(X, output, frame):
    plain = small().fit(X)
    named = small().fit(X).set_output(transform=output)
    embedded = named.transform(X)
    assert isinstance(embedded, frame)
    assert list(embedded.columns) == ["gmvae0", "gmvae1"] == named.get_feature_names_out().tolist()
    assert np.array_equal(embedded.to_numpy(), plain.transform(X))
    assert isinstance(small().set_output(transform=output).fit_transform(X), frame)
    assert np.array_equal(named.reconstruct(X), plain.reconstruct(X))
    assert isinstance(named.predict_proba(X), np.ndarray)
    if output == "pandas":
        table = pd.DataFrame(X, index=range(100, 190), columns=list("abcd"))
        assert small().set_output(transform=output).fit(table).transform(table).index.equals(table.index)


@QUIET
def test_parameters_can_be_set_by_name(X):
    pipeline = make_pipeline(StandardScaler(), small()).set_params(gmvae__n_components=2)
    assert pipeline.fit(X).predict_proba(X).shape == (90, 2)
    with pytest.raises(ValueError, match="Invalid parameter"):
        small().set_params(n_clusters=3)
