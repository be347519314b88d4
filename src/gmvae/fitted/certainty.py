"""How certain a cluster is: the entropy of its probabilities."""

from __future__ import annotations

import numpy as np

from gmvae.domains import Domain, require

AMBIGUOUS_ABOVE = 0.5
"""Nats of entropy: 80 to 20 between two clusters."""


def entropy(proba: np.ndarray) -> np.ndarray:
    """Entropy of probabilities (n, K) in nats, (n,)."""
    return -(proba * np.log(np.maximum(proba, np.finfo(proba.dtype).tiny))).sum(1)


def is_ambiguous(proba: np.ndarray, above: float = AMBIGUOUS_ABOVE) -> np.ndarray:
    """Whether the entropy of probabilities (n, K) is above so many nats, (n,)."""
    require_entropy(above)
    return entropy(proba) > above


def require_entropy(above: float) -> None:
    """ValueError unless ``above`` is an entropy."""
    require("above", Domain("a number of nats of at least 0", low=0.0), above)
