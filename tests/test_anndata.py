"""AnnData in and out, as an object of the library where that is installed, and as a plain one with the same parts."""

from __future__ import annotations

import gzip
import warnings
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from numpy.typing import NDArray
from scipy import io, sparse, stats
from typer.testing import CliRunner

from gmvae import GMVAE, fit_anndata, markers, predict_anndata
from gmvae.cli import app
from gmvae.data import DataError, load
from gmvae.data.annotated import cells_of
from gmvae.data.variable_genes import residual_variance, variable_genes
from gmvae.metrics import accuracy_hungarian

SMALL: dict[str, Any] = {"latent_dim": 2, "hidden_layer_sizes": (32,), "batch_size": 40, "random_state": 0}
Make = Callable[..., Any]


def cells(n: int = 240, seed: int = 0) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts of 3 types of cells in 40 genes; genes 0 to 11 are markers, four of each type."""
    rng = np.random.default_rng(seed)
    types = rng.integers(0, 3, n)
    shares = np.full((3, 40), 1.0)
    for k in range(3):
        shares[k, 4 * k : 4 * k + 4] = 20.0
    shares /= shares.sum(1, keepdims=True)
    return rng.poisson(shares[types] * rng.lognormal(5.0, 0.5, n)[:, None]) + (np.arange(40) == 39), types


def plain(X: Any, obs_names: Any, var_names: Any) -> Any:
    """An object with the parts of AnnData that are used."""
    return SimpleNamespace(
        X=X,
        layers={},
        obs=pd.DataFrame(index=obs_names),
        var=pd.DataFrame(index=var_names),
        obs_names=pd.Index(obs_names),
        var_names=pd.Index(var_names),
        obsm={},
        uns={},
    )


def of_library(X: Any, obs_names: Any, var_names: Any) -> Any:
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    adata = anndata.AnnData(sparse.csr_matrix(X))
    adata.obs_names, adata.var_names = obs_names, var_names
    return adata


@pytest.fixture(params=[plain, of_library])
def make(request: pytest.FixtureRequest) -> Make:
    """Makes AnnData of counts, with names c0, … and g0, …"""

    def made(counts: NDArray[np.int64]) -> Any:
        X = sparse.csr_matrix(counts.astype(np.float32))
        n, p = counts.shape
        return request.param(X, [f"c{i}" for i in range(n)], [f"g{i}" for i in range(p)])

    return made


def quietly(function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
    """A fit that need not converge."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return function(*arguments, **options)


def test_results_are_written(make: Make, tmp_path: Path) -> None:
    counts, types = cells()
    adata = make(counts)
    adata.layers["counts"] = adata.X.copy()
    adata.X = adata.X / 3.0
    model = quietly(fit_anndata, adata, 3, layer="counts", max_iter=20, **SMALL)
    assert model.likelihood_ == "negative-binomial"
    assert model.feature_names_in_.tolist() == [f"g{i}" for i in range(40)]
    assert adata.obs["gmvae"].cat.categories.tolist() == ["0", "1", "2"]
    assert accuracy_hungarian(types, adata.obs["gmvae"].cat.codes.to_numpy()) > 0.95
    proba = adata.obsm["gmvae_proba"]
    np.testing.assert_allclose(proba.sum(1), 1.0)
    entropy = -np.sum(proba * np.log(np.maximum(proba, 1e-300)), 1)
    np.testing.assert_allclose(adata.obs["gmvae_entropy"], entropy, atol=1e-9)
    assert adata.obs["gmvae_novel"].dtype == bool
    assert adata.obs["gmvae_novel"].mean() < 0.1
    assert adata.obsm["X_gmvae"].shape == (240, 2)
    assert adata.uns["gmvae"]["parameters"]["n_components"] == 3

    model.save(tmp_path / "model")
    again = GMVAE.load(tmp_path / "model")
    order = np.random.default_rng(0).permutation(40)
    fresh, new_types = cells(100, seed=1)
    new = make(np.column_stack([fresh, np.ones((100, 2), dtype=int)]))
    expected = make(fresh[:, order])
    expected.var_names = expected.var.index = [f"g{i}" for i in order]
    for each in (new, expected):
        predict_anndata(again, each, key_added="type")
    np.testing.assert_array_equal(new.obs["type"], expected.obs["type"])
    assert accuracy_hungarian(new_types, new.obs["type"].cat.codes.to_numpy()) > 0.95


