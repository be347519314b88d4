"""The genes that vary most between cells, by analytic Pearson residuals."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from scipy import sparse

N_VARIABLE_GENES = 2000
_DISPERSION = 100.0
_ENTRIES_AT_ONCE = 2**22


def variable_genes(counts: sparse.csr_array, n_genes: int = N_VARIABLE_GENES) -> np.ndarray:
    """Numbers of the ``n_genes`` genes whose Pearson residuals have the largest variance, in rising order.

    Residuals are those of a negative binomial in which all cells have the same shares of genes, with θ = 100, clipped
    at the root of the number of cells (Lause, Berens and Kobak 2021). Genes without counts are never taken.

    Parameters
    ----------
    counts : csr_array of shape (n_cells, n_genes_in_all)
        Cells without counts do not matter.
    """
    variance = residual_variance(counts)
    ranked = np.argsort(-variance, kind="stable")[: min(n_genes, int((variance > 0.0).sum()))]
    return np.sort(ranked)


def residual_variance(counts: sparse.csr_array) -> np.ndarray:
    """Variance over cells of every gene's Pearson residuals, (n_genes,); 0 for genes without counts."""
    from scipy import sparse

    depth = np.asarray(counts.sum(1), dtype=np.float64).ravel()
    cells = depth > 0.0
    depth, columns = depth[cells], sparse.csc_array(counts[cells])
    share = np.asarray(columns.sum(0), dtype=np.float64).ravel() / max(depth.sum(), 1.0)
    farthest = np.sqrt(len(depth))
    variance = np.zeros(len(share))
    counted, size = np.flatnonzero(share > 0.0), max(1, _ENTRIES_AT_ONCE // max(1, len(depth)))
    for genes in (counted[first : first + size] for first in range(0, len(counted), size)):
        mean = depth[:, None] * share[genes]
        residual = (columns[:, genes].toarray() - mean) / np.sqrt(mean + np.square(mean) / _DISPERSION)
        variance[genes] = residual.clip(-farthest, farthest).var(0)
    return variance
