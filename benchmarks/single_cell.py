"""Cells by their raw counts, side by side: `python benchmarks/single_cell.py --out FILE`. See docs/single-cell.md.

Every fit is measured once and kept in FILE, a JSON list; an interrupted run goes on. All methods get the same genes, of
the same cells, and the number of cell types; labels are used for scores alone. Peers that are not installed are left
out: run this file again with the interpreter of an environment that has scanpy or scvi-tools beside gmvae.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from importlib.metadata import version
from importlib.util import find_spec
from typing import Any

import numpy as np
import torch
from scipy import sparse
from single_cell_runs import keep, parser_of, read_kept, worm_neuron

from gmvae import GMVAE
from gmvae.metrics import accuracy_hungarian, ari, nmi

K = 10
_N_PRINCIPAL = 50
_NEEDS = {"PCA + Leiden": ("scanpy", "leidenalg"), "scVI + Leiden": ("scvi", "scanpy"), "scVI + GMM": ("scvi",)}
_RESOLUTIONS = tuple(np.geomspace(0.1, 3.0, 12))
Clusters = Callable[[sparse.csr_array, int], np.ndarray]


def logs(counts: sparse.csr_array) -> np.ndarray:
    """log(1 + y median(ℓ) / ℓ), ℓ the totals."""
    totals = np.asarray(counts.sum(1))[:, None]
    return np.log1p(counts.toarray() * (np.median(totals) / totals)).astype(np.float32)


def ours_counts(counts: sparse.csr_array, seed: int) -> np.ndarray:
    return GMVAE(K, random_state=seed).fit(counts).labels_


def ours_logs(counts: sparse.csr_array, seed: int) -> np.ndarray:
    return GMVAE(K, likelihood="gaussian", random_state=seed).fit(logs(counts)).labels_


def principal(counts: sparse.csr_array, seed: int) -> np.ndarray:
    from sklearn.decomposition import PCA

    return PCA(_N_PRINCIPAL, random_state=seed).fit_transform(logs(counts))


def pca_gmm(counts: sparse.csr_array, seed: int) -> np.ndarray:
    return mixture(principal(counts, seed), seed)


def mixture(places: np.ndarray, seed: int) -> np.ndarray:
    from sklearn.mixture import GaussianMixture

    return GaussianMixture(K, n_init=5, random_state=seed).fit_predict(places)


def leiden(places: np.ndarray, seed: int) -> np.ndarray:
    """Leiden at the resolution whose number of clusters is nearest to K, the smallest of several."""
    import anndata
    import scanpy

    adata = anndata.AnnData(np.zeros((len(places), 1), dtype=np.float32), obsm={"X": places})
    scanpy.pp.neighbors(adata, use_rep="X", random_state=seed)
    found = []
    for resolution in _RESOLUTIONS:
        scanpy.tl.leiden(adata, resolution, random_state=seed, flavor="leidenalg")
        found.append(adata.obs["leiden"].cat.codes.to_numpy().astype(int))
    return min(found, key=lambda labels: abs(len(np.unique(labels)) - K))


def pca_leiden(counts: sparse.csr_array, seed: int) -> np.ndarray:
    return leiden(principal(counts, seed), seed)


def scvi_places(counts: sparse.csr_array, seed: int) -> np.ndarray:
    import anndata
    import scvi

    scvi.settings.seed = seed
    adata = anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
    scvi.model.SCVI.setup_anndata(adata)
    model = scvi.model.SCVI(adata)
    model.train(accelerator="cpu", enable_progress_bar=False)
    return model.get_latent_representation()


METHODS: dict[str, Clusters] = {
    "PCA + GMM": pca_gmm,
    "gmvae, Gaussian on logs": ours_logs,
    "gmvae, counts": ours_counts,
    "PCA + Leiden": pca_leiden,
    "scVI + GMM": lambda counts, seed: mixture(scvi_places(counts, seed), seed),
    "scVI + Leiden": lambda counts, seed: leiden(scvi_places(counts, seed), seed),
}


def measured(method: str, counts: sparse.csr_array, labels: np.ndarray, seed: int) -> dict[str, Any]:
    started, used = time.perf_counter(), time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        found = METHODS[method](counts, seed)
    return {
        "method": method,
        "seed": seed,
        "n_genes": counts.shape[1],
        "clusters": len(np.unique(found)),
        "acc": accuracy_hungarian(labels, found),
        "nmi": nmi(labels, found),
        "ari": ari(labels, found),
        "seconds": time.perf_counter() - started,
        "processor_seconds": time.process_time() - used,
        "torch": version("torch"),
    }


def main() -> None:
    parser = parser_of(__doc__, seeds=5, genes=2000)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts, labels = worm_neuron(asked.data, asked.genes)
    known = read_kept(asked.out)
    done = {(each["method"], each["seed"], each["n_genes"]) for each in known}
    for seed in range(asked.seeds):
        for method in asked.methods:
            absent = any(find_spec(name) is None for name in _NEEDS.get(method, ()))
            if absent or (method, seed, counts.shape[1]) in done:
                continue
            known.append(measured(method, counts, labels, seed))
            keep(known, asked.out)


if __name__ == "__main__":
    main()
