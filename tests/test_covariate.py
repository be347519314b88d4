"""A covariate: what it shifts, and clusters that do not follow experimental batches."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from scipy import sparse, special, stats
from test_anndata import plain

from gmvae import GMVAE, fit_anndata, markers, persistence, predict_anndata
from gmvae.likelihoods import NegativeBinomialLikelihood, PoissonLikelihood, blank_likelihood, likelihood_for
from gmvae.metrics import accuracy_hungarian, nmi

SMALL: dict[str, Any] = {"latent_dim": 2, "hidden_layer_sizes": (32,), "batch_size": 40, "random_state": 0}
NAMES = [*(f"g{i}" for i in range(30)), "batch"]


def quietly(function: Any, *arguments: Any, **options: Any) -> Any:
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def cells(n: int = 400, seed: int = 0) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Two types of cells in two batches, which multiply genes by 1/8 to 8, as rows with the batch last; and types."""
    rng = np.random.default_rng(seed)
    types, batch = rng.integers(0, 2, n), rng.integers(0, 2, n)
    shares = np.ones((2, 30))
    shares[0, :5], shares[1, 5:10] = 4.0, 4.0
    factors = np.stack([np.ones(30), np.exp2(np.random.default_rng(9).uniform(-3.0, 3.0, 30))])
    rates = shares[types] * factors[batch]
    rates *= rng.lognormal(5.5, 0.4, n)[:, None] / rates.sum(1, keepdims=True)
    return np.column_stack([rng.poisson(rates), batch]).astype(float), types


@pytest.mark.parametrize("name", ["poisson", "negative-binomial"])
@pytest.mark.parametrize("sizes", [False, True])
def test_what_is_learned_seen_and_scored(name: str, sizes: bool) -> None:
    rows, _ = cells()
    X, batch = rows[:, :-1], rows[:, -1].astype(int)
    totals = X.sum(1, keepdims=True)
    names = list(NAMES)
    if sizes:  # after the batch, so that both columns are apart from the end
        rows, names = (
            np.column_stack([X[:, :20], batch, X[:, 20:], totals / 10.0]),
            [*NAMES[:20], "batch", *NAMES[20:30], "s"],
        )
    learned = likelihood_for(name, rows, names, size_factors="s" if sizes else "total", covariate="batch")
    assert isinstance(learned, PoissonLikelihood | NegativeBinomialLikelihood)
    assert (learned.seen_shape(rows.shape[1:]), learned.decoded_shape(rows.shape[1:])) == ((32,), (30,))
    y = torch.from_numpy(rows)
    logs = np.log1p(X * np.median(totals) / totals)
    seen = learned.standardised(y).numpy()
    np.testing.assert_allclose(seen[:, :30], (logs - logs.mean(0)) / logs.std(0), rtol=1e-9, atol=1e-9)
    np.testing.assert_array_equal(seen[:, 30:], np.eye(2)[batch])

    assert learned.covariate is not None
    shift = learned.covariate.log_shift.detach().numpy()
    pooled = np.stack([X[batch == b].sum(0) for b in (0, 1)])
    expected = np.log(pooled / pooled.sum(1, keepdims=True)) - np.log(X.sum(0) / X.sum())
    np.testing.assert_allclose(shift, expected, atol=0.02)

    outputs = torch.randn(400, 30, generator=torch.Generator().manual_seed(0)).double()
    numbers = learned.batch_of(y)
    assert numbers is not None
    assert numbers.tolist() == batch.tolist()
    np.testing.assert_array_equal(learned.batches_of(rows), batch)
    observation = learned.distribution_in([outputs], 1, numbers)
    shares = special.softmax(outputs.numpy() + learned.log_mean.numpy() + shift[batch], axis=1)
    mean = totals * shares
    if isinstance(learned, NegativeBinomialLikelihood):
        theta = learned.log_dispersion.exp().detach().numpy()
        expected = stats.nbinom.logpmf(X, theta, theta / (theta + mean))
    else:
        expected = stats.poisson.logpmf(X, mean)
    scored = learned.log_prob(observation, y, learned.standardised(y)).detach()
    np.testing.assert_allclose(scored, expected.sum(1), rtol=2e-3)  # the bounds of outputs are smooth
    np.testing.assert_allclose(observation.entry_log_prob(y).detach().sum(1), scored, rtol=1e-6)
    resized = learned.resized(observation.mean.detach().numpy(), rows)
    genes = [index for index, each in enumerate(names) if each.startswith("g")]
    np.testing.assert_allclose(resized[:, genes], mean, rtol=0.02)
    np.testing.assert_allclose(np.delete(resized, genes, axis=1), np.delete(rows, genes, axis=1), rtol=1e-6)

    blank = blank_likelihood(name, rows.shape[1:], learned.state_dict())
    blank.load_state_dict(learned.state_dict())
    assert torch.equal(blank.log_prob(blank.distribution_in([outputs], 1, numbers), y, y), scored)
    largest = np.bincount(batch).argmax()
    usual = learned.distribution([outputs], 1).mean.detach().numpy()
    np.testing.assert_allclose(usual[batch == largest], observation.mean.detach().numpy()[batch == largest])
    assert set(usual[:, names.index("batch")]) == {largest}


