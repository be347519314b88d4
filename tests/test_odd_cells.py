"""Odd AnnData, and files of cells: every one is fitted as it should be, or refused in a sentence before the fit."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import sparse
from test_anndata import SMALL, cell_ranger, cells, plain, quietly
from typer.testing import CliRunner

from gmvae import fit_anndata, markers, predict_anndata
from gmvae.cli import app
from gmvae.data import load

COUNTS = cells(60)[0]
GENES = [f"g{i}" for i in range(40)]
QUICK = {**SMALL, "max_iter": 1, "init": "random"}


def made(counts: Any = COUNTS) -> Any:
    X = counts if sparse.issparse(counts) else np.asarray(counts)
    return plain(X, [f"c{i}" for i in range(X.shape[0])], [f"g{i}" for i in range(X.shape[1])])


def with_value(value: float) -> Any:
    counts = COUNTS.astype(float)
    counts[3, 5] = value
    return made(counts)


def with_obs(**columns: Any) -> Any:
    adata = made()
    for name, values in columns.items():
        adata.obs[name] = values
    return adata


def with_marks(marks: Any) -> Any:
    adata = made()
    adata.var["highly_variable"] = marks
    return adata


def twice_named() -> Any:
    adata = made()
    adata.var_names = pd.Index(["g0", *GENES[:-1]])
    return adata


@pytest.mark.parametrize(
    "counts",
    [
        COUNTS.astype(np.uint16),
        COUNTS.astype(np.float16),
        np.asfortranarray(COUNTS.astype(np.float32)),
        sparse.csc_matrix(COUNTS),
        sparse.csr_array(COUNTS.astype(np.float32)),
        pd.DataFrame(COUNTS),
    ],
    ids=["uint16", "float16", "fortran", "csc", "csr", "frame"],
)
def test_counts_of_any_kind_are_the_same(counts: Any) -> None:
    expected, adata = made(), made()
    adata.X = counts
    for each in (expected, adata):
        quietly(fit_anndata, each, 3, **QUICK)
    np.testing.assert_array_equal(adata.obsm["gmvae_proba"], expected.obsm["gmvae_proba"])


@pytest.mark.parametrize(
    ("adata", "options", "said"),
    [
        (COUNTS, {}, "`adata` must be an AnnData; got ndarray: read a file by"),
        (made(COUNTS[:0]), {}, "The data must have cells; got none: check"),
        (made(COUNTS[:, :0]), {}, "must have genes whose shares of the counts differ between cells; got none among 0"),
        (made(COUNTS[:1]), {}, "must have genes whose shares of the counts differ .* none among 40 genes of 1 cells"),
        (with_value(np.inf), {}, "must name counts, whole numbers from 0 on; X has inf for gene g5"),
        (made(COUNTS.astype(complex)), {}, "must name counts, whole numbers from 0 on; got type complex128"),
        (twice_named(), {}, "`var_names` must be unique; got 'g0' twice: call"),
        (with_marks(["True"] * 20 + ["False"] * 20), {}, "must be True or False for every gene; got 'True': correct"),
        (with_marks(pd.array([True] * 39 + [None], "boolean")), {}, "must be True or False .*; got <NA>: correct"),
        (with_marks(np.arange(40.0)), {}, "must be True or False for every gene; got 2.0: correct"),
        (with_obs(lane=["a", None] * 30), {"batch_key": "lane"}, "with a batch for every cell; 'lane' has none for 30"),
        (with_obs(lane=[1.0, np.nan] * 30), {"batch_key": "lane"}, "'lane' has none for 30, first for 'c1'"),
        (with_obs(lane=pd.array(["a", None] * 30, "string")), {"batch_key": "lane"}, "'lane' has none for 30, first"),
        (with_obs(lane=np.arange(60) / 7), {"batch_key": "lane"}, "must be a column of batches, each of several cells"),
        (made(), {"batch_key": ["lane"]}, r"`batch_key` must be a column of obs, .*; got \['lane'\]: name one"),
        (with_obs(g3="a"), {"batch_key": "g3"}, "`batch_key` must be a name that no gene, .*; got 'g3': rename"),
        (with_obs(s=[1, 2] * 30), {"batch_key": "s", "size_factor_key": "s"}, "`batch_key` must be a name that no"),
        (with_obs(none=2.0), {"size_factor_key": "none"}, "`size_factor_key` must be a name that no .*; got 'none'"),
        (with_obs(s=[1.0, 0.0] * 30), {"size_factor_key": "s"}, "numbers above 0; 's' has 0 for cell 'c1': drop"),
        (with_obs(s=[np.nan, 1.0] * 30), {"size_factor_key": "s"}, "numbers above 0; 's' has nan for cell 'c0': drop"),
        (with_obs(s=2.0), {"size_factor_key": "s", "size_factors": "total"}, "left out beside `size_factor_key`"),
        (made(), {"size_factors": "s"}, "`size_factors` must be 'total' or 'none', .*; got 's': name a column"),
        (made(), {"covariate": "lane"}, "`covariate` must be left out; got 'lane': use `batch_key`"),
        (made(), {"likelihood": "gaussian"}, "`likelihood` must be one of negative-binomial, poisson; got 'gaussian'"),
        (made(), {"key_added": "a/b"}, "`key_added` must be a name without '/', .*; got 'a/b': take"),
        (made(), {"key_added": None}, "`key_added` must be a name without '/', .*; got None: take"),
        (
            with_obs(lane=["a", "b"] * 30),
            {"batch_key": "lane", "key_added": "lane"},
            "'lane' is replaced: take another",
        ),
    ],
)
def test_odd_cells_are_refused(adata: Any, options: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        quietly(fit_anndata, adata, 3, **{**QUICK, **options})


def test_what_the_fit_read_is_not_replaced_by_predictions() -> None:
    adata = with_obs(depth=COUNTS.sum(1))
    model = quietly(fit_anndata, adata, 3, size_factor_key="depth", **QUICK)
    with pytest.raises(ValueError, match="`key_added` must leave the columns of obs that the model reads; got 'depth'"):
        predict_anndata(model, adata, key_added="depth")
    adata.obs["depth"] = -1
    with pytest.raises(ValueError, match="'depth' has -1 for cell 'c0'"):
        predict_anndata(model, adata)


def test_markers_need_two_clusters_and_counts() -> None:
    adata = made()
    model = quietly(fit_anndata, adata, 1, **QUICK)
    with pytest.raises(ValueError, match="must have cells of two clusters or more; all 60 are of 0: give more cells"):
        markers(model, adata)
    with pytest.raises(ValueError, match="`n_genes` must be an integer of at least 1; got 0"):
        markers(model, adata, n_genes=0)
    with pytest.raises(ValueError, match=r"Every cell must have counts .*; 1 have none, the first of them 'c3'"):
        markers(model, made(COUNTS * (np.arange(60) != 3)[:, None]))


def test_parts_of_backed_files_are_refused_before_the_fit(tmp_path: Path) -> None:
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    anndata.AnnData(COUNTS.astype(np.float32)).write_h5ad(tmp_path / "cells.h5ad")
    whole = anndata.read_h5ad(tmp_path / "cells.h5ad", backed="r")
    with pytest.raises(ValueError, match="got a part of a backed one: call `adata"):
        fit_anndata(whole[:30], 2)
    part = whole[:30].to_memory()[:, :20]  # a part of one in memory is as good as any
    quietly(fit_anndata, part, 2, **QUICK)
    assert part.obs["gmvae"].notna().all()
    assert "gmvae" not in whole.obs
    whole.file.close()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on counts of an .h5ad file, with the file beside it."""
    anndata = pytest.importorskip("anndata", reason="the extra gmvae[anndata] is not installed")
    folder = tmp_path_factory.mktemp("odd")
    adata = anndata.AnnData(sparse.csr_matrix(COUNTS.astype(np.float32)))
    adata.obs_names, adata.var_names = [f"c{i}" for i in range(60)], GENES
    adata.obs["type"] = pd.Categorical(["a", None] * 30)
    adata.write_h5ad(folder / "cells.h5ad")
    small = ["--epochs", "1", "-q", "--no-report", "--set=hidden_layer_sizes=8", "--set=init=random"]
    result = CliRunner().invoke(app, ["fit", str(folder / "cells.h5ad"), "-k", "3", "-o", str(folder / "run"), *small])
    assert result.exit_code == 0, result.output
    return folder / "run"


