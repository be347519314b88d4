"""Genes that tell the clusters of cells apart."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmvae.domains import integer, require
from gmvae.estimator import GMVAE
from gmvae.integrations.anndata import cells_of_fit, require_depth
from gmvae.sparse_rows import SparseRows

_MOST_CELLS = 500
"""Cells of a cluster, and of all others, by which markers are judged."""
_LEAST_FOLD = 0.5
"""log2 fold change from which a gene differs between two cells."""


def markers(model: GMVAE, adata: Any, *, layer: str | None = None, n_genes: int | None = 20) -> Any:
    """Genes that tell clusters apart, by the share of a cell's counts that the model expects of each gene.

    Parameters
    ----------
    model : GMVAE
        Fitted to counts of cells.
    adata : AnnData
        Cells, as in `predict_anndata`; at most 500 of every cluster, and of all others, are compared.
    layer : str, optional
        As in `fit_anndata`.
    n_genes : int, optional
        Genes of every cluster, the most telling ones; None gives all.

    Returns
    -------
    table : pandas.DataFrame
        Columns ``cluster``, ``gene``, ``log2_fold_change`` (of the mean share in the cluster over that in the other
        cells), ``probability`` (that the share in a cell of the cluster is at least 2**0.5 times that in another cell),
        ``mean_inside`` and ``mean_outside`` (shares). The genes of a cluster are sorted by the square root of the mean
        inside less that of the mean outside, the largest difference first. On this scale counts of all sizes vary
        alike, so that a gene that few cells have is not first for its fold change alone. Clusters were found in these
        cells, so that this is no statistical test.
    """
    import pandas as pd

    if n_genes is not None:
        require("n_genes", integer(1), n_genes)
    cells, genes = cells_of_fit(model, adata, layer)
    require_depth(cells, len(genes), adata.obs_names)
    labels = model.predict(cells)
    if len(np.unique(labels)) < 2:
        raise ValueError(
            f"`adata` must have cells of two clusters or more; all {len(labels):,} are of {labels[0]}: give more cells."
        )
    random = np.random.default_rng(0)
    found = []
    for cluster in range(model.n_components_):
        inside, outside = (_drawn(np.flatnonzero(which), random) for which in (labels == cluster, labels != cluster))
        if not len(inside) or not len(outside):
            continue
        own, others = (_log2_shares(model, cells, each, len(genes)) for each in (inside, outside))
        means = [np.exp2(each).mean(0) for each in (own, others)]
        fold = np.log2(means[0]) - np.log2(means[1])
        pairs = own[random.permutation(_MOST_CELLS) % len(own)] - others[random.permutation(_MOST_CELLS) % len(others)]
        sure = (pairs > _LEAST_FOLD).mean(0)
        order = np.argsort(np.sqrt(means[1]) - np.sqrt(means[0]), kind="stable")[:n_genes]
        columns = {
            "cluster": np.full(len(order), str(cluster)),
            "gene": np.array(genes, dtype=object)[order],
            "log2_fold_change": fold[order],
            "probability": sure[order],
            "mean_inside": means[0][order],
            "mean_outside": means[1][order],
        }
        found.append(pd.DataFrame(columns))
    return pd.concat(found, ignore_index=True)


def _drawn(numbers: np.ndarray, random: np.random.Generator) -> np.ndarray:
    return np.sort(random.permutation(numbers)[:_MOST_CELLS])


def _log2_shares(model: GMVAE, cells: SparseRows, which: np.ndarray, n_genes: int) -> np.ndarray:
    """log2 ρ of some cells, (n, genes), as of the largest batch."""
    mean = model.inverse_transform(model.transform(cells.select(which)))[:, :n_genes].astype(np.float64)
    return np.log2(mean / mean.sum(1, keepdims=True))
