"""Every score of a soft clustering at once."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import expit

from gmvae.metrics.agreement import accuracy_exemplar, accuracy_hungarian, accuracy_majority, ari, nmi
from gmvae.metrics.calibration import calibration_error


class Scores(NamedTuple):
    """Agreement of a soft clustering with known classes; accuracies and the calibration error are shares in [0, 1]."""

    accuracy_exemplar: float
    accuracy_hungarian: float
    accuracy_majority: float
    nmi: float
    ari: float
    calibration_error: float
    n_classes: int
    n_components_used: int


def evaluate(labels: ArrayLike, proba: ArrayLike, log_odds: ArrayLike | None = None) -> Scores:
    """Every score of a soft clustering at once; hard measures use the most probable cluster.

    Parameters and errors are those of `accuracy_exemplar`.
    """
    exemplar = accuracy_exemplar(labels, proba, log_odds)
    clusters = np.asarray(proba).argmax(axis=1)
    return Scores(
        accuracy_exemplar=exemplar,
        accuracy_hungarian=accuracy_hungarian(labels, clusters),
        accuracy_majority=accuracy_majority(labels, clusters),
        nmi=nmi(labels, clusters),
        ari=ari(labels, clusters),
        calibration_error=calibration_error(labels, proba),
        n_classes=len(np.unique(np.asarray(labels))),
        n_components_used=len(np.unique(clusters)),
    )


def evaluate_log_odds(labels: ArrayLike, log_odds: ArrayLike) -> Scores:
    """Return every score from the log-odds of each cluster, shape (N, K)."""
    return evaluate(labels, expit(np.asarray(log_odds, dtype=np.float64)), log_odds)
