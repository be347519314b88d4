"""Held-out log-likelihood of counts beside scVI: `python benchmarks/single_cell_held_out.py --out FILE`.

Both learn from nine tenths of the cells of worm_neuron and the same genes, and estimate log p(y | ℓ), ℓ the total of a
cell, of the rest by as many importance samples: scVI by its own `get_marginal_ll`, gmvae by `score_samples`, which cuts
the largest weights and so can only say less. Run it with the interpreter of an environment that has scvi-tools beside
gmvae. Every fit is kept in FILE, a JSON list; an interrupted run goes on. See docs/single-cell.md.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable

import numpy as np
import torch
from scipy import sparse
from single_cell_runs import cells_of, keep, parser_of, read_kept, trained_scvi, worm_neuron

from gmvae import GMVAE

K = 10
HELD_OUT = 0.1
Scorer = Callable[[sparse.csr_array], np.ndarray]
"""From cells to the estimate for each of them."""


def ours(train: sparse.csr_array, seed: int, n_samples: int) -> Scorer:
    model = GMVAE(K, random_state=seed).fit(train)
    return lambda cells: model.score_samples(cells, n_importance_samples=n_samples, batch_size=32)


def scvi(gene_likelihood: str) -> Callable[[sparse.csr_array, int, int], Scorer]:
    def fitted(train: sparse.csr_array, seed: int, n_samples: int) -> Scorer:
        model = trained_scvi(train, seed, gene_likelihood, train_size=1.0)
        return lambda cells: np.asarray(
            model.get_marginal_ll(cells_of(cells), n_mc_samples=n_samples, return_mean=False, n_mc_samples_per_pass=10)
        )

    return fitted


METHODS = {"gmvae, counts": ours, "scVI (zinb, its default)": scvi("zinb"), "scVI (nb)": scvi("nb")}


def main() -> None:
    parser = parser_of(__doc__, seeds=3, genes=2000)
    parser.add_argument("--samples", type=int, default=500)
    parser.add_argument("--methods", nargs="+", choices=list(METHODS), default=list(METHODS))
    asked = parser.parse_args()
    torch.set_num_threads(1)
    counts, _ = worm_neuron(asked.data, asked.genes)
    known = read_kept(asked.out)
    done = {(each["method"], each["seed"]) for each in known}
    for seed in range(asked.seeds):
        order = np.random.default_rng(seed).permutation(counts.shape[0])
        n_held_out = round(HELD_OUT * len(order))
        train, held_out = counts[np.sort(order[n_held_out:])], counts[np.sort(order[:n_held_out])]
        for method in asked.methods:
            if (method, seed) in done:
                continue
            started = time.process_time()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                score = METHODS[method](train, seed, asked.samples)
                fitted = time.process_time()
                found = score(held_out)
            known.append(
                {
                    "method": method,
                    "seed": seed,
                    "n_genes": counts.shape[1],
                    "n_samples": asked.samples,
                    "held_out_cells": n_held_out,
                    "log_likelihood": float(np.mean(found)),
                    "standard_error": float(np.std(found) / len(found) ** 0.5),
                    "processor_seconds": fitted - started,
                    "scoring_seconds": time.process_time() - fitted,
                }
            )
            keep(known, asked.out)


if __name__ == "__main__":
    main()
