"""Fit a source into a run folder, as `gmvae fit` does: a new run, or an interrupted one that goes on."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmvae.atomic import sweep
from gmvae.config import Config
from gmvae.data import Dataset
from gmvae.data.options import TableOptions
from gmvae.data.sources import Source, exists
from gmvae.data.writers import write_table
from gmvae.device import device_for
from gmvae.fitted.fitted import Fitted
from gmvae.fitting.fit import fit
from gmvae.fitting.restarts import SeededFit
from gmvae.metrics import Scores, evaluate
from gmvae.observations import Observations
from gmvae.report.figures import draw_run
from gmvae.report.page import report
from gmvae.runs.assignments import as_columns, cluster_outputs, names_of, write_parts
from gmvae.runs.checkpoints import seeded_fit_in
from gmvae.runs.folder import RunFolder, new_run
from gmvae.runs.provenance import provenance
from gmvae.runs.record import RunRecord, read_json, versions
from gmvae.runs.source_data import checked_observations, kinds_of, row_ids
from gmvae.shards import Shards
from gmvae.training.processes import Processes, join_processes, local_rank, restarted

_SEED = 0
"""A seed by default, so that a run can be repeated."""


class FitRequest(NamedTuple):
    """What the user asked for."""

    source: str | None  # as `gmvae.data.load` takes it, and labels; a run to resume remembers both
    labels: str | None
    data_home: Path | None  # folder of the built-in sets
    out: Path | None  # the run folder
    chosen: dict[str, Any]  # hyperparameters that are not to have their defaults
    table: TableOptions  # how a table is read
    tell: Callable[[str], object]  # gets sentences on the data, before the training
    report: bool  # whether one is written


class FitInputs(NamedTuple):
    """What every process of a fit needs; the first sends it to the others."""

    source: Source
    config: Config
    parts: Path | None = None  # where assignments go of a source that is read in parts


class FinishedRun(NamedTuple):
    """A complete run.

    ``config`` is what was asked for, as ``n_components="auto"``; ``fitted.config`` has the numbers that were found.
    ``seconds`` are those of the fit, without figures and report; ``scores`` are None without labels.
    """

    folder: RunFolder
    record: RunRecord
    data: Dataset
    config: Config
    fitted: Fitted
    seconds: float
    scores: Scores | None
    figures: list[Path]
    report: Path | None


def fit_new_run(request: FitRequest) -> FinishedRun:
    """Fit in a new run folder, of which nothing stays if training does not begin.

    Processes that torchrun has started anew go on with what they had begun.
    """
    if restarted() and request.out is not None and RunFolder(request.out).has_checkpoint:
        return resume_run(request)
    if request.source is None:
        raise ValueError("`SOURCE` must be given, a file, a folder or a built-in set; only `--resume` does without.")
    config = Config(**{"random_state": _SEED, **request.chosen})
    source = Source(request.source, request.labels, request.data_home, request.table)
    if not exists(request.source):
        source.load(config)  # says so, before a run folder of the same name would be taken for it
    with new_run(request.out, request.source, config.n_components) as folder:
        data = source.load(config)
        record = RunRecord(
            source=request.source,
            labels=request.labels,
            data_home=None if request.data_home is None else str(request.data_home),
            seed=config.random_state,
            shape=list(data.shape),
            feature_names=None if data.feature_names is None else list(data.feature_names),
            versions=versions(),
            table=request.table.document(),
            columns=None if data.columns is None else {column.name: column.kind for column in data.columns},
            notes=list(data.notes),
        )
        folder.write_record(record)
        return _fit_and_write(folder, record, data, FitInputs(source, config), request, resume=False)


def resume_run(request: FitRequest) -> FinishedRun:
    """Go on with an interrupted run: data, labels and hyperparameters are those it remembers, unless given again.

    ValueError if there is no such run, or the data or a hyperparameter differ from those it began with.
    """
    if request.out is None:
        raise ValueError("`--resume` must be given with `-o RUN`, the run to go on with.")
    folder = RunFolder(request.out)
    if not folder.path.is_dir():
        raise ValueError(f"`-o` must be a run that `gmvae fit` began; {request.out} is no folder: drop `--resume`.")
    with folder.locked():
        return _resume(folder, request)


def _resume(folder: RunFolder, request: FitRequest) -> FinishedRun:
    record = folder.read_record()
    if record is None or not folder.config.is_file():
        raise ValueError(
            f"`-o` must be a run that `gmvae fit` began; {request.out} lacks run.json or config.json: drop `--resume`."
        )
    link = next((path for path in folder.path.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise ValueError(f"`-o` must hold no symbolic links to resume; got {link}: put what it leads to in its place.")
    if request.chosen.get("random_state", record.seed) != record.seed:
        raise ValueError(
            f"`--seed` must be as in the run to resume, {record.seed}; got {request.chosen['random_state']}: leave it "
            "out."
        )
    home = request.data_home or (None if record.data_home is None else Path(record.data_home))
    options = request.table.or_else(TableOptions.from_document(record.table))
    name, labels = request.source or record.source, request.labels or record.labels
    parameters = {**read_json(folder.config), **request.chosen, "random_state": record.seed}
    unknown = parameters.keys() - {field.name for field in fields(Config)}
    if unknown:
        raise ValueError(f"{folder.config} must hold hyperparameters; got {min(unknown)!r} too: start the run anew.")
    inputs = FitInputs(Source(name, labels, home, options), Config(**parameters))
    data = inputs.source.load(inputs.config)
    if list(data.shape) != record.shape:
        raise ValueError(
            f"The data must be those the run began with, of shape {tuple(record.shape)}; {data.name} has shape "
            f"{data.shape}: name the right source or start a new run."
        )
    sweep(folder.figures)
    return _fit_and_write(folder, record, data, inputs, request, resume=True)


def take_part(device: str) -> None:
    """Fit as one of several processes but the first, which keeps the run folder and sends the `FitInputs`."""
    processes = join_processes(device_for(device, local_rank()))
    source, config, parts = processes.from_first(_not_called)
    with processes.agreed():
        data = source.load(config, in_parts=parts is not None)
        observations = checked_observations(data, config.n_components)
    (found,) = fit(observations, config, [SeededFit(seed=0)])  # the first process's seed counts
    if data.shards is not None and parts is not None:
        _write_parts(data.shards, found.fitted, parts, source.table.id, processes)


def _not_called() -> FitInputs:
    raise AssertionError("only the first process has the inputs")


def _fit_and_write(
    folder: RunFolder,
    record: RunRecord,
    data: Dataset,
    inputs: FitInputs,
    request: FitRequest,
    *,
    resume: bool,
) -> FinishedRun:
    """Fit, write model, assignments, figures and report, and remove checkpoints; an interruption says how to go on."""
    started = time.perf_counter()
    source, config, _ = inputs
    try:
        device = device_for(config.device, local_rank())
        observations = checked_observations(data, config.n_components)
        processes = join_processes(device)
        if data.shards is not None:
            inputs = inputs._replace(parts=folder.parts)
            folder.parts.mkdir(exist_ok=True)
            sweep(folder.parts)
        processes.from_first(lambda: inputs)  # sends it: the others wait for it in `take_part`
        with processes.agreed():  # and until all have read the data
            pass
        for sentence in () if resume else (*data.notes, *kinds_of(data)):
            request.tell(sentence)
        ((fitted, proba),) = fit(observations, config, [seeded_fit_in(folder, observations, config, resume=resume)])
        seconds = time.perf_counter() - started
        fitted = replace(fitted, batches=data.batches)
        fitted.save(folder.model)
        _write_assignments(folder, data, fitted, proba, source.table.id, processes)
        figures = draw_run(fitted, observations.y, proba, folder.figures, data.labels)
        scores = None if data.labels is None else _scores(data.labels, fitted, proba, observations)
        written = _write_report(folder, data, fitted, proba) if request.report else None
        folder.finish()
        return FinishedRun(folder, record, data, config, fitted, seconds, scores, figures, written)
    except (KeyboardInterrupt, OSError) as error:
        if folder.has_checkpoint or folder.complete:
            error.add_note(f"go on with: {folder.resume_command}")
        raise


def _write_assignments(
    folder: RunFolder, data: Dataset, fitted: Fitted, proba: np.ndarray, id: str | None, processes: Processes
) -> None:
    """The cluster and the probabilities of every row; of a source in parts, a file for each of its files."""
    if data.shards is not None:
        _write_parts(data.shards, fitted, folder.parts, id, processes)
        return
    outputs = cluster_outputs(fitted)
    names, answers = names_of(outputs), as_columns([output.of(data.X, proba) for output in outputs])
    ids = row_ids(data, names)
    write_table(folder.assignments, [ids.name, *names], [[ids.values, *answers]])


def _write_report(folder: RunFolder, data: Dataset, fitted: Fitted, proba: np.ndarray) -> Path:
    """The report, its map by principal components, which are quicker than UMAP."""
    names = folder.read_names(fitted.config.K)  # of a run that was complete, and is resumed
    page = report(fitted, data, proba=proba, provenance=provenance(folder), names=names, umap=False)
    return page.write_html(folder.report)


def _write_parts(shards: Shards, fitted: Fitted, folder: Path, id: str | None, processes: Processes) -> None:
    """A file for each of the source's, of which every process writes its share; it returns when all are there."""
    files = [file.path for file in shards.files]
    with processes.agreed():
        write_parts(fitted, files, cluster_outputs(fitted), folder, processes=processes, id=id, classes=shards.classes)


def _scores(labels: np.ndarray, fitted: Fitted, proba: np.ndarray, observations: Observations) -> Scores | None:
    """Scores on the rows whose label the fit did not know; None without such rows."""
    known = observations.label
    others = np.ones(len(labels), dtype=bool) if known is None else known < 0
    if not others.any():
        return None
    return evaluate(labels[others], proba[others], fitted.log_odds(observations.y)[others])
