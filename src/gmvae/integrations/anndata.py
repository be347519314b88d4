"""AnnData: clusters of cells from raw counts, written into the object, and predictions for new cells.

Install the extra ``gmvae[anndata]``; the object itself is only read and written, so that nothing is imported here.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from gmvae.config import COUNTS, SIZES_WITHOUT_COLUMN
from gmvae.data.annotated import cells_of
from gmvae.data.variable_genes import N_VARIABLE_GENES
from gmvae.domains import integer, require
from gmvae.estimator import GMVAE
from gmvae.fitted.certainty import entropy
from gmvae.sparse_rows import SparseRows


def fit_anndata(
    adata: Any,
    n_components: int | str = 10,
    *,
    layer: str | None = None,
    batch_key: str | None = None,
    size_factor_key: str | None = None,
    n_top_genes: int = N_VARIABLE_GENES,
    key_added: str = "gmvae",
    **parameters: Any,
) -> GMVAE:
    """Cluster cells by their raw counts, and write clusters, embedding and certainty into the AnnData.

    Parameters
    ----------
    adata : AnnData of shape (n_cells, n_genes)
        In memory or backed. Counts of the genes that ``var["highly_variable"]`` marks are modelled; without that column
        those of the ``n_top_genes`` genes whose Pearson residuals vary most (Lause, Berens and Kobak 2021).
    n_components : int or "auto"
        Number of clusters.
    layer : str, optional
        The layer with raw counts; by default ``X`` holds them.
    batch_key : str, optional
        Column of ``obs`` with experimental batches. Encoder and decoder are told the batch of a cell, so that clusters
        do not follow it.
    size_factor_key : str, optional
        Column of ``obs`` with the size factors of cells, in any unit; by default their totals over the genes.
    n_top_genes : int
        Genes to take where none are marked.
    key_added : str
        Name under which results are written: ``obs[key]`` (cluster, categorical), ``obs[key + "_entropy"]`` (of the
        probabilities, in nats), ``obs[key + "_novel"]`` (`is_novel` at 1 percent, among cells of its depth),
        ``obsm["X_" + key]`` (embedding, latent_dim), ``obsm[key + "_proba"]`` (probabilities, n_components) and
        ``uns[key]`` (genes and parameters).
    **parameters
        Other parameters of `GMVAE`, such as ``random_state``. ``likelihood`` is "negative-binomial" by default; it may
        be "poisson".

    Returns
    -------
    model : GMVAE
        Fitted; `predict_anndata` and `markers` take it.

    Raises
    ------
    ValueError
        If the layer holds no counts, a cell has none in the genes, names are not unique, results would replace a column
        that is read, or a parameter is outside its domain.

    Examples
    --------
    >>> from gmvae import fit_anndata, markers  # doctest: +SKIP
    >>> model = fit_anndata(adata, 10, layer="counts", random_state=0)  # doctest: +SKIP
    >>> adata.obs["gmvae"].value_counts()  # doctest: +SKIP
    >>> markers(model, adata, layer="counts").head()  # doctest: +SKIP
    """
    require("n_top_genes", integer(1), n_top_genes)
    _require_writable(adata, key_added, (size_factor_key, batch_key))
    _require_of_counts(parameters, size_factor_key)
    cells, _, batches = cells_of(adata, layer, None, n_top_genes, size_factor_key, batch_key)
    n_genes = cells.shape[1] - (size_factor_key is not None) - (batch_key is not None)
    require_depth(cells, n_genes, adata.obs_names)
    parameters.setdefault("likelihood", COUNTS[0])
    parameters.setdefault("size_factors", "total" if size_factor_key is None else size_factor_key)
    model = GMVAE(n_components, covariate=batch_key, **parameters).fit(cells)
    model.fitted_ = dataclasses.replace(model.fitted_, batches=batches)
    _write(adata, model, cells, key_added)
    return model


def predict_anndata(
    model: GMVAE,
    adata: Any,
    *,
    layer: str | None = None,
    key_added: str = "gmvae",
) -> None:
    """Write what a fitted model says of new cells into their AnnData, as `fit_anndata` does.

    Parameters
    ----------
    model : GMVAE
        From `fit_anndata`, or loaded from its file.
    adata : AnnData
        Genes are found by their names, whatever their order; a column of size factors by that of the fit.
    layer, key_added : str
        As in `fit_anndata`.

    Raises
    ------
    ValueError
        If genes of the fit are missing, which are named, a cell has no counts in them, or results would replace a
        column that is read.
    """
    cells, genes = cells_of_fit(model, adata, layer)
    _require_writable(adata, key_added, model.feature_names_in_[len(genes) :])
    require_depth(cells, len(genes), adata.obs_names)
    _write(adata, model, cells, key_added)


def cells_of_fit(model: GMVAE, adata: Any, layer: str | None) -> tuple[SparseRows, list[str]]:
    """Counts of the genes of the fit, with sizes and batches where it has them after the genes; and the genes."""
    names = getattr(model, "feature_names_in_", None)
    if names is None:
        raise ValueError("`model` must know its genes, as from `fit_anndata`; it has no names of columns: fit it anew.")
    config = model.fitted_.config
    sizes = config.size_factors if config.size_factors in names else None
    genes = [name for name in names if name not in (sizes, config.covariate)]
    batches = model.fitted_.batches
    cells = cells_of(adata, layer, genes, size_factor_key=sizes, batch_key=config.covariate, batches=batches)
    return cells.rows, genes


def _require_writable(adata: Any, key: object, read: Iterable[str | None]) -> None:
    """ValueError if results cannot be written under a key, as over columns of obs that are read."""
    if not isinstance(key, str) or not key or "/" in key:
        raise ValueError(f"`key_added` must be a name without '/', which files part; got {key!r}: take 'gmvae'.")
    replaced = [name for name in read if name in (key, f"{key}_entropy", f"{key}_novel")]
    if replaced:
        raise ValueError(
            f"`key_added` must leave the columns of obs that the model reads; got {key!r}, under which "
            f"{replaced[0]!r} is replaced: take another name."
        )
    if getattr(adata, "isbacked", False) and adata.is_view:
        raise ValueError(
            "`adata` must be in memory or all of a backed file; got a part of a backed one: call `adata.to_memory()`."
        )


def _require_of_counts(parameters: Mapping[str, Any], size_factor_key: str | None) -> None:
    """ValueError if other parameters say what those of `fit_anndata` do, or take counts for something else."""
    likelihood = parameters.get("likelihood", COUNTS[0])
    if likelihood not in COUNTS:
        raise ValueError(f"`likelihood` must be one of {', '.join(COUNTS)}; got {likelihood!r}: take one of these.")
    sizes = parameters.get("size_factors")
    if sizes is not None and (size_factor_key is not None or sizes not in SIZES_WITHOUT_COLUMN):
        raise ValueError(
            f"`size_factors` must be 'total' or 'none', and left out beside `size_factor_key`; got {sizes!r}: name a "
            "column of obs by `size_factor_key` alone."
        )
    if "covariate" in parameters:
        raise ValueError(f"`covariate` must be left out; got {parameters['covariate']!r}: use `batch_key`.")


def require_depth(cells: SparseRows, n_genes: int, names: Any) -> None:
    """ValueError, with the name of the cell, if one has no counts in the genes, the first columns."""
    counts = cells.matrix[:, :n_genes]
    empty = np.flatnonzero(np.asarray(counts.sum(1)).ravel() == 0.0)
    if len(empty):
        raise ValueError(
            f"Every cell must have counts in the genes of the model; {len(empty):,} have none, the first of them "
            f"{names[empty[0]]!r}: filter cells by their counts, or take more genes."
        )


def _write(adata: Any, model: GMVAE, cells: SparseRows, key: str) -> None:
    import pandas as pd

    proba = model.predict_proba(cells)
    names = [str(cluster) for cluster in range(proba.shape[1])]
    adata.obs[key] = pd.Categorical.from_codes(proba.argmax(1), names)
    adata.obs[f"{key}_entropy"] = entropy(proba)
    adata.obs[f"{key}_novel"] = model.is_novel(cells)
    adata.obsm[f"X_{key}"] = model.transform(cells)
    adata.obsm[f"{key}_proba"] = proba
    parameters = vars(model.fitted_.config)
    adata.uns[key] = {
        "genes": np.array(model.feature_names_in_, dtype=object),
        "lower_bound": model.lower_bound_,
        "parameters": {name: value for name, value in parameters.items() if isinstance(value, int | float | str)},
    }
