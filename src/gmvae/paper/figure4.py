"""Figure 4: accuracy on the MNIST test images against the epoch."""

from __future__ import annotations

import numpy as np

from gmvae import figures
from gmvae.paper import mnist
from gmvae.paper.findings import Finding, Table
from gmvae.paper.scope import Scope

_STARTED, _RANDOM = "starting clusters", "random start"


def run(scope: Scope) -> Finding:
    """Fit the runs of Table 1, and draw their accuracy after every epoch."""
    size, material = mnist.SIZES[scope.scale], mnist.material(scope)
    started, random = (
        scope.outcomes(mnist.trials(scope, size.cells, changes), material)
        for changes in (mnist.PAPER_STARTED, mnist.PAPER)
    )
    groups = {
        (name, cell): mnist.of_cell(outcomes, cell)
        for name, outcomes in ((_STARTED, started), (_RANDOM, random))
        for cell in size.cells
    }
    curves, rows, last = {}, [], {}
    for (start, cell), group in groups.items():
        found = [mnist.curve(outcome) for outcome in group]
        epochs = [entry["epoch"] for entry in found[0]]
        exemplar = 100 * np.mean([[entry["accuracy_exemplar"] for entry in curve] for curve in found], axis=0)
        curves[f"K = {cell.K}, M = {cell.M}, {start}"] = (epochs, exemplar / 100)
        rows += [[start, *cell, epoch, value] for epoch, value in zip(epochs, exemplar.tolist(), strict=True)]
        last[start, cell] = float(exemplar[-1])
    single = [cell for cell in size.cells if cell.M == 1]
    fewest, most = min(single), max(single)
    finding = Finding(
        item="fig4",
        title="Figure 4: MNIST test accuracy against the epoch",
        paper="more components give a higher accuracy, and few epochs suffice.",
        ours=f"after {size.epochs} of the paper's 100 epochs, with the paper's training from starting clusters, "
        f"{last[_STARTED, most]:.2f}% with K = {most.K} and {last[_STARTED, fewest]:.2f}% with K = {fewest.K}, both "
        f"with M = 1; from a random start {last[_RANDOM, most]:.2f}% and {last[_RANDOM, fewest]:.2f}%.",
        verdict="reproduced" if last[_STARTED, most] > last[_STARTED, fewest] else "not reached",
        tables=[Table("fig4", "Mean exemplar accuracy in per cent", ("start", "K", "M", "epoch", "accuracy"), rows)],
        run=scope.run([*started, *random]),
    )
    panel = figures.accuracy_curves(curves)
    panel.set_title("MNIST test images, exemplar protocol")
    finding.draw(scope.out, "fig4", panel, "Accuracy under the exemplar protocol after every epoch, mean over runs.")
    return finding
