"""``gmvae choose-k``: criteria for each number of clusters, side by side."""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae.cli.app import app
from gmvae.cli.hyperparameters import chooses_hyperparameters
from gmvae.cli.options import (
    DataHome,
    Json,
    Labels,
    Quiet,
    SourceArgument,
    output,
)
from gmvae.cli.processes import silent_unless_first
from gmvae.cli.speech import interrupted, note, show, show_json, show_next, show_table
from gmvae.cli.table_options import reads_table

if TYPE_CHECKING:
    from gmvae.data.options import TableOptions
    from gmvae.fitting.choice_of_k import Candidate, Choice
    from gmvae.runs.choice_of_k import Comparison

_MISSING = "–"
_CRITERIA = {
    "n_components": ("K", 0),
    "stability": ("stability", 3),
    "stability_error": ("± error", 3),
    "separation": ("separation", 3),
    "score": ("score", 3),
}
"""Title and digits of columns of the halves."""
_FITS = {
    "agreement": ("fits agree", 3),
    "lower_bound_mean": ("held-out bound", 2),
    "lower_bound_worst": ("worst", 2),
    "lower_bound_best": ("best", 2),
    "n_components_effective": ("in use", 1),
    "seconds": ("seconds", 1),
}


@app.command(
    "choose-k",
    help="Compare numbers of clusters: whether halves of the data, and fits with several seeds, find the same "
    "clusters, and what bound the fits reach on held-out rows. Writes a table and a plot after every K; the same "
    "command goes on after an interruption, and with more K.",
    epilog="Example: gmvae choose-k digits --k 2:16 --epochs 40",
)
@reads_table
@chooses_hyperparameters
def choose_k(
    source: SourceArgument,
    numbers: Annotated[
        str,
        typer.Option(
            "--k", "-k", metavar="K:K", help="Numbers to compare: 2:20, every second by 2:20:2, or 3,5,8 alone."
        ),
    ] = "2:20",
    n_fits: Annotated[
        int, typer.Option("--fits", metavar="N", min=0, help="Fits of each number, with seeds that count up; 0: none.")
    ] = 2,
    out: Annotated[Path | None, output("DIR", "Folder of the results.", "runs/<source>-choose-k")] = None,
    labels: Labels = None,
    table: Any = None,
    hyperparameters: Any = None,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, max=2**32 - 1, help="Of the first fit, and of the halves.")
    ] = 0,
    data_home: DataHome = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Compare numbers of clusters."""
    asked = numbers_of(numbers)
    chosen = hyperparameters.settings(n_components=("--k", "auto"), random_state=("--seed", str(seed)))

    from gmvae.data.sources import Source
    from gmvae.runs.choice_of_k import choose

    with silent_unless_first() as first:
        say = note if first and not quiet else (lambda _: None)
        named = Source(source, labels, data_home, table)
        try:
            outcome = choose(named, asked, chosen, out=out, n_fits=n_fits, on_step=_Clock(say).tell, tell=say)
        except KeyboardInterrupt as signal:
            interrupted(signal, "Interrupted; the same command goes on from here.")
    if not first:
        return
    show_json({"run": str(outcome.path), **outcome.document}) if as_json else _show(outcome, n_fits, table)


def numbers_of(text: str) -> list[int]:
    """Read ``2:20``, ``2:20:2`` or ``3,5,8``, or several of them with commas between.

    ValueError if it is none of these, names fewer than two numbers, or one below 2.

    Examples
    --------
    >>> numbers_of("2:6,10:20:5")
    [2, 3, 4, 5, 6, 10, 15, 20]
    """
    found: set[int] = set()
    for part in text.split(","):
        pieces = part.strip().split(":")
        if len(pieces) > 3 or not all(piece.strip().isdecimal() for piece in pieces):
            raise ValueError(f"`--k` must be a range such as 2:20 or 2:20:2, or numbers such as 3,5,8; got {text!r}.")
        low, high, step = (*map(int, pieces), *([int(pieces[0])] if len(pieces) == 1 else []), 1)[:3]
        if step < 1 or high < low:
            raise ValueError(f"`--k` must run upwards by a step of at least 1; got {part.strip()!r}.")
        found.update(range(low, high + 1, step))
    if min(found) < 2:
        raise ValueError(f"`--k` must hold numbers of at least 2; got {text!r}: one cluster has nothing to agree on.")
    if len(found) < 2:
        raise ValueError(
            f"`--k` must hold at least two numbers; got {text!r}: name a range such as 2:20, or fit that one by "
            f"`gmvae fit -k {min(found)}`."
        )
    return sorted(found)


class _Clock:
    """Says after each step how long it took, and about how long the rest will take."""

    def __init__(self, say: Callable[[str], object]) -> None:
        self.say = say
        self.started = time.perf_counter()
        self.seconds: list[float] = []

    def tell(self, choice: Choice, done: Candidate | None) -> None:
        if done is None:
            self.say(f"Halves of the data are compared: {time.perf_counter() - self.started:.1f} s.")
            return
        assert done.fits is not None
        left = sum(each.fits is None for each in choice.candidates)
        self.seconds.append(done.fits.seconds)
        rest = f"about {_duration(left * sum(self.seconds) / len(self.seconds))} left" if left else "done"
        agreement = "" if done.fits.agreement is None else f", fits agree by {done.fits.agreement:.2f}"
        bound = sum(done.fits.lower_bounds) / len(done.fits.lower_bounds)
        self.say(f"K = {done.n_components}: held-out bound {bound:.3f}{agreement}; {done.fits.seconds:.1f} s, {rest}.")


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _show(outcome: Comparison, n_fits: int, table: TableOptions) -> None:
    columns = {**_CRITERIA, **(_FITS if n_fits else {})}
    if n_fits == 1:
        del columns["agreement"], columns["lower_bound_worst"]
    cells = [
        [_MISSING if value is None else f"{value:.{digits}f}" for value in outcome.table[name]]
        for name, (_, digits) in columns.items()
    ]
    show_table([title for title, _ in columns.values()], list(zip(*cells, strict=True)))
    number = outcome.choice.n_components
    said = (
        "none: halves of so few rows say nothing" if number is None else f"{number}, by the rule of n_components='auto'"
    )
    show([("clusters", said), ("table", outcome.file("csv")), ("plot", outcome.file("png"))])
    fits = [each.fits for each in outcome.choice.candidates if each.fits is not None]
    still = sum(len(each.lower_bounds) - each.n_converged for each in fits)
    if still:
        total = sum(len(each.lower_bounds) for each in fits)
        note(f"{still} of {total} fits had not converged: more `--epochs` would raise their bounds.")
    data = [outcome.document["source"]]
    if outcome.document["labels"] is not None:
        data += ["--labels", outcome.document["labels"]]
    data += table.arguments()
    show_next([f"gmvae fit {shlex.join(data)} -k {number or 'K'}"])
