"""Counts against Gaussians on their logarithms, on made cells: `python benchmarks/made_cells.py [--seeds 2]`.

Prints the adjusted Rand index of complete default fits with the right number of clusters. Labels reach the scores only.
"""

from __future__ import annotations

import argparse
import warnings
from typing import NamedTuple

import numpy as np
from scipy import sparse

from gmvae import GMVAE
from gmvae.metrics import ari


class Cells(NamedTuple):
    """How cells are made: their depth is log-normal, and θ is the same for all genes."""

    n: int
    n_genes: int
    shares: tuple[float, ...]  # of the types
    differing: float  # share of the genes in which a type differs from others
    log_fold: float  # by how much
    depth: float
    depth_deviation: float  # of its logarithm
    theta: float
    depth_of_types: float = 0.0  # deviation of the logarithm between types


def _even(n_types: int) -> tuple[float, ...]:
    return (1.0 / n_types,) * n_types


MADE = {
    "easy": Cells(1500, 600, _even(6), 0.08, 1.0, 3000.0, 0.3, 2.0),
    "shallow": Cells(1500, 600, _even(6), 0.08, 0.9, 500.0, 0.5, 1.0),
    "rare types": Cells(2000, 600, (0.6, 0.25, 0.1, 0.03, 0.02), 0.1, 1.0, 1500.0, 0.4, 2.0),
    "depth differs": Cells(1500, 400, _even(5), 0.08, 0.8, 1500.0, 0.8, 2.0, 0.7),
    "few genes": Cells(2000, 60, _even(6), 0.2, 1.0, 150.0, 0.5, 3.0),
    "theta 0.5": Cells(1500, 600, _even(6), 0.1, 1.0, 2000.0, 0.4, 0.5),
}


def make(cells: Cells, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Counts (n, genes) and types (n,), without genes of up to three counts."""
    generator = np.random.default_rng(seed)
    base = generator.lognormal(0.0, 1.5, cells.n_genes)
    n_types, n_differing = len(cells.shares), int(cells.differing * cells.n_genes)
    types = generator.choice(n_types, cells.n, p=None if len(set(cells.shares)) == 1 else cells.shares)
    differs = np.zeros((n_types, cells.n_genes))
    for each in differs:
        each[generator.choice(cells.n_genes, n_differing, replace=False)] = 1.0
    folds = (
        differs * generator.normal(cells.log_fold, 0.4, differs.shape) * generator.choice([1.0, -0.7], differs.shape)
    )
    shares = base * np.exp(folds)
    shares /= shares.sum(1, keepdims=True)
    depth = generator.lognormal(np.log(cells.depth), cells.depth_deviation, cells.n)
    depth *= np.exp(cells.depth_of_types * generator.normal(size=n_types))[types]
    mean = depth[:, None] * shares[types] * np.exp(0.15 * generator.normal(size=(cells.n, cells.n_genes)))
    counts = generator.poisson(generator.gamma(cells.theta, mean / cells.theta))
    counts = counts[:, counts.sum(0) > 3]
    counted = counts.sum(1) > 0
    return counts[counted], types[counted]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=2)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    for name, cells in MADE.items():
        for seed in range(asked.seeds):
            counts, types = make(cells, seed)
            totals = counts.sum(1, keepdims=True)
            logs = np.log1p(counts * np.median(totals) / totals)
            K, rows = len(cells.shares), sparse.csr_array(counts.astype(float))
            of_logs = GMVAE(K, random_state=0).fit_predict(logs)
            of_counts = GMVAE(K, likelihood="negative-binomial", random_state=0).fit_predict(rows)
            print(
                f"{name}, seed {seed}: Gaussians on logs {ari(types, of_logs):.3f}, counts {ari(types, of_counts):.3f}"
            )


if __name__ == "__main__":
    main()
