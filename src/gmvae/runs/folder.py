"""What a run folder holds, and who may write to it."""

from __future__ import annotations

import dataclasses
import json
import re
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from gmvae.atomic import TEMPORARY, alone, write_text
from gmvae.runs.record import Record, read_record

_LOCK = ".run.lock"


@dataclass(frozen=True)
class RunFolder:
    """Paths of a run."""

    path: Path

    @property
    def model(self) -> Path:
        """The fitted model."""
        return self.path / "model.safetensors"

    @property
    def config(self) -> Path:
        """Hyperparameters that the run began with."""
        return self.path / "config.json"

    @property
    def history(self) -> Path:
        """One row per epoch of the restart at work, at last of the best; there once an epoch has ended."""
        return self.path / "history.csv"

    @property
    def start(self) -> Path:
        """Starting cluster of every observation."""
        return self.path / "start.parquet"

    @property
    def assignments(self) -> Path:
        """Cluster and probabilities of every observation."""
        return self.path / "assignments.parquet"

    @property
    def figures(self) -> Path:
        """Folder of the figures."""
        return self.path / "figures"

    @property
    def checkpoints(self) -> Path:
        """Folder of the checkpoints, one for each restart, until the run is complete."""
        return self.path / "checkpoints"

    @property
    def tensorboard(self) -> Path:
        """Folder of TensorBoard events, one for each restart."""
        return self.path / "tensorboard"

    @property
    def resume_command(self) -> str:
        """What to type to go on."""
        return f"gmvae fit -o {shlex.quote(str(self.path))} --resume"

    @property
    def complete(self) -> bool:
        """Whether everything has been written."""
        return self.model.is_file() and not self.checkpoints.exists()

    @property
    def has_checkpoint(self) -> bool:
        """Whether there is anything to go on from."""
        return any(self.checkpoints.glob("*.safetensors"))

    def finish(self) -> None:
        """Complete the run, whose checkpoints nobody needs any more: at once, however long it takes to remove them."""
        removed = self.path / f"{TEMPORARY}{self.checkpoints.name}"
        self.checkpoints.rename(removed)
        shutil.rmtree(removed)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Hold the folder for one process.

        Raises
        ------
        ValueError
            If another process is at work in it.
        """
        with alone(self.path / _LOCK):
            yield

    def write_record(self, record: Record) -> None:
        """Write ``run.json``."""
        write_text(self.path / "run.json", json.dumps(dataclasses.asdict(record), indent=2) + "\n")

    def read_record(self) -> Record | None:
        """Read ``run.json``; None if there is none.

        Raises
        ------
        ValueError
            If it is not what `write_record` wrote.
        """
        path = self.path / "run.json"
        return read_record(path) if path.is_file() else None


def model_file(run: Path) -> Path:
    """Return the model of a run folder, or the file itself if one is named.

    Raises
    ------
    ValueError
        If there is none; it says why.
    """
    folder = RunFolder(run)
    if run.is_file():
        return run
    if not run.is_dir():
        raise ValueError(f"`RUN` must be a run folder or a model file; {str(run)!r} does not exist.")
    if folder.model.is_file():
        return folder.model
    if folder.config.is_file():
        raise ValueError(f"{run} must be complete; it is not: go on with `{folder.resume_command}`.")
    raise ValueError(f"{run} must be a run folder; it has no model.safetensors.")


@contextmanager
def new_run(out: Path | None, source: str, n_components: int | str) -> Iterator[RunFolder]:
    """Make the folder of a new run; take it away again if the block fails before training has left a checkpoint.

    Parameters
    ----------
    out : Path, optional
        The folder, to be missing or empty; by default ``runs/<source>-k<K>``, numbered if that exists.
    source : str
        The source of the data.
    n_components : int or "auto"
        K.
    """
    missing = _missing_folders(out if out is not None else Path("runs") / "new")
    folder = _claim(out) if out is not None else _claim_numbered(Path("runs") / f"{name_of(source)}-k{n_components}")
    begun = False
    try:
        with folder.alone():
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
    """Return a source's name for a folder: ``digits``, ``pendigits-X_train``.

    Examples
    --------
    >>> name_of("data/pendigits.npz:X_train")
    'pendigits-X_train'
    """
    name = Path(source).name or Path(source).resolve().name
    name = re.sub(r"\.(npy|npz|csv|csv\.gz|parquet|idx|gz)(?=:|$)", "", name, flags=re.IGNORECASE)
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "data"


def _claim(path: Path) -> RunFolder:
    if path.exists() and not path.is_dir():
        raise ValueError(f"`-o` must be a folder; got the file {path}: choose another name.")
    path.mkdir(parents=True, exist_ok=True)
    return RunFolder(path)


def _require_empty(path: Path) -> None:
    """Refuse a folder that holds more than a killed run leaves before it has written its parameters."""
    if any(entry.name not in (_LOCK, "run.json") and not entry.name.startswith(TEMPORARY) for entry in path.iterdir()):
        raise ValueError(
            f"`-o` must be a new or empty folder; {path} is not empty: choose another, or pass `--resume` to go on "
            "with the run in it."
        )


def _claim_numbered(path: Path) -> RunFolder:
    path.parent.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        numbered = path if number == 1 else path.with_name(f"{path.name}-{number}")
        try:
            numbered.mkdir()
            return RunFolder(numbered)
        except FileExistsError:
            number += 1


def _missing_folders(path: Path) -> list[Path]:
    """The folder and those above it that are yet to be made, innermost first."""
    return [folder for folder in (path, *path.parents) if not folder.exists()]


def _empty(folder: Path) -> None:
    for entry in folder.iterdir():
        if entry.name != _LOCK:
            shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()
