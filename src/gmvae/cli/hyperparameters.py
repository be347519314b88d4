"""Options that choose hyperparameters, for every command that fits."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import typer

from gmvae.cli.option_groups import takes
from gmvae.cli.options import hyperparameter
from gmvae.cli.settings import settings
from gmvae.presets import PRESETS

_OF_CELLS = " Of cells a column is one of obs."
_OPTIONS: dict[str, Any] = {
    "preset": Annotated[
        str | None,
        typer.Option(metavar="NAME", help=f"Settings of the paper: {', '.join(PRESETS)}. Other options override them."),
    ],
    "epochs": Annotated[str | None, hyperparameter("max_iter", "N|auto")],
    "device": Annotated[str | None, hyperparameter("device", "DEVICE")],
    "precision": Annotated[
        str | None, hyperparameter("precision", "NAME", more=" auto, 32-true, bf16-mixed or 64-true.")
    ],
    "size_factors": Annotated[
        str | None, hyperparameter("size_factors", "COLUMN|total|none", "--size-factors", more=_OF_CELLS)
    ],
    "covariate": Annotated[str | None, hyperparameter("covariate", "COLUMN", more=f"{_OF_CELLS[:-1]}, with names.")],
    "assignments": Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any hyperparameter, such as min_information=0.5 or hidden_layer_sizes=256,128; may be repeated.",
        ),
    ],
}


class Hyperparameters(NamedTuple):
    """What was typed; None where an option was left out."""

    preset: str | None
    epochs: str | None
    device: str | None
    precision: str | None
    size_factors: str | None
    covariate: str | None
    assignments: list[str] | None

    def settings(self, **own: tuple[str, str | None]) -> dict[str, Any]:
        """The hyperparameters that were chosen, checked.

        ``own`` are the command's: by hyperparameter the option that sets it, and its value as typed. ValueError if a
        name is unknown, or named twice.
        """
        options = {
            "max_iter": ("--epochs", self.epochs),
            "device": ("--device", self.device),
            "precision": ("--precision", self.precision),
            "size_factors": ("--size-factors", self.size_factors),
            "covariate": ("--covariate", self.covariate),
        }
        return settings(self.preset, {**own, **options}, self.assignments or ())


chooses_hyperparameters = takes("hyperparameters", _OPTIONS, Hyperparameters)
"""A command with these options in the place of its argument ``hyperparameters``."""
