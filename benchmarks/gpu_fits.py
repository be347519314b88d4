"""Whole default fits on a device: MNIST, and rows that are read in parts."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import streaming

from gmvae import GMVAE, load
from gmvae.metrics import accuracy_hungarian
from gmvae.paper.provenance import provenance

N_ROWS, N_FILES = 100_000_000, 4
"""Rows that are read in parts, and files that differ among theirs; the others are links to them."""
N_ROWS_QUICK = 20_000


def mnist(data_home: Path, device: str, *, quick: bool) -> dict[str, Any]:
    """Seconds of `GMVAE(10).fit(X)` on MNIST, of its start and of its epochs, and its accuracy on the test images."""
    train, test = load("mnist:train", data_home=data_home), load("mnist:test", data_home=data_home)
    model = GMVAE(10, random_state=0, device=device, max_iter=1 if quick else "auto")
    started = time.perf_counter()
    model.fit(train.X)
    seconds = time.perf_counter() - started
    assert test.labels is not None
    return {
        "seconds": seconds,
        "seconds_of_epochs": model.history_["seconds"].tolist(),
        "lower_bound": model.lower_bound_,
        "test_accuracy": accuracy_hungarian(test.labels, model.predict(test.X)),
        **provenance(),
    }


def streamed(work: Path, device: str, *, quick: bool) -> dict[str, Any]:
    """Seconds and peak memory of the pass over 10⁸ rows of 50 columns, and of 2,000 steps."""
    folder = work / "rows"
    os.environ["XDG_CACHE_HOME"] = str(work / "cache")
    n_rows = N_ROWS_QUICK if quick else N_ROWS
    if not folder.exists():
        streaming.write(folder, n_rows, n_rows // 8 if quick else streaming.ROWS_PER_FILE, N_FILES)
    return {**streaming.whole(folder, device), **provenance()}
