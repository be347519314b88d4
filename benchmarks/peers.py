"""The peers, in an interpreter of their own: seconds per epoch, or per iteration, of one peer for each line asked.

``peers.py SIZES-AS-JSON`` first prints the versions, then reads names from standard input and answers each with one
line of JSON. It lives as long as its caller asks, so that peers and gmvae can be timed in turn.
"""

from __future__ import annotations

import importlib.metadata
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import torch
from sklearn.mixture import GaussianMixture
from torch import nn
from torchvision_stand_in import stand_in_for_torchvision

Timed = Callable[[], float]
"""Does some work and returns the seconds of one epoch, or iteration."""
ITERATIONS = 2
PACKAGES = ("clustpy", "pythae", "scikit-learn", "torch")


def epoch_of(run: Callable[[], object], n_epochs: int) -> Timed:
    """Seconds of one of the ``n_epochs`` epochs that ``run`` takes."""

    def timed() -> float:
        started = time.perf_counter()
        run()
        return (time.perf_counter() - started) / n_epochs

    return timed


def vade(X: np.ndarray, sizes: SimpleNamespace) -> Timed:
    """ClustPy's VaDE: its own clustering loop, over its own data loader, after pretraining."""
    from clustpy.deep._data_utils import get_dataloader
    from clustpy.deep.vade import _VaDE_Module, _VaDE_VAE

    network = _VaDE_VAE(layers=[X.shape[1], *sizes.hidden, sizes.latent_dim], random_state=sizes.seed)
    network.fitted = True
    module = _VaDE_Module(sizes.n_components, sizes.latent_dim)
    optimizer = torch.optim.Adam([*network.parameters(), *module.parameters()], lr=1e-4)
    loader = get_dataloader(X, sizes.batch, True)
    loss = nn.BCELoss(reduction="sum")
    device, n = torch.device("cpu"), sizes.epochs
    return epoch_of(lambda: module.fit(network, loader, loader, n, device, optimizer, loss, 1.0, 1.0), n)


def dec(X: np.ndarray, sizes: SimpleNamespace) -> Timed:
    """ClustPy's DEC: its own clustering loop, over its own data loader, after pretraining. It trains no decoder."""
    from clustpy.deep._data_utils import get_dataloader
    from clustpy.deep._utils import mean_squared_error
    from clustpy.deep.dec import _DEC_Module
    from clustpy.deep.neural_networks import FeedforwardAutoencoder

    network = FeedforwardAutoencoder([X.shape[1], *sizes.hidden, sizes.latent_dim], random_state=sizes.seed)
    centres = np.random.default_rng(sizes.seed).normal(size=(sizes.n_components, sizes.latent_dim))
    module = _DEC_Module(centres.astype(np.float32), alpha=1.0)
    optimizer = torch.optim.Adam([*network.parameters(), *module.parameters()], lr=1e-4)
    loader = get_dataloader(X, sizes.batch, True)
    device, n = torch.device("cpu"), sizes.epochs
    return epoch_of(lambda: module.fit(network, loader, n, device, optimizer, mean_squared_error, 1.0, 0.0), n)


def pythae_vae(X: np.ndarray, sizes: SimpleNamespace) -> Timed:
    """pythae's VAE: its `BaseTrainer`'s own epoch, `train_step`, without the copies and files between epochs."""
    from pythae.data.datasets import BaseDataset
    from pythae.models import VAE, VAEConfig
    from pythae.models.base.base_utils import ModelOutput
    from pythae.models.nn import BaseDecoder, BaseEncoder
    from pythae.trainers import BaseTrainer, BaseTrainerConfig

    def layers(widths: list[int]) -> nn.Sequential:
        return nn.Sequential(*(layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())))

    class Encoder(BaseEncoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers([X.shape[1], *sizes.hidden])
            self.mean = nn.Linear(sizes.hidden[-1], sizes.latent_dim)
            self.log_variance = nn.Linear(sizes.hidden[-1], sizes.latent_dim)

        def forward(self, x: torch.Tensor) -> ModelOutput:
            h = self.layers(x)
            return ModelOutput(embedding=self.mean(h), log_covariance=self.log_variance(h))

    class Decoder(BaseDecoder):
        def __init__(self) -> None:
            super().__init__()
            self.layers = layers([sizes.latent_dim, *sizes.hidden[::-1]])
            self.output = nn.Linear(sizes.hidden[0], X.shape[1])

        def forward(self, z: torch.Tensor) -> ModelOutput:
            return ModelOutput(reconstruction=torch.sigmoid(self.output(self.layers(z))))

    config = VAEConfig(input_dim=(X.shape[1],), latent_dim=sizes.latent_dim, reconstruction_loss="bce")
    folder = tempfile.mkdtemp(dir=sizes.scratch)
    training = BaseTrainerConfig(
        output_dir=folder, per_device_train_batch_size=sizes.batch, num_epochs=sizes.epochs, no_cuda=True
    )
    rows = BaseDataset(torch.from_numpy(X), torch.zeros(len(X)))
    trainer = BaseTrainer(VAE(config, Encoder(), Decoder()), rows, training_config=training)
    trainer.prepare_training()
    return epoch_of(lambda: [trainer.train_step(epoch) for epoch in range(sizes.epochs)], sizes.epochs)


def mixture(covariance_type: str) -> Callable[[np.ndarray, SimpleNamespace], Timed]:
    """scikit-learn's `GaussianMixture` on the rows themselves; its iteration is one pass over them."""

    def prepare(X: np.ndarray, sizes: SimpleNamespace) -> Timed:
        X = X.astype(np.float64)

        def fit(n_iterations: int) -> float:
            started = time.perf_counter()
            GaussianMixture(
                sizes.n_components,
                covariance_type=covariance_type,
                max_iter=n_iterations,
                tol=0.0,
                reg_covar=1e-3,
                init_params="random",
                random_state=sizes.seed,
            ).fit(X)
            return time.perf_counter() - started

        return lambda: (fit(1 + ITERATIONS) - fit(1)) / ITERATIONS

    return prepare


PEERS = {
    "ClustPy VaDE": vade,
    "ClustPy DEC": dec,
    "pythae VAE": pythae_vae,
    "scikit-learn GaussianMixture diag": mixture("diag"),
    "scikit-learn GaussianMixture full": mixture("full"),
}


def main() -> None:
    """Answer on the real standard output; what the libraries print goes elsewhere."""
    answers, sys.stdout = sys.stdout, sys.stderr
    warnings.simplefilter("ignore")
    sizes = SimpleNamespace(**json.loads(sys.argv[1]))
    torch.set_num_threads(sizes.threads)
    torch.manual_seed(sizes.seed)
    stand_in_for_torchvision()
    X = np.load(sizes.rows)
    versions = {package: importlib.metadata.version(package) for package in PACKAGES}
    print(json.dumps(versions), file=answers, flush=True)
    prepared: dict[str, Timed] = {}
    for line in sys.stdin:
        name = line.strip()
        if name not in prepared:
            prepared[name] = PEERS[name](X, sizes)
            logging.disable()
        print(json.dumps(prepared[name]()), file=answers, flush=True)


if __name__ == "__main__":
    main()
