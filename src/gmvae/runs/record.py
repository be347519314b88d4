"""The record of a run: where its data came from and what computed it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

from gmvae.version import __version__

_LIBRARIES = ("torch", "numpy", "scikit-learn")


@dataclass(frozen=True)
class RunRecord:
    """Where a run's data came from, kept as ``run.json`` beside the ``config.json`` of its hyperparameters.

    ``seed`` is as given; ``config.json`` has the one that was drawn where none was. ``table`` is what was said of how
    to read a table, ``columns`` the kind of each of its columns, ``notes`` what the reader said of it; earlier versions
    wrote none of these.
    """

    source: str
    labels: str | None
    data_home: str | None
    seed: int | None
    shape: list[int]
    feature_names: list[str] | None
    versions: dict[str, str]
    table: dict[str, object] = field(default_factory=dict)
    columns: dict[str, str] | None = None
    notes: list[str] = field(default_factory=list)


def _is_of(kind: Any, value: Any) -> bool:
    """Whether a value out of a JSON file has the type of a field of `RunRecord`."""
    origin, inner = get_origin(kind), get_args(kind)
    if origin is UnionType:
        return any(_is_of(each, value) for each in inner)
    if origin is None:
        return isinstance(value, kind)
    values = value.values() if isinstance(value, dict) else value
    return isinstance(value, origin) and all(_is_of(inner[-1], each) for each in values)


def read_record(path: Path) -> RunRecord:
    """Read ``run.json``; ValueError if it is not what `RunFolder.write_record` wrote."""
    document = read_json(path)
    kinds = get_type_hints(RunRecord)
    needed = {each.name for each in fields(RunRecord)} - {"table", "columns", "notes"}
    known = needed <= document.keys() <= kinds.keys()
    if not known or not all(_is_of(kinds[name], value) for name, value in document.items()):
        raise ValueError(f"{path} must be the record of a run; got other fields: start the run anew.")
    return RunRecord(**document)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what comes out."""
    return {"python": python_version(), "gmvae": __version__, **{name: version(name) for name in _LIBRARIES}}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ValueError if the file holds something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a JSON file; got: {error}: start the run anew.") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} must hold a JSON object; got {type(document).__name__}: start the run anew.")
    return document
