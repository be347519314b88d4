"""What a run folder holds, and who may write to it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from gmvae.atomic import TEMPORARY, locked, write_text
from gmvae.formats import ANNDATA, ARCHIVE, ARRAY, IMAGES, TABLES, without_ending
from gmvae.runs.record import RunRecord, read_json, read_record

_LOCK = ".run.lock"


class RunFolder:
    """Paths of a run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.record = path / "run.json"
        self.model = path / "model.safetensors"
        self.config = path / "config.json"  # hyperparameters that the run began with
        self.history = path / "history.csv"  # a row per epoch of the restart at work, at last of the best
        self.start = path / "start.parquet"  # starting cluster of every observation
        self.assignments = path / "assignments.parquet"  # cluster and probabilities of every observation
        self.parts = path / "assignments"  # the same of a source that is read in parts, a file for each of its files
        self.report = path / "report.html"  # and report.json beside it
        self.names = path / "names.json"  # of the clusters, where they were given some
        self.figures = path / "figures"
        self.checkpoints = path / "checkpoints"  # one for each restart, until the run is complete
        self.tensorboard = path / "tensorboard"  # a folder of events for each restart

    @property
    def resume_command(self) -> str:
        return f"gmvae fit -o {shlex.quote(str(self.path))} --resume"

    @property
    def complete(self) -> bool:
        return self.model.is_file() and not self.checkpoints.exists()

    @property
    def has_checkpoint(self) -> bool:
        return any(self.checkpoints.glob("*.safetensors"))

    def finish(self) -> None:
        """Complete the run, whose checkpoints nobody needs any more: at once, however long it takes to remove them."""
        removed = self.path / f"{TEMPORARY}{self.checkpoints.name}"
        self.checkpoints.rename(removed)
        shutil.rmtree(removed)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the folder for this process; ValueError if another is at work in it."""
        return locked(self.path / _LOCK)

    def write_record(self, record: RunRecord) -> None:
        write_text(self.record, json.dumps(dataclasses.asdict(record), indent=2) + "\n")

    def read_record(self) -> RunRecord | None:
        return read_record(self.record) if self.record.is_file() else None

    def write_names(self, names: Sequence[str]) -> None:
        write_text(self.names, json.dumps({"names": list(names)}, indent=2, ensure_ascii=False) + "\n")

    def read_names(self, K: int) -> list[str] | None:
        """Names that the K clusters of the run were given; None where there are none, or no run.

        ValueError if they cannot be read.
        """
        if not self.record.is_file() or not self.names.is_file():
            return None
        names = read_json(self.names).get("names")
        if not isinstance(names, list) or len(names) != K or not all(isinstance(name, str) for name in names):
            raise ValueError(f"{self.names} must hold {K} names of clusters; got something else: delete it.")
        return names


def model_file(run: Path) -> Path:
    """The model of a run folder, or the file itself if one is named; ValueError, which says why, if there is none."""
    folder = RunFolder(run)
    if run.is_file():
        if run.name.lower().endswith((*TABLES, ARRAY, ARCHIVE, ANNDATA, *IMAGES)):
            raise ValueError(f"`RUN` must be a run folder or a model file; got data, {run}: the run comes first.")
        return run
    if not run.is_dir():
        raise ValueError(f"`RUN` must be a run folder or a model file; {str(run)!r} does not exist: check the name.")
    if folder.model.is_file():
        return folder.model
    if folder.config.is_file():
        raise ValueError(f"{run} must be complete; it is not: go on with `{folder.resume_command}`.")
    raise ValueError(f"{run} must be a run folder; it has no model.safetensors: name one that `gmvae fit` made.")


@contextmanager
def new_run(out: Path | None, source: str, n_components: int | str) -> Iterator[RunFolder]:
    """Make the folder of a new run; take it away again if the block fails before training has left a checkpoint.

    It is ``out``, to be missing or empty; by default ``runs/<source>-k<K>``, numbered if that exists.
    """
    path = out if out is not None else Path("runs") / "new"
    missing = [folder for folder in (path, *path.parents) if not folder.exists()]  # innermost first
    if out is None:
        folder = RunFolder(_make_numbered(Path("runs") / f"{name_of(source)}-k{n_components}"))
    else:
        refuse_file(out)
        out.mkdir(parents=True, exist_ok=True)
        folder = RunFolder(out)
    begun = False
    try:
        with folder.locked():
            _require_empty(folder.path)
            try:
                yield folder
            finally:
                begun = folder.has_checkpoint or folder.complete
                if not begun:
                    _empty(folder.path)
    finally:
        for made in [] if begun else [folder.path, *missing] if out is None else missing:
            with suppress(OSError):  # somebody else's by now
                made.rmdir()


def name_of(source: str) -> str:
    """The name of a source for a folder.

    Examples
    --------
    >>> name_of("data/pendigits.npz:X_train")
    'pendigits-X_train'
    """
    name = Path(source).name or Path(source).resolve().name
    return re.sub(r"[^\w.-]+", "-", without_ending(name)).strip(".-") or "data"


def refuse_file(path: Path) -> None:
    """ValueError where a file stands in the place of a folder for results."""
    if path.exists() and not path.is_dir():
        raise ValueError(f"`-o` must be a folder; got the file {path}: choose another name.")


def _require_empty(path: Path) -> None:
    """Refuse a folder that holds more than a killed run leaves before it has written its parameters."""
    if any(entry.name not in (_LOCK, "run.json") and not entry.name.startswith(TEMPORARY) for entry in path.iterdir()):
        raise ValueError(
            f"`-o` must be a new or empty folder; {path} is not empty: choose another, or pass `--resume` to go on "
            "with the run in it."
        )


def _make_numbered(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        numbered = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            numbered.mkdir()
            return numbered
        except FileExistsError:
            number += 1


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name != _LOCK:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
