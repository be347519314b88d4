"""Scores against brute force, hand-worked examples and scikit-learn."""

from __future__ import annotations

from itertools import permutations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import adjusted_rand_score, normalized_mutual_info_score

from gmvae.metrics import (
    accuracy_exemplar,
    accuracy_hungarian,
    accuracy_majority,
    ari,
    calibration_error,
    effective_components,
    evaluate,
    evaluate_log_odds,
    match,
    nmi,
    reliability,
    stability,
)

HARD = [accuracy_hungarian, accuracy_majority, nmi, ari]
PAIRS = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=40).map(
    lambda pairs: np.array(pairs).T
)


def _brute_force(labels: NDArray[Any], clusters: NDArray[Any]) -> float:
    """Try every injection of clusters into classes, padded with names that no label has."""
    names = list(np.unique(clusters))
    classes = list(np.unique(labels)) + [-1] * len(names)
    best = 0.0
    for choice in permutations(classes, len(names)):
        lent = dict(zip(names, choice, strict=True))
        best = max(best, float(np.mean([lent[c] == t for c, t in zip(clusters, labels, strict=True)])))
    return best


@pytest.mark.parametrize(("n_classes", "n_clusters"), [(3, 3), (4, 2), (2, 4), (1, 3), (3, 1)])
def test_hungarian_equals_the_best_of_all_matchings(n_classes: int, n_clusters: int) -> None:
    rng = np.random.default_rng(n_classes * 10 + n_clusters)
    for _ in range(10):
        labels, clusters = rng.integers(n_classes, size=30), rng.integers(n_clusters, size=30)
        assert accuracy_hungarian(labels, clusters) == pytest.approx(_brute_force(labels, clusters))


def test_exemplar_differs_from_majority_when_the_surest_observation_is_a_stray() -> None:
    labels = ["a", "a", "a", "b", "b", "b"]
    proba = [[0.6, 0.4], [0.7, 0.3], [0.8, 0.2], [0.9, 0.1], [0.2, 0.8], [0.1, 0.9]]
    # Cluster 0 holds a a a b and its surest is b: one right. Cluster 1 holds b b: two right.
    assert accuracy_exemplar(labels, proba) == 3 / 6
    assert accuracy_majority(labels, np.argmax(proba, axis=1)) == 5 / 6


def test_exemplar_need_not_belong_to_its_cluster() -> None:
    labels = [0, 1, 2]
    proba = [[0.45, 0.55, 0.0], [0.40, 0.25, 0.35], [0.05, 0.90, 0.05]]
    # Rows fall into clusters 1, 0, 1; the exemplars of clusters 0 and 1 are rows 0 and 2.
    assert accuracy_exemplar(labels, proba) == 1 / 3


def test_exemplar_lets_two_clusters_share_a_class() -> None:
    labels = [7, 7, 7, 3]
    proba = np.eye(3)[[0, 1, 1, 2]]
    assert accuracy_exemplar(labels, proba) == 1.0
    assert accuracy_hungarian(labels, proba.argmax(1)) == 3 / 4


def test_majority_by_hand() -> None:
    assert accuracy_majority([0, 0, 1, 1, 1, 2], [5, 5, 5, 8, 8, 8]) == (2 + 2) / 6


@given(PAIRS)
@settings(deadline=None, max_examples=50)
def test_information_scores_equal_those_of_scikit_learn(pair: NDArray[np.int64]) -> None:
    labels, clusters = pair
    assert nmi(labels, clusters) == pytest.approx(normalized_mutual_info_score(labels, clusters))
    assert ari(labels, clusters) == pytest.approx(adjusted_rand_score(labels, clusters))


@given(PAIRS, st.permutations(range(5)), st.permutations(["v", "w", "x", "y", "z"]))
@settings(deadline=None, max_examples=50)
def test_names_do_not_matter(pair: NDArray[np.int64], renumbered: list[int], named: list[str]) -> None:
    labels, clusters = pair
    for score in HARD:
        renamed = score(np.array(named)[labels], np.array(renumbered)[clusters])
        assert renamed == pytest.approx(score(labels, clusters))


@given(PAIRS)
@settings(deadline=None, max_examples=50)
def test_scores_keep_their_bounds_and_order(pair: NDArray[np.int64]) -> None:
    labels, clusters = pair
    largest_class = np.bincount(labels).max() / len(labels)
    hungarian, majority = accuracy_hungarian(labels, clusters), accuracy_majority(labels, clusters)
    assert 0 < hungarian <= majority <= 1
    assert majority >= largest_class
    assert -1e-12 <= nmi(labels, clusters) <= 1 + 1e-12
    assert -0.5 <= ari(labels, clusters) <= 1
    assert 0 <= accuracy_exemplar(labels, np.eye(5)[clusters]) <= majority


