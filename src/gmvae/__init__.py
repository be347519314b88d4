"""Deep generative clustering with the Gaussian Mixture Variational Autoencoder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmvae.version import __version__ as __version__

if TYPE_CHECKING:
    from gmvae.data import load
    from gmvae.estimator import GMVAE, choose_k, fit_together
    from gmvae.fitting.warn import CollapseWarning
    from gmvae.integrations.anndata import fit_anndata, markers, predict_anndata
    from gmvae.integrations.hub import from_pretrained, push_to_hub, save_pretrained
    from gmvae.persistence import ModelFileError
    from gmvae.presets import PRESETS, preset
    from gmvae.training import DivergedError, TrainingWarning
    from gmvae.user_warnings import TableWarning

_HOMES = {
    "GMVAE": "gmvae.estimator",
    "CollapseWarning": "gmvae.fitting.warn",
    "DivergedError": "gmvae.training",
    "ModelFileError": "gmvae.persistence",
    "PRESETS": "gmvae.presets",
    "TableWarning": "gmvae.user_warnings",
    "TrainingWarning": "gmvae.training",
    "choose_k": "gmvae.estimator",
    "fit_anndata": "gmvae.integrations.anndata",
    "fit_together": "gmvae.estimator",
    "from_pretrained": "gmvae.integrations.hub",
    "load": "gmvae.data",
    "markers": "gmvae.integrations.anndata",
    "predict_anndata": "gmvae.integrations.anndata",
    "preset": "gmvae.presets",
    "push_to_hub": "gmvae.integrations.hub",
    "save_pretrained": "gmvae.integrations.hub",
}

__all__ = [
    "GMVAE",
    "PRESETS",
    "CollapseWarning",
    "DivergedError",
    "ModelFileError",
    "TableWarning",
    "TrainingWarning",
    "choose_k",
    "fit_anndata",
    "fit_together",
    "from_pretrained",
    "load",
    "markers",
    "predict_anndata",
    "preset",
    "push_to_hub",
    "save_pretrained",
]


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``import gmvae`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gmvae' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
