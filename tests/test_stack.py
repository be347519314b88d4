"""Runs trained as one stacked model end where they would have alone."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

import gmvae.objective
from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import BernoulliLikelihood
from gmvae.objective import Terms, latent_terms
from gmvae.observations import Observations
from gmvae.training import (
    ClusteredRows,
    DivergedError,
    Split,
    State,
    Trainer,
    TrainingWarning,
)
from gmvae.training.fabric import make_fabric
from gmvae.training.stack import ResumableTraining, train_together

CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 2,
    "hidden_layer_sizes": (8, 8),
    "max_iter": 5,
    "batch_size": 16,
    "learning_rate": 0.01,
    "n_iter_no_change": 50,
    "precision": "32-true",
    "consistency": 0.0,
    "device": "cpu",
}
ROWS = np.random.default_rng(0).random((71, 1, 8, 8)).round().astype(np.float32)


def trainer_of(seed: int, guided: bool = False, rows: NDArray[Any] = ROWS, **changed: Any) -> Trainer:
    config = Config(**{**SMALL, **changed})
    torch.manual_seed(seed)
    model = build(config, rows.shape[1:], BernoulliLikelihood())
    order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed))
    split = Split(order[10:], order[:10], seed)
    start = ClusteredRows(split.train[::2], (split.train[::2] + seed) % config.n_components) if guided else None
    return Trainer(model, Observations(rows), split, config, make_fabric(config), seed, start)


def alone(trainer: Trainer, resume: State | None = None) -> State:
    return trainer.run(resume)


def assert_close(one: State, other: State, tolerance: float = 2e-4) -> None:
    for name, column in one.history.items():
        if name != "seconds":
            np.testing.assert_allclose(other.history[name], column, rtol=tolerance, atol=tolerance, err_msg=name)
    for weights in ("network", "best"):
        expected = getattr(one, weights)
        for name, tensor in getattr(other, weights).items():
            torch.testing.assert_close(tensor, expected[name], rtol=tolerance, atol=tolerance, msg=name)
    assert other.epochs_without_gain == one.epochs_without_gain
    assert other.reductions == one.reductions
    assert torch.equal(other.generator, one.generator)


def together(trainers: list[Trainer], resumes: list[State] | None = None) -> list[State | DivergedError]:
    starts = resumes or [None] * len(trainers)
    return train_together(
        [ResumableTraining(t, start, lambda state: None) for t, start in zip(trainers, starts, strict=True)]
    )


CASES: dict[str, dict[str, Any]] = {
    "mlp": {"network": "mlp"},
    "conv": {"network": "conv"},
    "batch norm": {"network": "conv", "batch_norm": True},
    "paper": {"network": "mlp", "bound": "paper", "min_information": 0.4, "n_mc_samples": 3},
    "clipped": {"network": "mlp", "max_grad_norm": 0.5},
    "starting clusters": {"network": "mlp", "guided": True},
    "augmented copies": {"network": "mlp", "consistency": 2.0},
    "starting clusters and augmented copies": {"network": "conv", "guided": True, "consistency": 2.0},
    "64 bits": {"network": "mlp", "precision": "64-true"},
}


@pytest.mark.parametrize("case", CASES)
def test_every_member_ends_where_it_would_have_alone(case: str) -> None:
    changed = {"precision": "64-true", **CASES[case]}  # in 32 bits, rounding grows to 1e-3 in some weights
    stacked = [trainer_of(seed, **changed) for seed in range(3)]
    outcomes = together(stacked)
    for seed, outcome in enumerate(outcomes):
        expected = alone(trainer := trainer_of(seed, **changed))
        assert isinstance(outcome, State)
        assert_close(expected, outcome, 1e-7)
        for name, tensor in stacked[seed].model.state_dict().items():
            torch.testing.assert_close(tensor, trainer.model.state_dict()[name], rtol=1e-7, atol=1e-7)
        assert not stacked[seed].model.training
    bounds = [outcome.best_bound for outcome in outcomes if isinstance(outcome, State)]
    assert len(set(bounds)) == 3, "members must differ, or this tests nothing"


def test_parameters_that_nothing_uses_stay_as_they_are() -> None:
    class Idle(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.used, self.idle = nn.Linear(64, 8), nn.Linear(3, 3)

        def forward(self, y: torch.Tensor) -> torch.Tensor:
            return self.used(y.flatten(1)).relu()

    decoder = nn.Sequential(nn.Linear(2, 64), nn.Unflatten(-1, (1, 1, 8, 8)))
    torch.manual_seed(0)
    changed = {"network": (Idle(), decoder), "precision": "64-true"}
    trainers = [trainer_of(seed, **changed) for seed in range(2)]
    for seed, outcome in enumerate(together(trainers)):
        assert isinstance(outcome, State)
        assert_close(alone(trainer_of(seed, **changed)), outcome, 1e-7)


def test_members_in_32_bits_agree_up_to_rounding() -> None:
    outcomes = together([trainer_of(seed, network="mlp") for seed in range(3)])
    for seed, outcome in enumerate(outcomes):
        assert isinstance(outcome, State)
        assert_close(alone(trainer_of(seed, network="mlp")), outcome, 1e-2)


def test_members_stop_each_at_its_own_epoch() -> None:
    changed = {
        "network": "mlp", "precision": "64-true", "max_iter": 40, "n_iter_no_change": 2, "tol": 0.3,
        "learning_rate_schedule": "constant",
    }  # fmt: skip
    outcomes = together([trainer_of(seed, **changed) for seed in range(4)])
    expected = [alone(trainer_of(seed, **changed)) for seed in range(4)]
    assert len({len(state.history.epochs) for state in expected}) > 1, "all stop at once, so this tests nothing"
    for one, other in zip(expected, outcomes, strict=True):
        assert isinstance(other, State)
        assert_close(one, other, 1e-6)


def test_members_resume_from_different_epochs() -> None:
    changed = {"network": "mlp", "precision": "64-true"}
    seen: list[list[State]] = [[], []]
    for seed in range(2):
        trainer_of(seed, **changed).run(on_epoch=seen[seed].append)
    outcomes = together([trainer_of(seed, **changed) for seed in range(2)], [seen[0][1], seen[1][3]])
    for states, outcome in zip(seen, outcomes, strict=True):
        assert isinstance(outcome, State)
        assert_close(states[-1], outcome, 1e-7)


def poison(monkeypatch: pytest.MonkeyPatch, bad: Callable[[int], bool]) -> None:
    """Spoil the first member's w-term in the training steps whose number satisfies ``bad``."""
    count = 0

    def terms(*args: Any) -> Terms:
        nonlocal count
        found = latent_terms(*args)
        if torch.is_grad_enabled():
            count += 1
            if bad(count):
                spoilt = torch.where(found.conditional_prior.mean() > 1e3, math.nan, 1.0)
                found = found._replace(w_prior=found.w_prior * spoilt)
        return found

    monkeypatch.setattr(gmvae.objective, "latent_terms", terms)


