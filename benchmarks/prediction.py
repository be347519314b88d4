"""What a fitted model answers: prediction beside its encoder's own forward pass, scores and samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import ours
import reference
import torch
from reference import Reference
from setting import Record, Setting
from timing import Call, interleaved
from workloads import BATCHES, COMPONENTS, WORKLOADS, Workload

from gmvae import GMVAE

N_ROWS = 4096
N_SCORED, N_SCORED_QUICK = 64, 4
"""Rows to score, with 64 importance samples each."""
N_SAMPLED = 1024
ROWS_AT_ONCE = (1024, 4096)
"""Rows per forward pass of an encoder alone; the faster counts."""
LARGE = 2**25
"""Numbers in a tensor over 1,024 rows, components and latent dimensions beyond which a large K is left out."""

Estimators = Mapping[str, GMVAE]


def predict(setting: Setting) -> list[Record]:
    """Seconds to predict, at the workload's K for several numbers of rows, and at other K; to score and to sample."""
    records = []
    for workload in WORKLOADS.values():
        estimators = _fitted(workload, setting.seed)
        for n_rows in (256,) if setting.quick else (*BATCHES, N_ROWS):
            records += _timed(_predictions(estimators, workload, n_rows, setting.seed), workload, n_rows, setting)
        n_scored = N_SCORED_QUICK if setting.quick else N_SCORED
        records += _timed(_scores(estimators, workload.rows(n_scored, setting.seed)), workload, n_scored, setting)
        records += _timed(_samples(estimators), workload, N_SAMPLED, setting)
        for other in () if setting.quick else (workload.at(K, 1) for K in COMPONENTS if workload.n_components != K):
            if other.mixture_elements(1024) < LARGE:
                calls = _predictions(_fitted(other, setting.seed), other, 1024, setting.seed)
                records += _timed(calls, other, 1024, setting)
    return records


def _fitted(workload: Workload, seed: int) -> Estimators:
    return {precision: ours.fitted(workload, precision, seed) for precision in ours.PRECISIONS}


def _timed(calls: Mapping[str, Call], workload: Workload, n_rows: int, setting: Setting) -> list[Record]:
    about = {"workload": workload.name, "rows": n_rows, "n_components": workload.n_components}
    timed = interleaved(calls, setting.effort)
    return [{**about, "what": name, "seconds": spread._asdict()} for name, spread in timed.items()]


def _predictions(estimators: Estimators, workload: Workload, n_rows: int, seed: int) -> dict[str, Call]:
    """Prediction, and forward passes of the encoders alone, ours and the reference's, on the same rows."""
    X = workload.rows(n_rows, seed)
    calls: dict[str, Call] = {
        f"predict, fitted in {precision}": lambda estimator=estimator: estimator.predict(X)
        for precision, estimator in estimators.items()
    }
    for rows_at_once in ROWS_AT_ONCE:
        if rows_at_once <= max(n_rows, ROWS_AT_ONCE[0]):
            calls[f"encoder alone, ours, {rows_at_once} at once"] = ours.encoder_pass(
                estimators["float32"], X, rows_at_once
            )
            calls[f"encoder alone, the reference's, {rows_at_once} at once"] = _plain_encoder(workload, X, rows_at_once)
    return calls


def _scores(estimators: Estimators, X: np.ndarray) -> dict[str, Call]:
    return {
        f"score, fitted in {precision}": lambda estimator=estimator: estimator.score_samples(X)
        for precision, estimator in estimators.items()
    }


def _samples(estimators: Estimators) -> dict[str, Call]:
    return {
        f"sample, fitted in {precision}": lambda estimator=estimator: estimator.sample(N_SAMPLED)
        for precision, estimator in estimators.items()
    }


def _plain_encoder(workload: Workload, X: np.ndarray, rows_at_once: int) -> Callable[[], object]:
    """Forward pass of the reference's recognition network alone."""
    model = Reference(workload).eval()
    parts = reference.as_floats(torch.from_numpy(X)).split(rows_at_once)

    @torch.no_grad()
    def run() -> None:
        for part in parts:
            model.recognise(part)

    return run
