"""From a plan to a complete run folder: a new run, or an interrupted one that goes on."""

from __future__ import annotations

import time
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any, NamedTuple

from gmvae.atomic import sweep
from gmvae.cli.run_folder import Record, RunFolder, new_run, read_json
from gmvae.cli.settings import FIELDS
from gmvae.cli.speech import interrupted, note
from gmvae.cli.tables import write_table
from gmvae.config import Config
from gmvae.data import Dataset, load
from gmvae.estimator import GMVAE
from gmvae.metrics import Scores, evaluate
from gmvae.paper.model_figures import draw_run

_SEED = 0
"""A seed by default, so that a run can be repeated."""

_LIBRARIES = ("gmvae", "torch", "numpy", "scikit-learn")


class Plan(NamedTuple):
    """What the user asked for: where the data are, where the run goes, and the hyperparameters chosen."""

    source: str | None
    labels: str | None
    data_home: Path | None
    out: Path | None
    chosen: dict[str, Any]


class Outcome(NamedTuple):
    """A complete run."""

    folder: RunFolder
    record: Record
    data: Dataset
    estimator: GMVAE
    seconds: float
    scores: Scores | None
    figures: list[Path]


def fit_anew(plan: Plan) -> Outcome:
    """Fit in a new run folder, of which nothing stays if training does not begin.

    Raises
    ------
    ValueError
        If the source, the labels, the folder or a hyperparameter cannot be used.
    """
    if plan.source is None:
        raise ValueError("`SOURCE` must be given, a file, a folder or a built-in set; only `--resume` does without.")
    parameters = {"random_state": _SEED, **plan.chosen}
    n_components = parameters.get("n_components", Config.n_components)
    with new_run(plan.out, plan.source, n_components) as folder:
        data = load(plan.source, labels=plan.labels, data_home=plan.data_home)
        record = Record(
            source=plan.source,
            labels=plan.labels,
            data_home=None if plan.data_home is None else str(plan.data_home),
            seed=parameters["random_state"],
            shape=list(data.X.shape),
            feature_names=None if data.feature_names is None else list(data.feature_names),
            versions={"python": python_version(), **{name: version(name) for name in _LIBRARIES}},
        )
        folder.write_record(record)
        return _train(folder, record, data, parameters, resume=False)


def go_on(plan: Plan) -> Outcome:
    """Go on with an interrupted run: data, labels and hyperparameters are those it remembers, unless given again.

    Raises
    ------
    ValueError
        If there is no such run, or the data or a hyperparameter differ from those it began with.
    """
    if plan.out is None:
        raise ValueError("`--resume` must be given with `-o RUN`, the run to go on with.")
    folder = RunFolder(plan.out)
    if not folder.path.is_dir():
        raise ValueError(f"`-o` must be a run that `gmvae fit` began; {plan.out} is no folder: drop `--resume`.")
    with folder.alone():
        return _go_on(folder, plan)


def _go_on(folder: RunFolder, plan: Plan) -> Outcome:
    record = folder.read_record()
    if record is None or not folder.config.is_file():
        raise ValueError(
            f"`-o` must be a run that `gmvae fit` began; {plan.out} lacks run.json or config.json: drop `--resume`."
        )
    link = next((path for path in folder.path.rglob("*") if path.is_symlink()), None)
    if link is not None:
        raise ValueError(f"`-o` must hold no symbolic links to resume; got {link}: put what it leads to in its place.")
    if plan.chosen.get("random_state", record.seed) != record.seed:
        raise ValueError(
            f"`--seed` must be as in the run to resume, {record.seed}; got {plan.chosen['random_state']}: leave it out."
        )
    home = plan.data_home or (None if record.data_home is None else Path(record.data_home))
    data = load(plan.source or record.source, labels=plan.labels or record.labels, data_home=home)
    if list(data.X.shape) != record.shape:
        raise ValueError(
            f"The data must be those the run began with, of shape {tuple(record.shape)}; {data.name} has shape "
            f"{data.X.shape}: name the right source or start a new run."
        )
    parameters = {**read_json(folder.config), **plan.chosen, "random_state": record.seed}
    unknown = parameters.keys() - FIELDS
    if unknown:
        raise ValueError(f"{folder.config} must hold hyperparameters; got {min(unknown)!r} too: start the run anew.")
    sweep(folder.figures)
    return _train(folder, record, data, parameters, resume=True)


def _train(folder: RunFolder, record: Record, data: Dataset, parameters: dict[str, Any], *, resume: bool) -> Outcome:
    started = time.perf_counter()
    try:
        estimator = GMVAE(**parameters).fit(data.X, run_dir=folder.path, resume=resume)
        seconds = time.perf_counter() - started
        proba = estimator.predict_proba(data.X)
        estimator.save(folder.model)
        names = ["label", *(f"p_{k}" for k in range(estimator.n_components_))]
        write_table(folder.assignments, names, [[proba.argmax(axis=1), *proba.T]])
        figures = draw_run(estimator, data.X, proba, folder.figures, data.labels)
        scores = None if data.labels is None else evaluate(data.labels, proba, estimator.predict_log_odds(data.X))
        folder.finish()
    except KeyboardInterrupt as signal:
        if not (folder.has_checkpoint or folder.complete):
            raise
        interrupted(signal, f"Interrupted; go on with: {folder.resume_command}")
    except OSError:
        if folder.has_checkpoint:
            note(f"The epochs so far are kept; go on with: {folder.resume_command}")
        raise
    return Outcome(folder, record, data, estimator, seconds, scores, figures)