def far_away(trainer: Trainer) -> Trainer:
    """Give a member an embedding by which `poison` knows it."""
    with torch.no_grad():
        output = trainer.model.recognition.output
        assert isinstance(output, nn.Linear)
        output.bias[0] = 1e4
    return trainer


def test_a_member_that_diverges_leaves_the_others_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"network": "mlp", "precision": "64-true"}
    expected = alone(trainer_of(1, **changed))
    poison(monkeypatch, lambda step: True)
    with pytest.warns(TrainingWarning, match="the w prior term became non-finite in epoch 1"):
        spoilt, sound = together([far_away(trainer_of(0, **changed)), trainer_of(1, **changed)])
    assert isinstance(spoilt, DivergedError)
    assert isinstance(sound, State)
    assert_close(expected, sound, 1e-7)


def test_a_member_goes_on_at_a_lower_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    changed = {"network": "mlp", "precision": "64-true", "learning_rate_schedule": "constant"}
    expected = alone(trainer_of(1, **changed))
    poison(monkeypatch, lambda step: step == 2)
    with pytest.warns(TrainingWarning, match=r"in epoch 1; restored .* learning rate to 0.001"):
        lowered, sound = together([far_away(trainer_of(0, **changed)), trainer_of(1, **changed)])
    assert isinstance(lowered, State)
    assert isinstance(sound, State)
    assert lowered.history["learning_rate"].tolist() == pytest.approx([0.001] * 5)
    assert lowered.history["epoch"].tolist() == [1, 2, 3, 4, 5]
    assert_close(expected, sound, 1e-7)
