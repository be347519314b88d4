"""``gmvae reproduce``: the paper's figures and tables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gmvae.cli.app import app
from gmvae.cli.options import DataHome, output
from gmvae.cli.speech import interrupted, note, show

ITEMS = ("fig1", "fig2", "fig3", "fig4", "fig5", "fig6", "table1", "tableA", "ablation")
"""Named here because the items, which take long to import, are not needed for ``--help``."""
_ALL = "all"


@app.command(
    help="Reproduce figures and tables of the paper: pictures, numbers and a page with a verdict for each. "
    "Finished fits are kept in the output folder and never run twice; interrupted ones go on.",
    epilog="Example: gmvae reproduce fig2 fig3; in the background: gmvae reproduce --budget 8",
)
def reproduce(
    items: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="ITEM...",
            help=f"{', '.join(ITEMS)}, or {_ALL}; with `--budget` it may be left out and is {_ALL}.",
            show_default=False,
        ),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="A smoke test: small data, an epoch or so.")] = False,
    full: Annotated[bool, typer.Option("--full", help="The paper's epochs and ten seeds: for a GPU.")] = False,
    budget: Annotated[
        float | None,
        typer.Option(
            metavar="HOURS",
            help="Fit for so long, what is worth most first, with 20 epochs and three seeds in Table 1. Then the fit "
            "at work stops at the end of its epoch, and the same command goes on.",
            show_default=False,
        ),
    ] = None,
    seeds: Annotated[
        str | None, typer.Option(metavar="N,N,…", help="Seeds in place of each item's own.", show_default=False)
    ] = None,
    out: Annotated[Path, output("DIR", "Folder of the page.")] = Path("paper"),
    data_home: DataHome = None,
) -> None:
    """Reproduce the paper."""
    if not items and budget is None:
        raise ValueError(f"`ITEM` must be one or more of {', '.join(ITEMS)} or {_ALL}; got none: name what to run.")
    chosen = list(ITEMS) if not items or _ALL in items else items
    unknown = [item for item in chosen if item not in ITEMS]
    if unknown:
        raise ValueError(f"`ITEM` must be one of {', '.join(ITEMS)} or {_ALL}; got {unknown[0]!r}: name what to run.")
    if quick and full:
        raise ValueError("`--quick` and `--full` must not be given together: leave one out.")
    if budget is not None and not budget > 0:
        raise ValueError(f"`--budget` must be a number of hours above 0; got {budget:g}.")

    from gmvae.paper.campaign import spend
    from gmvae.paper.page import PAGE
    from gmvae.paper.reproduction import reproduce as run
    from gmvae.paper.scope import Scale, Scope

    scale: Scale = "quick" if quick else "full" if full else "laptop" if budget is None else "long"
    scope = Scope(out, scale, None if seeds is None else _seeds(seeds), data_home, note)
    try:
        findings = run(chosen, scope) if budget is None else spend(chosen, scope, budget)
    except KeyboardInterrupt as signal:
        interrupted(signal, "Interrupted; the same command goes on from here.")
    if findings:
        show((f"{each.item}: {each.verdict}", each.ours) for each in findings)
        note(f"Look at: {out / PAGE}")


def _seeds(text: str) -> tuple[int, ...]:
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdecimal() and int(part) < 2**32 for part in parts):
        raise ValueError(f"`--seeds` must be whole numbers below 2**32 with commas between them; got {text!r}.")
    return tuple(dict.fromkeys(int(part) for part in parts))
