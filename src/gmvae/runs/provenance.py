"""How a run came about, for its report: the command that repeats it, versions and the seed."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Mapping
from typing import Any

from gmvae.config import Config
from gmvae.data.options import TableOptions
from gmvae.report.contents import Provenance
from gmvae.runs.folder import RunFolder
from gmvae.runs.record import RunRecord, read_json

_OPTIONS = {"n_components": "-k", "max_iter": "--epochs", "random_state": "--seed"}
_LEFT_OUT = {"device", "verbose", "warm_start"}
"""Hyperparameters that do not change what is found, or that the command line does not have."""


def provenance(folder: RunFolder) -> Provenance:
    """How the fit in a run folder came about; nothing is known where the folder has no record."""
    record = folder.read_record()
    if record is None or not folder.config.is_file():
        return Provenance()
    parameters = {**read_json(folder.config), "random_state": record.seed}
    return Provenance(
        command=command(record, parameters),
        found=parameters.get("n_components") == "auto",
        seed=record.seed,
        versions=record.versions,
    )


def command(record: RunRecord, parameters: Mapping[str, Any]) -> str:
    """The command that repeats a fit: its source, and all that is not the default."""
    defaults = {field.name: field.default for field in dataclasses.fields(Config)}
    typed = ["gmvae", "fit", record.source]
    if record.labels is not None:
        typed += ["--labels", record.labels]
    typed += TableOptions.from_document(record.table).arguments()
    if record.data_home is not None:
        typed += ["--data-home", record.data_home]
    for name, value in parameters.items():
        plain = tuple(value) if isinstance(value, list) else value
        default = 0 if name == "random_state" else defaults.get(name)
        if name in _LEFT_OUT or plain == default:
            continue
        text = _typed(plain)
        typed += [_OPTIONS[name], text] if name in _OPTIONS else ["--set", f"{name}={text}"]
    return shlex.join(typed)


def _typed(value: Any) -> str:
    """A value as ``--set`` reads it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return ",".join(f"{name}={each}" for name, each in value.items())
    if isinstance(value, tuple):
        return ",".join(map(str, value))
    return str(value)
