"""Deep generative clustering with the Gaussian Mixture Variational Autoencoder."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from gmvae.version import __version__ as __version__

if TYPE_CHECKING:
    from gmvae.data import load as load
    from gmvae.estimator import GMVAE as GMVAE
    from gmvae.estimator import choose_k as choose_k
    from gmvae.estimator import fit_together as fit_together
    from gmvae.fitting.warn import CollapseWarning as CollapseWarning
    from gmvae.integrations.anndata import fit_anndata as fit_anndata
    from gmvae.integrations.anndata import predict_anndata as predict_anndata
    from gmvae.integrations.hub import from_pretrained as from_pretrained
    from gmvae.integrations.hub import push_to_hub as push_to_hub
    from gmvae.integrations.hub import save_pretrained as save_pretrained
    from gmvae.integrations.markers import markers as markers
    from gmvae.persistence import ModelFileError as ModelFileError
    from gmvae.presets import PRESETS as PRESETS
    from gmvae.presets import preset as preset
    from gmvae.training import DivergedError as DivergedError
    from gmvae.training import TrainingWarning as TrainingWarning
    from gmvae.user_warnings import TableWarning as TableWarning

_HOMES = {
    "GMVAE": "gmvae.estimator",
    "PRESETS": "gmvae.presets",
    "CollapseWarning": "gmvae.fitting.warn",
    "DivergedError": "gmvae.training",
    "ModelFileError": "gmvae.persistence",
    "TableWarning": "gmvae.user_warnings",
    "TrainingWarning": "gmvae.training",
    "choose_k": "gmvae.estimator",
    "fit_anndata": "gmvae.integrations.anndata",
    "fit_together": "gmvae.estimator",
    "from_pretrained": "gmvae.integrations.hub",
    "load": "gmvae.data",
    "markers": "gmvae.integrations.markers",
    "predict_anndata": "gmvae.integrations.anndata",
    "preset": "gmvae.presets",
    "push_to_hub": "gmvae.integrations.hub",
    "save_pretrained": "gmvae.integrations.hub",
}
__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    """Import public names on first use, so that ``import gmvae`` stays light."""
    if name not in _HOMES:
        raise AttributeError(f"module 'gmvae' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
