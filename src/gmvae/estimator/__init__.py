"""scikit-learn's face: the estimator `GMVAE`, several fits together, and numbers of clusters side by side."""

from gmvae.estimator.choice_of_k import choose_k
from gmvae.estimator.gmvae import GMVAE
from gmvae.estimator.together import fit_together

__all__ = ["GMVAE", "choose_k", "fit_together"]