def test_markers_are_the_genes_that_differ(make: Make) -> None:
    counts, types = cells()
    adata = make(counts)
    model = quietly(fit_anndata, adata, 3, max_iter=80, **SMALL)
    table = markers(model, adata, n_genes=4)
    labels = adata.obs["gmvae"].cat.codes.to_numpy()
    shares = counts / counts.sum(1, keepdims=True)
    for cluster, own in table.groupby("cluster"):
        inside = labels == int(cluster)
        kind = np.bincount(types[inside]).argmax()
        assert set(own["gene"]) == {f"g{i}" for i in range(4 * kind, 4 * kind + 4)}
        assert (own["probability"] > 0.8).all()
        genes = [int(gene[1:]) for gene in own["gene"]]
        observed = np.log2(shares[inside][:, genes].mean(0) / shares[~inside][:, genes].mean(0))
        np.testing.assert_allclose(own["log2_fold_change"], observed, atol=1.2)  # of about 4.3


def test_first_markers_are_those_of_a_rank_test(make: Make) -> None:
    """Genes of all sizes: Wilcoxon's test puts those first that many cells tell apart, not the rare ones."""
    rng = np.random.default_rng(0)
    types = rng.integers(0, 3, 300)
    shares = np.repeat(rng.lognormal(0.0, 2.0, 60)[None], 3, axis=0)
    for k in range(3):
        shares[k, 20 * k : 20 * k + 12] *= rng.uniform(2.0, 6.0, 12)
    counts = rng.poisson(500 * (shares / shares.sum(1, keepdims=True))[types]) + (np.arange(60) == 59)
    adata = make(counts)
    table = markers(quietly(fit_anndata, adata, 3, max_iter=60, **SMALL), adata, n_genes=5)
    logs = np.log1p(1e4 * counts / counts.sum(1, keepdims=True))
    for cluster, own in table.groupby("cluster"):
        inside = (adata.obs["gmvae"] == cluster).to_numpy()
        ranked = np.argsort(-stats.mannwhitneyu(logs[inside], logs[~inside], axis=0).statistic / (~inside).sum())
        assert len({*own["gene"]} & {f"g{gene}" for gene in ranked[:5]}) >= 4


def test_genes_that_are_marked_or_vary_most_are_taken(make: Make) -> None:
    counts, _ = cells()
    found = cells_of(make(counts), n_top_genes=12)
    assert found.rows.names == [f"g{i}" for i in range(12)]
    adata = make(counts)
    adata.var["highly_variable"] = np.arange(40) % 10 == 0
    found = cells_of(adata)
    assert found.rows.names == ["g0", "g10", "g20", "g30"]
    np.testing.assert_array_equal(np.asarray(found.rows), counts[:, ::10])


def test_residuals_are_those_of_their_formula() -> None:
    counts, _ = cells()
    counts[:, 7] = 0
    counts[5] = 0
    kept = np.delete(counts, 5, axis=0)
    mean = np.outer(kept.sum(1), kept.sum(0) / kept.sum())
    residual = (kept - mean) / np.sqrt(np.where(mean > 0, mean + mean**2 / 100.0, 1.0))
    expected = residual.clip(-np.sqrt(239), np.sqrt(239)).var(0)
    np.testing.assert_allclose(residual_variance(sparse.csr_array(counts)), expected, rtol=1e-9, atol=1e-12)
    chosen = variable_genes(sparse.csr_array(counts), 40)
    assert chosen.tolist() == [gene for gene in range(40) if gene != 7]


def test_size_factors_from_a_column(make: Make) -> None:
    counts, types = cells()
    adata = make(counts)
    adata.obs["size"] = counts.sum(1) / 100.0
    model = quietly(fit_anndata, adata, 3, size_factor_key="size", max_iter=20, **SMALL)
    assert accuracy_hungarian(types, adata.obs["gmvae"].cat.codes.to_numpy()) > 0.95
    assert model.feature_names_in_[-1] == "size"
    assert "size" not in set(markers(model, adata)["gene"])
    predict_anndata(model, adata, key_added="again")
    assert (adata.obs["again"] == adata.obs["gmvae"]).all()


