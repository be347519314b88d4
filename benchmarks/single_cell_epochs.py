"""Seconds beside scVI at as many epochs: `python benchmarks/single_cell_epochs.py --out FILE`.

On all cells of worm_neuron and the same genes gmvae is fitted by default, scVI for the number of epochs that it took.
Run it with the interpreter of an environment that has scvi-tools beside gmvae. Every pair of fits is kept in FILE, a
JSON list; an interrupted run goes on. See docs/single-cell.md.
"""

from __future__ import annotations

import time
import warnings

import anndata
import numpy as np
import torch
from scipy import sparse
from scvi import settings
from scvi.model import SCVI
from single_cell_runs import keep, parser_of, read_kept, worm_neuron

from gmvae import GMVAE
from gmvae.paper.provenance import provenance

K = 10


def main() -> None:
    asked = parser_of(__doc__, seeds=3, genes=2000).parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    counts, _ = worm_neuron(asked.data, asked.genes)
    known = read_kept(asked.out)
    for seed in range(len(known), asked.seeds):
        started = time.process_time()
        n_epochs = GMVAE(K, random_state=seed).fit(counts).n_iter_
        between = time.process_time()
        settings.seed = seed
        adata = anndata.AnnData(sparse.csr_matrix(counts.astype(np.float32)))
        SCVI.setup_anndata(adata)
        SCVI(adata).train(n_epochs, accelerator="cpu", enable_progress_bar=False)
        ended = time.process_time()
        took = {"gmvae_seconds": between - started, "scvi_seconds": ended - between}
        known.append({"seed": seed, "n_cells": counts.shape[0], "n_epochs": n_epochs, **took, **provenance()})
        keep(known, asked.out)


if __name__ == "__main__":
    main()