@given(st.lists(st.integers(0, 5), min_size=1, max_size=30).map(np.array))
@settings(deadline=None, max_examples=30)
def test_equal_partitions_score_one(labels: NDArray[np.int64]) -> None:
    scores = evaluate(labels, np.eye(6)[::-1][labels])
    assert scores[:5] == pytest.approx((1.0,) * 5)
    assert scores.calibration_error == 0.0
    assert scores.n_classes == scores.n_components_used == len(np.unique(labels))


def test_evaluate_gathers_the_single_scores() -> None:
    rng = np.random.default_rng(0)
    labels, proba = rng.choice(list("abc"), size=50), rng.dirichlet(np.full(4, 0.3), size=50)
    clusters = proba.argmax(1)
    expected = (accuracy_exemplar(labels, proba), *(score(labels, clusters) for score in HARD))
    assert evaluate(labels, proba) == (*expected, calibration_error(labels, proba), 3, len(set(clusters)))


def test_match_puts_the_matched_pairs_on_the_diagonal() -> None:
    labels = ["cat"] * 3 + ["dog"] * 4 + ["eel"] * 2
    found = match(labels, [2, 2, 0, 0, 0, 0, 2, 1, 1])
    assert found.classes.tolist() == ["cat", "dog", "eel"]
    assert found.clusters.tolist() == [2, 0, 1]
    assert found.matrix.tolist() == [[2, 1, 0], [1, 3, 0], [0, 0, 2]]
    assert np.trace(found.matrix) / 9 == accuracy_hungarian(labels, [2, 2, 0, 0, 0, 0, 2, 1, 1])


def test_match_appends_spare_clusters_by_their_class() -> None:
    labels = np.repeat([0, 1], 6)
    found = match(labels, [9, 9, 9, 4, 4, 4, 5, 5, 5, 5, 3, 3])
    assert found.clusters.tolist() in ([9, 5, 4, 3], [4, 5, 9, 3])
    assert found.matrix.tolist() == [[3, 0, 3, 0], [0, 4, 0, 2]]


def test_match_with_fewer_clusters_than_classes_keeps_every_count() -> None:
    found = match([0, 0, 1, 2, 2], [1, 1, 1, 0, 0])
    assert found.clusters.tolist() == [1, 0]
    assert found.matrix.tolist() == [[2, 0], [1, 0], [0, 2]]


def test_stability_is_the_mean_over_pairs() -> None:
    one, two, three = np.array([0, 0, 1, 1, 2]), np.array([1, 1, 0, 0, 2]), np.array([0, 1, 1, 1, 2])
    expected = (1.0 + 2 * adjusted_rand_score(one, three)) / 3
    assert stability([one, two, three]) == pytest.approx(expected)
    assert np.isnan(stability([one]))


def test_effective_components_by_hand() -> None:
    assert effective_components([1, 1, 1, 1]) == pytest.approx(4.0)
    assert effective_components([5, 0, 0]) == pytest.approx(1.0)
    # The entropy of (1/2, 1/4, 1/4) is 3/2 log 2.
    assert effective_components([10, 5, 5]) == pytest.approx(2**1.5)


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20).filter(lambda usage: sum(usage) > 1e-3))
def test_effective_components_lie_between_one_and_the_number_used(usage: list[float]) -> None:
    assert 1 - 1e-9 <= effective_components(usage) <= np.count_nonzero(usage) + 1e-9


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: nmi([0, 1], [0]), "`labels` and `clusters` must have one entry per observation; got 2 and 1"),
        (lambda: ari([], []), "`labels` must be one-dimensional with at least one entry; got shape \\(0,\\)"),
        (lambda: match([[0, 1]], [0, 1]), "`labels` must be one-dimensional"),
        (lambda: nmi([0.0, np.nan], [0, 1]), "`labels` must hold .*none missing; got NaN"),
        (lambda: nmi(np.array(["a", None], object), [0, 1]), "none missing; got NoneType, str"),
        (lambda: accuracy_exemplar([0, 1], [0.5, 0.5]), "`proba` must have shape .* got shape \\(2,\\)"),
        (
            lambda: accuracy_exemplar([0, 1], [[0.5, 0.5]]),
            "`proba` must have shape .* got shape \\(1, 2\\) for 2 labels",
        ),
        (lambda: evaluate([0, 1], [[np.nan, 1.0], [0.5, 0.5]]), "`proba` must .* got NaN or infinity in 1 of 2 rows"),
        (lambda: evaluate([0], [[-0.5, -0.9]]), "`proba` must have .* least entry of -0.9"),
        (lambda: evaluate([0], [[0.5, 0.9]]), "`proba` must have .* row sums in \\[1.4, 1.4\\]"),
        (lambda: evaluate([0], [[0.5, 0.5]], [[0.0]]), "`log_odds` must have the shape of `proba`, \\(1, 2\\)"),
        (lambda: reliability([0, 1], [[0.5, 0.5]]), "`proba` must have shape .* for 2 labels"),
        (lambda: calibration_error([0], [[0.5, 0.5]], 0), "`n_bins` must be an integer of at least 1; got 0"),
        (lambda: effective_components([0, 0]), "`usage` must be"),
        (lambda: effective_components([1, -1, 3]), "`usage` must be"),
        (lambda: effective_components([[1]]), "`usage` must be"),
        (lambda: effective_components([np.nan]), "`usage` must be"),
    ],
)
def test_user_errors_are_sentences(call: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        call()


def test_log_odds_find_the_exemplar_among_rows_that_are_all_certain() -> None:
    labels, proba = [0, 0, 1, 1], np.eye(2)[[0, 0, 0, 1]]
    log_odds = np.array([[40.0, -40.0], [50.0, -50.0], [60.0, -60.0], [-45.0, 45.0]])
    assert accuracy_exemplar(labels, proba) == 3 / 4
    # The surest row of cluster 0 is a stray of class 1.
    assert accuracy_exemplar(labels, proba, log_odds) == 2 / 4
    assert evaluate(labels, proba, log_odds).accuracy_exemplar == 2 / 4


def test_log_odds_score_as_their_probabilities_do() -> None:
    rng = np.random.default_rng(0)
    labels, proba = rng.integers(3, size=40), rng.dirichlet(np.ones(4), size=40)
    log_odds = np.log(proba) - np.log1p(-proba)
    assert evaluate_log_odds(labels, log_odds) == evaluate(labels, proba, log_odds) == evaluate(labels, proba)


# ---------------------------------------------------------------- certainty


def test_calibration_by_hand() -> None:
    labels = ["a", "a", "a", "b", "b"]
    proba = [[0.95, 0.05], [0.85, 0.15], [0.25, 0.75], [0.45, 0.55], [0.9, 0.1]]
    # Cluster 0 is a's, cluster 1 is b's: right, right, wrong, right, wrong. Two bins: all lie in (1/2, 1].
    found = reliability(labels, proba, n_bins=2)
    assert found.counts.tolist() == [0, 5]
    assert np.isnan(found.accuracy[0])
    assert (found.accuracy[1], found.confidence[1]) == pytest.approx((3 / 5, (0.95 + 0.85 + 0.75 + 0.55 + 0.9) / 5))
    # Four bins part (1/2, 3/4], with its upper edge: 0.75 wrong and 0.55 right; from (3/4, 1]: right, right, wrong.
    found = reliability(labels, proba, n_bins=4)
    assert found.counts.tolist() == [0, 0, 2, 3]
    assert found.accuracy[2:].tolist() == pytest.approx([1 / 2, 2 / 3])
    assert found.confidence[2:].tolist() == pytest.approx([0.65, 0.9])
    assert calibration_error(labels, proba, 4) == pytest.approx(2 / 5 * 0.15 + 3 / 5 * (0.9 - 2 / 3))


def test_whatever_stays_unmatched_is_wrong() -> None:
    """Certain clusters: the error is then the share of wrong observations."""
    more_clusters = np.eye(3)[[0, 1, 1, 2]]
    assert calibration_error([7, 7, 7, 3], more_clusters) == 1 - accuracy_hungarian([7, 7, 7, 3], [0, 1, 1, 2]) == 1 / 4
    fewer_clusters = np.eye(2)[[0, 0, 1, 1]]
    assert calibration_error(list("aabc"), fewer_clusters) == 1 / 4


@pytest.mark.parametrize("n_bins", [1, 7, 15])
def test_calibration_equals_a_plain_loop(n_bins: int) -> None:
    rng = np.random.default_rng(n_bins)
    for n_classes in (2, 4):
        labels, proba = rng.integers(n_classes, size=80), rng.dirichlet(np.full(4, 0.5), size=80)
        clusters = proba.argmax(1)
        table = match(labels, clusters)
        lent = dict(zip(table.clusters[:n_classes], table.classes, strict=False))
        error = 0.0
        for m in range(n_bins):
            inside = [i for i in range(80) if m / n_bins < proba[i].max() <= (m + 1) / n_bins]
            if inside:
                accuracy = sum(lent.get(clusters[i]) == labels[i] for i in inside) / len(inside)
                confidence = sum(proba[i].max() for i in inside) / len(inside)
                error += len(inside) / 80 * abs(accuracy - confidence)
        found = reliability(labels, proba, n_bins)
        assert found.counts.sum() == 80
        assert np.nansum(found.counts * found.accuracy) / 80 == pytest.approx(accuracy_hungarian(labels, clusters))
        assert calibration_error(labels, proba, n_bins) == pytest.approx(error)


def test_draws_from_the_probabilities_themselves_are_calibrated() -> None:
    rng = np.random.default_rng(0)
    proba = rng.dirichlet(np.full(3, 0.4), size=20_000)
    labels = np.array([rng.choice(3, p=row) for row in proba])
    assert calibration_error(labels, proba) < 0.02
    sharpened = proba**4 / (proba**4).sum(1, keepdims=True)
    assert calibration_error(labels, sharpened) > 0.1
