"""The adapters to gmvae: everything that the benchmarks ask of it, and the one file to mend when its inside changes.

Above the line the inside of a training step; below it the public estimator and its command line.
"""

from __future__ import annotations

import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from workloads import Workload

from gmvae import GMVAE
from gmvae.arrays import as_tensor
from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import BernoulliLikelihood, GaussianLikelihood
from gmvae.model import GaussianMixtureVAE, Noise
from gmvae.objective import lower_bound
from gmvae.observations import Observations
from gmvae.presets import preset
from gmvae.seeds import seeded
from gmvae.training import Split, Trainer
from gmvae.training.epoch_sums import EpochSums
from gmvae.training.fabric import make_fabric
from gmvae.training.minibatches import Minibatch

Values = Callable[[nn.Parameter], Tensor]

N_BATCHES = 4
"""Minibatches of rows that a training step draws from."""

PRECISIONS = {
    "float32": {"precision": "32-true", "compile": False},
    "bf16": {"precision": "bf16-mixed", "compile": False},
}
"""What the columns of the tables mean in gmvae's hyperparameters."""
COMPILED = {f"{name} compiled": {**settings, "compile": True} for name, settings in PRECISIONS.items()}


def settings(workload: Workload, batch: int, precision: str, seed: int = 0, device: str = "cpu") -> dict[str, object]:
    """Keywords of `GMVAE` for a workload, from a random start and without augmented copies of images."""
    return {
        **(preset(workload.preset) if workload.preset else {}),
        "n_components": workload.n_components,
        "latent_dim": workload.latent_dim,
        "style_dim": workload.style_dim,
        "likelihood": workload.likelihood,
        "network": workload.network,
        "hidden_layer_sizes": workload.hidden,
        "batch_norm": workload.batch_norm,
        "batch_size": batch,
        "learning_rate": workload.learning_rate,
        "bound": workload.bound,
        "min_information": workload.min_information,
        "n_mc_samples": workload.n_mc_samples,
        "init": "random",
        "consistency": 0.0,
        "device": device,
        "random_state": seed,
        **(PRECISIONS | COMPILED)[precision],
    }


def trainer_for(workload: Workload, batch: int, precision: str, seed: int, device: str = "cpu") -> Trainer:
    """Make a model and its trainer as a fit does, over a few minibatches of rows, in training mode."""
    config = Config(**settings(workload, batch, precision, seed, device))
    rows = workload.rows(N_BATCHES * batch, seed)
    likelihoods = {
        "bernoulli": BernoulliLikelihood,
        "gaussian": lambda: GaussianLikelihood.learn(rows),
    }
    with seeded(seed):
        model = build(config, workload.event_shape, likelihoods[workload.likelihood]())
    fabric = make_fabric(config)
    everything = torch.arange(len(rows))
    trainer = Trainer(
        model, Observations(rows, device=fabric.device), Split(everything, everything, seed), config, fabric, seed
    )
    trainer.model.train()
    return trainer


def training_step(
    workload: Workload, batch: int, precision: str, seed: int, device: str = "cpu"
) -> Callable[[], object]:
    """All that training does for a minibatch: its rows and noise, the gradient step, and the epoch's sums."""
    trainer = trainer_for(workload, batch, precision, seed, device)
    sums = EpochSums(workload.n_components, trainer.fabric.device)
    minibatches = _minibatches(trainer)
    return lambda: sums.add(trainer.step(next(minibatches)))


def _minibatches(trainer: Trainer) -> Iterator[Minibatch]:
    """Minibatches of one epoch after another, always of the first."""
    state = trainer.begin(None)
    while True:
        yield from trainer.minibatches(state)


def loss(trainer: Trainer, n_rows: int, noise: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    """What training minimises for the first rows, in the units that the networks see, and the rows in those units."""
    model, y = trainer.model, trainer.observations.take(torch.arange(n_rows)).y
    cost = -lower_bound(trainer.model(y, Noise(*noise)), trainer.config.min_information)
    seen = model.standardised(y)
    likelihood = model.likelihood
    return cost - likelihood.log_volume(seen).mean() if isinstance(likelihood, GaussianLikelihood) else cost, seen


def in_reference_order(model: GaussianMixtureVAE, values: Values) -> list[Tensor]:
    """A tensor of every parameter, such as its gradient, in the order of the reference's parameters."""
    recognition, mixture = model.recognition, model.generative.mixture
    streams, n_heads = recognition.streams, mixture.streams[0]
    return [
        *map(values, recognition.encoder.parameters()),
        *_heads(recognition.output, lambda whole: whole.split(streams), values),
        *map(values, mixture.hidden.parameters()),
        *_heads(mixture.output, lambda whole: whole.chunk(n_heads), values),
        *map(values, model.generative.observation.parameters()),
    ]


def _heads(layer: nn.Linear, cut: Callable[[Tensor], tuple[Tensor, ...]], values: Values) -> list[Tensor]:
    """Weight and bias of every output stream of one linear layer."""
    return [part for pair in zip(cut(values(layer.weight)), cut(values(layer.bias)), strict=True) for part in pair]


# ------------------------------------------------------------------------------------ the public door


def fitted(workload: Workload, precision: str, seed: int) -> GMVAE:
    """An estimator after one epoch on little data: what it answers takes as long as a good one's answers."""
    rows = workload.rows(max(256, workload.n_components), seed)
    return fit(rows, settings(workload, 128, precision, seed), epochs=1)


def fit(X: np.ndarray, keywords: dict[str, object], epochs: int) -> GMVAE:
    """Fit for exactly so many epochs, without a word on convergence or collapse."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return GMVAE(**{**keywords, "max_iter": epochs, "n_iter_no_change": epochs + 1}).fit(X)


def epoch_seconds(X: np.ndarray, keywords: dict[str, object], epochs: int) -> list[float]:
    """Wall time of every epoch after the first of a fit, as its public history gives it: held-out bound included."""
    return fit(X, keywords, epochs + 1).history_["seconds"][1:].tolist()


def encoder_pass(estimator: GMVAE, X: np.ndarray, rows_at_once: int) -> Callable[[], object]:
    """Forward pass of the recognition network alone, over rows that lie ready in its units."""
    model = estimator.fitted_.model.eval()
    parts = model.standardised(as_tensor(X)).split(rows_at_once)

    @torch.no_grad()
    def run() -> None:
        for part in parts:
            model.recognition(part)

    return run


def command_line(*arguments: str) -> list[str]:
    """The command `gmvae` of this interpreter."""
    script = Path(sys.executable).with_name("gmvae")
    return [str(script), *arguments] if script.exists() else [sys.executable, "-m", "gmvae", *arguments]


def fit_by_command(source: Path, run: Path, n_components: int) -> None:
    """`gmvae fit` for one epoch, so that there is a run folder to predict from."""
    options = ["-k", str(n_components), "-o", str(run), "--epochs", "1", "--quiet", "--device", "cpu"]
    command = command_line("fit", str(source), *options, "--set", "init=random")
    subprocess.run(command, check=True, capture_output=True)
