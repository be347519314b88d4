"""Table 1: accuracy of unsupervised classification on MNIST, beside the paper's and other methods'."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvae.paper import mnist, others
from gmvae.paper.findings import Finding, Table, Verdict, spread
from gmvae.paper.mnist import Cell
from gmvae.paper.quoted import OTHERS, TABLE_1, Quoted
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Outcome

_MEASURES = {
    "Hungarian": "accuracy_hungarian",
    "majority": "accuracy_majority",
    "NMI": "nmi",
    "ARI": "ari",
}

_TITLES = {
    "table1": "GMVAE, the paper's training from starting clusters, accuracies of the test images in per cent",
    "table1-annealed": "The same with a learning rate that rises to the paper's and falls to nothing (one-cycle)",
    "table1-random": "The paper's training from a random start, as published",
    "table1-exact": "The same network under the exact bound, with learning rate 1e-3, from starting clusters",
    "table1-exact-random": "The same from a random start",
}


def run(scope: Scope) -> Finding:
    """Fit the settings of the table that the scale allows, and the methods beside them."""
    size, material = mnist.SIZES[scope.scale], mnist.material(scope)
    fitted = {
        "table1": scope.outcomes(mnist.trials(scope, size.cells, mnist.PAPER_STARTED), material),
        "table1-annealed": scope.outcomes(mnist.trials(scope, size.cells, mnist.PAPER_ANNEALED), material),
        "table1-random": scope.outcomes(mnist.trials(scope, size.cells, mnist.PAPER), material),
        "table1-exact": scope.outcomes(mnist.trials(scope, size.cells, mnist.STARTED), material),
        "table1-exact-random": scope.outcomes(mnist.trials(scope, [mnist.FIRST], mnist.EXACT), material),
    }
    groups = {
        name: {cell: found for cell in size.cells if (found := mnist.of_cell(outcomes, cell))}
        for name, outcomes in fitted.items()
    }
    means = {
        name: {cell: 100 * float(np.mean(_exemplar(found))) for cell, found in group.items()}
        for name, group in groups.items()
    }
    return Finding(
        item="table1",
        title="Table 1: accuracy on MNIST, exemplar protocol",
        paper="; ".join(f"K = {cell.K}, M = {cell.M}: {_quoted(TABLE_1[cell])}" for cell in size.cells) + " (quoted).",
        ours="; ".join(
            f"K = {cell.K}, M = {cell.M}: {mean:.2f} ({mean - (TABLE_1[cell].mean or 0):+.2f})"
            for cell, mean in means["table1"].items()
        )
        + " with the paper's training from starting clusters. K = 10, M = 1 from a random start: "
        f"{means['table1-random'][mnist.FIRST]:.2f}; from starting clusters with a falling learning rate "
        f"{means['table1-annealed'][mnist.FIRST]:.2f}; under the exact bound {means['table1-exact'][mnist.FIRST]:.2f}, "
        f"from a random start {means['table1-exact-random'][mnist.FIRST]:.2f}. "
        f"{size.epochs} of the paper's 100 epochs, {len(scope.seeds_or(size.n_seeds))} of its 10 runs.",
        verdict=_verdict(means["table1"]),
        tables=[
            *(_ours(group, name) for name, group in groups.items()),
            others.table(scope, material),
            _quotes(),
        ],
        notes=[
            "Exemplar protocol: each cluster is named after the test image with the highest p(z|y), found by log-odds, "
            "because many probabilities round to 1.",
            "Starting clusters are found without labels: `init='neighbours'`. The paper starts at random.",
            "More components than classes flatter every accuracy but the Hungarian.",
            f"log p(y): importance-weighted, {material.n_importance_samples} samples, first {material.n_scored:,} "
            "test images.",
            "`gmvae reproduce table1 --full` runs all six settings with ten seeds for 100 epochs; finished runs are "
            "kept and interrupted ones go on.",
        ],
        run=scope.run([outcome for group in fitted.values() for outcome in group]),
    )


def _exemplar(outcomes: Sequence[Outcome]) -> list[float]:
    return [outcome.measures["accuracy_exemplar"] for outcome in outcomes]


def _verdict(means: dict[Cell, float]) -> Verdict:
    reached = [mean >= (TABLE_1[cell].mean or 0) for cell, mean in means.items()]
    return "better" if all(reached) and len(reached) == len(TABLE_1) else "in part" if any(reached) else "not reached"


def _quoted(value: Quoted) -> str:
    return f"{value.mean:.2f} ± {value.deviation:.2f}, best {value.best:.2f}"


def _ours(by_cell: dict[Cell, list[Outcome]], name: str) -> Table:
    ours = ("best", "mean", *_MEASURES, "bound", "log p(y)", "z-prior", "used")
    columns = ("K", "M", "runs", "paper: best, mean", *ours)
    rows: list[list[Any]] = []
    for cell, outcomes in by_cell.items():
        quoted, exemplar = TABLE_1[cell], [100 * value for value in _exemplar(outcomes)]

        def over(name: str, factor: float = 1.0, outcomes: list[Outcome] = outcomes) -> str:
            return spread([factor * outcome.measures[name] for outcome in outcomes])

        rows.append(
            [cell.K, cell.M, len(outcomes), f"{quoted.best:.2f}, {quoted.mean:.2f} ± {quoted.deviation:.2f}"]
            + [f"{max(exemplar):.2f}", spread(exemplar)]
            + [over(name, 100.0 if title in ("Hungarian", "majority") else 1.0) for title, name in _MEASURES.items()]
            + [over("bound"), over("log_likelihood"), over("z_prior"), over("n_components_used")]
        )
    return Table(name, _TITLES[name], columns, rows)


def _quotes() -> Table:
    rows = [
        [name, quoted.best, None if quoted.mean is None else f"{quoted.mean:.2f} ± {quoted.deviation:.2f}"]
        for name, quoted in OTHERS.items()
    ]
    return Table("table1-quoted", "What the paper quotes of others, in per cent", ("method", "best", "mean"), rows)
