"""A fit as a whole or not at all."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import numpy as np
import torch


@contextmanager
def restored_unless_finished(estimators: Sequence[object]) -> Iterator[None]:
    """Leave estimators as they were if the block fails or is interrupted: unfitted, or with their earlier fit.

    So it does with what is kept for the whole process: an interruption at the edge of `no_grad`, `errstate` or
    `catch_warnings` leaves that changed.
    """
    before = [dict(vars(estimator)) for estimator in estimators]
    gradients, errors, filters = torch.is_grad_enabled(), np.geterr(), list(warnings.filters)
    try:
        yield
    except BaseException:
        torch.set_grad_enabled(gradients)
        np.seterr(**errors)
        warnings.filters = filters
        for estimator, attributes in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(attributes)
        raise
