"""``gmvae fit``: the options of a fit."""

from __future__ import annotations

import math
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae.cli.app import app
from gmvae.cli.hyperparameters import chooses_hyperparameters
from gmvae.cli.options import (
    SOURCE_HELP,
    DataHome,
    Json,
    Labels,
    PartialLabels,
    Quiet,
    Weights,
    hyperparameter,
    output,
)
from gmvae.cli.processes import start_processes, take_part_quietly
from gmvae.cli.speech import interrupted, note, show, show_json, show_next
from gmvae.cli.table_options import reads_table
from gmvae.runs.folder import RunFolder

if TYPE_CHECKING:
    from gmvae.runs.fit_source import FinishedRun


@app.command(
    help="Learn clusters, and write a run folder: the model, assignments.parquet, history.csv, figures, "
    "report.html and TensorBoard events. The same data, settings and seed give the same result.",
    epilog="Example: gmvae fit digits -k 10 -o runs/digits --set hidden_layer_sizes=256,128",
)
@reads_table
@chooses_hyperparameters
def fit(
    source: Annotated[
        str | None, typer.Argument(metavar="SOURCE", help=f"{SOURCE_HELP} With --resume the run remembers it.")
    ] = None,
    n_components: Annotated[str | None, hyperparameter("n_components", "K", "--n-components", "-k")] = None,
    out: Annotated[Path | None, output("RUN", "The run folder.", "runs/<source>-k<K>")] = None,
    labels: Labels = None,
    table: Any = None,
    weights: Weights = None,
    partial_labels: PartialLabels = None,
    hyperparameters: Any = None,
    seed: Annotated[
        str | None,
        typer.Option(
            metavar="N|None",
            help="Everything random follows from it, so that a run can be repeated; None draws one.",
            show_default="0",
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="Fit in N processes, one for each GPU: short for torchrun --nproc-per-node N -m gmvae fit.",
            show_default="1",
        ),
    ] = None,
    report: Annotated[
        bool, typer.Option("--report/--no-report", help="Whether to write report.html, a page to look at and to send.")
    ] = True,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the interrupted run in -o RUN.")] = False,
    data_home: DataHome = None,
    as_json: Json = False,
    quiet: Quiet = False,
) -> None:
    """Learn clusters."""
    from gmvae.training.processes import processes_here

    here = processes_here()
    if resume and out is not None and RunFolder(out).complete:
        if here.first:
            note(f"{out} is complete; nothing is left to do.")
            if as_json:
                from gmvae.cli.info import describe

                show_json(describe(out))
        return
    if devices is not None and devices > 1 and not here.several:
        start_processes(devices)
    if not here.first:
        take_part_quietly(hyperparameters.device or "auto")
        return
    asked = hyperparameters.settings(n_components=("-k", n_components), random_state=("--seed", seed))
    chosen = {"verbose": 0 if quiet else 1, **asked}

    from gmvae.runs.fit_source import FitRequest, fit_new_run, resume_run

    table = table._replace(weights=weights, partial_labels=partial_labels)
    request = FitRequest(source, labels, data_home, out, chosen, table, (lambda _: None) if quiet else note, report)
    try:
        finished = resume_run(request) if resume else fit_new_run(request)
    except KeyboardInterrupt as signal:
        for said in getattr(signal, "__notes__", []):
            interrupted(signal, f"Interrupted; {said}")
        interrupted(signal, "Interrupted before the first epoch had ended; there is nothing to go on from.")
    except OSError as error:
        for said in getattr(error, "__notes__", []):
            note(f"The epochs so far are kept; {said}")
        raise
    show_json(_document(finished)) if as_json else _show(finished)


def _document(finished: FinishedRun) -> dict[str, Any]:
    from gmvae.report.summary import summary

    return {
        "run": str(finished.folder.path),
        "model": str(finished.folder.model),
        "n": finished.data.shape[0],
        "shape": list(finished.data.shape),
        **summary(finished.fitted.document),
        "seconds": finished.seconds,
        "scores": None if finished.scores is None else finished.scores._asdict(),
        "figures": [str(path) for path in finished.figures],
        "report": None if finished.report is None else str(finished.report),
    }


def _show(finished: FinishedRun) -> None:
    fitted, run = finished.fitted, shlex.quote(str(finished.folder.path))
    scores = {} if finished.scores is None else finished.scores._asdict()
    best = fitted.history.best
    show(
        [
            ("run folder", finished.folder.path),
            *([("report", finished.report)] if finished.report is not None else []),
            ("epochs", f"{len(fitted.history.epochs)}, {'converged' if fitted.converged else 'not converged'}"),
            ("held-out bound", f"{fitted.lower_bound:.3f} nats per observation"),
            *([("classes", _named(fitted.classes))] if any(name is not None for name in fitted.classes) else []),
            *([("clusters found", fitted.config.K)] if finished.config.n_components == "auto" else []),
            ("effective clusters", f"{fitted.n_components_effective:.1f} of {fitted.config.K}"),
            ("information", f"{best.information:.2f} nats about a row, of at most {math.log(fitted.config.K):.2f}"),
            ("agreement", f"{best.agreement:.1%} of rows keep their cluster when the latents are drawn"),
            *([("stability", f"{fitted.stability:.3f}")] if not math.isnan(fitted.stability) else []),
            ("seconds", f"{finished.seconds:.1f}"),
            *((name, value if isinstance(value, int) else f"{value:.4f}") for name, value in scores.items()),
        ]
    )
    if scores:
        note("The labels are used for evaluation only; they never reach the training.")
    images = len(fitted.event_shape) == 3
    ending = ".csv" if finished.data.shards is None else ""
    show_next(
        [
            f"gmvae info {run}",
            f"gmvae predict {run} {shlex.quote(finished.record.source)} --proba -o {run}/clusters{ending}",
            f"gmvae sample {run} {'--mean ' if images else ''}-o {run}/samples.{'png' if images else 'csv'}",
            f"tensorboard --logdir {run}/tensorboard",
        ]
    )


def _named(classes: Sequence[int | str | None]) -> str:
    """Which cluster is which class."""
    return ", ".join(f"{name} is cluster {k}" for k, name in enumerate(classes) if name is not None)
