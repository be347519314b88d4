"""``gmvae predict``: the cluster of every observation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae.cli.options import DataHome, Device, RunArgument, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gmvae.model import GaussianMixtureVAE


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help="Write the cluster of every observation, in the order of the source; as CSV to standard output unless "
        "-o names a file.",
        epilog="Example: gmvae predict runs/digits digits --proba -o clusters.parquet",
    )(predict)


def predict(
    run: RunArgument,
    source: Source,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="A .csv or .parquet table, or a .npy array of the labels, of the probabilities with --proba, or of "
            "the embedding with --embedding.",
            show_default="CSV to standard output",
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add the probability of every cluster, p_0, p_1, …")] = False,
    embedding: Annotated[
        bool, typer.Option("--embedding", help="Add the place in the latent space, x_0, x_1, …")
    ] = False,
    labels: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Leave this column of the table out.", show_default=False),
    ] = None,
    batch_size: Annotated[
        int | None,
        typer.Option("--batch-size", metavar="N", min=1, help="Rows at a time.", show_default="what caches hold"),
    ] = None,
    data_home: DataHome = None,
    device: Device = "auto",
) -> None:
    """Write the cluster of every observation."""
    from gmvae.cli.fitted import load_for, open_fitted
    from gmvae.cli.tables import check_target, write_array, write_table

    suffix = None if out is None else check_target(out, (".csv", ".parquet", ".npy"))
    if suffix == ".npy" and proba and embedding:
        raise ValueError("A .npy file must hold one array: choose `--proba` or `--embedding`, or write a table.")
    fitted = open_fitted(run, device)
    rows = fitted.rows(load_for(fitted, source, labels, data_home))
    blocks = _blocks(fitted.model, rows, proba, embedding, batch_size)
    if out is not None and suffix == ".npy":
        write_array(out, len(rows), (block[0] if not (proba or embedding) else block[-1] for block in blocks))
        return
    names = ["label"]
    names += [f"p_{k}" for k in range(fitted.config.n_components)] if proba else []
    names += [f"x_{d}" for d in range(fitted.config.latent_dim)] if embedding else []
    write_table(out, names, ([block[0], *(column for part in block[1:] for column in part.T)] for block in blocks))


def _blocks(
    model: GaussianMixtureVAE, rows: NDArray[Any], proba: bool, embedding: bool, batch_size: int | None
) -> Iterator[list[NDArray[Any]]]:
    """Labels (n,), then, if asked for, probabilities (n, K) and embedding (n, D_x), block by block."""
    from gmvae.cli.fitted import blocks_of
    from gmvae.estimator import answers

    for block in blocks_of(len(rows)):
        if proba:
            chances = answers.proba(model, rows[block], batch_size)
            found = [chances.argmax(axis=1), chances]
        else:
            found = [answers.labels(model, rows[block], batch_size)]
        found += [answers.embedding(model, rows[block], batch_size)] if embedding else []
        yield found
