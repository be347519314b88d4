"""What the benchmarks of single cells share: counts with types, and results that outlast an interruption."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from scipy import sparse

from gmvae import load
from gmvae.atomic import replacing
from gmvae.data.sets import resolve_home
from gmvae.data.variable_genes import variable_genes


def parser_of(about: str | None, *, seeds: int, genes: int) -> argparse.ArgumentParser:
    """A parser of the options that all of them have, with the usual numbers of seeds and genes."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--data", type=Path, help="folder of data sets; by default GMVAE_DATA")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=seeds)
    parser.add_argument("--genes", type=int, default=genes)
    return parser


def worm_neuron(data_home: Path | None, n_genes: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts of its most variable genes, and the types of its cells."""
    data = load(resolve_home(data_home) / "scrna" / "worm_neuron.npz", labels="y")
    counts = sparse.csr_array(data.X.matrix)
    return counts[:, variable_genes(counts, n_genes)], data.labels


def typed_cells(path: Path, n_genes: int) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts of the most variable genes and types of the cells that have counts, of an HDF5 file of counts X, types Y.

    The repositories of scDeepCluster and scDCC publish cells as such files.
    """
    from h5py import File

    with File(path) as file:
        counts, types = sparse.csr_array(file["X"][:].astype(np.float64)), file["Y"][:]
    if counts.shape[1] > n_genes:
        counts = counts[:, variable_genes(counts, n_genes)]
    counted = np.asarray(counts.sum(1)).ravel() > 0
    return counts[counted], np.unique(types[counted], return_inverse=True)[1]


def cells_of(counts: sparse.csr_array) -> Any:
    """AnnData of counts, as scVI takes them."""
    from anndata import AnnData

    return AnnData(sparse.csr_matrix(counts.astype(np.float32)))


def trained_scvi(counts: sparse.csr_array, seed: int, gene_likelihood: str = "zinb", **training: Any) -> Any:
    """scVI, by its own defaults but for the options of `SCVI.train` that are given, on the CPU."""
    from scvi import settings
    from scvi.model import SCVI

    settings.seed = seed
    adata = cells_of(counts)
    SCVI.setup_anndata(adata)
    model = SCVI(adata, gene_likelihood=gene_likelihood)
    model.train(accelerator="cpu", enable_progress_bar=False, **training)
    return model


def read_kept(out: Path) -> list[dict[str, Any]]:
    """The results of an earlier run."""
    return json.loads(out.read_text()) if out.exists() else []


def keep(known: list[dict[str, Any]], out: Path) -> None:
    """Print the last result, and write all of them whole or not at all."""
    print(json.dumps(known[-1]), flush=True)
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(known, indent=1) + "\n")
