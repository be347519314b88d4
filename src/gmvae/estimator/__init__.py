"""The scikit-learn estimator: translate, validate, delegate.

Names are imported on first use, because the command line asks a fitted model without scikit-learn.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gmvae.estimator.choosing import Choice, choose_k
    from gmvae.estimator.fit_warnings import CollapseWarning
    from gmvae.estimator.gmvae import GMVAE
    from gmvae.estimator.together import fit_together

_HOMES = {
    "Choice": "choosing",
    "CollapseWarning": "fit_warnings",
    "GMVAE": "gmvae",
    "choose_k": "choosing",
    "fit_together": "together",
}

__all__ = ["GMVAE", "Choice", "CollapseWarning", "choose_k", "fit_together"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
