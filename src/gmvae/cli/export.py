"""``gmvae export``: a fitted model as ONNX, for programs that do without this library."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmvae.cli.app import app
from gmvae.cli.options import RunArgument, output
from gmvae.cli.speech import show


@app.command(
    help="Write a fitted model as ONNX: one graph that takes rows in the data's own units and gives label, proba, "
    "embedding and ambiguous; a second one, the decoder; and a model card. Needs pip install 'gmvae\\[onnx]'.",
    epilog="Example: gmvae export runs/digits -o digits.onnx",
)
def export(
    run: RunArgument,
    out: Annotated[Path, output("FILE", "A .onnx file; .decoder.onnx and .md are written beside it.")],
    ambiguous: Annotated[
        float, typer.Option(metavar="NATS", help="A row is ambiguous where the entropy of its clusters is above this.")
    ] = 0.5,
    novel: Annotated[
        float | None,
        typer.Option(
            metavar="PERCENT",
            help="Add novel, rows less probable than all but this percentage of held-out rows, and log_likelihood; "
            "the graph then takes far longer.",
        ),
    ] = None,
) -> None:
    """Write a fitted model as ONNX."""
    from gmvae.cli.opened_model import open_fitted
    from gmvae.data.writers import check_target

    check_target(out, (".onnx",))
    found = open_fitted(run, "cpu").fitted.to_onnx(out, ambiguous, novel)
    show(
        [
            ("graph", found.model),
            ("decoder", found.decoder),
            ("model card", found.card),
            ("checked", f"{found.n_rows:,} rows drawn from the model, largest difference {found.difference:.1g}"),
        ]
    )
