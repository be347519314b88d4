"""The loop: its steps against plain PyTorch, its record, its guard, when it stops, and how it goes on after a break."""

from __future__ import annotations

import copy
import csv
import math
import random
import re
import shutil
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import chain, combinations
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.exceptions import ConvergenceWarning
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import Tensor, nn

import gmvae.fitting.fit
import gmvae.fitting.starts
import gmvae.objective
from gmvae import GMVAE, CollapseWarning, DivergedError, TrainingWarning, metrics, persistence
from gmvae.atomic import replacing
from gmvae.build import build
from gmvae.config import Config, Precision
from gmvae.device import device_for
from gmvae.fitting.warn import warn_if_collapsed
from gmvae.history import Epoch, History
from gmvae.likelihoods import BernoulliLikelihood
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.networks import ConvDecoder, ConvEncoder, ConvLayer
from gmvae.objective import Terms, latent_terms
from gmvae.observations import Observations
from gmvae.paper.spread_means import place
from gmvae.training import Split, State, Trainer
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.fabric import make_fabric
from gmvae.training.minibatches import Minibatch
from gmvae.training.schedule import SCHEDULES, last_epoch, progress, settled, warm_up_weight

pytestmark = pytest.mark.filterwarnings(
    "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.CollapseWarning"
)


CPU = torch.device("cpu")
SMALL: dict[str, Any] = {
    "n_components": 3,
    "latent_dim": 2,
    "style_dim": 1,
    "hidden_layer_sizes": (8,),
    "effort": "density",
    "max_iter": 6,
    "batch_size": 16,
    "init": "random",
    "consistency": 0.0,
    "random_state": 0,
    "device": "cpu",
}


def points(n: int = 80, p: int = 4, seed: int = 0) -> NDArray[Any]:
    return np.random.default_rng(seed).normal(size=(n, p)) * np.arange(1, p + 1)


def binary(n: int = 40, p: int = 5) -> NDArray[Any]:
    return np.random.default_rng(0).integers(0, 2, size=(n, p)).astype(np.float64)


def trainer_of(
    rows: NDArray[Any], seed: int = 3, n_held_out: int = 0, network: Any = "auto", **changed: Any
) -> Trainer:
    """A trainer on binary rows, without a place to start from."""
    config = Config(**{**SMALL, "network": network, "precision": "32-true", **changed})
    torch.manual_seed(0)
    model = build(config, rows.shape[1:], BernoulliLikelihood())
    order = torch.arange(len(rows))
    split = Split(order[n_held_out:], order[:n_held_out] if n_held_out else order, seed=1)
    return Trainer(model, Observations(rows), split, config, make_fabric(config), seed)


def weights(model: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}


def assert_same_weights(one: dict[str, Tensor], other: dict[str, Tensor]) -> None:
    assert one.keys() == other.keys()
    for name, tensor in one.items():
        assert torch.equal(tensor, other[name]), name


def assert_same_history(one: History, other: History) -> None:
    assert [epoch._replace(seconds=0.0) for epoch in one.epochs] == [e._replace(seconds=0.0) for e in other.epochs]


def same_fit(one: GMVAE, other: GMVAE) -> None:
    """Two fits are equal bit for bit."""
    assert_same_weights(weights(one.fitted_.model), weights(other.fitted_.model))
    assert_same_history(one.history_, other.history_)
    assert np.array_equal(one.labels_, other.labels_)
    assert np.array_equal(one.weights_, other.weights_)
    assert one.lower_bound_ == other.lower_bound_
    assert one.restart_bounds_ == other.restart_bounds_
    assert one.converged_ == other.converged_
    assert one.n_iter_ == other.n_iter_


def batch_norm_trunks() -> tuple[nn.Module, nn.Module]:
    """Small convolutions with batch norm, of the kind of the paper's, for 8x8 images and two latents."""
    torch.manual_seed(1)
    layers, event = [ConvLayer(4, 3, 1, 0), ConvLayer(6, 4, 2, 1)], (1, 8, 8)
    return ConvEncoder(event, layers, 12, True), ConvDecoder(2, 12, layers, 1, event, True)


def images(n: int = 40) -> NDArray[Any]:
    return np.random.default_rng(0).uniform(size=(n, 8, 8)).astype(np.float32)


# ---------------------------------------------------------------- a step


def objective_by_hand(model: GaussianMixtureVAE, y: Tensor, noise: Noise, min_information: float) -> Tensor:
    terms = model(y, noise)
    cost = terms.conditional_prior.mean() + terms.w_prior.mean()
    return terms.reconstruction.mean() - cost - torch.clamp(terms.z_prior.mean(), min=min_information)


@pytest.mark.parametrize("min_information", [0.0, 0.9])
def test_steps_equal_adam_written_by_hand(min_information: float) -> None:
    """Two steps of an epoch in float64, with moments and corrections from the paper of Kingma and Ba."""
    rows, seed, rate = binary(), 3, 0.01
    trainer = trainer_of(
        rows,
        seed,
        max_iter=1,
        batch_size=20,
        learning_rate=rate,
        learning_rate_schedule="constant",
        precision="64-true",
        min_information=min_information,
        n_mc_samples=2,
    )
    model = copy.deepcopy(trainer.model)
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(40, generator=generator)
    first = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    second = {name: torch.zeros_like(p) for name, p in model.named_parameters()}
    for step, part in enumerate(order.split(20), start=1):
        noise = Noise(
            torch.randn(2, 20, 2, generator=generator, dtype=torch.float64),
            torch.randn(2, 20, 1, generator=generator, dtype=torch.float64),
        )
        model.zero_grad()
        objective_by_hand(model, torch.from_numpy(rows)[part], noise, min_information).neg().backward()
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                gradient = parameter.grad if parameter.grad is not None else torch.zeros_like(parameter)
                first[name] = 0.9 * first[name] + 0.1 * gradient
                second[name] = 0.999 * second[name] + 0.001 * gradient**2
                m, v = first[name] / (1 - 0.9**step), second[name] / (1 - 0.999**step)
                parameter -= rate * m / (v.sqrt() + 1e-8)
    trainer.run()
    for (name, ours), theirs in zip(trainer.model.named_parameters(), model.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-9, atol=1e-12, msg=name)