def test_the_decoder_is_told_the_batch_beside_x(tmp_path: Path) -> None:
    rows, _ = cells(100)
    frame = pd.DataFrame(rows, columns=NAMES)
    told = quietly(
        GMVAE(2, likelihood="negative-binomial", covariate="batch", max_iter=2, **{**SMALL, "random_state": 1}).fit,
        frame,
    )
    model = told.fitted_.model
    first = model.generative.observation.decoder.layers[0]
    assert first.weight.shape == (32, 2 + 2)  # latent_dim and batches
    seen: list[torch.Tensor] = []
    first.register_forward_hook(lambda _, inputs, __: seen.append(inputs[0].detach()))
    told.reconstruct(frame)
    x, batch = told.transform(frame), rows[:, -1].astype(int)
    np.testing.assert_array_equal(torch.cat(seen)[:100], np.column_stack([x, np.eye(2)[batch]]))
    seen.clear()
    told.inverse_transform(x)
    assert torch.cat(seen)[:, 2:].unique(dim=0).tolist() == [np.eye(2)[np.bincount(batch).argmax()].tolist()]

    with torch.no_grad():  # as files of earlier versions have it
        first.weight[:, 2:] = 0.0
    path = tmp_path / "model.safetensors"
    state = model.state_dict()
    earlier = {**state, (name := "generative.observation.decoder.layers.0.weight"): state[name][:, :2]}
    persistence.write(path, "model", earlier, told.fitted_.document)
    again = GMVAE.load(path)
    np.testing.assert_allclose(again.score_samples(frame), told.score_samples(frame), rtol=1e-6)
    np.testing.assert_allclose(again.reconstruct(frame), told.reconstruct(frame), rtol=1e-5)


def test_clusters_are_types_and_not_batches(tmp_path: Path) -> None:
    rows, types = cells()
    frame = pd.DataFrame(rows, columns=NAMES)
    settings = {"likelihood": "negative-binomial", "max_iter": 30, **SMALL}
    told = quietly(GMVAE(2, covariate="batch", **settings).fit, frame)
    assert accuracy_hungarian(types, told.labels_) > 0.95
    assert nmi(rows[:, -1].astype(int), told.labels_) < 0.05
    untold = quietly(GMVAE(2, **settings).fit, frame.drop(columns="batch"))
    assert nmi(rows[:, -1].astype(int), untold.labels_) > 0.5
    told.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model")
    for method in ("predict_proba", "transform", "score_samples", "reconstruct", "is_novel"):
        assert np.array_equal(getattr(again, method)(frame), getattr(told, method)(frame))
    drawn, _ = told.sample(500)
    assert set(np.unique(drawn[:, -1])) == {0.0, 1.0}
    frame.loc[3, "batch"] = 2.0
    with pytest.raises(
        ValueError, match=r"hold the number of a batch of the fit, 0 to 1, .*; got 2 at X\[3, 30\]: fit"
    ):
        told.predict(frame)


def test_batches_of_anndata_have_names(tmp_path: Path) -> None:
    rows, types = cells()
    names = np.array(["old", "new"])[rows[:, -1].astype(int)]
    adata = plain(sparse.csr_matrix(rows[:, :-1]), [f"c{i}" for i in range(400)], NAMES[:-1])
    adata.obs["lane"] = names
    model = quietly(fit_anndata, adata, 2, batch_key="lane", max_iter=30, **SMALL)
    assert accuracy_hungarian(types, adata.obs["gmvae"].cat.codes.to_numpy()) > 0.95
    assert set(markers(model, adata, n_genes=3)["gene"]) <= set(NAMES[:10])
    model.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model")
    assert again.fitted_.batches == ["new", "old"]
    part = plain(adata.X[names == "old"], adata.obs_names[names == "old"], NAMES[:-1])
    part.obs["lane"] = "old"
    predict_anndata(again, part)
    np.testing.assert_array_equal(part.obs["gmvae"].to_numpy(), adata.obs["gmvae"].to_numpy()[names == "old"])
    part.obs["lane"] = "newest"
    with pytest.raises(ValueError, match=r"must hold batches of the fit, new, old; got 'newest': fit with cells"):
        predict_anndata(again, part)


def test_a_covariate_without_size_factors_is_refused() -> None:
    rows, _ = cells(50)
    for choice, sizes in (("negative-binomial", "none"), ("gaussian", "auto")):
        with pytest.raises(
            ValueError, match="`covariate` must be None unless X is counts with size factors; got 'batch'"
        ):
            likelihood_for(choice, rows, NAMES, size_factors=sizes, covariate="batch")
    with pytest.raises(ValueError, match="`covariate` must name columns of X"):
        likelihood_for("negative-binomial", rows, NAMES, covariate="lane")
