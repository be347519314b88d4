"""Schedules over the share of training done: the learning rate as a factor of its peak, and the weight of terms."""

from __future__ import annotations

import math
from collections.abc import Callable

_WARM_UP = 0.1
_FIRST_FACTOR = 0.04


def constant(progress: float) -> float:
    """Always the peak rate."""
    return 1.0


def one_cycle(progress: float) -> float:
    """Linear rise over the first tenth, then half a cosine down to zero (after Smith and Topin 2019)."""
    if progress < _WARM_UP:
        return _FIRST_FACTOR + (1.0 - _FIRST_FACTOR) * progress / _WARM_UP
    return 0.5 * (1.0 + math.cos(math.pi * (progress - _WARM_UP) / (1.0 - _WARM_UP)))


SCHEDULES: dict[str, Callable[[float], float]] = {"constant": constant, "one-cycle": one_cycle}


def warm_up_weight(progress: float, share: float) -> float:
    """Weight that rises from 0 to 1 over the first ``share`` of training (Sønderby et al. 2016)."""
    return 1.0 if progress >= share else progress / share
