"""Seeds: from the user's random state, and for PyTorch's layers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from numbers import Integral
from threading import Lock
from typing import Any

import numpy as np
import torch

_SEEDING = Lock()


def draw_seed(random_state: Any) -> int:
    """A seed from ``random_state``; None takes it from the system and leaves numpy's global generator alone."""
    if random_state is None:
        return int(np.random.SeedSequence().generate_state(1)[0])
    if isinstance(random_state, Integral):
        random_state = np.random.RandomState(int(random_state))  # as scikit-learn does
    return int(random_state.randint(np.iinfo(np.int32).max))


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Give PyTorch's layers, which start from the global generator, a seed; the generator is then put back.

    One thread at a time: threads that fit at once must neither share a seed nor put back each other's state.
    """
    with _SEEDING, torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield
