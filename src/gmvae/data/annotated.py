"""Counts of AnnData, by cells and genes, as sparse rows: which layer, and which genes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from gmvae.config import SIZES_WITHOUT_COLUMN
from gmvae.data.variable_genes import N_VARIABLE_GENES, variable_genes
from gmvae.domains import first_of
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

    ValueError if there are no cells, no such layer, gene or column, if names are not unique, or values are no counts.

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
    if not matrix.shape[0]:
        raise ValueError("The data must have cells; got none: check what was filtered.")
    names = np.asarray(adata.var_names, dtype=object)
    place = _places(names)
    if genes is not None:
        chosen = _found(place, genes)
        counts, reason = _some_genes(matrix, chosen), "genes of the fit"
    elif _HIGHLY_VARIABLE in adata.var:
        chosen = _marked(adata.var[_HIGHLY_VARIABLE])
        counts, reason = _some_genes(matrix, chosen), f"{len(chosen):,} genes that var['highly_variable'] marks"
    else:
        everything = _some_genes(matrix, None)
        _require_counts(everything, names, adata, layer)
        chosen = variable_genes(everything, n_top_genes)
        if not len(chosen):
            raise ValueError(
                f"The data must have genes whose shares of the counts differ between cells; got none among "
                f"{len(names):,} genes of {len(everything.indptr) - 1:,} cells: take more cells and genes."
            )
        counts, reason = everything[:, chosen], f"the {len(chosen):,} genes whose Pearson residuals vary most"
    _require_counts(counts, names[chosen], adata, layer)
    called = [str(name) for name in names[chosen]]
    beside: dict[str, np.ndarray] = {}
    if size_factor_key is not None:
        beside[size_factor_key] = _sizes(adata, size_factor_key)
    if batch_key is not None:
        beside[batch_key], batches = _numbers(adata, batch_key, batches)
    _require_apart(called, size_factor_key, batch_key)
    if beside:
        from scipy import sparse

        columns = (sparse.csr_array(column[:, None]) for column in beside.values())
        counts = sparse.hstack([counts, *columns], format="csr")
    return Cells(SparseRows(counts, [*called, *beside]), reason, None if batch_key is None else list(batches or ()))


def _matrix(adata: Any, layer: str | None) -> Any:
    if not hasattr(adata, "var_names"):
        raise ValueError(
            f"`adata` must be an AnnData; got {type(adata).__name__}: read a file by `anndata.read_h5ad`, or fit an "
            "array by `GMVAE`."
        )
    if layer is None:
        try:
            matrix = adata.X
        except KeyError:  # of a backed file
            matrix = None
        if matrix is None:
            raise ValueError("`layer` must name the layer with the counts where AnnData has no X; got None: name it.")
        return matrix
    if layer not in adata.layers:
        known = ", ".join(map(str, adata.layers)) or "none"
        raise ValueError(
            f"`layer` must be one of the layers of the AnnData, {known}; got {layer!r}: name one, or leave it out."
        )
    return adata.layers[layer]


def _places(names: np.ndarray) -> dict[str, int]:
    """Numbers of the genes by their names; ValueError if two have the same."""
    place = {name: number for number, name in enumerate(names)}
    if len(place) < len(names):
        first = next(name for number, name in enumerate(names) if place[name] != number)
        raise ValueError(f"`var_names` must be unique; got {first!r} twice: call `adata.var_names_make_unique()`.")
    return place


def _require_apart(genes: Sequence[str], size_factor_key: str | None, batch_key: str | None) -> None:
    """ValueError if a column of ``obs`` has the name of a gene, of the other one, or a word of `size_factors`."""
    for parameter, key, others in (
        ("size_factor_key", size_factor_key, {*genes, *SIZES_WITHOUT_COLUMN}),
        ("batch_key", batch_key, {*genes, size_factor_key}),
    ):
        if key is not None and key in others:
            raise ValueError(
                f"`{parameter}` must be a name that no gene, no other column and no way to size cells has; got "
                f"{key!r}: rename the column of obs."
            )


def _marked(column: Any) -> np.ndarray:
    """Numbers of the genes that ``var["highly_variable"]`` marks."""
    marks = np.asarray(column, dtype=object)
    wrong = [each for each in marks if not isinstance(each, bool | np.bool_ | int | float) or each not in (0, 1)]
    if wrong:
        raise ValueError(
            f"`var['highly_variable']` must be True or False for every gene; got {wrong[0]!r}: correct the column, or "
            "drop it."
        )
    if not marks.any():
        raise ValueError("`var['highly_variable']` must mark genes; got none: mark some, or drop the column.")
    return np.flatnonzero(marks.astype(bool))


def _found(place: Mapping[str, int], genes: Sequence[str]) -> np.ndarray:
    """Numbers of the genes of a fit."""
    absent = [gene for gene in genes if gene not in place]
    if absent:
        raise ValueError(
            f"`var_names` must have all {len(genes):,} genes of the fit; {len(absent):,} are missing: "
            f"{first_of(absent, _MOST_NAMES)}: add them with their counts, or fit on genes that both have."
        )
    return np.array([place[gene] for gene in genes], dtype=np.int64)


def _some_genes(matrix: Any, genes: np.ndarray | None) -> sparse.csr_array:
    """Columns of a matrix that may be on disk, whose rows are read some at a time."""
    from scipy import sparse

    kind = np.asarray(matrix[:1]).dtype if hasattr(matrix, "iloc") else matrix.dtype
    if kind.kind not in "buif":
        raise ValueError(f"`layer` must name counts, whole numbers from 0 on; got type {kind}: convert it to numbers.")
    parts = []
    for first in range(0, matrix.shape[0], _CELLS_AT_ONCE):
        rows = matrix[first : first + _CELLS_AT_ONCE]
        part = sparse.csr_array(rows.astype(np.float32) if kind == np.float16 else rows)  # of which SciPy has no matrix
        parts.append(part if genes is None else part[:, genes])
    return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _require_counts(counts: sparse.csr_array, names: np.ndarray, adata: Any, layer: str | None) -> None:
    values = counts.data
    wrong = np.flatnonzero(~((values >= 0) & (values == np.floor(values)) & (values < np.inf)))  # NaN compares false
    if len(wrong):
        where = "X" if layer is None else f"layer {layer!r}"
        name = names[counts.indices[wrong[0]]]
        remedy = "name the layer with raw counts, such as layer='counts'" if len(adata.layers) else "take raw counts"
        raise ValueError(
            f"`layer` must name counts, whole numbers from 0 on; {where} has {values[wrong[0]]:g} for gene {name}: "
            f"{remedy}."
        )


def _sizes(adata: Any, key: str) -> np.ndarray:
    sizes = _of_obs(adata, key, "size_factor_key")
    if sizes.dtype.kind not in "iuf":
        raise ValueError(
            f"`size_factor_key` must be a column of numbers; got {key!r} of type {sizes.dtype}: name another."
        )
    sizes = sizes.astype(np.float64)
    wrong = np.flatnonzero(~((sizes > 0.0) & (sizes < np.inf)))
    if len(wrong):
        raise ValueError(
            f"`size_factor_key` must be a column of finite numbers above 0; {key!r} has {sizes[wrong[0]]:g} for cell "
            f"{adata.obs_names[wrong[0]]!r}: drop the cell, or correct its size."
        )
    return sizes


def _numbers(adata: Any, key: str, batches: Sequence[str] | None) -> tuple[np.ndarray, list[str]]:
    """Numbers of the batches of cells, and names of all batches."""
    names = as_text(_of_obs(adata, key, "batch_key"))
    absent = np.flatnonzero(names == "")
    if len(absent):
        raise ValueError(
            f"`batch_key` must be a column with a batch for every cell; {key!r} has none for {len(absent):,}, first "
            f"for {adata.obs_names[absent[0]]!r}: name their batches, or drop the cells."
        )
    known = sorted(set(names.tolist())) if batches is None else list(batches)
    if batches is None and len(known) == len(names) > 1:
        raise ValueError(
            f"`batch_key` must be a column of batches, each of several cells; {key!r} is another in every cell: name "
            "another column."
        )
    number = {name: place for place, name in enumerate(known)}
    unseen = [name for name in names.tolist() if name not in number]
    if unseen:
        raise ValueError(
            f"`obs[{key!r}]` must hold batches of the fit, {first_of(known, _MOST_NAMES)}; got {unseen[0]!r}: fit with "
            "cells of this batch too."
        )
    return np.array([number[name] for name in names.tolist()], dtype=np.float64), known


def as_text(values: np.ndarray) -> np.ndarray:
    """Values of a column of ``obs`` as text, (n,); missing ones are empty."""
    import pandas as pd  # where there are such columns, AnnData has brought it

    return np.array(["" if absent else str(each) for each, absent in zip(values, pd.isna(values), strict=True)])


def _of_obs(adata: Any, key: str, parameter: str) -> np.ndarray:
    if not isinstance(key, str) or key not in adata.obs:
        known = ", ".join(map(str, adata.obs)) or "which has none"
        raise ValueError(f"`{parameter}` must be a column of obs, {known}; got {key!r}: name one, or leave it out.")
    return np.asarray(adata.obs[key])
