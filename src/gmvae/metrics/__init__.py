"""Agreement of clusters with known classes, and calibration of their probabilities."""

from gmvae.metrics.agreement import (
    Confusion,
    accuracy_exemplar,
    accuracy_hungarian,
    accuracy_majority,
    ari,
    effective_components,
    match,
    nmi,
    stability,
)
from gmvae.metrics.calibration import Reliability, calibration_error, reliability
from gmvae.metrics.scores import Scores, evaluate, evaluate_log_odds

__all__ = [
    "Confusion",
    "Reliability",
    "Scores",
    "accuracy_exemplar",
    "accuracy_hungarian",
    "accuracy_majority",
    "ari",
    "calibration_error",
    "effective_components",
    "evaluate",
    "evaluate_log_odds",
    "match",
    "nmi",
    "reliability",
    "stability",
]
