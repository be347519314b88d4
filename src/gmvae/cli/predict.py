"""``gmvae predict``: the cluster of every observation."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import typer

from gmvae.cli.options import DataHome, Device, RunArgument, Source

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from gmvae.fitted.fitted import Fitted


def add_to(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        help="Write the cluster of every observation, in the order of the source; as CSV to standard output unless "
        "-o names a file.",
        epilog="Example: gmvae predict runs/digits digits --proba --ambiguous 0.5 --novel 1 -o clusters.parquet",
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
            help="A .csv or .parquet table, or a .npy array of the labels or of the one thing to add.",
            show_default="CSV to standard output",
        ),
    ] = None,
    proba: Annotated[bool, typer.Option("--proba", help="Add the probability of every cluster, p_0, p_1, …")] = False,
    embedding: Annotated[
        bool, typer.Option("--embedding", help="Add the place in the latent space, x_0, x_1, …")
    ] = False,
    ambiguous: Annotated[
        float | None,
        typer.Option(
            "--ambiguous",
            metavar="NATS",
            min=0.0,
            help="Add 1 where the entropy of the probabilities is above NATS, else 0; 0.5 is that of 80 to 20 between "
            "two clusters.",
            show_default=False,
        ),
    ] = None,
    novel: Annotated[
        float | None,
        typer.Option(
            "--novel",
            metavar="PERCENT",
            min=0.0,
            max=100.0,
            help="Add 1 where the density is below that of all but PERCENT of the rows held out of the fit, else 0; "
            "1 flags the least likely hundredth. Slow.",
            show_default=False,
        ),
    ] = None,
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
    from gmvae.data.writers import check_target, write_array, write_table

    suffix = None if out is None else check_target(out, (".csv", ".parquet", ".npy"))
    wanted = Wanted(proba, embedding, ambiguous, novel)
    if suffix == ".npy" and sum(each is not None and each is not False for each in wanted) > 1:
        raise ValueError("A .npy file must hold one array: add one thing at a time, or write a table.")
    asked = open_fitted(run, device)
    fitted = asked.fitted
    rows = fitted.rows(load_for(asked, source, labels, data_home).X)
    blocks = _blocks(fitted, rows, wanted, batch_size)
    if out is not None and suffix == ".npy":
        write_array(out, len(rows), (block[-1] for block in blocks))
        return
    names = ["label"]
    names += [f"p_{k}" for k in range(fitted.config.K)] if proba else []
    names += [f"x_{d}" for d in range(fitted.config.latent_dim)] if embedding else []
    names += ["ambiguous"] if ambiguous is not None else []
    names += ["novel"] if novel is not None else []
    write_table(
        out, names, ([column for part in block for column in part.reshape(len(part), -1).T] for block in blocks)
    )


class Wanted(NamedTuple):
    """What is written beside the labels."""

    proba: bool
    embedding: bool
    ambiguous: float | None
    novel: float | None


def _blocks(fitted: Fitted, rows: NDArray[Any], wanted: Wanted, batch_size: int | None) -> Iterator[list[NDArray[Any]]]:
    """Labels (n,), then what is wanted: probabilities (n, K), embedding (n, D_x), flags (n,); block by block."""
    from gmvae.cli.fitted import blocks_of
    from gmvae.fitted.fitted import ambiguous

    for block in blocks_of(len(rows)):
        part = rows[block]
        chances = fitted.proba(part, batch_size)
        found = [chances.argmax(axis=1)]
        if wanted.proba:
            found.append(chances)
        if wanted.embedding:
            found.append(fitted.embedding(part, batch_size))
        if wanted.ambiguous is not None:
            found.append(ambiguous(chances, wanted.ambiguous).astype("u1"))
        if wanted.novel is not None:
            found.append(fitted.novel(part, wanted.novel, batch_size).astype("u1"))
        yield found
