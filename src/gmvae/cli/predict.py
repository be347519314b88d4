"""``gmvae predict``: the cluster of every observation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae import formats
from gmvae.cli.app import app
from gmvae.cli.options import DataHome, Device, RunArgument, SourceArgument, named_file, output
from gmvae.cli.speech import note
from gmvae.cli.table_options import reads_table

if TYPE_CHECKING:
    import pyarrow as pa
    from numpy.typing import NDArray

    from gmvae.cli.opened_model import OpenedModel
    from gmvae.data import Dataset
    from gmvae.fitted.fitted import Fitted
    from gmvae.runs.assignments import Output


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
    source: SourceArgument,
    out: Annotated[
        Path | None,
        output(
            "FILE|FOLDER",
            "A .csv or .parquet table, a .npy array of the labels or of the one thing to add, or an .h5ad file: the "
            "source's with what was found in it; a folder, for a part-*.parquet of each file in a folder of .parquet, "
            ".arrow or .npy; or - itself.",
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
    likelihood: Annotated[
        bool,
        typer.Option(
            "--likelihood", help="Add log_likelihood, the importance-weighted estimate of log p(y) in nats. Slow."
        ),
    ] = False,
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
    from gmvae.cli.annotate import annotate
    from gmvae.cli.opened_model import load_for_model, open_fitted, options_for
    from gmvae.data.in_parts import files_of
    from gmvae.data.sources import columns_of
    from gmvae.data.writers import check_target, write_array
    from gmvae.device import device_for
    from gmvae.runs.assignments import write_parts
    from gmvae.training.processes import local_rank, processes_here

    out = named_file(out)
    files = files_of(source) if out is not None and (out.is_dir() or not out.suffix) else []
    suffix = None
    if out is not None and not files:
        written_back = out.suffix.lower() == formats.ANNDATA  # with all that it holds
        allowed = (*formats.WRITTEN_TABLES, formats.ARRAY, formats.ANNDATA)
        suffix = check_target(out, allowed, None if written_back else source)
    if out is not None and suffix == formats.ANNDATA:
        if ambiguous is not None or novel is not None or likelihood:
            raise ValueError(
                "`--ambiguous`, `--novel` and `--likelihood` must be left out where -o is .h5ad, which gets entropy "
                "and what is novel at 1 percent: write a table."
            )
        annotate(run, source, out, table, device)
        return
    if suffix == formats.ARRAY and sum((proba, embedding, ambiguous is not None, novel is not None, likelihood)) > 1:
        raise ValueError("A .npy file must hold one array: add one thing at a time, or write a table.")
    if files and (keep_columns or labels is not None):
        raise ValueError("`--keep-columns` and `--labels` must be left out where -o is a folder: rows are numbered.")
    opened = open_fitted(run, device if not files else str(device_for(device, local_rank())))
    options = options_for(opened.record, table)
    outputs = _outputs(opened, suffix != formats.ARRAY, proba, embedding, ambiguous, novel, likelihood, batch_size)

    if out is not None and files:
        here = processes_here()
        parts = write_parts(
            opened.fitted,
            files,
            outputs,
            out,
            batch_size=batch_size,
            processes=here,
            tell=note,
            id=options.id,
        )
        who = f"Process {here.rank} of {here.size}: " if here.several else ""
        names = opened.names or range(len(parts.sizes))
        sizes = ", ".join(f"{name}: {size:,}" for name, size in zip(names, parts.sizes, strict=True))
        note(f"{who}Wrote {parts.written:,} parts, {parts.rows:,} rows; {parts.there:,} were there.")
        note(f"{who}Rows of the clusters in them: {sizes}.")
        return
    data = load_for_model(opened, source, labels, data_home, table)
    if data.shards is not None:
        raise ValueError(
            f"`-o` must be a folder for {source!r}, which is read in parts; got {out or 'none'}: name one."
        )
    if out is not None and suffix == formats.ARRAY:
        write_array(out, len(data.X), (array for (array,) in _answers(opened.fitted, data, outputs[-1:], batch_size)))
        return
    source_table = columns_of(source, options, opened.fitted.columns) if keep_columns else None
    _write_table(out, data, outputs, _answers(opened.fitted, data, outputs, batch_size), source_table)


def _answers(
    fitted: Fitted, data: Dataset, outputs: Sequence[Output], batch_size: int | None
) -> Iterator[list[NDArray[Any]]]:
    """Answers (n, ...) of each output, for some rows at a time."""
    from gmvae.runs.assignments import answered

    rows = fitted.rows(data.X)
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield answered(fitted, outputs, rows[first : first + _ROWS_AT_ONCE], batch_size)


def _outputs(
    opened: OpenedModel,
    with_names: bool,
    proba: bool,
    embedding: bool,
    ambiguous: float | None,
    novel: float | None,
    likelihood: bool,
    batch_size: int | None,
) -> list[Output]:
    """The cluster, its name where it has one, and what is added."""
    import numpy as np

    from gmvae.fitted.certainty import is_ambiguous
    from gmvae.runs.assignments import Output, cluster_outputs

    fitted = opened.fitted
    label, probabilities = cluster_outputs(fitted)
    outputs = [label]
    if opened.names is not None and with_names:
        names_of_clusters = np.array(opened.names)
        outputs.append(Output(["name"], lambda _, chances: names_of_clusters[chances.argmax(axis=1)]))
    if proba:
        outputs.append(probabilities)
    if embedding:
        names = [f"x_{d}" for d in range(fitted.config.latent_dim)]
        outputs.append(Output(names, lambda block, _: fitted.embedding(block, batch_size)))
    if ambiguous is not None:
        outputs.append(Output(["ambiguous"], lambda _, chances: is_ambiguous(chances, ambiguous).astype("u1")))
    if novel is not None:
        outputs.append(Output(["novel"], lambda block, _: fitted.novel(block, novel, batch_size).astype("u1")))
    if likelihood:
        outputs.append(Output(["log_likelihood"], lambda block, _: fitted.log_evidence(block, batch_size=batch_size)))
    return outputs


def _write_table(
    out: Path | None,
    data: Dataset,
    outputs: Sequence[Output],
    blocks: Iterator[list[NDArray[Any]]],
    source_table: pa.Table | None,
) -> None:
    """Write ids, answers and, beside them, the columns of the source."""
    from gmvae.data.writers import write_table
    from gmvae.runs.assignments import as_columns, names_of
    from gmvae.runs.source_data import row_ids

    names = names_of(outputs)
    ids = row_ids(data, names)
    names.insert(0, ids.name)
    if source_table is not None:
        kept = [name for name in source_table.column_names if data.ids is None or name != ids.name]
        names += [f"{name} (source)" if name in names else name for name in kept]
        source_table = source_table.select(kept)

    def columns() -> Iterator[list[Any]]:
        for number, block in enumerate(blocks):
            first = number * _ROWS_AT_ONCE
            place = slice(first, first + len(block[0]))
            beside = [] if source_table is None else source_table.slice(first, len(block[0])).columns
            yield [ids.values[place], *as_columns(block), *(column.combine_chunks() for column in beside)]

    write_table(out, names, columns())
