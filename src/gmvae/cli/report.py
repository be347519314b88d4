"""``gmvae report``: one page to look at and to send."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae.cli.app import app
from gmvae.cli.options import SOURCE_HELP, DataHome, Device, Labels, RunArgument, names_in, output
from gmvae.cli.speech import note, show
from gmvae.cli.table_options import reads_table

if TYPE_CHECKING:
    from gmvae.cli.opened_model import OpenedModel


@app.command(
    help="Write a report on a run as one HTML file that needs no network, and its numbers as JSON beside it: how many "
    "clusters there are, how large and how sure, what is typical of each and what tells it from the others, a map of "
    "the rows, and how to repeat the fit.",
    epilog="Example: gmvae report runs/digits -o digits.html",
)
@reads_table
def report(
    run: RunArgument,
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help=f"{SOURCE_HELP} By default that of the run.")
    ] = None,
    out: Annotated[Path | None, output("FILE", "An .html file.", "report.html in the run folder")] = None,
    labels: Labels = None,
    table: Any = None,
    names: Annotated[
        str | None,
        typer.Option(
            metavar="A,B",
            help="Names of the clusters in order, with commas between; the run folder keeps them for later outputs.",
        ),
    ] = None,
    no_rows: Annotated[
        bool,
        typer.Option(
            "--no-rows",
            help="Leave out every single row: the map, typical and ambiguous rows, and means of fewer than 5 rows.",
        ),
    ] = False,
    data_home: DataHome = None,
    device: Device = "auto",
) -> None:
    """Write a report."""
    from gmvae.cli.opened_model import load_for_model, open_fitted
    from gmvae.data.errors import DataError
    from gmvae.data.sources import exists
    from gmvae.data.writers import check_target
    from gmvae.report.contents import cluster_names
    from gmvae.report.page import report as make
    from gmvae.runs.folder import RunFolder, model_file, name_of
    from gmvae.runs.provenance import provenance

    folder = RunFolder(model_file(run).parent)
    opened = open_fitted(run, device)
    asked = _source_of(opened, source, labels, data_home)
    of_fit = opened.record if opened.record is not None and opened.record.source == asked[0] else None
    out = out or (folder.report if of_fit is not None else folder.path / f"report-{name_of(asked[0])}.html")
    check_target(out, (".html", ".htm"))
    typed = None if names is None else cluster_names(names_in(names), [], opened.fitted.config.K)
    try:
        data = load_for_model(opened, *asked, table)
    except DataError as error:
        if source is not None or exists(asked[0]):
            raise
        raise DataError(
            f"The data of the run must be where they were, at {asked[0]!r}; they moved, or this folder is another: "
            f"name the data: gmvae report {shlex.quote(str(run))} SOURCE."
        ) from error
    if of_fit is not None:  # whose reader decided on the columns, and said what became of them
        data = replace(data, notes=tuple(dict.fromkeys((*of_fit.notes, *data.notes))))
    found = make(opened.fitted, data, provenance=provenance(folder), names=typed or opened.names, with_rows=not no_rows)
    found.write_html(out)
    if typed is not None:
        if opened.record is not None:
            folder.write_names(typed)
        else:
            note("The names are in this report alone: only a run folder keeps them.")
    show([("report", out), ("numbers", out.with_suffix(".json"))])
    for problem in found.contents.problems:
        note(f"{problem.what} {problem.remedy}")


def _source_of(
    opened: OpenedModel, source: str | None, labels: str | None, data_home: Path | None
) -> tuple[str, str | None, Path | None]:
    """The data to report on, by default those of the run, in the data home that it had."""
    if source is not None:
        return source, labels, data_home
    if opened.record is None:
        raise ValueError("`SOURCE` must be given for a model file, which does not know its data; got none: name them.")
    home = opened.record.data_home
    return opened.record.source, labels, data_home or (None if home is None else Path(home))
