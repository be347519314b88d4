"""``gmvae predict``: the cluster of every observation."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gmvae import formats
from gmvae.cli.app import app
from gmvae.cli.options import DataHome, Device, RunArgument, Source, output, to_standard_output
from gmvae.cli.table_options import reads_table

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ROWS_AT_ONCE = 16384
"""Rows per block of results: large enough for the model's batches, small enough for any memory."""


@app.command(
    help="Write the cluster of every observation, in the order of the source, behind its id, file name or row number; "
    "as CSV to standard output unless -o names a file.",
    epilog="Example: gmvae predict runs/digits digits --proba --ambiguous 0.5 --novel 1 -o clusters.parquet",
)
@reads_table
def predict(
    run: RunArgument,
    source: Source,
    out: Annotated[
        Path | None,
        output(
            "FILE",
            "A .csv or .parquet table, a .npy array of the labels or of the one thing to add, or an .h5ad file: the "
            "source's with what was found in it; or - itself.",
            "CSV to standard output",
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add the probability of every cluster, p_0, p_1, …")] = False,
    embedding: Annotated[
        bool, typer.Option("--embedding", help="Add the place in the latent space, x_0, x_1, …")
    ] = False,
    ambiguous: Annotated[
        float | None,
        typer.Option(
            metavar="NATS",
            min=0.0,
            help="Add 1 where the entropy of the probabilities is above NATS, else 0; 0.5 is that of 80 to 20 between "
            "two clusters.",
        ),
    ] = None,
    novel: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            min=0.0,
            max=100.0,
            help="Add 1 where the density is below that of all but PERCENT of the rows held out of the fit, else 0; "
            "1 flags the least likely hundredth. Slow.",
        ),
    ] = None,
    labels: Annotated[str | None, typer.Option(metavar="COLUMN", help="Leave this column of the table out.")] = None,
    table: Any = None,
    keep_columns: Annotated[
        bool, typer.Option("--keep-columns", help="Add the columns of the table as its file has them.")
    ] = False,
    batch_size: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Rows at a time.", show_default="what caches hold")
    ] = None,
    data_home: DataHome = None,
    device: Device = "auto",
) -> None:
    """Write the cluster of every observation."""
    import numpy as np

    from gmvae.cli.fitted import load_for, open_fitted, options_for
    from gmvae.data.sources import columns_of
    from gmvae.data.writers import check_target, write_array, write_table
    from gmvae.fitted.ambiguity import ambiguous as is_ambiguous
    from gmvae.runs.observed import row_ids

    out = None if to_standard_output(out) else out
    suffix = None if out is None else check_target(out, (*formats.WRITTEN_TABLES, formats.ARRAY, formats.ANNDATA))
    if suffix == formats.ANNDATA and out is not None:
        from gmvae.cli.annotate import annotate

        annotate(run, source, out, table, device)
        return
    if suffix == formats.ARRAY and sum((proba, embedding, ambiguous is not None, novel is not None)) > 1:
        raise ValueError("A .npy file must hold one array: add one thing at a time, or write a table.")
    asked = open_fitted(run, device)
    fitted = asked.fitted
    data = load_for(asked, source, labels, data_home, table)
    rows = fitted.rows(data.X)
    kept = columns_of(source, options_for(asked, table)) if keep_columns else None
    parts = [Part(["label"], lambda _, chances: chances.argmax(axis=1))]
    names_of_clusters = asked.names
    if names_of_clusters is not None and suffix != formats.ARRAY:
        called = np.array(names_of_clusters)
        parts.append(Part(["name"], lambda _, chances: called[chances.argmax(axis=1)]))
    if proba:
        parts.append(Part([f"p_{k}" for k in range(fitted.config.K)], lambda _, chances: chances))
    if embedding:
        names = [f"x_{d}" for d in range(fitted.config.latent_dim)]
        parts.append(Part(names, lambda part, _: fitted.embedding(part, batch_size)))
    if ambiguous is not None:
        parts.append(Part(["ambiguous"], lambda _, chances: is_ambiguous(chances, ambiguous).astype("u1")))
    if novel is not None:
        parts.append(Part(["novel"], lambda part, _: fitted.novel(part, novel, batch_size).astype("u1")))

    def found(wanted: Sequence[Part]) -> Iterator[list[NDArray[Any]]]:
        """Arrays (n, ...) of each part, block by block."""
        for first in range(0, len(rows), _ROWS_AT_ONCE):
            part = rows[first : first + _ROWS_AT_ONCE]
            chances = fitted.proba(part, batch_size)
            yield [each.of(part, chances) for each in wanted]

    if out is not None and suffix == formats.ARRAY:
        write_array(out, len(rows), (array for (array,) in found(parts[-1:])))
        return
    names = [name for part in parts for name in part.names]
    ids = row_ids(data, names)
    names.insert(0, ids.name)
    if kept is not None:
        names += [f"{name} (source)" if name in names else name for name in kept.column_names if name != ids.name]
        kept = kept.select([name for name in kept.column_names if name != ids.name])

    def blocks() -> Iterator[list[Any]]:
        for number, block in enumerate(found(parts)):
            first = number * _ROWS_AT_ONCE
            part = slice(first, first + len(block[0]))
            results = [column for each in block for column in each.reshape(len(each), -1).T]
            beside = [] if kept is None else kept.slice(first, len(block[0])).columns
            yield [ids.values[part], *results, *(column.combine_chunks() for column in beside)]

    write_table(out, names, blocks())


class Part(NamedTuple):
    """Columns to write, by name, and what they are of rows (n, *event) and their probabilities (n, K)."""

    names: list[str]
    of: Callable[[NDArray[Any], NDArray[Any]], NDArray[Any]]
