"""Seeds fitted together are the fits they would have been alone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from gmvae import GMVAE, fit_together, persistence
from gmvae.training import Trainer

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)

SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 2,
    "hidden_layer_sizes": (8, 8),
    "max_iter": 6,
    "batch_size": 20,
    "precision": "64-true",
    "device": "cpu",
}
X = np.random.default_rng(0).normal(size=(90, 4)) + 4.0 * np.eye(4)[np.arange(90) % 3]


@pytest.mark.parametrize("restarts_at_once", ["auto", 1, 2])
@pytest.mark.parametrize("n_init", [1, 2])
def test_each_seed_ends_where_its_own_fit_does(restarts_at_once: int | str, n_init: int) -> None:
    settings = {**SMALL, "n_init": n_init, "warm_up": 0.5}
    together = fit_together(
        [GMVAE(**settings, restarts_at_once=restarts_at_once, random_state=seed) for seed in range(3)], X
    )
    for seed, model in enumerate(together):
        alone = GMVAE(**settings, restarts_at_once=1, random_state=seed).fit(X)
        np.testing.assert_allclose(model.lower_bounds_, alone.lower_bounds_, rtol=1e-7)
        np.testing.assert_allclose(model.restart_bounds_, alone.restart_bounds_, rtol=1e-7)
        np.testing.assert_allclose(model.predict_proba(X), alone.predict_proba(X), atol=1e-6)
        assert np.array_equal(model.labels_, alone.labels_)
        assert model.random_state == seed
        assert model.n_features_in_ == 4
    assert len({model.lower_bound_ for model in together}) == 3


def test_restarts_of_one_fit_are_stacked_when_small(monkeypatch: pytest.MonkeyPatch) -> None:
    alone = GMVAE(**SMALL, n_init=3, restarts_at_once=1, random_state=0).fit(X)
    monkeypatch.setattr(Trainer, "run", lambda *arguments: pytest.fail("trained one after another"))
    stacked = GMVAE(**SMALL, n_init=3, random_state=0).fit(X)
    np.testing.assert_allclose(stacked.restart_bounds_, alone.restart_bounds_, rtol=1e-7)
    assert np.array_equal(stacked.labels_, alone.labels_)


def test_stacked_fits_see_heavy_tails_and_rounding_as_single_ones_do() -> None:
    rng = np.random.default_rng(1)
    table = np.column_stack([X[:, :2], np.exp(2.0 * rng.normal(size=90)), 5.0 * rng.normal(size=90).round()])
    stacked, alone = (
        GMVAE(**SMALL, n_init=2, restarts_at_once=at_once, random_state=0).fit(table) for at_once in (2, 1)
    )
    np.testing.assert_allclose(stacked.restart_bounds_, alone.restart_bounds_, rtol=1e-7)
    np.testing.assert_allclose(stacked.score_samples(table), alone.score_samples(table), rtol=1e-7)


def test_a_stacked_run_resumes(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def estimator() -> GMVAE:
        return GMVAE(**SMALL, n_init=3, random_state=0)

    whole = estimator().fit(X)
    write, calls = persistence.write, []

    def stopping(*arguments: Any) -> None:
        calls.append(write(*arguments))
        if len(calls) == 8:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(persistence, "write", stopping)
        with pytest.raises(KeyboardInterrupt):
            estimator().fit(X, run_dir=tmp_path)
    resumed = estimator().fit(X, run_dir=tmp_path, resume=True)
    np.testing.assert_allclose(resumed.restart_bounds_, whole.restart_bounds_, rtol=1e-7)
    np.testing.assert_allclose(resumed.lower_bounds_, whole.lower_bounds_, rtol=1e-7)
    assert np.array_equal(resumed.labels_, whole.labels_)


def test_seeds_go_on_in_their_run_folders_and_new_ones_join_them(tmp_path: Path) -> None:
    def estimators(*seeds: int) -> list[GMVAE]:
        return [GMVAE(**SMALL, random_state=seed) for seed in seeds]

    seen: list[tuple[int, int]] = []

    def stop_after_two(model: GMVAE) -> None:
        seen.append((model.random_state, model.n_iter_))
        if seen[-1] == (0, 2):  # seed 1 has not ended its second epoch
            raise KeyboardInterrupt

    folders = [tmp_path / str(seed) for seed in range(3)]
    with pytest.raises(KeyboardInterrupt):
        fit_together(estimators(0, 1), X, run_dirs=folders[:2], on_epoch=stop_after_two)
    assert seen == [(0, 1), (1, 1), (0, 2)]
    seen.clear()
    together = fit_together(
        estimators(0, 1, 2),
        X,
        run_dirs=folders,
        resume=True,
        on_epoch=lambda model: seen.append((model.random_state, model.n_iter_)),
    )
    assert [min(epoch for seed, epoch in seen if seed == each) for each in range(3)] == [3, 2, 1]
    for model, whole in zip(together, fit_together(estimators(0, 1, 2), X), strict=True):
        np.testing.assert_allclose(model.lower_bounds_, whole.lower_bounds_, rtol=1e-7)
        np.testing.assert_allclose(model.predict_proba(X), whole.predict_proba(X), atol=1e-6)
    with pytest.raises(ValueError, match="`run_dir` must hold no run yet"):
        fit_together(estimators(0), X, run_dirs=folders[:1])
    with pytest.raises(ValueError, match="`run_dirs` must be as many different folders as estimators, 2; got 2, 1 of"):
        fit_together(estimators(0, 1), X, run_dirs=[tmp_path, tmp_path])


@pytest.mark.parametrize(
    ("estimators", "sentence"),
    [
        ([], "`estimators` must hold at least one; got none."),
        (
            [GMVAE(2, random_state=0), GMVAE(3, random_state=1)],
            r"`estimators` must differ in `random_state` alone; got n_components=2 and 3: fit them one by one\.",
        ),
    ],
)
def test_what_cannot_be_fitted_together(estimators: list[GMVAE], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        fit_together(estimators, X)


def test_a_function_sees_every_epoch_of_every_seed() -> None:
    seen: dict[int, list[tuple[int, float]]] = {0: [], 1: []}

    def look(model: GMVAE) -> None:
        epochs, bounds = model.n_iter_, model.lower_bounds_
        assert len(bounds) == epochs
        seen[model.random_state].append((epochs, float(model.transform(X).sum())))

    settings = {**SMALL, "tol": 0.0, "n_iter_no_change": 6}
    models = fit_together([GMVAE(**settings, random_state=seed) for seed in (0, 1)], X, on_epoch=look)
    for model in models:
        epochs, sums = zip(*seen[model.random_state], strict=True)
        assert epochs == (1, 2, 3, 4, 5, 6)
        best = int(np.argmax(model.lower_bounds_))
        assert sums[best] == pytest.approx(float(model.transform(X).sum()))
        assert len(set(sums)) == 6
