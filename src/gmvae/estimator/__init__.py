"""The scikit-learn estimator: translate, validate, delegate."""

from gmvae.estimator.fitting import CollapseWarning
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.together import fit_together

__all__ = ["GMVAE", "CollapseWarning", "fit_together"]
