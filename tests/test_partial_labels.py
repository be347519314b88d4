"""Known labels of some rows: the bound on log p(y, z), the start that is named by them, and fits that hold them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.datasets import make_blobs
from test_weights import QUIET, SMALL

from gmvae import GMVAE
from gmvae.build import build
from gmvae.config import Config
from gmvae.distributions import Mixture, Normal, reparameterise
from gmvae.fitting.labels import named_clusters
from gmvae.fitting.starts import split_rows
from gmvae.likelihoods import GaussianLikelihood
from gmvae.objective import CONDITIONAL_PRIORS, latent_terms
from gmvae.observations import Observations
from gmvae.training import ClusteredRows, Split
from gmvae.training.guidance import START_WEIGHT, PosteriorGuidance, labelled_rows
from gmvae.weights_and_labels import known_labels


def blobs(n: int = 120) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    X, y = make_blobs(n, 4, centers=3, random_state=0)[:2]
    return X, y


def partly(y: NDArray[np.int64], every: int = 8) -> NDArray[np.int64]:
    return np.where(np.arange(len(y)) % every == 0, y, -1)


# ---------------------------------------------------------------- the bound


def world() -> tuple[Normal, Normal, torch.Tensor, Mixture, torch.Tensor]:
    """q(x|y) and q(w|y) of four observations, samples, and a mixture that does not depend on w."""
    generator = torch.Generator().manual_seed(0)

    def drawn(*shape: int) -> torch.Tensor:
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    q_x, q_w = Normal(drawn(4, 2), 0.3 * drawn(4, 2)), Normal(drawn(4, 1), 0.3 * drawn(4, 1))
    x = reparameterise(q_x, drawn(7, 4, 2))
    mixture = Mixture(drawn(3).log_softmax(-1), Normal(drawn(7, 4, 3, 2), 0.3 * drawn(7, 4, 3, 2)))
    return q_x, q_w, x, mixture, drawn(7, 4)


def test_the_exact_terms_of_a_label_are_its_own_joint_density() -> None:
    """Conditional prior and z-prior together are E[log q(x|y) − log π_z − log p(x|w,z)], by scipy."""
    q_x, q_w, x, mixture, reconstruction = world()
    label = torch.tensor([2, -1, 0, 1])
    terms = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS["exact"], label)
    for row, z in enumerate(label.tolist()):
        if z < 0:
            continue
        own = [
            stats.norm(q_x.mean[row], q_x.log_scale[row].exp()).logpdf(x[s, row]).sum()
            - stats.norm(mixture.components.mean[s, row, z], mixture.components.log_scale[s, row, z].exp())
            .logpdf(x[s, row])
            .sum()
            for s in range(7)
        ]
        assert terms.conditional_prior[row].item() == pytest.approx(np.mean(own), rel=1e-12)
        assert terms.z_prior[row].item() == pytest.approx(-mixture.log_weights[z].item(), rel=1e-12)
        assert terms.assignment[row].tolist() == [k == z for k in range(3)]


def test_the_paper_terms_of_a_label_are_one_divergence() -> None:
    q_x, q_w, x, mixture, reconstruction = world()
    label = torch.tensor([2, -1, 0, 1])
    terms = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS["paper"], label)
    for row, z in enumerate(label.tolist()):
        if z >= 0:
            component = torch.distributions.Normal(
                mixture.components.mean[:, row, z], mixture.components.log_scale[:, row, z].exp()
            )
            own = torch.distributions.Normal(q_x.mean[row], q_x.log_scale[row].exp())
            expected = torch.distributions.kl_divergence(own, component).sum(-1).mean()
            assert terms.conditional_prior[row].item() == pytest.approx(expected.item(), rel=1e-12)


@pytest.mark.parametrize("bound", ["exact", "paper"])
def test_rows_without_a_label_keep_their_terms(bound: str) -> None:
    q_x, q_w, x, mixture, reconstruction = world()
    plain = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS[bound])
    label = torch.tensor([2, -1, 0, -1])
    some = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS[bound], label)
    for own, other in zip(plain, some, strict=True):
        assert torch.equal(own[label < 0], other[label < 0])


def test_the_bound_of_a_label_is_below_its_joint_density() -> None:
    """With the exact posterior of a linear-Gaussian model q(x|y) ∝ p(x|z) p(y|x) it equals log p(y, z)."""
    component = stats.norm(1.0, 0.8)  # p(x|z=0); p(y|x) = N(x, 0.5), y = 0.3
    precision = 1.0 / 0.8**2 + 1.0 / 0.5**2
    mean, scale = (1.0 / 0.8**2 + 0.3 / 0.5**2) / precision, precision**-0.5
    q_x = Normal(torch.tensor([[mean]], dtype=torch.float64), torch.tensor([[np.log(scale)]], dtype=torch.float64))
    q_w = Normal(torch.zeros(1, 1, dtype=torch.float64), torch.zeros(1, 1, dtype=torch.float64))
    x = reparameterise(q_x, torch.randn(50, 1, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1)))
    mixture = Mixture(
        torch.tensor([0.3, 0.7], dtype=torch.float64).log(),
        Normal(torch.from_numpy(np.array([[1.0], [-2.0]])), torch.from_numpy(np.log([[0.8], [1.5]]))),
    )
    reconstruction = torch.from_numpy(stats.norm(x[..., 0].numpy(), 0.5).logpdf(0.3))
    terms = latent_terms(reconstruction, q_x, q_w, x, mixture, CONDITIONAL_PRIORS["exact"], torch.tensor([0]))
    expected = np.log(0.3) + stats.norm(component.mean(), np.hypot(0.8, 0.5)).logpdf(0.3)
    assert terms.evidence_bound.item() == pytest.approx(expected, rel=1e-9)


# ---------------------------------------------------------------- the start and the split


def test_clusters_are_named_by_most_of_their_labels() -> None:
    clusters = np.array([0, 0, 0, 1, 1, 2, 2, 2, 3])
    label = np.array([1, 1, 0, -1, 0, -1, -1, -1, -1])
    assert named_clusters(clusters, label, 4, np.zeros((9, 1))).tolist() == [1, 1, 0, 0, 0, 2, 2, 2, 3]
    assert named_clusters(clusters, np.full(9, -1), 4, np.zeros((9, 1))).tolist() == clusters.tolist()


def test_matching_is_one_to_one_and_by_weight() -> None:
    """Alike cluster 0 holds as many labels of either class; the heavy label gives it class 1."""
    clusters, label, scores = np.array([0, 0, 0, 1, 1]), np.array([0, 1, -1, 1, -1]), np.zeros((5, 1))
    assert named_clusters(clusters, label, 2, scores).tolist() == [0, 1, 0, 1, 1]
    heavy = np.array([0.1, 5.0, 1.0, 0.1, 1.0])
    assert named_clusters(clusters, label, 2, scores, heavy).tolist() == [0, 1, 1, 1, 0]


def test_labels_divide_a_cluster_of_two_classes_that_are_apart_in_it() -> None:
    """Clusters 0 and 1 are halves of class 0, cluster 2 holds classes 1 and 2 at two places."""
    place = np.repeat([0.0, 1.0, 8.0, 9.0], 25) + np.linspace(0.0, 0.4, 100) % 0.1
    y, clusters = np.repeat([0, 0, 1, 2], 25), np.repeat([0, 1, 2, 2], 25)
    label = np.where(np.arange(100) % 5 == 0, y, -1)
    assert (named_clusters(clusters, label, 3, place[:, None]) == y).mean() >= 0.99


def test_labels_that_dissent_here_and_there_divide_no_cluster() -> None:
    generator = np.random.default_rng(0)
    clusters = np.repeat([0, 1], 100)
    label = np.where(np.arange(200) % 5 == 0, clusters, -1)
    label[[10, 50, 120, 160]] = [1, 1, 0, 0]
    found = named_clusters(clusters, label, 2, generator.normal(size=(200, 2)))
    assert np.array_equal(found[label < 0], clusters[label < 0])
    assert np.array_equal(found[label >= 0], label[label >= 0])


def test_rows_are_held_out_of_those_without_a_label() -> None:
    label = np.where(np.arange(100) < 60, 0, -1)
    split = split_rows(100, 0.3, 0, label)
    assert len(split.held_out) == 30
    assert (label[split.held_out] < 0).all()
    more = split_rows(100, 0.5, 0, label)
    assert (label[more.held_out] < 0).sum() == 40
    assert torch.equal(split_rows(100, 0.3, 0, np.full(100, -1)).train, split_rows(100, 0.3, 0).train)


def test_labelled_rows_guide_every_fourth_step_with_a_weight_that_stays() -> None:
    X, y = blobs(40)
    label = partly(y)
    observations = Observations(X.astype(np.float32), label=label, classes=[0, 1, 2])
    split = Split(torch.arange(40), torch.arange(40), 0)
    config = Config(n_components=3, style_dim=1, consistency=0.0, hidden_layer_sizes=(8,))
    with torch.random.fork_rng():
        model = build(config, (4,), GaussianLikelihood.learn(X))
    start = ClusteredRows(torch.arange(40), torch.zeros(40, dtype=torch.int64))
    guidance = PosteriorGuidance(model, observations, start, config, labelled_rows(observations, split))
    generator = torch.Generator().manual_seed(0)
    weights = []
    for step in range(100):
        rows, guided = guidance.guided(torch.zeros(16, 4), step, step / 100, generator)
        assert rows is not None
        assert guided is not None
        assert guided.target is not None
        if step % 4 == 3:
            weights.append(guided.weight)
            nearest = torch.cdist(rows, model.standardised(torch.from_numpy(X))).argmin(-1)
            assert (label[nearest] >= 0).all()
            assert guided.target.argmax(-1).tolist() == label[nearest].tolist()
        else:
            assert guided.target[:, 0].all()
            assert guided.weight == pytest.approx(START_WEIGHT * (1.0 - step / 100))
    assert len({*weights}) == 1


# ---------------------------------------------------------------- what users give


@pytest.mark.parametrize(
    ("given", "label", "classes"),
    [
        ([3, -1, 7, 3], [0, -1, 1, 0], [3, 7]),
        ([3.0, np.nan, 7.0, 3.0], [0, -1, 1, 0], [3, 7]),
        (["b", "", None, "a"], [1, -1, -1, 0], ["a", "b"]),
        (pd.Series(["b", None, pd.NA, "a"], dtype="string"), [1, -1, -1, 0], ["a", "b"]),
        (pd.Series(["b", None, "c", "a"], dtype="category"), [1, -1, 2, 0], ["a", "b", "c"]),
        (torch.tensor([3, -1, 7, 3]), [0, -1, 1, 0], [3, 7]),
        ([True, False, True, False], [1, 0, 1, 0], [0, 1]),
    ],
)
def test_labels_are_numbered_in_order(given: Any, label: list[int], classes: list[Any]) -> None:
    found = known_labels(given, 4)
    assert found.label is not None
    assert found.label.tolist() == label
    assert found.classes == classes


@pytest.mark.parametrize("given", [None, [-1, -1, -1], [None, "", np.nan]])
def test_without_any_label_there_is_none(given: Any) -> None:
    assert known_labels(given, 3) == (None, [])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([0, 1], r"`partial_labels` must have shape \(3,\), one for each row; got \(2,\)"),
        ([0, "a", 1], "must be whole numbers or text; got both"),
        ([0, 0.5, 1], "must be whole numbers from 0 on or text.*; got 0.5 in row 1"),
        ([0, -2, 1], "got -2 in row 1"),
        ([0, np.inf, 1], "got inf in row 1"),
    ],
)
def test_other_labels_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        known_labels(given, 3)


def test_more_classes_than_components_are_refused() -> None:
    X, _ = blobs()
    with pytest.raises(ValueError, match="at least the number of classes in `partial_labels`; got 3 for 4 classes"):
        GMVAE(**SMALL).fit(X, partial_labels=np.arange(120) % 4)


# ---------------------------------------------------------------- fits


@QUIET
@pytest.mark.parametrize("names", [np.array([0, 1, 2]), np.array(["oak", "ash", "elm"]), np.array([40, 30, 7])])
def test_clusters_have_the_names_of_their_classes(names: Any, tmp_path: Path) -> None:
    X, y = blobs()
    known = partly(y)
    given = np.where(known >= 0, names[known].astype(object), None)
    fitted = GMVAE(**{**SMALL, "n_components": 4}).fit(X, partial_labels=given)
    assert fitted.classes_.tolist() == [*sorted(names.tolist()), None]
    assert (fitted.classes_[fitted.labels_[known >= 0]] == given[known >= 0]).all()
    others = known < 0
    named = others & (fitted.classes_[fitted.predict(X)] != None)  # noqa: E711
    assert np.mean(fitted.classes_[fitted.predict(X)[named]] == names[y[named]]) > 0.95
    fitted.save(tmp_path / "model.safetensors")
    assert GMVAE.load(tmp_path / "model.safetensors").classes_.tolist() == fitted.classes_.tolist()


@QUIET
def test_without_labels_there_are_no_classes_and_the_bits_stay() -> None:
    X, _ = blobs()
    plain, unknown = GMVAE(**SMALL).fit(X), GMVAE(**SMALL).fit(X, partial_labels=np.full(120, -1))
    assert plain.classes_.tolist() == [None, None, None]
    assert np.array_equal(plain.predict_proba(X), unknown.predict_proba(X))


@QUIET
def test_labels_divide_what_rows_do_not_show() -> None:
    """Two classes in a plane without groups: labels alone tell where the border is, and a row across it is held."""
    X = np.random.default_rng(0).uniform(-1.0, 1.0, (300, 2))
    y = (X[:, 0] + X[:, 1] > 0.0).astype(int)
    known = np.where(np.arange(300) % 3 == 0, y, -1)
    others = known < 0
    settings = {**SMALL, "n_components": 2, "hidden_layer_sizes": (16,), "max_iter": 60}
    fitted = GMVAE(**settings).fit(X, partial_labels=known)
    plain = GMVAE(**settings).fit(X)
    agreed = np.mean(plain.predict(X)[others] == y[others])
    assert np.mean(fitted.predict(X)[others] == y[others]) > max(agreed, 1.0 - agreed) + 0.05
    assert (fitted.labels_[~others] == y[~others]).all()


@QUIET
def test_many_rows_take_all_labelled_ones_into_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmvae.fitting.starts.MAX_ROWS", 60)
    X, y = blobs()
    known = partly(y)
    seen: list[NDArray[np.int64]] = []
    GMVAE(**SMALL).fit(X, partial_labels=known, on_start=seen.append)
    (start,) = seen
    assert (start >= 0).sum() == 60
    assert (start[known >= 0] == known[known >= 0]).all()


@QUIET
def test_an_automatic_number_leaves_room_for_all_classes() -> None:
    X, _ = blobs()
    fitted = GMVAE(**{**SMALL, "n_components": "auto"}).fit(X, partial_labels=np.arange(120) % 9)
    assert fitted.n_components_ >= 9


@QUIET
def test_classes_of_rows_that_weigh_nothing_are_not_taken() -> None:
    X, y = blobs()
    fitted = GMVAE(**SMALL).fit(X, partial_labels=y, sample_weight=(y != 1).astype(float))
    assert fitted.classes_.tolist() == [0, 2, None]
    assert len(fitted.labels_) == 120


@QUIET
def test_a_warm_start_keeps_the_numbers_of_classes() -> None:
    X, y = blobs()
    names = np.array(["a", "b", "c"], dtype=object)
    fitted = GMVAE(**SMALL, warm_start=True).fit(X, partial_labels=names[y])
    fitted.fit(X, partial_labels=np.where(y == 2, "c", ""))
    assert fitted.classes_.tolist() == ["a", "b", "c"]
    assert (fitted.labels_[y == 2] == 2).all()
    assert fitted.fit(X).classes_.tolist() == ["a", "b", "c"]
    with pytest.raises(ValueError, match="must have classes of the previous fit under `warm_start`; got 'd' besides"):
        fitted.fit(X, partial_labels=np.where(y == 2, "d", ""))


@QUIET
def test_resuming_refuses_other_labels(tmp_path: Path) -> None:
    X, y = blobs()
    GMVAE(**SMALL).fit(X, partial_labels=partly(y), run_dir=tmp_path / "run")
    GMVAE(**SMALL).fit(X, partial_labels=partly(y), run_dir=tmp_path / "run", resume=True)
    for labels in (None, partly(y, 4), np.where(partly(y) >= 0, partly(y) + 1, -1)):
        with pytest.raises(ValueError, match="weights and labels of its rows"):
            GMVAE(**SMALL).fit(X, partial_labels=labels, run_dir=tmp_path / "run", resume=True)
