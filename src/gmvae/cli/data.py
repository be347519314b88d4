"""``gmvae data``: the built-in sets."""

from __future__ import annotations

from typing import Annotated

import typer

from gmvae.cli.app import app
from gmvae.cli.options import DataHome
from gmvae.cli.speech import note

sets = typer.Typer(
    help="List and download the built-in sets.",
    epilog="Example: gmvae data list",
    no_args_is_help=True,
    rich_markup_mode="rich",
)
app.add_typer(sets, name="data")


@sets.command("list", help="List the built-in sets, and which of them are here.", epilog="Example: gmvae data list")
def list_sets(data_home: DataHome = None) -> None:
    """List the built-in sets."""
    from rich.console import Console
    from rich.table import Column, Table

    from gmvae.data import catalogue

    whole = (Column(heading, no_wrap=True) for heading in ("name", "here", "shape", "parts"))
    table = Table(*whole, "content", "terms", box=None, pad_edge=False, padding=(0, 2, 0, 0))
    for known in catalogue(data_home):
        shape = "x".join(map(str, known.shape))
        here = "yes" if known.present else "no"
        table.add_row(known.name, here, shape, ", ".join(known.parts), known.description, known.terms)
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = 200
    console.print(table)


@sets.command(
    help="Download a built-in set, or a part of it, into the data home; files that are there already stay.",
    epilog="Example: gmvae data fetch mnist:test",
)
def fetch(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A set or one of its parts: svhn, svhn:extra.")],
    data_home: DataHome = None,
) -> None:
    """Download a built-in set."""
    from gmvae.data import fetch as fetch_files

    paths = fetch_files(name, data_home)
    for path in paths:
        typer.echo(path)
    if not paths:
        note(f"{name} needs no download.")
