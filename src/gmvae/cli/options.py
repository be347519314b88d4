"""Arguments and options that several commands share."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Annotated

import typer

from gmvae.config import Config

_FIELDS = {field.name: field for field in dataclasses.fields(Config)}


def help_of(name: str) -> str:
    """What the configuration says about a hyperparameter, safe from Rich's markup."""
    metadata = _FIELDS[name].metadata
    symbol = f" ({metadata['symbol']} in the paper.)" if metadata["symbol"] else ""
    return f"{metadata['help']}{symbol}".replace("[", "\\[")


SOURCE_HELP = (
    "A file (.npy, .npz, .csv, .csv.gz, .parquet, IDX), a folder of images or a built-in set such as 'digits'; "
    "a part may follow: mnist:test, file.npz:X_train."
)

Source = Annotated[str, typer.Argument(metavar="SOURCE", help=SOURCE_HELP, show_default=False)]

RunArgument = Annotated[
    Path, typer.Argument(metavar="RUN", help="A run folder that `gmvae fit` made, or a model file.", show_default=False)
]

Labels = Annotated[
    str | None,
    typer.Option(
        "--labels",
        metavar="FILE|COLUMN",
        help="True classes: a file, a column of the table, an array of the .npz, or 'folder' for images in folders. "
        "They are used for evaluation only and never reach the training.",
        show_default=False,
    ),
]

DataHome = Annotated[
    Path | None,
    typer.Option(
        "--data-home", metavar="DIR", help="Folder of the built-in sets; default: $GMVAE_DATA, else the user's cache."
    ),
]

Device = Annotated[str, typer.Option("--device", metavar="DEVICE", help=help_of("device"))]

Json = Annotated[bool, typer.Option("--json", help="Print the results as JSON, and nothing else, on standard output.")]
