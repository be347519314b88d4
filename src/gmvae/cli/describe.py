"""``gmvae describe``: what tells clusters apart, as a table."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from gmvae import formats
from gmvae.cli.app import app
from gmvae.cli.options import DataHome, Device, RunArgument, SourceArgument, named_file, output
from gmvae.cli.table_options import reads_table


@app.command(
    help="Write what tells clusters apart: for every cluster and column mean or share inside and outside, the "
    "difference in standard deviations, and the share of the column in what separates the cluster from its nearest "
    "other one; as CSV to standard output unless -o names a file.",
    epilog="Example: gmvae describe runs/table table.csv -o differences.csv",
)
@reads_table
def describe(
    run: RunArgument,
    source: SourceArgument,
    out: Annotated[
        Path | None, output("FILE", "A .csv or .parquet table; or - itself.", "CSV to standard output")
    ] = None,
    table: Any = None,
    data_home: DataHome = None,
    device: Device = "auto",
) -> None:
    """Write what tells clusters apart."""
    from gmvae.cli.opened_model import load_for_model, open_fitted
    from gmvae.data.writers import check_target, write_table
    from gmvae.report.table import distinctions_table

    out = named_file(out)
    if out is not None:
        check_target(out, formats.WRITTEN_TABLES, source)
    opened = open_fitted(run, device)
    data = load_for_model(opened, source, None, data_home, table)
    found = distinctions_table(opened.fitted, data, opened.names)
    write_table(out, found.column_names, [[column.combine_chunks() for column in found.columns]])
