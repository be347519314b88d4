"""How well made batches of cells are mixed and their types kept: `python benchmarks/single_cell_batches.py --out FILE`.

Half of the cells of worm_neuron, drawn at random, are a batch of their own, in which counts are thinned: every count of
gene g stays with probability f_g, between 1/8 and 1, so that counts stay counts. In "all types" f is the same in all of
its cells, in "half of the types" it is in five of the ten types, and 1 in the others. In "multiplied" a random fifth of
the genes has its counts there times 2 to 16, a batch that nobody overlooks. Labels make the second case and the scores;
no fit sees them. Every fit is kept in FILE, a JSON list; an interrupted run goes on. See docs/single-cell.md.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np
import torch
from scipy import sparse
from single_cell_runs import keep, parser_of, read_kept, worm_neuron
from sklearn.neighbors import NearestNeighbors

from gmvae import GMVAE
from gmvae.metrics import ari, nmi
from gmvae.sparse_rows import SparseRows

K = 10
N_NEIGHBOURS = 30
CASES = ("no batches", "all types", "half of the types", "multiplied")
WAYS = ("told", "not told")


def made(counts: sparse.csr_array, labels: np.ndarray, case: str) -> tuple[sparse.csr_array, np.ndarray]:
    """Counts with a batch that differs as the case says, and the batch of every cell."""
    random = np.random.default_rng(0)
    batch = random.permutation(counts.shape[0]) % 2
    kept = np.exp2(random.uniform(-3.0, 0.0, counts.shape[1]))
    changed = (batch == 1) & (case != "no batches")
    if case == "half of the types":
        changed &= np.isin(labels, np.unique(labels)[::2])
    dense = counts.toarray().astype(np.int64)
    if case == "multiplied":
        factors = np.where(random.random(counts.shape[1]) < 0.2, random.integers(2, 17, counts.shape[1]), 1)
        dense[changed] *= factors
    else:
        dense[changed] = random.binomial(dense[changed], kept)
    return sparse.csr_array(dense), batch


def mixing(embedding: np.ndarray, batch: np.ndarray, labels: np.ndarray) -> float:
    """Neighbours of the other batch over those expected: 1 where batches are mixed, 0 where they are apart.

    Neighbours are sought among cells of the same type, so that types that lie far apart do not count as unmixed.
    """
    found = []
    for label in np.unique(labels):
        own, batches = embedding[labels == label], batch[labels == label]
        n = min(N_NEIGHBOURS, len(own) - 1)
        near = NearestNeighbors(n_neighbors=n).fit(own).kneighbors(return_distance=False)
        other = (batches[near] != batches[:, None]).mean(1)
        expected = np.array([(batches != each).sum() for each in batches]) / (len(own) - 1)
        found.append(other / expected)
    return float(np.concatenate(found).mean())


def measured(
    case: str, way: str, counts: sparse.csr_array, labels: np.ndarray, epochs: int, seed: int
) -> dict[str, Any]:
    altered, batch = made(counts, labels, case)
    filled = np.asarray(altered.sum(1)).ravel() > 0
    altered, batch, labels = altered[filled], batch[filled], labels[filled]
    names = [f"g{gene}" for gene in range(altered.shape[1])]
    if way == "told":
        altered, names = sparse.hstack([altered, batch[:, None]], format="csr"), [*names, "batch"]
    rows = SparseRows(sparse.csr_array(altered).astype(np.float64), names)
    started = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = GMVAE(
            K,
            likelihood="negative-binomial",
            covariate="batch" if way == "told" else None,
            max_iter=epochs,
            random_state=seed,
        ).fit(rows)
    return {
        "case": case,
        "way": way,
        "seed": seed,
        "n_genes": counts.shape[1],
        "epochs": epochs,
        "n_cells": len(labels),
        "ari": ari(labels, model.labels_),
        "nmi": nmi(labels, model.labels_),
        "nmi_with_batch": nmi(batch, model.labels_),
        "mixing": mixing(model.transform(rows), batch, labels),
        "lower_bound": model.lower_bound_,
        "processor_seconds": time.process_time() - started,
    }


def main() -> None:
    parser = parser_of(__doc__, seeds=2, genes=1000)
    parser.add_argument("--epochs", type=int, default=30)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts, labels = worm_neuron(asked.data, asked.genes)
    known = read_kept(asked.out)
    done = {(each["case"], each["way"], each["seed"]) for each in known}
    for seed in range(asked.seeds):
        for case, way in ((case, way) for case in CASES for way in WAYS):
            if (case, way, seed) in done:
                continue
            known.append(measured(case, way, counts, labels, asked.epochs, seed))
            keep(known, asked.out)


if __name__ == "__main__":
    main()
