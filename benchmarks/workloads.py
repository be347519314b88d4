"""What is measured: models and data of given shapes, in words of their own, so that none depends on another's code."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

BATCHES = (50, 100, 256, 1024)
COMPONENTS = (10, 100, 1000)
SAMPLES = (1, 10)


class Convolution(NamedTuple):
    """Output channels, kernel, stride and padding."""

    channels: int
    kernel: int
    stride: int
    padding: int


@dataclass(frozen=True)
class Workload:
    """A model and the shape of its data.

    Attributes
    ----------
    event_shape : tuple of int
        (p,) of rows, (C, H, W) of images.
    hidden : tuple of int
        Fully connected widths of the encoder, after its convolutions; the decoder mirrors them, and the last is the
        width of the mixture's network.
    network, preset : str
        The names by which gmvae knows the network and, if it has one, the preset.
    """

    name: str
    event_shape: tuple[int, ...]
    hidden: tuple[int, ...]
    latent_dim: int
    style_dim: int
    likelihood: str
    bound: str
    network: str
    preset: str | None = None
    convolutions: tuple[Convolution, ...] = ()
    batch_norm: bool = False
    learning_rate: float = 1e-3
    min_information: float = 0.0
    n_components: int = 10
    n_mc_samples: int = 1

    def at(self, n_components: int, n_mc_samples: int) -> Workload:
        """The same with other K and M."""
        return dataclasses.replace(self, n_components=n_components, n_mc_samples=n_mc_samples)

    def rows(self, n: int, seed: int) -> np.ndarray:
        """Synthetic data as a user would hold it: uint8 images, or float64 rows. Only its shape and range matter."""
        generator = np.random.default_rng(seed)
        if len(self.event_shape) == 3:
            return generator.integers(0, 256, (n, *self.event_shape), dtype=np.uint8)
        return generator.normal(3.0, 2.0, (n, *self.event_shape))

    def mixture_elements(self, batch: int) -> int:
        """Numbers in one tensor over samples, rows, components and latent dimensions: what a large K costs."""
        return batch * self.n_mc_samples * self.n_components * self.latent_dim

    def sizes(self) -> list[tuple[int, int]]:
        """Height and width before the first and after each convolution."""
        sizes = [(self.event_shape[-2], self.event_shape[-1])]
        for layer in self.convolutions:
            height, width = ((size + 2 * layer.padding - layer.kernel) // layer.stride + 1 for size in sizes[-1])
            sizes.append((height, width))
        return sizes

    @property
    def n_values(self) -> int:
        """Numbers in one observation."""
        return math.prod(self.event_shape)


_PAPER = Workload(
    name="paper-mlp",
    event_shape=(1, 28, 28),
    hidden=(500, 500),
    latent_dim=200,
    style_dim=150,
    likelihood="bernoulli",
    bound="paper",
    network="mlp",
    preset="paper-mnist",
    learning_rate=1e-4,
    min_information=0.5,
)

WORKLOADS = {
    workload.name: workload
    for workload in (
        _PAPER,
        dataclasses.replace(
            _PAPER,
            name="paper-conv",
            hidden=(500,),
            network="paper-mnist",
            convolutions=(Convolution(16, 6, 1, 0), Convolution(32, 6, 1, 0), Convolution(64, 4, 2, 1)),
            batch_norm=True,
        ),
        Workload("default-table", (16,), (256, 256), 10, 4, "gaussian", "exact", "mlp"),
        Workload(
            "default-image",
            (1, 28, 28),
            (500,),
            10,
            4,
            "bernoulli",
            "exact",
            "conv",
            convolutions=(Convolution(32, 4, 2, 1), Convolution(64, 4, 2, 1)),
        ),
    )
}
PAPER = ("paper-mlp", "paper-conv")
