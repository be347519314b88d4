"""The MNIST experiment of Table 1 and figures 4 and 5, with the paper's convolutional network."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from gmvae.atomic import write_text
from gmvae.data import load
from gmvae.estimator import GMVAE
from gmvae.metrics import evaluate_log_odds
from gmvae.paper.quoted import TABLE_1, Cell
from gmvae.paper.scope import Scale, Scope
from gmvae.paper.trials import Material, Outcome, Trial, all_epochs, first_rows
from gmvae.presets import preset

CURVE = "curve.json"
"""File of a trial's scores on the test rows, epoch by epoch."""


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
    "full": Size(60_000, 10_000, 1000, 64, 100, 10, tuple(TABLE_1)),
}


def material(scope: Scope) -> Material:
    """Training and test images, with the scores of every epoch."""
    size = SIZES[scope.scale]
    train, test = (
        first_rows(load(name, data_home=scope.data_home), n)
        for name, n in (("mnist", size.n_train), ("mnist:test", size.n_test))
    )

    def add_to_curve(model: GMVAE, folder: Path) -> None:
        labels, path = test.labels, folder / CURVE
        assert labels is not None
        scores = evaluate_log_odds(labels, model.predict_log_odds(test.X))
        earlier = [] if model.n_iter_ == 1 else json.loads(path.read_text(encoding="utf-8"))
        write_text(path, json.dumps([*earlier, {"epoch": model.n_iter_, **scores._asdict()}]))

    return Material("mnist", train, test, scope.on_gpu, size.n_scored, size.n_importance_samples, add_to_curve)


def trials(scope: Scope, cells: Iterable[Cell], changes: Mapping[str, Any]) -> list[Trial]:
    """Every seed of the given settings."""
    size = SIZES[scope.scale]
    settings = {**preset("paper-mnist"), **all_epochs(size.epochs), **changes}
    return [
        Trial(f"mnist[:{size.n_train}]", settings | _parameters(cell), seed)
        for cell in cells
        for seed in scope.seeds_or(size.n_seeds)
    ]


def of_cell(outcomes: Iterable[Outcome], cell: Cell) -> list[Outcome]:
    """Outcomes of one setting."""
    wanted = _parameters(cell).items()
    return [outcome for outcome in outcomes if wanted <= outcome.trial.settings.items()]


def curve(outcome: Outcome) -> list[dict[str, Any]]:
    """Scores of a trial on the test rows, epoch by epoch."""
    return json.loads((outcome.folder / CURVE).read_text(encoding="utf-8"))


def _parameters(cell: Cell) -> dict[str, int]:
    return {"n_components": cell.K, "n_mc_samples": cell.M}
