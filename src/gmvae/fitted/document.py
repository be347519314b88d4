"""The document of a model file: what it says of its fit, held to what can be true, because files come from anywhere.

Nothing here needs PyTorch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, get_args

import numpy as np

from gmvae import persistence
from gmvae.config import Config, LikelihoodName
from gmvae.data.columns import Columns
from gmvae.history import History, is_number
from gmvae.persistence import ModelFileError, broken

CUSTOM_NETWORK = "custom"

Law = Callable[[Any], bool]


def parameters(config: Config) -> dict[str, Any]:
    """Hyperparameters as JSON values; modules and generators, which have none, by name or as null."""
    values = dict(vars(config))
    if not isinstance(config.network, str):
        values["network"] = CUSTOM_NETWORK
    if isinstance(config.random_state, np.random.RandomState):
        values["random_state"] = None
    return {name: _plain(value) for name, value in values.items()}


def read_document(path: str | Path) -> dict[str, Any]:
    """Read and check the document of a model file, without its weights."""
    document = persistence.read_document(path, "model")
    check(path, document)
    return document


def check(path: str | Path, document: Mapping[str, Any]) -> None:
    """ModelFileError, which names the entry, if one is missing or cannot be what a fit has left."""
    parameters = document.get("parameters")
    n_components = parameters.get("n_components") if isinstance(parameters, dict) else None
    if not (_is_count(n_components) and isinstance(parameters, dict) and _is_count(parameters.get("style_dim"))):
        raise broken(path, "model", "`parameters` in it are not those of a fit")
    for name, law in _LAWS.items():
        if document.get(name) is None and name in _ENTRIES and _ENTRIES[name].optional:
            continue
        if not law(document.get(name)):
            raise broken(path, "model", f"`{name}` in it is {_short(document.get(name))}")
    n_features = math.prod(document["event_shape"])
    names, columns = document.get("feature_names_in"), document.get("columns")
    sizes = document.get("held_out_sizes")
    for name, holds in (
        ("weights", len(document["weights"]) == n_components),
        ("classes", not document.get("classes") or len(document["classes"]) == n_components),
        ("n_features_in", document["n_features_in"] == n_features),
        ("feature_names_in", names is None or len(names) == n_features),
        ("held_out_sizes", sizes is None or len(sizes) == len(document.get("held_out_log_likelihoods") or [])),
        ("columns", columns is None or len(columns["columns"]) == n_features),
    ):
        if not holds:
            raise broken(path, "model", f"`{name}` in it does not fit its other sizes")


def config_of(path: str | Path, parameters: Mapping[str, Any], network: Any) -> Config:
    """The hyperparameters of a file, with modules of the user's own where it was fitted with such.

    ModelFileError if they cannot be those of a fit, or the modules are missing.
    """
    if parameters.get("network") == CUSTOM_NETWORK:
        if network is None:
            raise ModelFileError(
                f"`network` must be the pair (encoder, decoder) that {str(path)!r} was fitted with; got None: pass it."
            )
        parameters = {**parameters, "network": network}
    try:
        return Config(**parameters)
    except (TypeError, ValueError, OverflowError) as error:
        raise broken(path, "model", f"its parameters are refused: {error}") from error


def entries_of(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Fitted` as JSON values, by the names that they have in a document."""
    values = {name: fields[entry.field or name] for name, entry in _ENTRIES.items()}
    return {name: None if value is None else _ENTRIES[name].write(value) for name, value in values.items()}


def fields_of(document: Mapping[str, Any]) -> dict[str, Any]:
    """Fields of `Fitted` from a checked document, but for its model, hyperparameters and event shape."""
    held = {name: entry for name, entry in _ENTRIES.items() if document.get(name) is not None}
    fields = {entry.field or name: entry.read(document[name]) for name, entry in held.items()}
    return {**fields, "classes": fields.get("classes") or [None] * document["parameters"]["n_components"]}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple | list):
        return [_plain(each) for each in value]
    return value.item() if isinstance(value, np.generic) else value


def _is_whole(value: Any) -> bool:
    return is_number(value) and isinstance(value, int)


def _is_count(value: Any) -> bool:
    return _is_whole(value) and value >= 1


def _is_text(value: Any) -> bool:
    return isinstance(value, str)


def _all(law: Law) -> Law:
    return lambda values: isinstance(values, list) and all(map(law, values))


def _taken_by(read: Callable[[Any], object]) -> Law:
    """Whether a function takes a value, or refuses it by a ValueError."""

    def law(value: Any) -> bool:
        try:
            read(value)
        except ValueError:
            return False
        return True

    return law


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}…"


class _Entry(NamedTuple):
    """An entry that is a field of `Fitted`: what it may be, and how it becomes JSON values and back."""

    law: Law
    optional: bool = False  # whether it may be null or, in earlier files, missing
    write: Callable[[Any], Any] = lambda value: value
    read: Callable[[Any], Any] = lambda value: value
    field: str | None = None  # name of the field where it is another


def _array(law: Law, *, optional: bool = False) -> _Entry:
    return _Entry(_all(law), optional, np.ndarray.tolist, np.array)


_ENTRIES: Mapping[str, _Entry] = {
    "feature_names_in": _Entry(_all(_is_text), optional=True, field="feature_names"),
    "classes": _Entry(_all(lambda name: name is None or _is_text(name) or _is_whole(name)), optional=True),
    "columns": _Entry(_taken_by(Columns.from_document), True, Columns.document, Columns.from_document),
    "history": _Entry(_taken_by(History.from_rows), write=History.rows, read=History.from_rows),
    "converged": _Entry(lambda value: isinstance(value, bool)),
    "lower_bound": _Entry(is_number),
    "restart_bounds": _Entry(_all(is_number)),
    "stability": _Entry(is_number, optional=True, write=lambda value: None if math.isnan(value) else value),
    "weights": _array(is_number),
    "n_components_effective": _Entry(is_number),
    "held_out_log_likelihoods": _array(is_number, optional=True),
    "batches": _Entry(_all(_is_text), optional=True),
    "held_out_sizes": _array(lambda size: is_number(size) and size > 0.0, optional=True),
}
_LAWS: Mapping[str, Law] = {
    "likelihood": lambda value: value == "mixed" or (value != "auto" and value in get_args(LikelihoodName)),
    "event_shape": lambda value: _all(_is_count)(value) and len(value) in (1, 3),
    "n_features_in": _is_count,
    **{name: entry.law for name, entry in _ENTRIES.items()},
}