@pytest.mark.parametrize("max_grad_norm", [None, 0.05])
def test_gradient_is_clipped_to_its_norm(max_grad_norm: float | None, monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(binary(), max_grad_norm=max_grad_norm)
    seen: list[list[Tensor]] = []

    def spy(on: Trainer) -> None:
        step = on.optimizer.step

        def spied(*args: Any, **kwargs: Any) -> Any:
            seen.append([p.grad.clone() for p in on.model.parameters() if p.grad is not None])
            return step(*args, **kwargs)

        monkeypatch.setattr(on.optimizer, "step", spied)

    free = trainer_of(binary())
    spy(free)
    free.run()
    spy(trainer)
    before = len(seen)
    trainer.run()
    raw, ours = seen[0], seen[before]
    raw_norm = math.sqrt(sum(g.square().sum().item() for g in raw))
    assert raw_norm > 0.05
    factor = 1.0 if max_grad_norm is None else max_grad_norm / raw_norm
    for one, other in zip(raw, ours, strict=True):
        torch.testing.assert_close(other, factor * one, rtol=1e-4, atol=1e-8)
    if max_grad_norm is not None:
        for gradients in seen[before:]:
            assert math.sqrt(sum(g.square().sum().item() for g in gradients)) <= max_grad_norm * (1 + 1e-5)


def test_schedules_against_closed_form() -> None:
    one_cycle = SCHEDULES["one-cycle"]
    for share, factor in [(0.0, 0.04), (0.015, 0.52), (0.03, 1.0), (0.515, 0.5), (1.0, 0.0)]:
        assert one_cycle(share) == pytest.approx(factor, abs=1e-12)
    assert one_cycle(0.2725) == pytest.approx(0.5 * (1 + math.sqrt(0.5)), abs=1e-12)
    assert [SCHEDULES["constant"](progress) for progress in (0.0, 0.3, 1.0)] == [1.0, 1.0, 1.0]


def test_terms_warm_up_in_a_straight_line() -> None:
    assert [warm_up_weight(progress, 0.5) for progress in (0.0, 0.125, 0.5, 0.9)] == [0.0, 0.25, 1.0, 1.0]
    assert warm_up_weight(0.0, 0.0) == 1.0


def test_every_minibatch_has_the_warmth_of_its_step() -> None:
    trainer = trainer_of(binary(40), max_iter=4, batch_size=10, warm_up=0.5)
    warmths: list[float] = []

    def step(minibatch: Any) -> Any:
        warmths.append(minibatch.warm_up)
        return Trainer.step(trainer, minibatch)

    trainer.step = step  # type: ignore[method-assign]
    trainer.run()
    steps = trainer.steps_per_epoch * 4
    np.testing.assert_allclose(warmths, np.minimum(1.0, np.arange(steps) / (steps / 2)), atol=1e-12)


def test_epochs_of_the_warm_up_do_not_count_towards_convergence() -> None:
    trainer = trainer_of(binary(40), max_iter=10, batch_size=10, warm_up=0.6, tol=1e9, n_iter_no_change=2)
    assert len(trainer.run().history.epochs) == 8


@pytest.mark.parametrize("schedule", ["one-cycle", "constant"])
def test_learning_rate_in_the_history_is_that_of_the_last_step(schedule: str) -> None:
    trainer = trainer_of(binary(40), max_iter=10, batch_size=10, learning_rate=0.02, learning_rate_schedule=schedule)
    rates = trainer.run().history["learning_rate"]
    for epoch, rate in enumerate(rates):
        progress = (epoch + 3 / 4) / 10  # four steps an epoch
        if schedule == "constant":
            factor = 1.0
        elif progress < 0.03:
            factor = 0.04 + 0.96 * progress / 0.03
        else:
            factor = math.cos(0.5 * math.pi * (progress - 0.03) / 0.97) ** 2
        assert rate == pytest.approx(0.02 * factor, rel=1e-12)


def test_an_epoch_visits_whole_batches_of_different_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.arange(23.0)[:, None] / 23
    trainer = trainer_of(rows, batch_size=5, n_held_out=3, max_iter=3)
    seen: list[list[int]] = []
    step = trainer.step

    def spied(minibatch: Minibatch) -> Terms:
        seen.append((minibatch.y[:, 0] * 23).round().int().tolist())
        return step(minibatch)

    monkeypatch.setattr(trainer, "step", spied)
    trainer.run()
    epochs = [list(chain(*seen[first : first + 4])) for first in range(0, len(seen), 4)]
    assert len(epochs) == 3
    for epoch in epochs:
        assert sorted(epoch) == list(range(3, 23)), "every training row once, no held-out row"
    assert epochs[0] != epochs[1]


# ---------------------------------------------------------------- the record


def spied_terms(trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> list[Terms]:
    seen: list[Terms] = []
    step = trainer.step

    def spied(minibatch: Minibatch) -> Terms:
        terms = step(minibatch)
        seen.append(Terms(*(tensor.detach().clone() for tensor in terms)))
        return terms

    monkeypatch.setattr(trainer, "step", spied)
    return seen


def test_history_against_the_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(binary(), batch_size=10, max_iter=3, min_information=0.8, n_mc_samples=3)
    seen = spied_terms(trainer, monkeypatch)
    history = trainer.run().history
    assert history["epoch"].tolist() == [1, 2, 3]
    for epoch in range(3):
        terms = [np.concatenate([getattr(t, name) for t in seen[4 * epoch : 4 * epoch + 4]]) for name in Terms._fields]
        reconstruction, conditional_prior, w_prior, z_prior, assignment, *_ = (each.astype(float) for each in terms)
        row = history.epochs[epoch]
        assert row.reconstruction == pytest.approx(reconstruction.mean(), rel=1e-6)
        assert row.conditional_prior == pytest.approx(conditional_prior.mean(), rel=1e-6)
        assert row.w_prior == pytest.approx(w_prior.mean(), rel=1e-6)
        assert row.z_prior == pytest.approx(z_prior.mean(), rel=1e-6), "unmodified, whatever min_information"
        assert row.effective_components == pytest.approx(np.exp(stats.entropy(assignment.mean(0))), rel=1e-6)
        assert row.assignment_entropy == pytest.approx(stats.entropy(assignment, axis=1).mean(), rel=1e-6)
        assert row.seconds > 0


def test_terms_add_up_to_the_bound() -> None:
    history = GMVAE(**SMALL).fit(points()).history_
    costs = history["conditional_prior"] + history["w_prior"] + history["z_prior"]
    np.testing.assert_allclose(history["lower_bound"], history["reconstruction"] - costs, rtol=1e-12)


def test_history_is_a_mapping_of_columns() -> None:
    history = History([Epoch(*range(13)), Epoch(*range(1, 14))])
    assert list(history) == list(Epoch._fields)
    assert len(history) == 13
    assert history["w_prior"].tolist() == [5, 6]
    with pytest.raises(KeyError):
        history["w"]


def test_csv_equals_the_history(tmp_path: Path) -> None:
    fitted = GMVAE(**SMALL).fit(points(), run_dir=tmp_path)
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == list(Epoch._fields)
    for name in Epoch._fields:
        assert [float(row[name]) for row in rows] == fitted.history_[name].tolist()


def test_csv_grows_while_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lengths: list[int] = []
    write = persistence.write

    def spied(*args: Any) -> None:
        lengths.append(len((tmp_path / "history.csv").read_text().splitlines()))
        write(*args)

    monkeypatch.setattr(persistence, "write", spied)
    GMVAE(**SMALL).fit(points(), run_dir=tmp_path)
    assert lengths == [2, 3, 4, 5, 6, 7]


def scalars(folder: Path, name: str) -> list[tuple[int, float]]:
    events = EventAccumulator(str(folder))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars(name)]


def test_tensorboard_equals_the_history(tmp_path: Path) -> None:
    fitted = GMVAE(**SMALL).fit(points(), run_dir=tmp_path)
    for name in Epoch._fields:
        found = scalars(tmp_path / "tensorboard" / "restart-0", name)
        assert [step for step, _ in found] == [1, 2, 3, 4, 5, 6]
        np.testing.assert_allclose([value for _, value in found], fitted.history_[name], rtol=1e-6)


def test_a_run_that_starts_anew_leaves_nothing_of_the_earlier(tmp_path: Path) -> None:
    GMVAE(**{**SMALL, "random_state": 1}).fit(points(), run_dir=tmp_path)
    with pytest.raises(ValueError, match=r"`run_dir` must hold no run yet; .*: pass `resume=True` to go on with it"):
        GMVAE(**{**SMALL, "max_iter": 2}).fit(points(), run_dir=tmp_path)
    shutil.rmtree(tmp_path / "checkpoints")
    (tmp_path / "history.csv").unlink()
    fitted = GMVAE(**{**SMALL, "max_iter": 2}).fit(points(), run_dir=tmp_path)
    found = scalars(tmp_path / "tensorboard" / "restart-0", "lower_bound")
    np.testing.assert_allclose([value for _, value in found], fitted.history_["lower_bound"], rtol=1e-6)
    assert len((tmp_path / "history.csv").read_text().splitlines()) == 3
    same_fit(fitted, GMVAE(**{**SMALL, "max_iter": 2}).fit(points()))


# ---------------------------------------------------------------- when to stop, and what is kept


def scripted(trainer: Trainer, bounds: list[float], monkeypatch: pytest.MonkeyPatch) -> list[State]:
    """Run with held-out bounds from a script; return the states."""
    script, states = iter(bounds), []
    monkeypatch.setattr(trainer.held_out, "bound", lambda *_: next(script))
    trainer.run(on_epoch=states.append)
    return states


def test_stops_without_a_gain_and_restores_the_best(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(binary(), max_iter=10, tol=0.2, n_iter_no_change=3)
    states = scripted(trainer, [-10.0, -9.0, -9.5, -9.4, -9.3, 0.0], monkeypatch)
    assert len(states) == 5
    assert [state.epochs_without_gain for state in states] == [0, 0, 1, 2, 3]
    assert [state.finished for state in states] == [False] * 4 + [True]
    assert states[-1].best_bound == -9.0
    assert_same_weights(weights(trainer.model), states[1].network)
    assert any(not torch.equal(states[1].network[name], states[4].network[name]) for name in states[1].network)
    assert not trainer.model.training


def test_gains_below_tol_count_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slow rise is a rise: 0.15 twice is a gain of 0.2. The best is the highest, however little it gained."""
    trainer = trainer_of(binary(), max_iter=10, tol=0.2, n_iter_no_change=2)
    states = scripted(trainer, [-10.0, -9.85, -9.7, -9.6, -9.55, 0.0], monkeypatch)
    assert [state.epochs_without_gain for state in states] == [0, 1, 0, 1, 2]
    assert states[-1].best_bound == -9.55
    assert_same_weights(weights(trainer.model), states[-1].network)


def test_a_gain_is_more_than_tol(monkeypatch: pytest.MonkeyPatch) -> None:
    trainer = trainer_of(binary(), max_iter=10, tol=0.0, n_iter_no_change=2)
    assert len(scripted(trainer, [-1.0, -1.0, -1.0, 0.0], monkeypatch)) == 3


def test_training_has_settled_when_the_last_third_gains_little() -> None:
    """Of 900 nats in all, 3 % are 27; of 3 columns, 0.3 nats; and `tol` counts as nothing whatever came before."""
    bounds = [-400.0, -250.0, -150.0, -130.0, -102.9, -100.0]  # the best of four is -130
    assert not settled(bounds, -1000.0, 10**6, 600, tol=0.01)
    bounds[-2:] = [-103.1, -106.0]
    assert settled(bounds, -1003.1, 10**6, 600, tol=0.01)
    assert not settled(bounds, -1003.1, 3, 600, tol=0.01)
    assert not settled(bounds, -140.0, 10**6, 600, tol=0.01)
    assert settled(bounds, -140.0, 10**6, 600, tol=27.0)
    assert not settled(bounds, -1003.1, 10**6, 600, tol=0.01, copies=True), "0.9 nats are needed"
    assert settled(bounds, -30_000.0, 10**6, 600, tol=0.01, copies=True)
    assert settled([*bounds[:4], -129.98, -129.99], -1003.1, 3, 600, tol=0.0)
    assert not settled(bounds[:2], -1003.1, 10**6, 600, tol=1e9), "of two epochs there is no third"


def test_a_rising_bound_has_not_settled_before_20_epochs_or_600_steps() -> None:
    rising = [-100.0 + 0.001 * epoch for epoch in range(20)]
    assert not settled(rising[:19], -1000.0, 4, 599, tol=0.0)
    assert settled(rising, -1000.0, 4, 40, tol=0.0)
    assert settled(rising[:3], -1000.0, 4, 600, tol=0.0)
    assert settled([-99.0, -100.0, -100.0], -1000.0, 4, 3, tol=0.0)


def test_half_as_many_epochs_follow_until_the_schedules_end() -> None:
    assert [last_epoch(settled_after, 20) for settled_after in (0, 3, 4, 13, 14, 20)] == [20, 5, 6, 20, 20, 20]
    assert [progress(epochs, 0, 20) for epochs in (0, 5, 20)] == [0.0, 0.25, 1.0]
    done = [progress(epochs, 8, 20) for epochs in (0, 4, 8, 10, 11.5, 12)]
    np.testing.assert_allclose(done, [0.0, 0.2, 0.4, 0.7, 0.925, 1.0])


def test_labels_end_the_training_when_they_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gmvae.training.schedule._LEAST_EPOCHS", 1)
    trainer = trainer_of(binary(), max_iter=20, effort="labels")
    bounds = [-100.0, -20.0, -10.0, -9.0, -8.999, -8.998, -8.9, 0.0]  # the first is before the training
    states = scripted(trainer, bounds, monkeypatch)
    assert [state.settled for state in states] == [0, 0, 0, 4, 4, 4]
    assert [state.finished for state in states] == [False] * 5 + [True]
    assert states[-1].has_converged(99)
    assert states[0].first_bound == -100.0
    of_each = trainer.steps_per_epoch
    factor = SCHEDULES["one-cycle"](0.2 + 0.8 * (2 - 1 / of_each) / 2)
    assert states[-1].history["learning_rate"][-1] == pytest.approx(factor * trainer.config.learning_rate)


def test_density_does_not_end_when_labels_have_settled(monkeypatch: pytest.MonkeyPatch) -> None:
    states = scripted(trainer_of(binary(), max_iter=9, effort="density"), [-9.0] * 9, monkeypatch)
    assert len(states) == 9
    assert not any(state.settled for state in states)


def held_out_bound_by_hand(trainer: Trainer, rows: NDArray[Any], batch_size: int) -> float:
    """Mean over the held-out rows, in parts as large as a batch, with noise of the seed after the run's."""
    generator = torch.Generator().manual_seed(trainer.split.seed)
    bounds = []
    for indices in trainer.split.held_out.split(batch_size):
        noise = Noise(*(torch.randn(1, len(indices), dim, generator=generator) for dim in (2, 1)))
        with torch.no_grad():
            terms = trainer.model(torch.from_numpy(rows[indices.numpy()]).float(), noise)
        bounds.append((terms.reconstruction - terms.conditional_prior - terms.w_prior - terms.z_prior).numpy())
    return float(np.concatenate(bounds).astype(float).mean())


@pytest.mark.parametrize("network", ["mlp", "batch norm"])
def test_best_bound_is_that_of_the_final_weights(network: str) -> None:
    if network == "mlp":
        trainer = trainer_of(binary(), n_held_out=13, learning_rate=0.3, max_iter=12, batch_size=9)
        rows = binary()
    else:
        rows = images()[:, None]
        trainer = trainer_of(
            rows,
            n_held_out=13,
            network=batch_norm_trunks(),
            learning_rate=0.3,
            learning_rate_schedule="constant",
            max_iter=4,
            batch_size=9,
        )
    state = trainer.run()
    bounds = state.history["lower_bound_held_out"]
    assert state.best_bound == bounds.max()
    assert bounds.argmax() < len(bounds) - 1, "the best is not the last, or this tests nothing"
    assert held_out_bound_by_hand(trainer, rows, 9) == pytest.approx(state.best_bound, rel=1e-6)


def test_convergence_is_said_and_warned_of() -> None:
    X = points()
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        fitted = GMVAE(**{**SMALL, "tol": 1e6, "n_iter_no_change": 2}).fit(X)
    assert fitted.converged_
    assert fitted.n_iter_ == 3
    with pytest.warns(ConvergenceWarning, match="raise `max_iter`, or `tol` to accept it"):
        fitted = GMVAE(**SMALL).fit(X)
    assert not fitted.converged_
    assert fitted.n_iter_ == 6


def test_without_held_out_rows_the_training_rows_decide() -> None:
    fitted = GMVAE(**{**SMALL, "validation_fraction": 0.0, "batch_size": 500}).fit(points())
    assert fitted.lower_bound_ == fitted.history_["lower_bound_held_out"].max()
    same_fit(fitted, GMVAE(**{**SMALL, "validation_fraction": 0.001, "batch_size": 80}).fit(points()))


def test_batches_beyond_the_rows_are_the_rows() -> None:
    many = GMVAE(**{**SMALL, "batch_size": 10**6}).fit(points(50))
    same_weights = GMVAE(**{**SMALL, "batch_size": 45}).fit(points(50))
    assert_same_weights(weights(many.fitted_.model), weights(same_weights.fitted_.model))


def test_single_rows_as_batches() -> None:
    assert np.isfinite(GMVAE(**{**SMALL, "batch_size": 1, "max_iter": 1}).fit(points(20)).lower_bound_)
    with pytest.raises(ValueError, match=r"`batch_size` and the training rows must be at least 2 .* batch norm; got 1"):
        GMVAE(**{**SMALL, "batch_size": 1, "network": batch_norm_trunks()}).fit(images())


# ---------------------------------------------------------------- restarts


def test_stability_compares_the_clusters_of_restarts(tmp_path: Path) -> None:
    """Against the same restarts fitted one by one, which the checkpoints hold."""
    X = points()
    fitted = GMVAE(**{**SMALL, "n_init": 3, "max_iter": 3, "init": "random"}).fit(X, run_dir=tmp_path)
    clusters = []
    for restart in range(3):
        checkpoint = persistence.read(tmp_path / "checkpoints" / f"restart-{restart}.safetensors", "checkpoint")
        model = copy.deepcopy(fitted)
        model.fitted_.model.load_state_dict(State.from_tensors(*checkpoint).best)
        clusters.append(model.predict(X))
    pairs = [metrics.ari(one, other) for one, other in combinations(clusters, 2)]
    assert fitted.stability_ == pytest.approx(np.mean(pairs))
    assert fitted.stability_ < 1.0
    fitted.save(tmp_path / "model.safetensors")
    assert GMVAE.load(tmp_path / "model.safetensors").stability_ == fitted.stability_
    assert np.isnan(GMVAE(**SMALL).fit(X).stability_)


@pytest.mark.parametrize("network", ["mlp", "of the user"])
def test_best_restart_is_kept_whole(tmp_path: Path, network: str) -> None:
    X = points() if network == "mlp" else images(60)
    changed = {"n_init": 3, "max_iter": 3, "network": "mlp" if network == "mlp" else batch_norm_trunks()}
    winners = set()
    for seed in range(4):
        folder = tmp_path / str(seed)
        fitted = GMVAE(**{**SMALL, **changed, "random_state": seed}).fit(X, run_dir=folder)
        assert len(fitted.restart_bounds_) == 3
        assert fitted.lower_bound_ == max(fitted.restart_bounds_)
        best = int(np.argmax(fitted.restart_bounds_))
        winners.add(best)
        checkpoint = persistence.read(folder / "checkpoints" / f"restart-{best}.safetensors", "checkpoint")
        state = State.from_tensors(*checkpoint)
        assert_same_weights(weights(fitted.fitted_.model), state.best)
        assert_same_history(fitted.history_, state.history)
        assert fitted.lower_bounds_ == state.history["lower_bound_held_out"].tolist()
    assert winners != {2}, "the last restart always won, so this tests nothing"


# ---------------------------------------------------------------- the guard


def poisoned(
    monkeypatch: pytest.MonkeyPatch,
    term: str,
    when: Callable[[int], bool],
    training: bool = True,
    value: float = math.nan,
) -> None:
    """Make ``term`` of one row non-finite in the steps (or held-out parts) whose number satisfies ``when``."""
    count = 0

    def terms(*args: Any) -> Terms:
        nonlocal count
        found = latent_terms(*args)
        if torch.is_grad_enabled() == training:
            count += 1
            if when(count):
                bad = getattr(found, term).clone()
                bad[0] = value
                found = found._replace(**{term: bad})
        return found

    monkeypatch.setattr(gmvae.objective, "latent_terms", terms)


CULPRITS = {
    "reconstruction": "the reconstruction term",
    "conditional_prior": "the conditional prior term",
    "w_prior": "the w prior term",
    "z_prior": "the z prior term",
}


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("term", CULPRITS)
def test_guard_names_the_term_and_goes_on_from_the_last_good_state(
    term: str, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = binary(64)
    settings = {"learning_rate": 0.01, "learning_rate_schedule": "constant"}
    expected = trainer_of(rows, **settings)
    good: list[State] = []
    expected.run(on_epoch=good.append)
    resumed = trainer_of(rows, **settings)
    state = copy.copy(good[1])
    state.reductions = 1
    final = resumed.run(state)

    poisoned(monkeypatch, term, lambda step: step == 4 * 2 + 3, value=value)  # the third of four steps of epoch 3
    guarded = trainer_of(rows, **settings)
    sentence = rf"{CULPRITS[term]} became non-finite in epoch 3; .* lowered the learning rate to 0.001\."
    with pytest.warns(TrainingWarning, match=sentence) as caught:
        ours = guarded.run()
    assert len([w for w in caught if w.category is TrainingWarning]) == 1
    np.testing.assert_allclose(ours.history["learning_rate"], [0.01, 0.01, *[0.001] * 4], rtol=1e-12)
    assert ours.reductions == 1
    assert_same_history(ours.history, final.history)
    assert_same_weights(weights(guarded.model), weights(resumed.model))


def test_guard_gives_up_with_advice_after_two_reductions(monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, "w_prior", lambda step: step > 8)
    trainer = trainer_of(binary(64), learning_rate=0.01, learning_rate_schedule="constant")
    seen: list[State] = []
    with (
        pytest.warns(TrainingWarning) as caught,
        pytest.raises(DivergedError, match=r"lower `learning_rate`, set `max_grad_norm` or look for"),
    ):
        trainer.run(on_epoch=seen.append)
    said = [str(w.message) for w in caught if w.category is TrainingWarning]
    assert [message.split("rate to ")[1] for message in said] == ["0.001.", "0.0001."]
    assert len(seen) == 2
    assert_same_weights(weights(trainer.model), seen[-1].network)


def test_guard_sees_gradients(monkeypatch: pytest.MonkeyPatch) -> None:
    def terms(*args: Any) -> Terms:
        found = latent_terms(*args)
        kink = (found.w_prior * 0.0).abs().sqrt()  # 0, with a gradient of 0 times infinity
        return found._replace(w_prior=found.w_prior + kink)

    monkeypatch.setattr(gmvae.objective, "latent_terms", terms)
    trainer = trainer_of(binary(), max_grad_norm=1.0)
    before = weights(trainer.model)
    with (
        pytest.warns(TrainingWarning, match="^the gradient became non-finite in epoch 1"),
        pytest.raises(DivergedError),
    ):
        trainer.run()
    assert_same_weights(weights(trainer.model), before)


def test_guard_sees_the_held_out_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    poisoned(monkeypatch, "reconstruction", lambda part: part == 2, training=False)
    trainer = trainer_of(binary(), n_held_out=10)
    with pytest.warns(TrainingWarning, match="^the held-out bound became non-finite in epoch 2"):
        state = trainer.run()
    assert np.isfinite(state.history["lower_bound_held_out"]).all()


def test_failed_fit_leaves_the_earlier_solution(monkeypatch: pytest.MonkeyPatch) -> None:
    X = points()
    fitted = GMVAE(**SMALL, warm_start=True).fit(X)
    before, proba = weights(fitted.fitted_.model), fitted.predict_proba(X)
    poisoned(monkeypatch, "z_prior", lambda step: step > 5)
    with pytest.warns(TrainingWarning), pytest.raises(DivergedError):
        fitted.fit(X)
    assert_same_weights(weights(fitted.fitted_.model), before)
    assert np.array_equal(fitted.predict_proba(X), proba)


# ---------------------------------------------------------------- randomness and global settings


def test_same_seed_same_result() -> None:
    X = points()
    same_fit(GMVAE(**SMALL).fit(X), GMVAE(**SMALL).fit(X))
    seeded = [GMVAE(**{**SMALL, "random_state": np.random.RandomState(5)}).fit(X) for _ in range(2)]
    same_fit(*seeded)
    other = GMVAE(**{**SMALL, "random_state": 1}).fit(X)
    assert other.lower_bound_ != GMVAE(**SMALL).fit(X).lower_bound_


def test_seedless_fits_differ() -> None:
    X = points()
    one, other = (GMVAE(**{**SMALL, "random_state": None}).fit(X) for _ in range(2))
    assert one.lower_bound_ != other.lower_bound_


def global_state() -> list[Any]:
    name, keys, *rest = np.random.get_state()  # noqa: NPY002 -- the global generator is what is watched
    return [
        torch.get_rng_state().tolist(),
        (name, keys.tolist(), *rest),
        random.getstate(),
        torch.get_default_dtype(),
        torch.get_num_threads(),
        torch.get_num_interop_threads(),
        torch.is_grad_enabled(),
        torch.is_autocast_enabled("cpu"),
        torch.are_deterministic_algorithms_enabled(),
        torch.get_float32_matmul_precision(),
        torch.backends.cudnn.benchmark,
        torch.backends.cudnn.deterministic,
        np.geterr(),
        list(warnings.filters),
    ]


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed", "64-true"])
@pytest.mark.parametrize("random_state", [0, None])
def test_nothing_global_is_touched(precision: str, random_state: int | None, tmp_path: Path) -> None:
    X = points()
    for init in ("random", "kmeans", "gmm"):
        before = global_state()
        changed = {"precision": precision, "init": init, "max_iter": 1, "random_state": random_state}
        fitted = GMVAE(**{**SMALL, **changed}).fit(X)
        fitted.predict(X)
        fitted.sample(3)
        fitted.score_samples(X)
        fitted.reconstruct(X)
        fitted.components()
        fitted.save(tmp_path / "model")
        GMVAE.load(tmp_path / "model").predict(X)
        assert global_state() == before


def test_global_generators_do_not_matter() -> None:
    X = points()
    fits = []
    for seed in range(2):
        torch.manual_seed(seed)
        np.random.seed(seed)  # noqa: NPY002
        fits.append(GMVAE(**{**SMALL, "init": "kmeans", "max_iter": 2}).fit(X))
    same_fit(*fits)
    assert np.array_equal(fits[0].sample(5)[0], fits[1].sample(5)[0])


# ---------------------------------------------------------------- where the data lie, precision, device


@pytest.mark.parametrize("dtype", ["float64", "float32", "uint8"])
def test_memory_mapped_rows_give_the_same_fit(tmp_path: Path, dtype: str) -> None:
    X = (np.abs(points(100)) * 10).astype(dtype)
    np.save(tmp_path / "X.npy", X)
    frozen = X.copy()
    frozen.setflags(write=False)
    settings = {**SMALL, "max_iter": 2, "init": "kmeans"}
    plain = GMVAE(**settings).fit(X)
    for other in (np.load(tmp_path / "X.npy", mmap_mode="r"), np.load(tmp_path / "X.npy", mmap_mode="c"), frozen):
        fitted = GMVAE(**settings).fit(other)
        same_fit(plain, fitted)
        assert np.array_equal(plain.predict_proba(X), fitted.predict_proba(other))
        assert np.array_equal(plain.score_samples(X), fitted.score_samples(other))


@pytest.mark.parametrize(
    ("precision", "dtype"),
    [("32-true", torch.float32), ("bf16-mixed", torch.float32), ("64-true", torch.float64)],
)
@pytest.mark.parametrize("init", ["random", "kmeans"])
def test_precisions(precision: Precision, dtype: torch.dtype, init: str) -> None:
    X = points()
    fitted = GMVAE(**{**SMALL, "precision": precision, "init": init, "max_iter": 3}).fit(X)
    assert {parameter.dtype for parameter in fitted.fitted_.model.parameters()} == {dtype}
    assert all(np.isfinite(fitted.history_[name]).all() for name in Epoch._fields)
    assert np.isfinite(fitted.score_samples(X)).all()
    assert fitted.predict_proba(X).dtype == np.float64
    assert fitted.transform(X).dtype == np.dtype(str(dtype).removeprefix("torch."))
    if precision == "bf16-mixed" and init == "random":
        # Eight bits of mantissa change the course of training a little; the noise is the same.
        full = GMVAE(**{**SMALL, "max_iter": 3}).fit(X)
        assert fitted.lower_bound_ == pytest.approx(full.lower_bound_, rel=0.02)
        assert fitted.lower_bound_ != full.lower_bound_


@pytest.mark.parametrize("offset", [1e3, 1e9])
def test_bfloat16_rounds_the_matrix_products_and_not_the_data(offset: float) -> None:
    X = np.random.default_rng(0).normal(size=(200, 3))
    near, far = (GMVAE(**{**SMALL, "precision": "bf16-mixed", "max_iter": 3}).fit(X + shift) for shift in (0.0, offset))
    assert far.lower_bound_ == pytest.approx(near.lower_bound_, rel=1e-2)


def test_float64_terms_leave_the_training_step_in_float64(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    add = EpochSums.add
    monkeypatch.setattr(
        EpochSums, "add", lambda self, terms, *weight: (seen.append(terms), add(self, terms, *weight))[1]
    )
    GMVAE(**{**SMALL, "precision": "64-true", "max_iter": 1}).fit(points())
    assert {term.dtype for terms in seen for term in terms} == {torch.float64}


def test_precision_is_chosen_without_a_word(capfd: pytest.CaptureFixture[str]) -> None:
    GMVAE(**{**SMALL, "precision": "bf16-mixed", "max_iter": 1}).fit(points())
    assert capfd.readouterr() == ("", "")


def test_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)
    assert device_for("auto") == device_for("cpu") == torch.device("cpu")
    for name in ("cuda", "cuda:0"):
        with pytest.raises(ValueError, match=r"has 0 GPU\(s\); got 'cuda.*: use 'auto' or 'cpu'"):
            device_for(name)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert device_for("auto") == device_for("cuda") == torch.device("cuda", 0)
    assert device_for("cuda:1") == torch.device("cuda", 1)
    assert device_for("cpu") == torch.device("cpu")
    with pytest.raises(ValueError, match=r"`device` must be .* has 2 GPU\(s\); got 'cuda:2'"):
        device_for("cuda:2")


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_missing_gpu_is_said_at_fit() -> None:
    with pytest.raises(ValueError, match="`device` must be a device of this machine"):
        GMVAE(**{**SMALL, "device": "cuda"}).fit(points())


# ---------------------------------------------------------------- after a break


class Stopped(Exception):
    """The break."""


@contextmanager
def broken_off(count: int, what: str) -> Iterator[None]:
    """Break training after so many checkpoints, or so many steps."""
    left = count

    def stopping(call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*args: Any) -> Any:
            nonlocal left
            result = call(*args)
            left -= 1
            if left == 0:
                raise Stopped
            return result

        return counted

    where, name = (persistence, "write") if what == "checkpoints" else (Trainer, "step")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(where, name, stopping(getattr(where, name)))
        with pytest.raises(Stopped):
            yield


def resumed(estimator: GMVAE, X: NDArray[Any], folder: Path, count: int, what: str = "checkpoints") -> GMVAE:
    with broken_off(count, what):
        estimator.fit(X, run_dir=folder)
    return estimator.fit(X, run_dir=folder, resume=True)


@pytest.mark.parametrize(("count", "what"), [(1, "checkpoints"), (4, "checkpoints"), (9, "steps")])
@pytest.mark.parametrize("network", ["mlp", "batch norm", "placed", "64 bits"])
def test_resumed_run_ends_bit_identical(count: int, what: str, network: str, tmp_path: Path) -> None:
    X = images() if network == "batch norm" else points()
    changed: dict[str, Any] = {
        "mlp": {},
        "batch norm": {"network": batch_norm_trunks(), "n_mc_samples": 2},
        "placed": {"init": "kmeans"},
        "64 bits": {"precision": "64-true", "max_grad_norm": 1.0, "learning_rate": 0.1, "n_iter_no_change": 2},
    }[network]
    settings = {**SMALL, **changed}
    whole = GMVAE(**settings).fit(X, run_dir=tmp_path / "whole")
    ours = resumed(GMVAE(**settings), X, tmp_path / "broken", count, what)
    same_fit(whole, ours)
    files = [
        persistence.read(tmp_path / run / "checkpoints" / "restart-0.safetensors", "checkpoint")[0]
        for run in ("whole", "broken")
    ]
    assert_same_weights(*files)


@pytest.mark.parametrize("count", [6, 8, 11])
def test_resumed_in_the_second_restart(count: int, tmp_path: Path) -> None:
    X = points()
    settings = {**SMALL, "n_init": 2, "init": "kmeans", "restarts_at_once": 1}
    whole = GMVAE(**settings).fit(X)
    ours = resumed(GMVAE(**settings), X, tmp_path, count)
    same_fit(whole, ours)
    # Two files of events that begin in the same second are read in any order.
    _, last = max(scalars(tmp_path / "tensorboard" / "restart-1", "lower_bound_held_out"))
    kept = State.from_tensors(*persistence.read(tmp_path / "checkpoints" / "restart-1.safetensors", "checkpoint"))
    assert last == pytest.approx(kept.history["lower_bound_held_out"][-1], rel=1e-6)


def test_resumed_without_a_seed(tmp_path: Path) -> None:
    """The run's folder remembers the seed that the system gave."""
    X = points()
    settings = {**SMALL, "random_state": None}
    ours = resumed(GMVAE(**settings), X, tmp_path / "a", 3)
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "config.json").write_text((tmp_path / "a" / "config.json").read_text())
    whole = GMVAE(**settings).fit(X, run_dir=tmp_path / "b", resume=True)  # no checkpoint: from the beginning
    same_fit(whole, ours)


def test_resumed_after_the_guard(tmp_path: Path) -> None:
    """The lowered learning rate is part of the state."""
    X = points()
    settings = {**SMALL, "learning_rate_schedule": "constant"}
    with pytest.MonkeyPatch.context() as patch, broken_off(3, "checkpoints"):
        poisoned(patch, "z_prior", lambda step: step == 6)
        with pytest.warns(TrainingWarning):
            GMVAE(**settings).fit(X, run_dir=tmp_path)
    fitted = GMVAE(**settings).fit(X, run_dir=tmp_path, resume=True)
    np.testing.assert_allclose(fitted.history_["learning_rate"], [1e-3, *[1e-4] * 5], rtol=1e-12)


def test_failed_checkpoint_leaves_the_earlier(tmp_path: Path) -> None:
    X = points()
    count = 0

    @contextmanager
    def half(path: Path) -> Iterator[Path]:
        nonlocal count
        count += 1
        with replacing(path) as temporary:
            yield temporary
            if count == 3:
                temporary.write_bytes(b"half")
                raise Stopped

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(persistence, "replacing", half)
        with pytest.raises(Stopped):
            GMVAE(**SMALL).fit(X, run_dir=tmp_path)
    path = tmp_path / "checkpoints" / "restart-0.safetensors"
    assert len(State.from_tensors(*persistence.read(path, "checkpoint")).history.epochs) == 2
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    same_fit(GMVAE(**SMALL).fit(X), GMVAE(**SMALL).fit(X, run_dir=tmp_path, resume=True))


def test_resuming_a_finished_run_changes_nothing(tmp_path: Path) -> None:
    X = points()
    same_fit(
        GMVAE(**SMALL).fit(X, run_dir=tmp_path),
        GMVAE(**SMALL).fit(X, run_dir=tmp_path, resume=True),
    )


def test_state_round_trip() -> None:
    states: list[State] = []
    trainer_of(binary()).run(on_epoch=states.append)
    back = State.from_tensors(*states[-1].to_tensors())
    for group in ("network", "best", "optimizer"):
        assert_same_weights(getattr(back, group), getattr(states[-1], group))
    assert torch.equal(back.generator, states[-1].generator)
    assert_same_history(back.history, states[-1].history)
    names = ("best_bound", "plateau_bound", "epochs_without_gain", "reductions", "finished")
    assert [getattr(back, name) for name in names] == [getattr(states[-1], name) for name in names]


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        ({"n_components": 4}, r"`n_components` must be as in the run to resume, 3; got 4: set it back or start anew"),
        ({"n_init": 2}, r"`n_init` must be as in the run to resume, 1; got 2"),
        ({"hidden_layer_sizes": (8, 8)}, r"`hidden_layer_sizes` must be as in the run to resume, \[8\]; got \[8, 8\]"),
    ],
)
def test_other_parameters_are_not_resumed(tmp_path: Path, changed: dict[str, Any], sentence: str) -> None:
    GMVAE(**SMALL).fit(points(), run_dir=tmp_path)
    with pytest.raises(ValueError, match=sentence):
        GMVAE(**{**SMALL, **changed}).fit(points(), run_dir=tmp_path, resume=True)


