"""All fits of the paper's items, those worth most first, within a budget of time."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from time import monotonic
from typing import NamedTuple

from gmvae.atomic import locked
from gmvae.paper import ablation, figure6, mnist, other_methods, synthetic, table1
from gmvae.paper.findings import Finding
from gmvae.paper.quoted import Cell
from gmvae.paper.reproduction import reproduce
from gmvae.paper.scope import Scope
from gmvae.paper.trials import BudgetSpentError, Material, Trial
from gmvae.training import DivergedError

_SECONDS_PER_HOUR = 3600.0


class Stage(NamedTuple):
    """Trials of equal worth, and the data they are fitted to."""

    trials: list[Trial]
    material: Material


def stages(items: Collection[str], scope: Scope) -> Iterator[Stage]:
    """Trials of items, those worth most first: what the paper claims, then what explains it."""
    asked = set(items)

    def table(name: str, n_samples: int) -> Iterator[Stage]:
        for cell in table1.cells(scope, name):
            if n_samples == cell.M:
                trials = mnist.trials(scope, table1.TRAININGS[name].changes, cell)
                yield Stage(trials, mnist.material(scope))

    if asked & {"table1", "fig4"}:
        for n_samples in (1, 10):
            yield from table("table1-random", n_samples)
            yield from table("table1", n_samples)
    elif "fig5" in asked:
        yield Stage(mnist.trials(scope, mnist.PAPER), mnist.material(scope))
    if "fig6" in asked:
        yield from (Stage(trials, material) for _, trials, material in figure6.fits(scope))
    if asked & {"fig2", "fig3"}:
        for training in synthetic.TRAININGS:
            yield Stage(synthetic.trials(scope, training), synthetic.material(scope))
    if "ablation" in asked:
        yield from (Stage(trials, mnist.material(scope)) for trials in ablation.trials(scope).values())
    if "table1" in asked:
        for n_samples in (1, 10):
            for name in ("table1-annealed", "table1-exact", "table1-exact-random"):
                yield from table(name, n_samples)
        yield Stage(mnist.trials(scope, mnist.PAPER, Cell(1, 1)), mnist.material(scope))


def spend(items: Collection[str], scope: Scope, hours: float) -> list[Finding]:
    """Fit what items need until the budget is spent, and write those of which enough is finished.

    Finished fits are kept and interrupted ones go on, here and in every later call with the same scope. A fit that
    diverges is left out. ValueError if another process is at work in the same folder.
    """
    timed = scope._replace(deadline=monotonic() + _SECONDS_PER_HOUR * hours)
    with locked(scope.runs / ".budget.lock"):
        try:
            for stage in stages(items, timed):
                try:
                    timed.outcomes(stage.trials, stage.material)
                except DivergedError as error:
                    scope.note(f"{stage.material.name}: {error}")
            if "table1" in items:
                other_methods.table(timed, mnist.material(timed))
        except BudgetSpentError:
            scope.note("The budget is spent; the same command goes on from here.")
        return reproduce(items, scope._replace(deadline=math.inf, kept_only=True))
