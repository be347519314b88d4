"""Figure 4: accuracy on the MNIST test images against the epoch."""

from __future__ import annotations

import numpy as np

from gmvae import figures
from gmvae.paper import mnist
from gmvae.paper.findings import Finding, Table, draw
from gmvae.paper.scope import Scope


def run(scope: Scope) -> Finding:
    """Fit the runs of Table 1, and draw their accuracy after every epoch."""
    starts = {"starting clusters": mnist.PAPER_STARTED, "random start": mnist.PAPER}
    runs = {start: mnist.outcomes(scope, changes) for start, changes in starts.items()}
    curves, rows = {}, []
    for start, by_cell in runs.items():
        for cell, outcomes in by_cell.items():
            found = [mnist.curve(outcome.folder) for outcome in outcomes]
            epochs = [entry["epoch"] for entry in found[0]]
            exemplar = np.mean([[entry["accuracy_exemplar"] for entry in curve] for curve in found], axis=0)
            curves[f"K = {cell.K}, M = {cell.M}, {start}"] = (epochs, exemplar)
            rows += [[start, *cell, epoch, 100 * value] for epoch, value in zip(epochs, exemplar.tolist(), strict=True)]
    last = {(start, *cell): accuracy for start, *cell, _, accuracy in rows}
    single = [cell for cell in runs["random start"] if cell.M == 1]
    fewest, most = min(single), max(single)
    (started, started_fewest), (random, random_fewest) = (
        [last[start, *cell] for cell in (most, fewest)] for start in starts
    )
    panel = figures.accuracy_curves(curves)
    panel.set_title("MNIST test images, exemplar protocol")
    caption = "Accuracy under the exemplar protocol after every epoch, mean over runs."
    return Finding(
        item="fig4",
        title="Figure 4: MNIST test accuracy against the epoch",
        paper="more components give a higher accuracy, and few epochs suffice.",
        ours=f"after {mnist.SIZES[scope.scale].epochs} of the paper's 100 epochs, with the paper's training from "
        f"starting clusters, {started:.2f}% with K = {most.K} and {started_fewest:.2f}% with K = {fewest.K}, both "
        f"with M = 1; from a random start {random:.2f}% and {random_fewest:.2f}%.",
        verdict="reproduced" if started > started_fewest else "not reached",
        tables=[Table("fig4", "Mean exemplar accuracy in per cent", ("start", "K", "M", "epoch", "accuracy"), rows)],
        figures=draw(scope.out, "fig4", panel, caption),
        run=scope.run(outcome for by_cell in runs.values() for group in by_cell.values() for outcome in group),
    )
