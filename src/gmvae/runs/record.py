"""The record of a run: where its data came from and what computed it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from platform import python_version
from typing import Any

_LIBRARIES = ("gmvae", "torch", "numpy", "scikit-learn")


@dataclass(frozen=True)
class Record:
    """Where a run's data came from, kept as ``run.json`` beside the ``config.json`` of its hyperparameters.

    ``seed`` is as given; ``config.json`` has the one that was drawn where none was.
    """

    source: str
    labels: str | None
    data_home: str | None
    seed: int | None
    shape: list[int]
    feature_names: list[str] | None
    versions: dict[str, str]


def _are_texts(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


_LAWS: dict[str, Callable[[Any], bool]] = {
    "source": lambda value: isinstance(value, str),
    "labels": lambda value: value is None or isinstance(value, str),
    "data_home": lambda value: value is None or isinstance(value, str),
    "seed": lambda value: value is None or isinstance(value, int),
    "shape": lambda value: isinstance(value, list) and all(isinstance(size, int) for size in value),
    "feature_names": lambda value: value is None or _are_texts(value),
    "versions": lambda value: isinstance(value, dict) and _are_texts(list(value.values())),
}


def read_record(path: Path) -> Record:
    """Read ``run.json``; ValueError if it is not what `RunFolder.write_record` wrote."""
    document = read_json(path)
    if document.keys() != _LAWS.keys() or not all(law(document[name]) for name, law in _LAWS.items()):
        raise ValueError(f"{path} must be the record of a run; got other fields: start the run anew.")
    return Record(**document)


def versions() -> dict[str, str]:
    """Versions of Python and of the libraries that decide what comes out."""
    return {"python": python_version(), **{name: version(name) for name in _LIBRARIES}}


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object; ValueError if the file holds something else."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{path} must be a JSON file; got: {error}.") from error
    if not isinstance(document, dict):
        raise ValueError(f"{path} must hold a JSON object; got {type(document).__name__}.")
    return document
