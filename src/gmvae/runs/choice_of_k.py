"""Compare numbers of clusters of a source in a folder, as `gmvae choose-k` does: written after every step."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np

from gmvae.atomic import write_text
from gmvae.config import Config
from gmvae.data.sources import Source
from gmvae.data.writers import write_table
from gmvae.device import device_for
from gmvae.figures import choice_of_k, save
from gmvae.fitted.document import parameters
from gmvae.fitting.choice_of_k import Candidate, Choice, Fits, choose_k
from gmvae.initialisation.n_clusters import Criteria
from gmvae.runs.folder import name_of, refuse_file
from gmvae.runs.record import read_json, versions
from gmvae.runs.source_data import checked_observations, kinds_of
from gmvae.training.processes import join_processes, local_rank

_NAME = "choose-k"
_FREE = {"n_components", "random_state", "device", "verbose"}
"""Settings that decide nothing, or that have a place of their own."""
_CRITERIA = ("stability", "stability_error", "separation", "score")


class Comparison(NamedTuple):
    """Numbers of clusters side by side, and the folder with a table, a plot and a JSON document of them.

    ``document`` has all criteria and bounds, and the source, settings, seeds and versions that they were found with.
    """

    path: Path
    choice: Choice
    document: dict[str, Any]

    def file(self, ending: str) -> Path:
        return self.path / f"{_NAME}.{ending}"

    @property
    def table(self) -> dict[str, list[Any]]:
        """Columns with one entry for each number of clusters; None where nothing is known."""
        rows = [_row(each) for each in self.choice.candidates]
        return {name: [row[name] for row in rows] for name in rows[0]}

    def write(self) -> None:
        """Write all three files, each whole or not at all."""
        write_text(self.file("json"), json.dumps(self.document, indent=2) + "\n")
        table = self.table
        write_table(self.file("csv"), list(table), [[np.array(values, dtype=object) for values in table.values()]])
        columns = {
            name: [float("nan") if value is None else value for value in values] for name, values in table.items()
        }
        held_out = self.document["settings"]["validation_fraction"] > 0
        save(choice_of_k(columns, self.choice.n_components, held_out=held_out), self.file("png"))


def choose(
    source: Source,
    numbers: Sequence[int],
    chosen: dict[str, Any],
    *,
    out: Path | None,
    n_fits: int,
    on_step: Callable[[Choice, Candidate | None], object],
    tell: Callable[[str], object],
) -> Comparison:
    """Compare numbers of clusters, and those that the folder already holds; all files are written after each step.

    Processes that a launcher has started divide the fits; the first reads and writes the folder.

    ``on_step`` is that of `gmvae.choose_k`; ``tell`` gets sentences on the data. ValueError if the folder holds a
    comparison of other data or settings.
    """
    path = out or Path("runs") / f"{name_of(source.name)}-{_NAME}"
    config = Config(**chosen)
    data = source.load(config)
    if data.shards is not None:
        raise ValueError(f"`SOURCE` must be read into memory to choose k; {data.name} is read in parts: name one part.")
    for sentence in (*data.notes, *kinds_of(data)):
        tell(sentence)
    observations = checked_observations(data, "auto")
    seed = chosen["random_state"]
    conditions = {
        "source": source.name,
        "labels": source.labels,
        "shape": list(data.X.shape),
        "checksum": observations.checksum(),
        "seed": seed,
        "fits": n_fits,
        "settings": {name: value for name, value in parameters(config).items() if name not in _FREE},
    }
    processes = join_processes(device_for(config.device, local_rank()))
    known = processes.from_first(lambda: _known(path, conditions))
    about = {"table": source.table.document(), "seeds": list(range(seed, seed + n_fits)), "versions": versions()}

    def comparison(choice: Choice) -> Comparison:
        return Comparison(path, choice, {**conditions, **about, **_found(choice)})

    def step(choice: Choice, done: Candidate | None) -> None:
        if processes.first:
            comparison(choice).write()
        on_step(choice, done)

    numbers = sorted({*numbers, *(each.n_components for each in known)})
    return comparison(choose_k(observations, config, numbers, n_fits=n_fits, known=known, on_step=step))


def _row(candidate: Candidate) -> dict[str, Any]:
    criteria, fits = candidate.criteria, candidate.fits
    return {
        "n_components": candidate.n_components,
        **{name: criteria and getattr(criteria, name) for name in _CRITERIA},
        "agreement": fits and fits.agreement,
        "lower_bound_mean": fits and fmean(fits.lower_bounds),
        "lower_bound_worst": fits and min(fits.lower_bounds),
        "lower_bound_best": fits and max(fits.lower_bounds),
        "n_components_effective": fits and fmean(fits.n_components_effective),
        "n_converged": fits and fits.n_converged,
        "seconds": fits and fits.seconds,
    }


def _found(choice: Choice) -> dict[str, Any]:
    return {
        "n_components": choice.n_components,
        "candidates": [
            {
                "n_components": each.n_components,
                "criteria": each.criteria and {**each.criteria._asdict(), "score": each.criteria.score},
                "fits": each.fits and each.fits._asdict(),
            }
            for each in choice.candidates
        ],
    }


def _known(path: Path, conditions: dict[str, Any]) -> list[Candidate]:
    """What the folder holds of the same data and settings; ValueError if it holds something else."""
    refuse_file(path)
    file = path / f"{_NAME}.json"
    if not file.is_file():
        if path.is_dir() and any(path.iterdir()):
            raise ValueError(
                f"`-o` must be a new or empty folder, or one that `gmvae choose-k` made; {path} is neither: choose "
                "another."
            )
        return []
    document = read_json(file)
    try:
        then = {**document["settings"], **{name: document[name] for name in conditions if name != "settings"}}
        found = [_candidate(each) for each in document["candidates"]]
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{file} must be what `gmvae choose-k` wrote; it is not: choose another folder.") from error
    for name, value in {**conditions["settings"], **conditions}.items():
        if name not in ("settings", "source") and then.get(name) != value:
            raise ValueError(
                f"`{name}` must be as in {file}, {then.get(name)!r}; got {value!r}: set it back, or choose another "
                "folder by `-o`."
            )
    return found


def _candidate(entry: dict[str, Any]) -> Candidate:
    known = entry["criteria" if "criteria" in entry else "evidence"]  # as versions before 0.3 named it
    found = known and Criteria(**{name: known[name] for name in Criteria._fields})
    return Candidate(entry["n_components"], found, entry["fits"] and Fits(**entry["fits"]))