def refused(*arguments: object) -> str:
    """What the command line says of a mistake."""
    result = CliRunner().invoke(app, [str(each) for each in arguments])
    assert result.exit_code == 2, result.output
    return " ".join(result.stderr.split())


def test_predictions_replace_their_source(run: Path) -> None:
    import anndata

    own = run.parent / "a name.h5ad"
    own.write_bytes((run.parent / "cells.h5ad").read_bytes())
    result = CliRunner().invoke(app, ["predict", str(run), str(own), "-o", str(own)])
    assert result.exit_code == 0, result.output
    answered = anndata.read_h5ad(own)
    np.testing.assert_array_equal(answered.X.toarray(), COUNTS)
    assert set(answered.obs["gmvae"].cat.categories) == {"0", "1", "2"}


def test_files_that_are_no_anndata_are_refused(run: Path) -> None:
    h5py = pytest.importorskip("h5py")
    source, out = run.parent / "odd.h5ad", run.parent / "out.h5ad"
    assert "SOURCE must be an existing file" in refused("predict", run, source, "-o", out)
    for content in (b"", b"a,b\n1,2\n", (run.parent / "cells.h5ad").read_bytes()[:3000]):
        source.write_bytes(content)
        assert "odd.h5ad must hold AnnData; got: " in refused("predict", run, source, "-o", out)
        assert "odd.h5ad must hold counts by cells and genes; got: " in refused("fit", source, "-o", run.parent / "new")
    with h5py.File(source, "w") as file:
        file["x"] = [1]
    assert "odd.h5ad must hold AnnData; got: " in refused("predict", run, source, "-o", out)
    assert not out.exists()


