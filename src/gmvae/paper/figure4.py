"""Figure 4: accuracy on the MNIST test images against the epoch."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean

from gmvae import figures
from gmvae.paper import mnist
from gmvae.paper.findings import MIN_RUNS, Finding, Table, draw, judge
from gmvae.paper.scope import Scope, UnfinishedError
from gmvae.paper.trials import Outcome

_PAPERS = "a random start"


def run(scope: Scope) -> Finding:
    """Fit the runs of Table 1, and draw their accuracy after every epoch; those from the paper's start are judged."""
    starts = {_PAPERS: mnist.PAPER, "starting clusters": mnist.PAPER_STARTED}
    runs = {start: found for start, changes in starts.items() if (found := mnist.outcomes(scope, changes))}
    if not runs:
        raise UnfinishedError("no fit is finished")
    curves, rows, told, judged = {}, [], [], [False]
    for start, by_cell in runs.items():
        last = {}
        for cell, outcomes in by_cell.items():
            epochs, exemplar = _mean_curve(outcomes)
            curves[f"K = {cell.K}, M = {cell.M}, {start}"] = (epochs, exemplar)
            rows += [(start, *cell, epoch, 100 * value) for epoch, value in zip(epochs, exemplar, strict=True)]
            last[cell] = exemplar[-1]
        single = [cell for cell in by_cell if cell.M == 1]
        fewest, most = min(single), max(single)
        shown = " and ".join(f"{last[cell]:.2%} with K = {cell.K}" for cell in dict.fromkeys((most, fewest)))
        n_runs = min(map(len, by_cell.values()))
        told.append(f"from {start} {shown} ({n_runs} of the paper's 10 runs)")
        if start == _PAPERS:
            judged = [last[most] > last[fewest], n_runs >= MIN_RUNS]
    panel = figures.accuracy_curves(curves)
    panel.set_title("MNIST test images, exemplar protocol")
    caption = "Accuracy under the exemplar protocol after every epoch, mean over runs."
    return Finding(
        item="fig4",
        title="Figure 4: MNIST test accuracy against the epoch",
        paper="more components give a higher accuracy, and few epochs suffice.",
        ours=f"after {mnist.SIZES[scope.scale].epochs} of the paper's 100 epochs, with the paper's training and M = 1, "
        f"{'; '.join(told)}.",
        verdict=judge(judged),
        tables=[Table("fig4", "Mean exemplar accuracy in per cent", ("start", "K", "M", "epoch", "accuracy"), rows)],
        figures=draw(scope.out, "fig4", panel, caption),
        run=scope.run(*(outcomes for by_cell in runs.values() for outcomes in by_cell.values())),
    )


def _mean_curve(outcomes: Sequence[Outcome]) -> tuple[list[int], list[float]]:
    """Epochs that are known of all trials, and the mean of their exemplar accuracies there."""
    found = [
        {entry["epoch"]: entry["accuracy_exemplar"] for entry in mnist.curve(outcome.folder)} for outcome in outcomes
    ]
    epochs = sorted(set.intersection(*(set(curve) for curve in found)))
    return epochs, [fmean(curve[epoch] for curve in found) for epoch in epochs]
