"""``gmvae evaluate``: how well clusters agree with known classes."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from gmvae.cli.app import app
from gmvae.cli.options import DataHome, Device, Json, Labels, RunArgument, SourceArgument
from gmvae.cli.speech import show, show_json
from gmvae.cli.table_options import reads_table


@app.command(
    help="Score clusters against true classes, which the built-in sets bring along.",
    epilog="Example: gmvae evaluate runs/mnist mnist:test --json",
)
@reads_table
def evaluate(
    run: RunArgument,
    source: SourceArgument,
    labels: Labels = None,
    table: Any = None,
    likelihood: Annotated[
        bool,
        typer.Option(
            "--likelihood", help="Add the mean importance-weighted log-likelihood in nats per observation; slow."
        ),
    ] = False,
    data_home: DataHome = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Score clusters against true classes."""
    from gmvae.cli.opened_model import load_for_model, open_fitted

    opened = open_fitted(run, device)
    data = load_for_model(opened, source, labels, data_home, table)
    if data.labels is None and not likelihood:
        raise ValueError(f"`--labels` must be given for {data.name}, which brings none: a file or a column.")
    rows = opened.fitted.rows(data.X)
    document: dict[str, Any] = {"n": len(rows)}
    if data.labels is not None:
        from gmvae import metrics

        document |= metrics.evaluate_log_odds(data.labels, opened.fitted.log_odds(rows))._asdict()
    if likelihood:
        document["log_likelihood"] = float(opened.fitted.log_evidence(rows).mean())
    if as_json:
        show_json(document)
    else:
        show((name, value if isinstance(value, int) else f"{value:.4f}") for name, value in document.items())
