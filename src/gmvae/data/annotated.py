"""Counts of AnnData, by cells and genes, as sparse rows: which layer, and which genes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvae.data.variable_genes import N_VARIABLE_GENES, variable_genes
from gmvae.sparse_rows import SparseRows

if TYPE_CHECKING:
    from scipy import sparse

_CELLS_AT_ONCE = 8192
_MOST_NAMES = 5
_HIGHLY_VARIABLE = "highly_variable"


class Cells(NamedTuple):
    """Counts of cells, with the genes that were taken and why, and names of experimental batches."""

    rows: SparseRows
    reason: str
    batches: list[str] | None = None


def cells_of(
    adata: Any,
    layer: str | None = None,
    genes: Sequence[str] | None = None,
    n_top_genes: int = N_VARIABLE_GENES,
    size_factor_key: str | None = None,
    batch_key: str | None = None,
    batches: Sequence[str] | None = None,
) -> Cells:
    """Counts of some genes of AnnData, which may be backed by its file; `SparseRows` with the genes as names.

    ValueError if there is no such layer, gene or column, or values are no counts.

    Parameters
    ----------
    layer : str, optional
        Where the counts are; by default in ``X``.
    genes : sequence of str, optional
        Names of the genes, as of an earlier fit. Without them those that ``var["highly_variable"]`` marks are taken,
        else the ``n_top_genes`` whose Pearson residuals vary most.
    size_factor_key : str, optional
        A column of ``obs``, which becomes a column of the rows after the genes.
    batch_key : str, optional
        A column of ``obs``, whose numbers among ``batches``, or in their order, become the last one.
    """
    matrix = _matrix(adata, layer)
    names = np.asarray(adata.var_names, dtype=object)
    if genes is not None:
        chosen = _found(names, genes)
        counts, reason = _some_genes(matrix, chosen), "genes of the fit"
    elif _HIGHLY_VARIABLE in adata.var:
        chosen = np.flatnonzero(np.asarray(adata.var[_HIGHLY_VARIABLE], dtype=bool))
        if not len(chosen):
            raise ValueError("`var['highly_variable']` must mark genes; got none: mark some, or drop the column.")
        counts, reason = _some_genes(matrix, chosen), f"{len(chosen):,} genes that var['highly_variable'] marks"
    else:
        everything = _some_genes(matrix, None)
        _require_counts(everything, names, layer)
        chosen = variable_genes(everything, n_top_genes)
        counts, reason = everything[:, chosen], f"the {len(chosen):,} genes whose Pearson residuals vary most"
    _require_counts(counts, names[chosen], layer)
    called = [str(name) for name in names[chosen]]
    beside: dict[str, np.ndarray] = {}
    if size_factor_key is not None:
        beside[size_factor_key] = _sizes(adata, size_factor_key)
    if batch_key is not None:
        beside[batch_key], batches = _numbers(adata, batch_key, batches)
    if beside:
        from scipy import sparse

        columns = (sparse.csr_array(column[:, None]) for column in beside.values())
        counts = sparse.hstack([counts, *columns], format="csr")
    return Cells(SparseRows(counts, [*called, *beside]), reason, None if batch_key is None else list(batches or ()))


def _matrix(adata: Any, layer: str | None) -> Any:
    if layer is None:
        if adata.X is None:
            raise ValueError("`layer` must name the layer with the counts where AnnData has no X; got None: name it.")
        return adata.X
    if layer not in adata.layers:
        known = ", ".join(map(str, adata.layers)) or "none"
        raise ValueError(f"`layer` must be one of the layers of the AnnData, {known}; got {layer!r}: name one of them.")
    return adata.layers[layer]


def _found(names: np.ndarray, genes: Sequence[str]) -> np.ndarray:
    """Numbers of genes by their names."""
    place = {name: number for number, name in enumerate(names)}
    if len(place) < len(names):
        first = next(name for number, name in enumerate(names) if place[name] != number)
        raise ValueError(f"`var_names` must be unique; got {first!r} twice: call `adata.var_names_make_unique()`.")
    absent = [gene for gene in genes if gene not in place]
    if absent:
        shown = ", ".join(absent[:_MOST_NAMES]) + (", …" if len(absent) > _MOST_NAMES else "")
        raise ValueError(
            f"`var_names` must have all {len(genes):,} genes of the fit; {len(absent):,} are missing: {shown}: add "
            "them with their counts, or fit on genes that both have."
        )
    return np.array([place[gene] for gene in genes], dtype=np.int64)


def _some_genes(matrix: Any, genes: np.ndarray | None) -> sparse.csr_array:
    """Columns of a matrix that may be on disk, whose rows are read some at a time."""
    from scipy import sparse

    parts = []
    for first in range(0, matrix.shape[0], _CELLS_AT_ONCE):
        part = sparse.csr_array(matrix[first : first + _CELLS_AT_ONCE])
        parts.append(part if genes is None else part[:, genes])
    return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _require_counts(counts: sparse.csr_array, names: np.ndarray, layer: str | None) -> None:
    values = counts.data
    wrong = np.flatnonzero(~((values >= 0) & (values == np.floor(values))))  # NaN compares false
    if len(wrong):
        where = "X" if layer is None else f"layer {layer!r}"
        name = names[counts.indices[wrong[0]]]
        raise ValueError(
            f"`layer` must name counts, whole numbers from 0 on; {where} has {values[wrong[0]]:g} for gene {name}: "
            "name the layer with raw counts, such as layer='counts'."
        )


def _sizes(adata: Any, key: str) -> np.ndarray:
    sizes = _of_obs(adata, key, "size_factor_key")
    if sizes.dtype.kind not in "iuf":
        raise ValueError(
            f"`size_factor_key` must be a column of numbers; got {key!r} of type {sizes.dtype}: name another."
        )
    return sizes.astype(np.float64)


def _numbers(adata: Any, key: str, batches: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Numbers of the batches of cells, and names of all batches."""
    names = np.array([str(each) for each in _of_obs(adata, key, "batch_key")])
    known = sorted(set(names.tolist())) if batches is None else list(batches)
    number = {name: place for place, name in enumerate(known)}
    unseen = [name for name in names.tolist() if name not in number]
    if unseen:
        shown = ", ".join(known[:_MOST_NAMES]) + (", …" if len(known) > _MOST_NAMES else "")
        raise ValueError(
            f"`obs[{key!r}]` must hold batches of the fit, {shown}; got {unseen[0]!r}: fit with cells of this batch "
            "too."
        )
    return np.array([number[name] for name in names.tolist()], dtype=np.float64), known


def _of_obs(adata: Any, key: str, parameter: str) -> np.ndarray:
    if key not in adata.obs:
        known = ", ".join(map(str, adata.obs)) or "which has none"
        raise ValueError(f"`{parameter}` must be a column of obs, {known}; got {key!r}: name one, or leave it out.")
    return np.asarray(adata.obs[key])
