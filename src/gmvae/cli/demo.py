"""``gmvae demo``: a first look."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import TYPE_CHECKING, Annotated

from gmvae.cli.app import app
from gmvae.cli.options import output
from gmvae.cli.speech import note, show_table

if TYPE_CHECKING:
    from gmvae.paper.demo import Row

_COLUMNS = {
    "Hungarian accuracy": "accuracy",
    "NMI": "nmi",
    "ARI": "ari",
    "log-likelihood": "held_out",
    "seconds": "seconds",
}


@app.command(
    help="Fit small data that come with the package, and draw what was found: a first look.",
    epilog="Example: gmvae demo --out demo",
)
def demo(out: Annotated[Path, output("DIR", "Folder of the results.")] = Path("demo")) -> None:
    """Run the demonstration."""
    from gmvae.paper.demo import run

    note("Fitting digits and synthetic arcs with three seeds each; this takes two or three minutes on two cores.")
    result = run(out, lambda row: note(f"  {row.data}, {row.method}, seed {row.seed}: {row.seconds:.1f} s"))
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in result.rows:
        groups.setdefault((row.data, row.method), []).append(row)
    lines = [
        (data, method, *(_summary([getattr(row, name) for row in rows]) for name in _COLUMNS.values()))
        for (data, method), rows in sorted(groups.items())
    ]
    show_table(("data", "method", *_COLUMNS), lines)
    note("Mean ± standard deviation over seeds. Log-likelihoods of held-out points in nats, where densities compare.")
    note("Look at:")
    for picture in result.pictures:
        note(f"  {picture}")


def _summary(values: Sequence[float | None]) -> str:
    numbers = [value for value in values if value is not None]
    return f"{fmean(numbers):.3f} ± {stdev(numbers):.3f}" if numbers else "–"
