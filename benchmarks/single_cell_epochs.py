"""Seconds beside scVI at as many epochs: `python benchmarks/single_cell_epochs.py --out FILE`.

On all cells of worm_neuron and the same genes gmvae is fitted by default, scVI for the number of epochs that it took.
Run it with the interpreter of an environment that has scvi-tools beside gmvae. Every pair of fits is kept in FILE, a
JSON list; an interrupted run goes on. See docs/single-cell.md.
"""

from __future__ import annotations

import warnings
from functools import partial

import torch
from single_cell import timed
from single_cell_runs import keep, parser_of, read_kept, trained_scvi, worm_neuron

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
        model, ours = timed(partial(GMVAE(K, random_state=seed).fit, counts))
        n_epochs = model.n_iter_
        _, theirs = timed(partial(trained_scvi, counts, seed, max_epochs=n_epochs))
        took = {"gmvae_seconds": ours, "scvi_seconds": theirs}
        known.append({"seed": seed, "n_cells": counts.shape[0], "n_epochs": n_epochs, **took, **provenance()})
        keep(known, asked.out)


if __name__ == "__main__":
    main()
