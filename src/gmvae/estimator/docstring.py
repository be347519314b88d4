"""The parameter table of the estimator's docstring, made from the fields of `Config`."""

from __future__ import annotations

import dataclasses
import textwrap
from typing import TypeVar

from gmvae.config import Config

_Class = TypeVar("_Class", bound=type)
_PLACE = "{parameters}"
_WIDTH = 116


def with_parameters(cls: _Class) -> _Class:
    """Put the table in place of ``{parameters}`` in a class's docstring."""
    if cls.__doc__ is not None:  # as under `python -OO`
        cls.__doc__ = cls.__doc__.replace(_PLACE, textwrap.indent(parameter_table(), "    ").lstrip())
    return cls


def parameter_table() -> str:
    """Every hyperparameter as numpydoc writes it: name, type and default, then its help and its symbol."""
    lines: list[str] = []
    for field in dataclasses.fields(Config):
        domain, symbol = field.metadata["domain"], field.metadata["symbol"]
        default = f'"{field.default}"' if isinstance(field.default, str) else repr(field.default)
        text = field.metadata["help"] + (f" {symbol} in the paper." if symbol else "")
        lines.append(f"{field.name} : {domain.type}, default={default}")
        lines.append(textwrap.indent(textwrap.fill(text, _WIDTH - 4, break_on_hyphens=False), "    "))
    return "\n".join(lines)
