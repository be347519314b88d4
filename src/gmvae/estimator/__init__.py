"""The scikit-learn estimator: translate, validate, delegate."""

from gmvae.estimator.fitting import CollapseWarning
from gmvae.estimator.gmvae import GMVAE

__all__ = ["GMVAE", "CollapseWarning"]
