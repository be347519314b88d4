"""Many runs at once: seeds fitted as one stacked model beside the same seeds one after another."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from setting import Record, Setting
from timing import Effort, interleaved

from gmvae import GMVAE, fit_together, preset

N_EPOCHS = 3
ROUNDS = Effort(5, 0.0)
SHAPES: dict[str, tuple[tuple[int, ...], dict[str, Any]]] = {
    "paper-synthetic": ((2000, 2), preset("paper-synthetic")),
    "table, hidden (64, 64)": ((2000, 16), {"hidden_layer_sizes": (64, 64)}),
    "table, defaults": ((2000, 16), {}),
    "images 8x8, defaults": ((1024, 1, 8, 8), {"likelihood": "bernoulli"}),
}
"""Shape of the rows, and keywords."""


def together(setting: Setting) -> list[Record]:
    """Seconds of an epoch of all seeds."""
    records = []
    for name, (shape, keywords) in SHAPES.items():
        rows = np.random.default_rng(setting.seed).random(shape, np.float32)
        for n_seeds in (3,) if setting.quick else (3, 10):
            calls = {
                "one after another": _fit(rows, keywords, n_seeds, 1),
                "as one stack": _fit(rows, keywords, n_seeds, n_seeds),
            }
            for what, timed in interleaved(calls, ROUNDS).items():
                records.append({"workload": name, "seeds": n_seeds, "what": what, "seconds": timed._asdict()})
    return records


def _fit(rows: np.ndarray, keywords: dict[str, Any], n_seeds: int, at_once: int) -> Callable[[], object]:
    settings = {
        **keywords,
        "init": "random",
        "max_iter": N_EPOCHS,
        "precision": "32-true",
        "device": "cpu",
        "restarts_at_once": at_once,
    }

    def fit() -> float:
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            fit_together([GMVAE(**settings, random_state=seed) for seed in range(n_seeds)], rows)
        return time.perf_counter() - started

    return fit
