"""Sparse matrices: rows that come densely, and fits and queries that equal those of dense arrays."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse
from typer.testing import CliRunner

from gmvae import GMVAE
from gmvae.cli import app
from gmvae.data import load
from gmvae.observations import Observations
from gmvae.sparse_rows import SparseRows, select

SMALL: dict[str, Any] = {"latent_dim": 2, "hidden_layer_sizes": (16,), "batch_size": 40, "max_iter": 3}


def quietly(estimator: GMVAE, X: Any, **options: Any) -> GMVAE:
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return estimator.fit(X, **options)


def counts(n: int = 120, p: int = 12, seed: int = 0) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(p, 0.3), 3)[rng.integers(0, 3, n)]
    X = rng.poisson(20.0 * shares)
    X[:, 0] += 1
    return X


def test_rows_come_densely() -> None:
    X = counts()
    rows = SparseRows(sparse.csc_matrix(X))
    assert (rows.shape, rows.ndim, len(rows), rows.size) == ((120, 12), 2, 120, 1440)
    order = np.random.default_rng(1).permutation(120)[:7]
    of_one_column = ((order, 3), (X[:, 1] > 0, np.int64(2)), ([5], 0))
    for key in (slice(3, 9), order, X[:, 1] > 0, 5, np.int64(-1), (4, 3), (slice(None), [2, 0]), *of_one_column):
        np.testing.assert_array_equal(np.asarray(rows[key]), X[key])
    np.testing.assert_array_equal(np.asarray(rows), X)
    np.testing.assert_array_equal(np.asarray(select(rows, order)), X[order])
    assert isinstance(select(rows, order), SparseRows)


def test_values_keep_their_precision() -> None:
    for value, kind in ((3, "float32"), (2**24 + 1, "float64"), (0.5, "float32"), (0.1, "float64"), (1e300, "float64")):
        rows = SparseRows(sparse.csr_array(np.array([[0, value], [1, 0]])))
        assert rows.dtype == kind
        assert rows[0, 1] == value


def test_matrices_of_users_stay_as_they_are() -> None:
    """Repeated entries are summed in a copy."""
    repeated = sparse.csr_array((np.ones(3, np.float32), np.array([1, 1, 0]), np.array([0, 3, 3])), shape=(2, 2))
    rows = SparseRows(repeated)
    np.testing.assert_array_equal(np.asarray(rows), [[1, 2], [0, 0]])
    assert repeated.nnz == 3


@pytest.mark.parametrize("likelihood", ["negative-binomial", "gaussian", "poisson"])
def test_a_fit_equals_that_of_the_dense_array(likelihood: str) -> None:
    X = counts()
    dense, thin = (
        quietly(GMVAE(3, likelihood=likelihood, random_state=0, device="cpu", **SMALL), rows)
        for rows in (X.astype(np.float32), sparse.csr_matrix(X))
    )
    assert np.array_equal(dense.labels_, thin.labels_)
    assert dense.lower_bounds_ == thin.lower_bounds_
    for method in ("predict", "predict_proba", "transform", "score_samples", "reconstruct", "is_novel"):
        expected = getattr(dense, method)(X.astype(np.float32))
        for rows in (sparse.csr_matrix(X), sparse.coo_array(X), X.astype(np.float32)):
            assert np.array_equal(getattr(thin, method)(rows), expected)


def test_weights_and_labels_of_sparse_rows() -> None:
    X, weights = counts(), np.arange(120) % 3
    settings = {"likelihood": "negative-binomial", "random_state": 0, **SMALL}
    known = np.where(np.arange(120) % 10 == 0, np.arange(120) % 2, -1)
    dense, thin = (
        quietly(GMVAE(3, **settings), rows, sample_weight=weights, partial_labels=known)
        for rows in (X.astype(np.float32), sparse.csr_matrix(X))
    )
    assert np.array_equal(dense.labels_, thin.labels_)
    kept = Observations(SparseRows(sparse.csr_matrix(X)), weight=weights.astype(float)).of_positive_weight()
    assert isinstance(kept.y, SparseRows)
    np.testing.assert_array_equal(np.asarray(kept.y), X[weights > 0])


@pytest.mark.parametrize(("scale", "family"), [(1.0, "negative-binomial"), (1.3, "gaussian")])
def test_auto_takes_the_negative_binomial_for_sparse_whole_numbers(scale: float, family: str) -> None:
    X = sparse.csr_array(counts() * scale)
    assert quietly(GMVAE(2, **SMALL), X).likelihood_ == family


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        (np.nan, "X must have no missing entries where it is sparse; got NaN"),
        (np.inf, r"X must hold finite numbers of at most 1e\+150; got infinity at X\[1, 2\]"),
        (1j, "Complex data not supported"),
    ],
)
def test_what_is_refused(value: Any, sentence: str) -> None:
    X = counts().astype(type(value))
    X[1, 2] = value
    with pytest.raises(ValueError, match=sentence):
        GMVAE(2).fit(sparse.csr_matrix(X))


def test_rows_without_counts_are_refused() -> None:
    X = counts()
    X[5] = 0
    with pytest.raises(ValueError, match=r"X must have a count above 0 in every row .* got none in row 5"):
        GMVAE(2).fit(sparse.csr_matrix(X))
    with pytest.raises(ValueError, match="X has 3 features, but GMVAE is expecting 12"):
        quietly(GMVAE(2, **SMALL), sparse.csr_matrix(counts())).predict(sparse.csr_matrix(X[:, :3]))


def test_reports_and_descriptions_of_sparse_rows() -> None:
    X = sparse.csr_matrix(counts())
    fitted = quietly(GMVAE(2, random_state=0, **SMALL), X)
    sparsely, densely = fitted.report(X), fitted.report(X.toarray())
    assert sparsely.contents.clusters
    assert sparsely.html == densely.html  # with the values that the map shows of a row
    described = fitted.describe(X)
    assert described.num_rows > 0


def test_from_the_command_line(tmp_path: Path) -> None:
    X = counts()
    sparse.save_npz(tmp_path / "counts.npz", sparse.csr_matrix(X))
    assert isinstance(load(tmp_path / "counts.npz").X, SparseRows)
    runner, run, source = CliRunner(), str(tmp_path / "run"), str(tmp_path / "counts.npz")
    for command in (
        ["fit", source, "-k", "3", "--epochs", "2", "--seed", "0", "-o", run, "-q", "--set=hidden_layer_sizes=16"],
        ["predict", run, source, "-o", str(tmp_path / "labels.csv"), "--proba", "--novel", "5"],
        ["describe", run, source],
        ["evaluate", run, source, "--likelihood"],
        ["info", run],
    ):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    labels = np.loadtxt(tmp_path / "labels.csv", delimiter=",", skiprows=1)
    assert len(labels) == 120


def test_rows_of_another_shape_are_dense() -> None:
    """As for a model of images."""
    rows = SparseRows(sparse.csr_array(np.eye(4)))
    assert rows.reshape(4, 4) is rows
    np.testing.assert_array_equal(rows.reshape(4, 1, 2, 2), np.eye(4).reshape(4, 1, 2, 2))
