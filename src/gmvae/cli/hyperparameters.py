"""Options that choose hyperparameters, for every command that fits."""

from __future__ import annotations

from typing import Annotated, Any, get_args

import typer

from gmvae.cli.option_groups import takes
from gmvae.cli.options import hyperparameter
from gmvae.cli.settings import settings
from gmvae.config import Precision
from gmvae.presets import PRESETS

_PRECISIONS = get_args(Precision)
_OWN = {
    "max_iter": ("--epochs", "N|auto", ""),
    "device": ("--device", "DEVICE", ""),
    "precision": ("--precision", "NAME", f" {', '.join(_PRECISIONS[:-1])} or {_PRECISIONS[-1]}."),
    "size_factors": ("--size-factors", "COLUMN|total|none", " Of cells a column is one of obs."),
    "covariate": ("--covariate", "COLUMN", " Of cells a column is one of obs, with names."),
}
"""Hyperparameters that have an option of their own: the option, its value in the help, and what the help adds."""
_OPTIONS: dict[str, Any] = {
    "preset": Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Settings of the paper: {', '.join(PRESETS)}. Other options override them."),
    ],
    **{
        name: Annotated[str | None, hyperparameter(name, metavar, option, more=more)]
        for name, (option, metavar, more) in _OWN.items()
    },
    "assignments": Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any hyperparameter, such as min_information=0.5 or hidden_layer_sizes=256,128; may be repeated.",
        ),
    ],
}


class Hyperparameters:
    """What was typed; None where an option was left out."""

    def __init__(self, preset: str | None, assignments: list[str] | None, **typed: str | None) -> None:
        self.preset, self.assignments, self.typed = preset, assignments or [], typed

    @property
    def device(self) -> str | None:
        return self.typed["device"]

    def settings(self, **own: tuple[str, str | None]) -> dict[str, Any]:
        """The hyperparameters that were chosen, checked.

        ``own`` are the command's: by hyperparameter the option that sets it, and its value as typed. ValueError if a
        name is unknown, or named twice.
        """
        options = {name: (_OWN[name][0], text) for name, text in self.typed.items()}
        return settings(self.preset, {**own, **options}, self.assignments)


chooses_hyperparameters = takes("hyperparameters", _OPTIONS, Hyperparameters)
"""A command with these options in the place of its argument ``hyperparameters``."""
