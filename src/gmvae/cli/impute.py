"""``gmvae impute``: missing entries filled by what the model says of them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from gmvae import formats
from gmvae.cli.app import app
from gmvae.cli.options import DataHome, Device, RunArgument, SourceArgument, named_file, output
from gmvae.cli.table_options import reads_table


@app.command(
    help="Fill the missing entries of every observation by what the model says of them given the others, and write "
    "all, in the order of the source, behind its id or row number; as CSV to standard output unless -o names a file.",
    epilog="Example: gmvae impute runs/adult adult.csv -o filled.csv",
)
@reads_table
def impute(
    run: RunArgument,
    source: SourceArgument,
    out: Annotated[
        Path | None,
        output("FILE", "A .csv or .parquet table, or a .npy array; or - itself.", "CSV to standard output"),
    ] = None,
    n_samples: Annotated[
        int,
        typer.Option(
            "--n-samples",
            metavar="N",
            min=0,
            help="Draws of the missing entries to write, one after another with their number in the column 'draw'; 0 "
            "writes their mean, and of a category the most probable level.",
        ),
    ] = 0,
    labels: Annotated[str | None, typer.Option(metavar="COLUMN", help="Leave this column of the table out.")] = None,
    table: Any = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="The draws follow from it.")] = 0,
    data_home: DataHome = None,
    device: Device = "auto",
) -> None:
    """Fill missing entries."""
    import numpy as np

    from gmvae.arrays import missing
    from gmvae.cli.opened_model import load_for_model, open_fitted, written_columns
    from gmvae.data.writers import check_target, write_array, write_table
    from gmvae.runs.source_data import row_ids
    from gmvae.seeds import draw_seed

    out = named_file(out)
    opened = open_fitted(run, device)
    fitted = opened.fitted
    images = len(fitted.event_shape) == 3
    if out is None and images:
        raise ValueError("`-o` must be given for images; got none: name a .npy file.")
    allowed = (formats.ARRAY,) if images else (*formats.WRITTEN_TABLES, formats.ARRAY)
    suffix = None if out is None else check_target(out, allowed, source)
    data = load_for_model(opened, source, labels, data_home, table)
    if data.shards is not None:
        raise ValueError(
            f"`SOURCE` must be read into memory to be filled; {data.name} is read in parts: name one part."
        )
    source_rows = np.asarray(fitted.rows(data.X))
    rows = fitted.impute(source_rows, n_samples, seed=draw_seed(seed))
    draws = rows if n_samples else rows[None]
    if out is not None and suffix == formats.ARRAY:
        write_array(out, len(rows), [rows])
        return
    observed = ~missing(source_rows)
    names = list(written_columns(opened, draws[0][:1]))
    ids = row_ids(data, names)

    def block(number: int, filled: np.ndarray) -> list[Any]:
        columns = written_columns(opened, filled, observed).values()
        return [*([np.full(len(filled), number)] if n_samples else []), ids.values, *columns]

    number_of_draw = "draw" if "draw" not in names else "draw (number)"
    named = [*([number_of_draw] if n_samples else []), ids.name, *names]
    write_table(out, named, (block(number, filled) for number, filled in enumerate(draws)))
