"""A fit as a whole or not at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager


@contextmanager
def undone_unless_finished(estimators: Sequence[object]) -> Iterator[None]:
    """Leave estimators as they were if the block fails or is interrupted: unfitted, or with their earlier fit."""
    before = [dict(vars(estimator)) for estimator in estimators]
    try:
        yield
    except BaseException:
        for estimator, attributes in zip(estimators, before, strict=True):
            vars(estimator).clear()
            vars(estimator).update(attributes)
        raise
