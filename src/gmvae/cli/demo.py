"""``gmvae demo``: a first look."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help="Fit small data that come with the package, and draw what was found: a first look.",
        epilog="Example: gmvae demo --out demo",
    )(demo)


def demo(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder of the results.")] = Path("demo"),
) -> None:
    """Run the demonstration."""
    from gmvae.experiments.demo import run

    run(out)
