"""Figure 4: accuracy on the MNIST test images against the epoch."""

from __future__ import annotations

import numpy as np

from gmvae import figures
from gmvae.experiments import mnist
from gmvae.experiments.findings import Finding, Table
from gmvae.experiments.scope import Scope


def run(scope: Scope) -> Finding:
    """Fit what Table 1 needs, and draw how it came about."""
    size, material = mnist.SIZES[scope.scale], mnist.material(scope)
    outcomes = scope.outcomes(mnist.trials(scope, size.cells), material)
    exact = scope.outcomes(mnist.trials(scope, [mnist.FIRST], mnist.EXACT), material)
    groups = {("paper", cell): mnist.of_cell(outcomes, cell) for cell in size.cells} | {("exact", mnist.FIRST): exact}
    curves, rows, last = {}, [], {}
    for (bound, cell), group in groups.items():
        found = [mnist.curve(outcome) for outcome in group]
        epochs = [entry["epoch"] for entry in found[0]]
        exemplar = 100 * np.mean([[entry["accuracy_exemplar"] for entry in curve] for curve in found], axis=0)
        curves[f"K = {cell.K}, M = {cell.M}, {bound} bound"] = (epochs, exemplar / 100)
        rows += [[bound, *cell, epoch, value] for epoch, value in zip(epochs, exemplar.tolist(), strict=True)]
        last[bound, cell] = float(exemplar[-1])
    single = [cell for cell in size.cells if cell.M == 1]
    fewest, most = min(single), max(single)
    finding = Finding(
        item="fig4",
        title="Figure 4: MNIST test accuracy against the epoch",
        paper="more components give a higher accuracy, and few epochs suffice.",
        ours=f"after {size.epochs} of the paper's 100 epochs {last['paper', most]:.2f}% with K = {most.K} and "
        f"{last['paper', fewest]:.2f}% with K = {fewest.K}, both with M = 1; under the exact bound, learning rate "
        f"1e-3, {last['exact', mnist.FIRST]:.2f}% with K = {mnist.FIRST.K}.",
        verdict="reproduced" if last["paper", most] > last["paper", fewest] else "not reached",
        tables=[Table("fig4", "Mean exemplar accuracy in per cent", ("bound", "K", "M", "epoch", "accuracy"), rows)],
        run=scope.run([*outcomes, *exact]),
    )
    panel = figures.accuracy_curves(curves)
    panel.set_title("MNIST test images, exemplar protocol")
    finding.draw(scope.out, "fig4", panel, "Accuracy under the exemplar protocol after every epoch, mean over runs.")
    return finding
