"""The MNIST experiment of Table 1 and figures 4 and 5, with the paper's convolutional network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from gmvae.atomic import write_text
from gmvae.data import load
from gmvae.estimator import GMVAE
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.quoted import TABLE_1, Cell
from gmvae.paper.scope import Scale, Scope
from gmvae.paper.trials import Material, Outcome, Trial, all_epochs, first_rows, kept
from gmvae.presets import preset

FIRST = Cell(10, 1)
PAPER: Mapping[str, Any] = {"init": "random"}
"""The paper's training as it is."""
PAPER_STARTED: Mapping[str, Any] = {"init": "neighbours"}
"""The same from starting clusters, whose weight falls to 0 over the epochs."""
PAPER_ANNEALED: Mapping[str, Any] = {"learning_rate_schedule": "one-cycle", **PAPER_STARTED}
"""The same, with a learning rate that falls to 0 too."""
STARTED: Mapping[str, Any] = {"bound": "exact", "learning_rate": 1e-3, **PAPER_STARTED}
EXACT: Mapping[str, Any] = {**STARTED, **PAPER}
"""The changes under which most clusters survive in the ablation, from starting clusters and without."""


class Size(NamedTuple):
    """Numbers of rows, of rows and samples for log p(y), of epochs and seeds, and the settings of Table 1."""

    n_train: int
    n_test: int
    n_scored: int
    n_importance_samples: int
    epochs: int
    n_seeds: int
    cells: Sequence[Cell]


SIZES: dict[Scale, Size] = {
    "quick": Size(500, 200, 20, 4, 1, 1, (FIRST,)),
    "laptop": Size(60_000, 10_000, 1000, 64, 3, 1, tuple(cell for cell in TABLE_1 if cell.M == 1)),
    "long": Size(60_000, 10_000, 1000, 64, 20, 3, tuple(TABLE_1)),
    "full": Size(60_000, 10_000, 1000, 64, 100, 10, tuple(TABLE_1)),
}


@lru_cache(maxsize=1)
def material(scope: Scope) -> Material:
    """Training and test images; the scores of every epoch go into the trial's `curve`."""
    size = SIZES[scope.scale]
    train, test = (
        first_rows(load(name, data_home=scope.data_home), n)
        for name, n in (("mnist", size.n_train), ("mnist:test", size.n_test))
    )

    def add_to_curve(model: GMVAE, folder: Path) -> None:
        assert test.labels is not None
        scores = evaluate_log_odds(test.labels, model.predict_log_odds(test.X))
        earlier = [entry for entry in curve(folder) if entry["epoch"] < model.n_iter_]
        write_text(_curve(folder), json.dumps([*earlier, {"epoch": model.n_iter_, **scores._asdict()}]))

    return Material("mnist", train, test, scope.on_gpu, size.n_scored, size.n_importance_samples, add_to_curve)


def curve(folder: Path) -> list[dict[str, Any]]:
    """Scores of the trial in a folder on the test rows, epoch by epoch; a killed process may have left one out."""
    return json.loads(_curve(folder).read_text(encoding="utf-8")) if _curve(folder).is_file() else []


def _curve(folder: Path) -> Path:
    return folder / "curve.json"


def trials(scope: Scope, changes: Mapping[str, Any], cell: Cell = FIRST) -> list[Trial]:
    """Every seed of a setting of Table 1, with changes to the paper's training."""
    size = SIZES[scope.scale]
    parameters = {"n_components": cell.K, "n_mc_samples": cell.M}
    settings = {**preset("paper-mnist"), **all_epochs(size.epochs), **changes, **parameters}
    return [Trial(f"mnist[:{size.n_train}]", settings, seed) for seed in scope.seeds_or(size.n_seeds)]


def outcomes(scope: Scope, changes: Mapping[str, Any], cells: Iterable[Cell] = ()) -> dict[Cell, list[Outcome]]:
    """Outcomes of `trials` for some settings, by default those of the scale; of kept fits as many as there are."""
    asked = {cell: trials(scope, changes, cell) for cell in tuple(cells) or SIZES[scope.scale].cells}
    if scope.kept_only:
        return {cell: found for cell, wanted in asked.items() if (found := kept(wanted, scope.runs))}
    return {cell: scope.outcomes(wanted, material(scope)) for cell, wanted in asked.items()}
