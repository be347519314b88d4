"""The paper's settings, as keywords of `gmvae.config.Config`. It imports neither torch nor numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, cast

PresetName = Literal["paper-synthetic", "paper-mnist", "paper-svhn"]

_PAPER_TRAINING: dict[str, Any] = {
    "bound": "paper",
    "learning_rate": 1e-4,
    "learning_rate_schedule": "constant",
    "effort": "density",
    "min_information": 0.5,
    "init": "random",
    "component_weights": "uniform",
    "consistency": 0.0,
    "validation_fraction": 0.0,
}
_PAPER_IMAGES: dict[str, Any] = {
    **_PAPER_TRAINING,
    "init": "neighbours",
    "latent_dim": 200,
    "style_dim": 150,
    "likelihood": "bernoulli",
    "batch_size": 50,
    "max_iter": 100,
    "n_iter_no_change": 100,
}

PRESETS: Mapping[PresetName, Mapping[str, Any]] = {
    "paper-synthetic": {
        **_PAPER_TRAINING,
        "network": "paper-synthetic",
        "n_components": 8,
        "latent_dim": 2,
        "style_dim": 2,
        "likelihood": "gaussian",
        "batch_size": 200,
        "max_iter": 500,
        "n_iter_no_change": 500,
    },
    "paper-mnist": {**_PAPER_IMAGES, "network": "paper-mnist", "n_components": 10},
    "paper-svhn": {**_PAPER_IMAGES, "network": "paper-svhn", "n_components": 10},
}
"""Settings of the paper's experiments (section 4 and tables A.1-A.3), as keywords of `GMVAE`. No rows are held out, and
all epochs are run. The presets of images begin with starting clusters; ``init="random"`` is the paper's start
(docs/reproduction.md)."""


def preset(name: str) -> dict[str, Any]:
    """Return the keywords of a named preset, e.g. ``GMVAE(**preset("paper-mnist"))``.

    Raises
    ------
    ValueError
        If no preset has that name.
    """
    if name not in PRESETS:
        raise ValueError(f"`preset` must be one of {', '.join(map(repr, PRESETS))}; got {name!r}.")
    return dict(PRESETS[cast(PresetName, name)])