def test_what_cannot_be_is_refused(make: Make) -> None:
    counts, _ = cells()
    adata = make(counts)
    model = quietly(fit_anndata, adata, 2, max_iter=1, **SMALL)
    fewer = make(counts[:, :38])
    with pytest.raises(ValueError, match="must have all 40 genes of the fit; 2 are missing: g38, g39: add them"):
        predict_anndata(model, fewer)
    empty = make(counts * (np.arange(240) != 3)[:, None])
    with pytest.raises(
        ValueError, match=r"Every cell must have counts .*; 1 have none, the first of them 'c3': filter"
    ):
        fit_anndata(empty, 2)
    logs = make(counts)
    logs.X = logs.X.log1p()
    with pytest.raises(ValueError, match=r"`layer` must name counts, whole numbers from 0 on; X has .* for gene g"):
        fit_anndata(logs, 2)
    with pytest.raises(ValueError, match="`layer` must be one of the layers of the AnnData, none; got 'raw'"):
        fit_anndata(adata, 2, layer="raw")
    with pytest.raises(ValueError, match=r"`size_factor_key` must be a column of obs, .*; got 'depth'"):
        fit_anndata(adata, 2, size_factor_key="depth")


def cell_ranger(folder: Path, counts: NDArray[np.int64]) -> Path:
    """A folder as Cell Ranger writes it, packed."""
    folder.mkdir()
    io.mmwrite(folder / "matrix.mtx", sparse.coo_array(counts.T))
    tsv = {"features": [f"id{i}\tg{i}\tGene Expression" for i in range(40)], "barcodes": [f"c{i}" for i in range(240)]}
    for name, lines in tsv.items():
        with gzip.open(folder / f"{name}.tsv.gz", "wt") as file:
            file.write("\n".join(lines) + "\n")
    return folder


def test_folders_of_cell_ranger(tmp_path: Path) -> None:
    counts, _ = cells()
    folder = cell_ranger(tmp_path / "filtered", counts)
    data = load(folder)
    assert data.feature_names == tuple(f"g{i}" for i in range(40))
    assert (data.row_ids.name, data.row_ids.values[1]) == ("cell", "c1")
    np.testing.assert_array_equal(np.asarray(data.X), counts)
    runner, run, fast = CliRunner(), str(tmp_path / "run"), ["--epochs", "1", "-q", "--set=hidden_layer_sizes=8"]
    result = runner.invoke(app, ["fit", str(folder), "-k", "2", "-o", run, *fast])
    assert result.exit_code == 0, result.output
    result = runner.invoke(app, ["predict", run, str(folder)])
    assert result.exit_code == 0, result.output
    assert result.stdout.splitlines()[0] == "cell,label"
    (folder / "barcodes.tsv.gz").unlink()
    result = runner.invoke(app, ["fit", str(folder)])
    assert result.exit_code == 2
    assert "filtered must hold barcodes.tsv beside its matrix.mtx" in result.stderr
    result = runner.invoke(app, ["fit", "digits", "--layer", "counts"])
    assert result.exit_code == 2


def test_files_of_cell_ranger(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py", reason="the extra gmvae[anndata] is not installed")
    counts, _ = cells()
    matrix = sparse.csr_array(counts)
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"matrix/{name}"] = getattr(matrix, name)
        file["matrix/shape"] = [40, 240]
        file["matrix/barcodes"] = np.array([f"c{i}".encode() for i in range(240)])
        file["matrix/features/id"] = np.array([f"id{i}".encode() for i in range(40)])
        file["matrix/features/name"] = np.array([b"same"] * 40)
    data = load(tmp_path / "cells.h5")
    assert data.feature_names == tuple(f"id{i}" for i in range(40))
    np.testing.assert_array_equal(np.asarray(data.X), counts)
    (tmp_path / "broken.h5").write_bytes(b"nothing")
    with pytest.raises(DataError, match=r"broken.h5 must hold counts by cells and genes; got:"):
        load(tmp_path / "broken.h5")


