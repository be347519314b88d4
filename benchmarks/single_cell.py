"""Cells by their raw counts, side by side: `python benchmarks/single_cell.py --out FILE`. See docs/single-cell.md.

Cells are worm_neuron, or those of an HDF5 file: `--cells mouse_bladder_cell.h5`. Every fit is measured once, in a
process of its own, and kept in FILE, a JSON list; an interrupted run goes on. All methods get the same genes, of the
same cells, and the number of cell types. Labels are used for scores alone, but for
rows marked "best by labels". Peers that are not installed are left out: run this file again with the interpreter of an
environment that has scanpy or scvi-tools beside gmvae.
"""

from __future__ import annotations

import resource
import time
import warnings
from argparse import Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from importlib.util import find_spec
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import sparse
from single_cell_runs import keep, parser_of, read_kept, trained_scvi, typed_cells, worm_neuron

from gmvae import GMVAE
from gmvae.metrics import accuracy_hungarian, ari, nmi
from gmvae.paper.provenance import provenance

_N_PRINCIPAL = 50
_NEEDS = {"PCA": ("scanpy", "leidenalg"), "scVI": ("scvi", "scanpy", "leidenalg")}
_RESOLUTIONS = tuple(np.geomspace(0.1, 3.0, 12))
Found = Iterator[tuple[str, np.ndarray, float]]
"""Names of methods, their clusters, and their processor seconds with those of an embedding that they share."""


def logs(counts: sparse.csr_array) -> np.ndarray:
    """log(1 + y median(ℓ) / ℓ), ℓ the totals."""
    totals = np.asarray(counts.sum(1))[:, None]
    return np.log1p(counts.toarray() * (np.median(totals) / totals)).astype(np.float32)


def n_types(labels: np.ndarray) -> int:
    """All methods are told how many types there are, and no more."""
    return len(np.unique(labels))


def ours_counts(counts: sparse.csr_array, labels: np.ndarray, seed: int) -> Found:
    yield "gmvae, counts", *timed(lambda: GMVAE(n_types(labels), random_state=seed).fit(counts).labels_)


def ours_logs(counts: sparse.csr_array, labels: np.ndarray, seed: int) -> Found:
    fit = GMVAE(n_types(labels), likelihood="gaussian", random_state=seed).fit
    yield "gmvae, Gaussian on logs", *timed(lambda: fit(logs(counts)).labels_)


def clustered(of: str, embed: Callable[[], np.ndarray], labels: np.ndarray, seed: int) -> Found:
    """A Gaussian mixture, and Leiden: at the resolution with the number of clusters nearest to K, and at the best."""
    from sklearn.mixture import GaussianMixture

    K = n_types(labels)
    places, embedding = timed(embed)
    mixture, took = timed(lambda: GaussianMixture(K, n_init=5, random_state=seed).fit_predict(places))
    yield f"{of} + GMM", mixture, embedding + took
    divisions, took = timed(lambda: leiden(places, seed))
    nearest = min(divisions, key=lambda found: abs(len(np.unique(found)) - K))
    yield f"{of} + Leiden", nearest, embedding + took
    yield f"{of} + Leiden, best by labels", max(divisions, key=lambda found: ari(labels, found)), embedding + took


def leiden(places: np.ndarray, seed: int) -> list[np.ndarray]:
    """The divisions at all resolutions, from small to large."""
    import anndata
    import scanpy

    adata = anndata.AnnData(np.zeros((len(places), 1), dtype=np.float32), obsm={"X": places})
    scanpy.pp.neighbors(adata, use_rep="X", transformer="sklearn", random_state=seed)  # exact for any number of cells
    found = []
    for resolution in _RESOLUTIONS:
        scanpy.tl.leiden(adata, resolution, random_state=seed, flavor="leidenalg")
        found.append(adata.obs["leiden"].cat.codes.to_numpy().astype(int))
    return found


def pca(counts: sparse.csr_array, labels: np.ndarray, seed: int) -> Found:
    from sklearn.decomposition import PCA

    embed = PCA(_N_PRINCIPAL, random_state=seed).fit_transform
    yield from clustered("PCA", lambda: embed(logs(counts)), labels, seed)


def scvi(counts: sparse.csr_array, labels: np.ndarray, seed: int) -> Found:
    yield from clustered("scVI", lambda: trained_scvi(counts, seed).get_latent_representation(), labels, seed)


FAMILIES: dict[str, Callable[[sparse.csr_array, np.ndarray, int], Found]] = {
    "counts": ours_counts,
    "logs": ours_logs,
    "PCA": pca,
    "scVI": scvi,
}


def timed(fit: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and the processor seconds that it took."""
    started = time.process_time()
    found = fit()
    return found, time.process_time() - started


def named(cells: Path | None) -> str:
    return "worm_neuron" if cells is None else cells.stem


def measured(family: str, asked: Namespace, seed: int) -> list[dict[str, Any]]:
    """Clusters of a family of methods, in this process."""
    torch.set_num_threads(1)
    if asked.cells is None:
        counts, labels = worm_neuron(asked.data, asked.genes)
    else:
        counts, labels = typed_cells(asked.cells, asked.genes)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = list(FAMILIES[family](counts, labels, seed))
    return [
        {
            "cells": named(asked.cells),
            "family": family,
            "method": method,
            "seed": seed,
            "n_cells": counts.shape[0],
            "n_genes": counts.shape[1],
            "asked_genes": asked.genes,
            "clusters": len(np.unique(clusters)),
            "acc": accuracy_hungarian(labels, clusters),
            "nmi": nmi(labels, clusters),
            "ari": ari(labels, clusters),
            "processor_seconds": took,
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
            **provenance(),
        }
        for method, clusters, took in found
    ]


def main() -> None:
    parser = parser_of(__doc__, seeds=5, genes=2000)
    parser.add_argument("--cells", type=Path, help="HDF5 file of counts X and types Y; by default worm_neuron")
    parser.add_argument("--families", nargs="+", choices=list(FAMILIES), default=list(FAMILIES))
    asked = parser.parse_args()
    known = read_kept(asked.out)
    done = {(each["cells"], each["family"], each["seed"], each["asked_genes"]) for each in known}
    for seed in range(asked.seeds):
        for family in asked.families:
            absent = any(find_spec(name) is None for name in _NEEDS.get(family, ()))
            if absent or (named(asked.cells), family, seed, asked.genes) in done:
                continue
            with ProcessPoolExecutor(1, get_context("spawn")) as process:
                known += process.submit(partial(measured, family, asked, seed)).result()
            keep(known, asked.out)


if __name__ == "__main__":
    main()
