"""What tells clusters of counts apart: fold changes of shares under the model."""

from __future__ import annotations

import re
import warnings

import numpy as np
import pandas as pd
import pytest

from gmvae import GMVAE
from gmvae.data import Dataset
from gmvae.report.page import report
from gmvae.report.style import columns_that_change

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

GENES = [f"g{i}" for i in range(12)]


def cells(n: int = 180) -> tuple[pd.DataFrame, np.ndarray]:
    """Three types, each with a gene that is 16 times as high, in two batches, which multiply genes 6 to 8 by 8."""
    rng = np.random.default_rng(0)
    types, batch = np.arange(n) % 3, np.arange(n) // 3 % 2
    shares = np.ones((3, 12))
    shares[range(3), range(3)] = 16.0
    shares = shares[types]
    shares[batch == 1, 6:9] *= 8.0
    shares /= shares.sum(1, keepdims=True)
    counts = rng.poisson(shares * rng.lognormal(6.0, 0.5, n)[:, None])
    beside = {"batch": batch, "depth": counts.sum(1) / 10.0}
    return pd.DataFrame(counts, columns=GENES).assign(**beside).astype(float), types


def fitted(frame: pd.DataFrame) -> GMVAE:
    model = GMVAE(
        3,
        likelihood="negative-binomial",
        size_factors="depth",
        covariate="batch",
        latent_dim=2,
        hidden_layer_sizes=(32,),
        batch_size=30,
        learning_rate=0.01,
        max_iter=60,
        random_state=0,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(frame)


def test_folds_are_those_of_the_shares_that_the_model_gives() -> None:
    frame, types = cells()
    model = fitted(frame)
    table = model.describe(frame)
    labels = model.labels_
    rho = model.inverse_transform(model.transform(frame))[:, :12]
    rho = rho / rho.sum(1, keepdims=True)
    for k in range(3):
        own = table[table["cluster"] == k].set_index("column")["log2_fold_change"]
        expected = np.log2(rho[labels == k].mean(0) / rho[labels != k].mean(0))
        np.testing.assert_allclose(own[GENES], expected, rtol=1e-4, atol=1e-5)
        assert own[["batch", "depth"]].isna().all()
        marker = np.bincount(types[labels == k]).argmax()
        assert own[GENES].idxmax() == f"g{marker}"
        assert own[f"g{marker}"] == pytest.approx(np.log2(16.0), abs=1.2)
        assert own[["g6", "g7", "g8"]].abs().max() < 0.5  # a batch is none of what tells clusters apart


def test_a_page_shows_folds_of_counts_alone() -> None:
    frame, _ = cells()
    model = fitted(frame)
    X = frame.to_numpy()
    page = report(model.fitted_, Dataset("cells", X, feature_names=tuple(frame)), umap=False)
    shown = page.contents.distinctions[0].differences[0]
    assert shown.log2_fold_change is not None
    assert f"{shown.log2_fold_change:+.2f}" in re.sub(r"\s+", " ", page.html)
    assert page.html.count("Log₂ fold</th>") == 3
    expected = [value for cluster in page.contents.style.cells for line in cluster for row in line for value in row]
    assert expected == [round(value, 3) for value in expected]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        other = GMVAE(2, max_iter=2, random_state=0).fit(X)
    assert "fold</th>" not in report(other.fitted_, Dataset("numbers", X), umap=False).html


def test_rare_counts_do_not_hide_those_that_change_with_the_style() -> None:
    style = np.linspace(-2.0, 2.0, 5)[:, None] * np.ones((2, 5, 5, 1))
    rare = 1e-3 * np.exp(style) * np.ones(40)
    steady = np.array([[[[9.0]]], [[[1.0]]]]) * np.ones((2, 5, 5, 20))
    means = np.concatenate([rare, 5.0 + style * np.ones(10), steady], axis=-1)
    assert set(range(40, 50)) <= set(columns_that_change(means, np.full(70, True)))