def test_h5ad_from_the_command_line_and_back(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    counts, types = cells()
    adata = of_library(counts, [f"c{i}" for i in range(240)], [f"g{i}" for i in range(40)])
    adata.layers["counts"], adata.obs["type"] = adata.X.copy(), pd.Categorical(np.array(list("abc"))[types])
    adata.X = adata.X.log1p()
    adata.write_h5ad(tmp_path / "cells.h5ad")
    source, run, out = str(tmp_path / "cells.h5ad"), str(tmp_path / "run"), str(tmp_path / "out.h5ad")
    small = [f"--set={each}" for each in ("hidden_layer_sizes=32", "latent_dim=2", "batch_size=40")]
    runner = CliRunner()
    refused = runner.invoke(app, ["fit", source, "-k", "3", "-o", run])
    assert refused.exit_code == 2
    assert "`--layer` must name counts, whole numbers from 0 on; X has" in refused.stderr
    fit = ["fit", source, "-k", "3", "--layer", "counts", "--labels", "type", "--epochs", "20", "-o", run, "-q", *small]
    for command in (fit, ["predict", run, source, "-o", out]):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    answered = anndata.read_h5ad(out)
    assert accuracy_hungarian(types, answered.obs["gmvae"].cat.codes.to_numpy()) > 0.95
    assert answered.obsm["X_gmvae"].shape == (240, 2)
    # Names of clusters that a report gives are those of the categories.
    for command in (["report", run, source, "--names", "B,T,NK"], ["predict", run, source, "-o", out]):
        result = runner.invoke(app, command)
        assert result.exit_code == 0, result.output
    named = anndata.read_h5ad(out).obs["gmvae"].cat
    assert list(named.categories) == ["B", "T", "NK"]
    assert named.codes.equals(answered.obs["gmvae"].cat.codes)


def test_size_factors_and_batches_of_obs_from_the_command_line(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    counts, types = cells()
    lane = np.array(["old", "new"])[np.arange(240) % 2]
    counts[lane == "new", 20:30] *= 8  # a batch, not a type
    adata = of_library(counts, [f"c{i}" for i in range(240)], [f"g{i}" for i in range(40)])
    adata.obs["lane"], adata.obs["depth"] = lane, counts.sum(1) / 7.5
    source, new, run = (str(tmp_path / name) for name in ("cells.h5ad", "new.h5ad", "run"))
    adata.write_h5ad(source)
    small = [f"--set={each}" for each in ("hidden_layer_sizes=32", "latent_dim=2", "batch_size=40")]
    beside = ["--size-factors", "depth", "--covariate", "lane"]
    runner = CliRunner()
    fit = ["fit", source, "-k", "3", "--epochs", "20", "-o", run, "-q", *small]
    result = runner.invoke(app, [*fit, *beside])
    assert result.exit_code == 0, result.output
    model = GMVAE.load(tmp_path / "run" / "model.safetensors")
    assert (model.likelihood_, model.fitted_.batches) == ("negative-binomial", ["new", "old"])
    assert model.feature_names_in_.tolist()[-2:] == ["depth", "lane"]
    table = str(tmp_path / "out.csv")
    part = adata[lane == "old"].copy()
    part.write_h5ad(new)
    for written in (table, str(tmp_path / "out.h5ad")):
        result = runner.invoke(app, ["predict", run, new, "-o", written])
        assert result.exit_code == 0, result.output
    labels = pd.read_csv(table)["label"].to_numpy()
    assert accuracy_hungarian(types[lane == "old"], labels) > 0.95
    answered = anndata.read_h5ad(tmp_path / "out.h5ad")
    np.testing.assert_array_equal(answered.obs["gmvae"].cat.codes, labels)
    again = quietly(fit_anndata, adata, 3, batch_key="lane", size_factor_key="depth", max_iter=20, **SMALL)
    np.testing.assert_array_equal(again.labels_[lane == "old"], labels)

    part.obs["lane"] = "newest"
    part.write_h5ad(new)
    result = runner.invoke(app, ["predict", run, new, "-o", table])
    assert result.exit_code == 2
    assert "`obs['lane']` must hold batches of the fit, new, old; got 'newest'" in " ".join(result.stderr.split())
    result = runner.invoke(app, ["fit", source, "-k", "3", "--covariate", "lanes", "-o", str(tmp_path / "other")])
    assert result.exit_code == 2
    assert "`--covariate` must be a column of obs, lane, depth; got 'lanes'" in " ".join(result.stderr.split())


def test_backed_files_are_read_and_results_written(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    counts, types = cells()
    of_library(counts, [f"c{i}" for i in range(240)], [f"g{i}" for i in range(40)]).write_h5ad(tmp_path / "c.h5ad")
    backed = anndata.read_h5ad(tmp_path / "c.h5ad", backed="r")
    model = quietly(fit_anndata, backed, 3, max_iter=20, **SMALL)
    assert accuracy_hungarian(types, backed.obs["gmvae"].cat.codes.to_numpy()) > 0.95
    again = anndata.read_h5ad(tmp_path / "c.h5ad")
    predict_anndata(model, again)
    again.write_h5ad(tmp_path / "answered.h5ad")
    answered = anndata.read_h5ad(tmp_path / "answered.h5ad")
    assert (answered.obs["gmvae"].to_numpy() == backed.obs["gmvae"].to_numpy()).all()
    assert answered.uns["gmvae"]["genes"].tolist() == [f"g{i}" for i in range(40)]
