"""``gmvae info``: what a run folder holds."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

from gmvae.cli.app import app
from gmvae.cli.options import Json, RunArgument
from gmvae.cli.speech import show, show_json
from gmvae.runs.folder import RunFolder, model_file
from gmvae.runs.record import read_json


@app.command(help="Show what was fitted, how far, and what came of it.", epilog="Example: gmvae info runs/digits")
def info(run: RunArgument, as_json: Json = False) -> None:
    """Show what was fitted."""
    document = describe(run)
    if as_json:
        show_json(document)
        return
    config = document.pop("config")
    rows = [(name.replace("_", " "), _words(value)) for name, value in document.items() if value is not None]
    show([*rows, *((f"  {name}", value) for name, value in config.items())])


def describe(run: Path) -> dict[str, Any]:
    """What is known about a run, complete or not, or about a model file, as JSON; None where nothing is known."""
    folder = RunFolder(run)
    begun = folder.config.is_file() and not folder.model.is_file()
    of_fit = _unfinished(folder) if begun else _finished(model_file(run))
    record = RunFolder(run if run.is_dir() else run.parent).read_record()
    return {
        "run": str(run),
        "source": None if record is None else record.source,
        "labels": None if record is None else record.labels,
        "seed": None if record is None else record.seed,
        "data_shape": None if record is None else record.shape,
        **of_fit,
        "versions": None if record is None else record.versions,
        "config": of_fit["config"],
    }


def _unfinished(folder: RunFolder) -> dict[str, Any]:
    epochs = _epochs(folder.history) if folder.history.is_file() else []
    return {
        "complete": False,
        "go_on_with": folder.resume_command,
        "epochs": len(epochs),
        "lower_bound_held_out": epochs[-1] if epochs else None,
        "config": read_json(folder.config),
    }


def _epochs(history: Path) -> list[float]:
    try:
        with history.open(newline="", encoding="utf-8") as file:
            return [float(row["lower_bound_held_out"]) for row in csv.DictReader(file)]
    except (KeyError, TypeError, ValueError, csv.Error) as error:
        raise ValueError(
            f"{history} must be the history of a run, one row per epoch; it cannot be read: start the run anew."
        ) from error


def _finished(model: Path) -> dict[str, Any]:
    from gmvae.fitted.document import read_document
    from gmvae.report.summary import summary

    document = read_document(model)
    folder, known = RunFolder(model.parent), summary(document)
    assigned = [path for path in (folder.assignments, *sorted(folder.parts.glob("part-*.parquet"))) if path.is_file()]
    sizes = [_sizes(path, known["n_components"]) for path in assigned]
    return {
        "complete": not folder.checkpoints.exists(),
        **known,
        "cluster_names": folder.read_names(known["n_components"]),
        "cluster_sizes": [sum(each) for each in zip(*sizes, strict=True)] if sizes else None,
        "cluster_shares": document["weights"],
        "config": document["parameters"],
    }


def _sizes(assignments: Path, n_components: int) -> list[int]:
    import numpy as np
    from pyarrow import ArrowException, parquet

    try:
        labels = parquet.read_table(assignments, columns=["label"]).column("label").to_numpy()
        return [int(np.count_nonzero(labels == k)) for k in range(n_components)]
    except (ArrowException, KeyError, OSError) as error:
        raise ValueError(f"{assignments} must hold the clusters of a run; it cannot be read: predict anew.") from error


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} {_words(each)}" for name, each in value.items())
    if isinstance(value, list):
        return " ".join(_words(each) for each in value)
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