@pytest.mark.parametrize("X", [points(p=3), points(seed=1), points() * 2])
def test_other_data_are_not_resumed(tmp_path: Path, X: NDArray[Any]) -> None:
    GMVAE(**SMALL).fit(points(), run_dir=tmp_path)
    with pytest.raises(ValueError, match="X and `network` must be as in the run to resume"):
        GMVAE(**SMALL).fit(X, run_dir=tmp_path, resume=True)


def test_resume_needs_a_run(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`run_dir` must hold a started run to resume"):
        GMVAE(**SMALL).fit(points(), run_dir=tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    with pytest.raises(ValueError, match="`run_dir` must be given with `resume=True`; got None"):
        GMVAE(**SMALL).fit(points(), resume=True)


# ---------------------------------------------------------------- warm start


def test_warm_start_goes_on_from_the_weights() -> None:
    X = points()
    fitted = GMVAE(**SMALL).fit(X)
    before, first = weights(fitted.fitted_.model), fitted.fitted_.model
    fitted.set_params(warm_start=True, learning_rate=1e-30, max_iter=1).fit(X)
    assert fitted.fitted_.model is not first, "the previous solution stays as it is"
    assert_same_weights(weights(fitted.fitted_.model), before)
    fitted.set_params(learning_rate=1e-2, max_iter=3).fit(X)
    assert any(not torch.equal(tensor, before[name]) for name, tensor in weights(fitted.fitted_.model).items())
    assert_same_weights(weights(first), before)
    assert fitted.n_iter_ == 3


def test_cold_start_forgets() -> None:
    X = points()
    same_fit(GMVAE(**SMALL).fit(X), GMVAE(**SMALL).fit(points(seed=1)).fit(X))


def test_warm_start_never_ends_worse() -> None:
    X = points()
    first = GMVAE(**{**SMALL, "max_iter": 10}).fit(X)
    again = copy.deepcopy(first).set_params(warm_start=True, learning_rate=3.0, max_iter=1).fit(X)
    assert (again.history_["lower_bound_held_out"] < first.lower_bound_).all()
    assert again.lower_bound_ == pytest.approx(first.lower_bound_, abs=1e-6)
    assert_same_weights(weights(again.fitted_.model), weights(first.fitted_.model))


def test_a_restart_that_diverges_is_given_up_and_the_others_stand(monkeypatch: pytest.MonkeyPatch) -> None:
    run, calls = Trainer.run, []

    def sometimes(self: Trainer, *arguments: Any) -> State:
        calls.append(self)
        if len(calls) == 1:
            raise DivergedError("it did not stay finite.")
        return run(self, *arguments)

    monkeypatch.setattr(Trainer, "run", sometimes)
    with pytest.warns(TrainingWarning, match=r"A restart was given up: it did not stay finite\."):
        fitted = GMVAE(**SMALL, n_init=2, restarts_at_once=1).fit(points())
    assert np.isnan(fitted.restart_bounds_[0])
    assert fitted.restart_bounds_[1] == fitted.lower_bound_

    monkeypatch.setattr(Trainer, "run", lambda self, *arguments: (_ for _ in ()).throw(DivergedError("never.")))
    with pytest.raises(DivergedError, match=r"never\."):
        GMVAE(**SMALL, n_init=2, restarts_at_once=1).fit(points())


def test_a_run_of_another_kind_of_device_is_not_resumed() -> None:
    trainer = trainer_of(binary())
    state = trainer.run()
    state.generator = state.generator[:16]  # as long as that of a GPU
    with pytest.raises(ValueError, match="`device` must be of the kind that the run to resume was on; got 'cpu'"):
        trainer_of(binary()).run(state)


def test_warm_start_makes_no_restarts() -> None:
    X = points()
    fitted = GMVAE(**SMALL, n_init=3).fit(X)
    assert len(fitted.restart_bounds_) == 3
    fitted.set_params(warm_start=True).fit(X)
    assert fitted.restart_bounds_ == [fitted.lower_bound_]


def test_warm_start_takes_a_changed_objective_and_precision() -> None:
    X = points()
    fitted = GMVAE(**SMALL).fit(X).set_params(warm_start=True, bound="paper", precision="64-true", max_iter=1).fit(X)
    assert fitted.fitted_.model.conditional_prior is gmvae.objective.paper_conditional_prior
    assert {parameter.dtype for parameter in fitted.fitted_.model.parameters()} == {torch.float64}
    fitted.set_params(precision="32-true").fit(X)
    assert {parameter.dtype for parameter in fitted.fitted_.model.parameters()} == {torch.float32}


def test_warm_start_keeps_the_first_units() -> None:
    X = points()
    fitted = GMVAE(**SMALL).fit(X)
    fitted.set_params(warm_start=True, learning_rate=1e-30, max_iter=1).fit(3 * X + 5)
    units = fitted.fitted_.model.units
    np.testing.assert_allclose(units.shift.numpy(), X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(units.scale.numpy(), X.std(0), rtol=1e-12)


@pytest.mark.parametrize(
    ("changed", "X", "sentence"),
    [
        ({"n_components": 4}, points(), "X and the parameters that shape the model, such as `n_components`"),
        ({"latent_dim": 3}, points(), "X and the parameters that shape the model"),
        ({"hidden_layer_sizes": (9,)}, points(), "X and the parameters that shape the model"),
        ({}, points(p=5), "X and the parameters that shape the model"),
        ({}, points().reshape(80, 2, 2), "X and the parameters that shape the model"),
        ({"likelihood": "bernoulli"}, points(), "`likelihood` must be 'gaussian' as in the previous fit"),
    ],
)
def test_warm_start_needs_the_same_model(changed: dict[str, Any], X: NDArray[Any], sentence: str) -> None:
    fitted = GMVAE(**SMALL, warm_start=True).fit(points())
    before = weights(fitted.fitted_.model)
    with pytest.raises(ValueError, match=sentence):
        fitted.set_params(**changed).fit(X)
    assert_same_weights(weights(fitted.fitted_.model), before)


def test_warm_start_needs_values_of_the_likelihood() -> None:
    fitted = GMVAE(**SMALL, warm_start=True).fit(binary())
    with pytest.raises(ValueError, match=r"X must lie in \[0, 1\] for a Bernoulli likelihood"):
        fitted.fit(3 * binary())


# ---------------------------------------------------------------- collapse


@pytest.mark.parametrize(
    ("information", "effective", "agreement", "changed", "sentence"),
    [
        (0.01, 10.0, 1.0, {}, "clusters tell nothing about rows"),
        (0.00, 1.0, 1.0, {"init": "random"}, "clusters tell nothing about rows.*set `init='auto'`"),
        (0.60, 10.0, 1.0, {"bound": "paper"}, "little about rows: 0.60 of 2.30 nats; set `bound='exact'`"),
        (0.60, 10.0, 1.0, {"component_weights": "uniform"}, "set `component_weights='learned'`"),
        (0.60, 10.0, 1.0, {}, "take fewer `n_components`"),
        (2.00, 10.0, 0.5, {}, "only 50% of rows keep their cluster when the latents are drawn"),
        (2.00, 10.0, 0.9, {}, None),
        # 95, 3 and 2 percent of the rows: unequal, and certain.
        (0.22, math.exp(0.23), 1.0, {}, None),
        (math.nan, 10.0, math.nan, {}, None),
    ],
)
def test_collapse_is_named_with_its_remedy(
    information: float, effective: float, agreement: float, changed: dict[str, Any], sentence: str | None
) -> None:
    config = Config(n_components=10, **changed)
    epoch = Epoch(20, 0, 0, 0, 0, 0, 0, effective, 0, 0, 0, information, agreement)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_collapsed(epoch, config)
    assert [each.category for each in caught] == [CollapseWarning] * (sentence is not None)
    if sentence is not None:
        assert re.search(sentence, str(caught[0].message))


def test_more_components_than_distinct_rows_are_told() -> None:
    X = np.repeat(np.eye(3), 10, axis=0)
    with pytest.warns(CollapseWarning, match="got 4, but the rows fall into no more than 3"):
        GMVAE(**{**SMALL, "n_components": 4, "max_iter": 1, "init": "auto"}).fit(X)


def test_one_component_is_no_collapse() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", CollapseWarning)
        GMVAE(**{**SMALL, "n_components": 1, "max_iter": 1}).fit(points())


@pytest.mark.parametrize("failure", ["coincide", "took all points"])
def test_collapsed_fits_are_recognised(failure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Components set by hand and hardly trained: all alike, or all but one out of reach."""
    build_model = gmvae.fitting.starts.build

    def collapsed(*args: Any) -> GaussianMixtureVAE:
        model = build_model(*args)
        means = torch.zeros(4, 2) if failure == "coincide" else torch.tensor([[0.0], [9.0], [9.0], [9.0]]).expand(4, 2)
        place(model.generative.mixture, means, torch.ones(4, 2))
        model.generative.mixture.output.weight.data.zero_()
        return model

    monkeypatch.setattr(gmvae.fitting.starts, "build", collapsed)
    with pytest.warns(CollapseWarning, match="clusters tell nothing about rows"):
        GMVAE(**{**SMALL, "n_components": 4, "max_iter": 1, "learning_rate": 1e-9}).fit(points())


@pytest.mark.parametrize(("n_rows", "expected"), [(400, 128), (500, 256)])
def test_many_rows_are_trained_in_larger_batches(monkeypatch: pytest.MonkeyPatch, n_rows: int, expected: int) -> None:
    monkeypatch.setattr("gmvae.fitting.starts._MANY_ROWS", 500)
    model = GMVAE(2, hidden_layer_sizes=(4,), max_iter=3, random_state=0, device="cpu")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model.fit(np.random.default_rng(0).normal(size=(n_rows, 3)))
    assert model.batch_size == "auto"
    assert expected == model.fitted_.config.B
