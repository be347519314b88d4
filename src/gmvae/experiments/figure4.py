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
    curves, rows = {}, []
    for cell in size.cells:
        found = [mnist.curve(outcome) for outcome in mnist.of_cell(outcomes, cell)]
        epochs = [entry["epoch"] for entry in found[0]]
        exemplar = np.mean([[entry["accuracy_exemplar"] for entry in curve] for curve in found], axis=0)
        curves[f"K = {cell.K}, M = {cell.M}"] = (epochs, exemplar)
        rows += [[*cell, epoch, 100 * accuracy] for epoch, accuracy in zip(epochs, exemplar.tolist(), strict=True)]
    last = {cell: 100 * float(curve[-1]) for cell, (_, curve) in zip(size.cells, curves.values(), strict=True)}
    single = [cell for cell in size.cells if cell.M == 1]
    fewest, most = min(single), max(single)
    finding = Finding(
        item="fig4",
        title="Figure 4: MNIST test accuracy against the epoch",
        paper="more components give a higher accuracy, and few epochs suffice.",
        ours=f"after {size.epochs} epochs {last[most]:.2f}% with K = {most.K} and {last[fewest]:.2f}% with "
        f"K = {fewest.K}, both with M = 1.",
        verdict="reproduced" if last[most] > last[fewest] else "not reached",
        tables=[Table("fig4", "Mean exemplar accuracy in per cent", ("K", "M", "epoch", "accuracy"), rows)],
        run=scope.run(outcomes),
    )
    panel = figures.accuracy_curves(curves)
    panel.set_title("MNIST test images, exemplar protocol")
    finding.draw(scope.out, "fig4", panel, "Accuracy under the exemplar protocol after every epoch, mean over runs.")
    return finding
