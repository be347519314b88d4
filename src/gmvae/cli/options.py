"""Arguments and options that several commands share."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Annotated, Any

import typer

from gmvae.config import Config
from gmvae.formats import OBSERVATIONS

_FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def help_of(name: str) -> str:
    """What the configuration says about a hyperparameter, safe from Rich's markup."""
    metadata = _FIELDS[name].metadata
    symbol = f" ({metadata['symbol']} in the paper.)" if metadata["symbol"] else ""
    return f"{metadata['help']}{symbol}".replace("[", "\\[")


def hyperparameter(name: str, metavar: str, *options: str, more: str = "") -> Any:
    """The option that sets a hyperparameter; help and default are those of the configuration."""
    return typer.Option(
        *options, metavar=metavar, help=f"{help_of(name)}{more}", show_default=str(_FIELDS[name].default)
    )


def named_file(out: Path | None) -> Path | None:
    """The file for results; None for standard output, which ``-`` names, too."""
    return None if str(out) == "-" else out


def names_in(text: str) -> list[str]:
    """Names with commas between; one that holds a comma stands in double quotes."""
    return [name.strip() for name in next(csv.reader([text], skipinitialspace=True), [])]


def output(metavar: str, about: str, default: str | None = None) -> Any:
    """Where the results of a command go; ``default`` is what the help says of it."""
    return typer.Option("--out", "-o", metavar=metavar, help=about, show_default=default or True)


SOURCE_HELP = (
    f"A file ({OBSERVATIONS}), an image, a folder of images or of parts of a table, or a built-in set such as "
    "'digits'; a part may follow: mnist:test, file.npz:X_train."
)

SourceArgument = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP)]

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder that `gmvae fit` made, or a model file.")
]

Labels = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|COLUMN",
        help="True classes: a file, a column of the table, an array of the .npz, or 'folder' for images in folders. "
        "They are used for evaluation only and never reach the training.",
    ),
]

Weights = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column that says how much every row counts: 2 as two rows, 0 as none. It is no feature.",
    ),
]

PartialLabels = Annotated[
    str | None,
    typer.Option(
        metavar="COLUMN",
        help="The column with the classes of some rows, empty or -1 for the others. They hold the cluster of their "
        "class; the column is no feature.",
    ),
]

DataHome = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Folder of the built-in sets; default: $GMVAE_DATA, else the user's cache."),
]

Device = Annotated[str, typer.Option(metavar="DEVICE", help=help_of("device"))]

Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Report no progress.")]
Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else, on standard output.")]