def test_options_that_cells_cannot_follow_are_refused(run: Path) -> None:
    cells_file, out = run.parent / "cells.h5ad", run.parent / "out.h5ad"
    assert "`--layer` must be one of" in refused("predict", run, cells_file, "-o", out, "--layer", "raw")
    for option in (["--novel", "5"], ["--ambiguous", "0.5"], ["--likelihood"]):
        assert "must be left out where -o is .h5ad" in refused("predict", run, cells_file, "-o", out, *option)
    said = refused("fit", cells_file, "--labels", "type", "-o", run.parent / "new")
    assert "Labels in cells.h5ad:type must not be missing; got an empty one in row 2" in said

    said = refused("fit", cells_file, "--labels", "kind", "-o", run.parent / "new")
    assert "`labels` must be a column of obs, type, or an existing file; got 'kind'" in said


def test_counts_without_gaps_are_answered_as_they_are(run: Path) -> None:
    filled = run.parent / "filled.csv"
    result = CliRunner().invoke(app, ["impute", str(run), str(run.parent / "cells.h5ad"), "-o", str(filled)])
    assert result.exit_code == 0, result.output
    np.testing.assert_array_equal(pd.read_csv(filled)[GENES], COUNTS)


def test_anndata_without_x_names_its_layer(run: Path) -> None:
    import anndata

    source = run.parent / "layered.h5ad"
    anndata.AnnData(obs=pd.DataFrame(index=[f"c{i}" for i in range(60)]), layers={"counts": COUNTS}).write_h5ad(source)
    said = refused("fit", source, "-o", run.parent / "new")
    assert "`--layer` must name the layer with the counts where AnnData has no X" in said


def test_barcodes_of_another_experiment_are_refused_before_the_fit(tmp_path: Path) -> None:
    h5py = pytest.importorskip("h5py")
    matrix = sparse.csr_array(COUNTS)
    with h5py.File(tmp_path / "cells.h5", "w") as file:
        for name in ("data", "indices", "indptr"):
            file[f"matrix/{name}"] = getattr(matrix, name)
        file["matrix/shape"], file["matrix/barcodes"] = [40, 60], [b"c0", b"c1"]
        file["matrix/features/id"] = [name.encode() for name in GENES]
        file["matrix/features/name"] = [name.encode() for name in GENES]
    said = refused("fit", tmp_path / "cells.h5", "-o", tmp_path / "run")
    assert "got: 2 barcodes and 40 names of features of 60 and 40" in said


def test_antibodies_are_not_counted_as_genes(tmp_path: Path) -> None:
    folder = cell_ranger(tmp_path / "cells", cells()[0])
    packed = folder / "features.tsv.gz"
    lines = gzip.decompress(packed.read_bytes()).decode().splitlines()
    lines[30:] = [line.replace("Gene Expression", "Antibody Capture") for line in lines[30:]]
    packed.write_bytes(gzip.compress("\n".join(lines).encode()))
    data = load(folder)
    assert data.feature_names == tuple(GENES[:30])
    np.testing.assert_array_equal(np.asarray(data.X), cells()[0][:, :30])
