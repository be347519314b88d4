"""From options to hyperparameters: presets, options of their own, and ``--set name=value`` for all of them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from contextlib import suppress
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from gmvae.config import Config
from gmvae.presets import preset

_TYPES = get_type_hints(Config)


def settings(
    name_of_preset: str | None, options: Mapping[str, tuple[str, str | None]], assignments: Sequence[str]
) -> dict[str, Any]:
    """The hyperparameters that the user chose, checked; options and assignments override the preset.

    ``options`` holds, by hyperparameter, the option that sets it and its value as typed, None where it was left out;
    ``assignments`` are ``name=value``. ValueError if a name is unknown, or named twice.
    """
    chosen = {name: value_of(name, text) for name, (_, text) in options.items() if text is not None}
    for assignment in assignments:
        name, sign, text = assignment.partition("=")
        name = name.strip()
        if not sign:
            raise ValueError(f"`--set` must be name=value; got {assignment!r}.")
        if name not in _TYPES:
            close = difflib.get_close_matches(name, _TYPES, n=3, cutoff=0.5)
            hint = f"did you mean {' or '.join(close)}?" if close else f"they are {', '.join(_TYPES)}."
            raise ValueError(f"`--set` must name a hyperparameter; got {name!r}: {hint}")
        if name in chosen:
            option = f"`{options[name][0]}` and `--set`" if name in options else "`--set`"
            raise ValueError(f"`{name}` must be set once; got it more than once by {option}.")
        chosen[name] = value_of(name, text.strip())
    gathered = {**(preset(name_of_preset) if name_of_preset is not None else {}), **chosen}
    Config(**gathered)
    return gathered


def value_of(name: str, text: str) -> Any:
    """Read a hyperparameter's value by its type, such as ``1e-3``, ``None``, ``256,128`` or ``visits=poisson``.

    What fits no type stays text, and `Config` refuses it by name.
    """
    kind = _TYPES[name]
    kinds = get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)
    if text.lower() == "none" and (type(None) in kinds or Any in kinds):
        return None
    try:
        if "=" in text and any(get_origin(each) is Mapping for each in kinds):
            return {key.strip(): value.strip() for key, _, value in (part.partition("=") for part in text.split(","))}
        if any(get_origin(each) is tuple for each in kinds):
            return tuple(int(part) for part in text.strip("()[] ").split(",") if part.strip())
        if bool in kinds:
            return {"true": True, "false": False}[text.lower()]
    except (ValueError, KeyError):
        return text
    for number in (int, float):
        if number in kinds or (Any in kinds and number is int):
            with suppress(ValueError):
                return number(text)
    return text
