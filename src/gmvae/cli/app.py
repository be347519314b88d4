"""The command ``gmvae``, to which every file of a command adds its own."""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from gmvae.cli.speech import heed_termination, plainly
from gmvae.version import __version__

COMMANDS = (
    "demo",
    "choose-k",
    "fit",
    "predict",
    "sample",
    "impute",
    "evaluate",
    "info",
    "report",
    "describe",
    "export",
    "reproduce",
    "data",
)


class Commands(TyperGroup):
    """All commands, in the order of the help, with one manner of saying errors and warnings."""

    def list_commands(self, ctx: Any) -> list[str]:
        return list(COMMANDS)

    def invoke(self, ctx: Any) -> Any:
        with plainly(debug=bool(ctx.params.get("debug"))):
            return super().invoke(ctx)


app = typer.Typer(
    name="gmvae",
    cls=Commands,
    help="Deep clustering with Gaussian mixture variational autoencoders.",
    epilog="Example: gmvae fit digits -k 10 -o runs/digits",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"gmvae {__version__}")
        raise typer.Exit


@app.callback()
def gmvae(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
    debug: Annotated[
        bool, typer.Option("--debug", envvar="GMVAE_DEBUG", help="Show the traceback of an error.")
    ] = False,
    threads: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="CPU threads for matrix products; 1 where others compute on the same machine.",
            show_default="one for each core",
        ),
    ] = None,
) -> None:
    """Take the options that stand before a command."""
    # Before PyTorch and NumPy are loaded, which read these once.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # threads that wait leave their core to other programs
    if threads is not None:
        for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
            os.environ[name] = str(threads)


def main() -> None:
    """Run the command line."""
    heed_termination()
    threading.excepthook = lambda failure: None  # what fails in a thread is raised again where its work is waited for
    sys.unraisablehook = lambda failure: None  # what an interruption leaves half-made may fail to end itself
    app()
