"""Files of counts by cells and genes: AnnData's .h5ad, and what 10x Genomics' Cell Ranger writes."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae import formats
from gmvae.data.annotated import as_text, cells_of
from gmvae.data.dataset import Dataset, Ids, as_labels
from gmvae.data.errors import DataError, refusing
from gmvae.data.options import CellColumns, TableOptions, in_words_of_options

if TYPE_CHECKING:
    from gmvae.data.columns import Columns

_MATRICES = ("matrix.mtx", "matrix.mtx.gz")
_KINDS, _GENES = "features/feature_type", "Gene Expression"
_TAKEN = {"columns", "layer", "weights", "partial_labels"}


@dataclass
class _Cells:
    """The parts of AnnData that `cells_of` reads, of files that hold no more."""

    X: Any
    obs_names: np.ndarray
    var_names: np.ndarray
    layers: Mapping[str, Any] = field(default_factory=dict)
    obs: Mapping[str, Any] = field(default_factory=dict)
    var: Mapping[str, Any] = field(default_factory=dict)


def holds_cells(folder: Path) -> bool:
    """Whether a folder is one of Cell Ranger: matrix.mtx, features.tsv and barcodes.tsv, packed or not."""
    return any((folder / name).is_file() for name in _MATRICES)


def read_cells(
    path: Path, labels: str | Path | None, options: TableOptions, known: Columns | None, of_obs: CellColumns
) -> Dataset:
    """Counts of the genes of a fit, ``known``, of those that are named, or of the most variable ones; see `cells_of`.

    ``labels``, weights, partial labels and what stands beside the genes are columns of ``obs``. DataError if the file
    cannot be read, or holds no counts where they are looked for.
    """
    for name in options.document():
        if name not in _TAKEN:
            raise DataError(f"`--{name}` must be for a table; got {path.name}: leave it out.")
    with refusing(f"{path.name} must hold counts by cells and genes"), _opened(path) as cells:
        genes: list[str] | None = list(dict.fromkeys(options.columns)) or None
        if known is not None:
            genes = [column.name for column in known if column.name not in (of_obs.size_factors, of_obs.covariate)]
        with in_words_of_options():
            found = cells_of(
                cells,
                options.layer,
                genes,
                size_factor_key=of_obs.size_factors,
                batch_key=of_obs.covariate,
                batches=of_obs.batches,
            )
    names = np.array([str(name) for name in cells.obs_names], dtype=object)
    asked = (options.weights, options.partial_labels)
    weights, partial_labels = (None if key is None else _column(cells, key, path) for key in asked)
    are_in_obs = isinstance(labels, str) and labels in cells.obs
    if labels is not None and not are_in_obs and not Path(labels).expanduser().exists():
        columns = ", ".join(map(str, cells.obs)) or "which has none"
        raise DataError(
            f"`labels` must be a column of obs, {columns}, or an existing file; got {str(labels)!r}: check the name."
        )
    return Dataset(
        path.name,
        found.rows,
        as_labels(as_text(np.asarray(cells.obs[labels])), f"{path.name}:{labels}") if are_in_obs else None,
        tuple(found.rows.names or ()),
        ids=Ids("cell", names),
        weights=weights,
        partial_labels=partial_labels,
        notes=() if genes else (f"{path.name}: {len(names):,} cells; {found.reason}.",),
        batches=found.batches,
    )


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """What a file holds; that of AnnData, whose counts stay on disk, is closed at the end."""
    cells = _read(path)
    try:
        yield cells
    finally:
        if not isinstance(cells, _Cells):
            cells.file.close()


def _read(path: Path) -> Any:
    if path.is_dir():
        return _read_folder(path)
    if path.name.lower().endswith(formats.ANNDATA):
        try:
            from anndata import read_h5ad
        except ImportError as error:
            raise DataError("Reading .h5ad must have AnnData installed: pip install 'gmvae[anndata]'.") from error
        return read_h5ad(path, backed="r")
    try:
        import h5py
    except ImportError as error:
        raise DataError("Reading .h5 must have h5py installed: pip install 'gmvae[anndata]'.") from error
    with h5py.File(path, "r") as file:
        return _of_h5(file)


def _of_h5(file: Any) -> _Cells:
    """What Cell Ranger 3 and later write below ``matrix``, genes in columns of a compressed matrix by cells."""
    from scipy import sparse

    group = file["matrix"]
    n_genes, n_cells = map(int, group["shape"][:])
    matrix = sparse.csr_array(tuple(group[name][:] for name in ("data", "indices", "indptr")), shape=(n_cells, n_genes))
    matrix.check_format(full_check=True)
    ids, names, barcodes, kinds = (
        np.array([each.decode() for each in (group[name][:] if name in group or name != _KINDS else ())], dtype=object)
        for name in ("features/id", "features/name", "barcodes", _KINDS)
    )
    if (len(barcodes), len(names), len(ids)) != (n_cells, n_genes, n_genes):
        raise ValueError(
            f"{len(barcodes):,} barcodes and {len(names):,} names of features of {n_cells:,} and {n_genes:,}"
        )
    return _of_genes(matrix, barcodes, names, ids, kinds)


def _read_folder(folder: Path) -> _Cells:
    from scipy import sparse
    from scipy.io import mmread

    matrix = next(folder / name for name in _MATRICES if (folder / name).is_file())
    genes = _lines(folder, "features.tsv", "genes.tsv")
    barcodes = _lines(folder, "barcodes.tsv")
    counts = sparse.csr_array(sparse.coo_array(mmread(matrix)).T)
    if counts.shape != (len(barcodes), len(genes)):
        raise DataError(
            f"{matrix.name} must have a row for each of {len(genes):,} genes and a column for each of "
            f"{len(barcodes):,} cells; got {counts.shape[1]:,} and {counts.shape[0]:,}: take files of one experiment."
        )
    ids = np.array([line[0] for line in genes], dtype=object)
    names = np.array([line[min(1, len(line) - 1)] for line in genes], dtype=object)
    kinds = np.array([line[2] for line in genes if len(line) > 2], dtype=object)
    return _of_genes(counts, np.array([line[0] for line in barcodes], dtype=object), names, ids, kinds)


def _lines(folder: Path, *names: str) -> list[list[str]]:
    for name in (name + ending for name in names for ending in ("", ".gz")):
        if (folder / name).is_file():
            opened = gzip.open if name.endswith(".gz") else open
            with opened(folder / name, "rt", encoding="utf-8", newline="") as file:
                return [line for line in csv.reader(file, delimiter="\t") if line]
    raise DataError(f"{folder.name} must hold {names[0]} beside its matrix.mtx; got neither it nor its .gz: add it.")


def _of_genes(counts: Any, barcodes: np.ndarray, names: np.ndarray, ids: np.ndarray, kinds: np.ndarray) -> _Cells:
    """Counts of genes, without antibodies and others where kinds are said; ids where two genes have one name."""
    genes = np.flatnonzero(kinds == _GENES) if len(kinds) == len(ids) else np.array([], dtype=int)
    if len(genes):
        counts, names, ids = counts[:, genes], names[genes], ids[genes]
    return _Cells(counts, barcodes, names if len(set(names)) == len(names) else ids)


def _column(cells: Any, key: str, path: Path) -> np.ndarray:
    if key not in cells.obs:
        columns = ", ".join(cells.obs) or "none"
        raise DataError(f"{path.name} must have a column {key!r} in obs; got {columns}: name another, or add it.")
    return np.asarray(cells.obs[key], dtype=object)
