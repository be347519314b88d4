"""Hidden layers: fully connected and convolutional trunks, and the paper's (tables A.1-A.3).

An encoder maps observations (B, *event) to features (B, width). A decoder maps latents (B, D_x) to
raw outputs (B, n_outputs, *event). Neither knows what its outputs mean.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

Shape = tuple[int, ...]


class Trunks(NamedTuple):
    """Hidden layers of the recognition network and of p(y|x)."""

    encoder: nn.Module
    decoder: nn.Module


class ConvLayer(NamedTuple):
    """A strided convolution; it halves the image unless said otherwise."""

    channels: int
    kernel: int = 4
    stride: int = 2
    padding: int = 1


def fully_connected(
    widths: Sequence[int], activation: Callable[[], nn.Module] = nn.ReLU, batch_norm: bool = False
) -> nn.Sequential:
    """Linear layers between consecutive ``widths``, each with its activation."""
    layers: list[nn.Module] = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), *([nn.BatchNorm1d(n_out)] if batch_norm else []), activation()]
    return nn.Sequential(*layers)


class MLPEncoder(nn.Module):
    """Flatten, then fully connected hidden layers."""

    def __init__(self, event_shape: Shape, hidden: Sequence[int], batch_norm: bool = False) -> None:
        super().__init__()
        self.layers = fully_connected([math.prod(event_shape), *hidden], batch_norm=batch_norm)

    def forward(self, y: Tensor) -> Tensor:
        return self.layers(y.flatten(1))


class MLPDecoder(nn.Module):
    """Fully connected hidden layers, then a linear layer to the event's shape."""

    def __init__(
        self, latent_dim: int, hidden: Sequence[int], n_outputs: int, event_shape: Shape, batch_norm: bool = False
    ) -> None:
        super().__init__()
        self.output_shape = (n_outputs, *event_shape)
        self.layers = fully_connected([latent_dim, *hidden], batch_norm=batch_norm)
        self.output = nn.Linear(hidden[-1], math.prod(self.output_shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.output(self.layers(x)).unflatten(-1, self.output_shape)


def _channels_last(images: Tensor) -> Tensor:
    """The same images with the channels of a pixel side by side in memory, as convolutions compute fastest."""
    return images.movedim(1, -1).clone(memory_format=torch.contiguous_format).movedim(-1, 1)


class ConvEncoder(nn.Module):
    """Strided convolutions, then one fully connected layer."""

    def __init__(self, event_shape: Shape, convolutions: Sequence[ConvLayer], width: int, batch_norm: bool) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for n_in, layer in zip([event_shape[0], *(c.channels for c in convolutions)], convolutions, strict=False):
            layers += [nn.Conv2d(n_in, *layer), *([nn.BatchNorm2d(layer.channels)] if batch_norm else []), nn.ReLU()]
        self.convolutions = nn.Sequential(*layers)
        flat = convolutions[-1].channels * math.prod(_sizes(event_shape, convolutions)[-1])
        self.features = fully_connected([flat, width], batch_norm=batch_norm)

    def forward(self, y: Tensor) -> Tensor:
        return self.features(self.convolutions(_channels_last(y)).flatten(1))


class ConvDecoder(nn.Module):
    """Mirror image of `ConvEncoder`: one fully connected layer, then transposed convolutions."""

    def __init__(
        self,
        latent_dim: int,
        width: int,
        convolutions: Sequence[ConvLayer],
        n_outputs: int,
        event_shape: Shape,
        batch_norm: bool,
    ) -> None:
        super().__init__()
        self.output_shape = (n_outputs, *event_shape)
        sizes = _sizes(event_shape, convolutions)
        self.start_shape = (convolutions[-1].channels, *sizes[-1])
        self.features = fully_connected([latent_dim, width], batch_norm=batch_norm)
        self.expand = nn.Linear(width, math.prod(self.start_shape))
        channels = [n_outputs * event_shape[0], *(c.channels for c in convolutions)]
        layers: list[nn.Module] = []
        for layer, n_out, size in reversed(list(zip(convolutions, channels, sizes, strict=False))):
            layers += [*([nn.BatchNorm2d(layer.channels)] if batch_norm else []), nn.ReLU()]
            layers.append(_transposed(layer, n_out, size))
        self.convolutions = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        start = self.expand(self.features(x)).unflatten(-1, self.start_shape)
        return self.convolutions(_channels_last(start)).unflatten(1, self.output_shape[:2])


def _sizes(event_shape: Shape, convolutions: Sequence[ConvLayer]) -> list[tuple[int, int]]:
    """Height and width before the first and after each convolution."""
    sizes = [(event_shape[1], event_shape[2])]
    for layer in convolutions:
        height, width = ((size + 2 * layer.padding - layer.kernel) // layer.stride + 1 for size in sizes[-1])
        sizes.append((height, width))
    if min(sizes[-1]) < 1:
        raise ValueError(
            f"Images must be large enough for the network's convolutions; got {event_shape[1]}x{event_shape[2]} "
            "pixels: take larger images or `network='mlp'`."
        )
    return sizes


def _transposed(layer: ConvLayer, n_out: int, size: tuple[int, int]) -> nn.ConvTranspose2d:
    """Transposed convolution that restores exactly ``size``, the layer's input in the encoder."""
    down, across = ((side + 2 * layer.padding - layer.kernel) % layer.stride for side in size)
    return nn.ConvTranspose2d(layer.channels, n_out, *layer[1:], output_padding=(down, across))


class Architecture(NamedTuple):
    """A named pair of trunks: fully connected widths, or convolutions and one width."""

    hidden: tuple[int, ...]
    convolutions: tuple[ConvLayer, ...] = ()
    batch_norm: bool = False
    mixture_width: int = 500

    def build(self, seen_shape: Shape, latent_dim: int, n_outputs: int, decoded_shape: Shape | None = None) -> Trunks:
        """Make the trunks for what is seen of an observation and for its outputs, by default of one shape.

        Weights come from the global generator.
        """
        decoded_shape = decoded_shape or seen_shape
        if not self.convolutions:
            return Trunks(
                MLPEncoder(seen_shape, self.hidden, self.batch_norm),
                MLPDecoder(latent_dim, self.hidden[::-1], n_outputs, decoded_shape, self.batch_norm),
            )
        width = self.hidden[-1]
        return Trunks(
            ConvEncoder(seen_shape, self.convolutions, width, self.batch_norm),
            ConvDecoder(latent_dim, width, self.convolutions, n_outputs, decoded_shape, self.batch_norm),
        )


MAX_CONV_MAP = 8
MAX_CONV_CHANNELS = 256


def default_convolutions(event_shape: Shape) -> tuple[ConvLayer, ...]:
    """Halve the image twice, and then until it is at most 8 pixels wide; channels double from 32 up to 256."""
    layers = [ConvLayer(32), ConvLayer(64)]
    height, width = (size // 4 for size in event_shape[1:])
    while max(height, width) > MAX_CONV_MAP and min(height, width) > 1:
        layers.append(ConvLayer(min(2 * layers[-1].channels, MAX_CONV_CHANNELS)))
        height, width = height // 2, width // 2
    return tuple(layers)


PAPER_ARCHITECTURES = {
    "paper-synthetic": Architecture(hidden=(120, 120), mixture_width=120),
    "paper-mnist": Architecture(
        hidden=(500,), convolutions=(ConvLayer(16, 6, 1, 0), ConvLayer(32, 6, 1, 0), ConvLayer(64)), batch_norm=True
    ),
    "paper-svhn": Architecture(
        hidden=(500,), convolutions=(ConvLayer(64), ConvLayer(128), ConvLayer(256)), batch_norm=True
    ),
}
"""Tables A.1-A.3 of the paper."""
_FOR_IMAGES = {"conv", *(name for name, paper in PAPER_ARCHITECTURES.items() if paper.convolutions)}
MIN_CONV_SIZE = 8
MAX_FEW_VALUES = 100


def hidden_widths(
    sizes: tuple[int, ...] | Literal["auto"], event_shape: Shape, *, shares: bool = False
) -> tuple[int, ...]:
    """Resolve `hidden_layer_sizes` for observations of ``event_shape``.

    Of few values, or where shares of a row's size are decoded, narrow layers find the same clusters in two thirds of
    the time (docs/performance.md).
    """
    if sizes != "auto":
        return sizes
    return (256, 256) if shares or math.prod(event_shape) <= MAX_FEW_VALUES else (500, 500)


def architecture(network: str, hidden: Sequence[int], batch_norm: bool, event_shape: Shape) -> Architecture:
    """Resolve a network's name for observations of ``event_shape``.

    ValueError if the network needs images and the observations are none.
    """
    is_image = len(event_shape) == 3
    if network == "auto":
        network = "conv" if is_image and min(event_shape[1:]) >= MIN_CONV_SIZE else "mlp"
    if network in _FOR_IMAGES and not is_image:
        raise ValueError(
            f"`network={network!r}` needs images of shape (n, C, H, W) or (n, H, W); got rows of shape "
            f"{event_shape}: reshape X, or take `network='mlp'`."
        )
    if network in PAPER_ARCHITECTURES:
        return PAPER_ARCHITECTURES[network]
    convolutions = default_convolutions(event_shape) if network == "conv" else ()
    return Architecture(tuple(hidden), convolutions, batch_norm, mixture_width=hidden[-1])


def output_width(encoder: nn.Module, event_shape: Shape) -> int:
    """Number of features that ``encoder`` gives for one observation of ``event_shape``."""
    return _output_shape(encoder, event_shape)[-1]


def check(trunks: Trunks, seen_shape: Shape, latent_dim: int, n_outputs: int, decoded_shape: Shape) -> None:
    """Hold trunks of the user's own to their shapes.

    ValueError if the encoder does not give features (B, width), or the decoder not (B, n_outputs, *decoded).
    """
    wanted = (1, n_outputs, *decoded_shape)
    try:
        features, outputs = _output_shape(trunks.encoder, seen_shape), _output_shape(trunks.decoder, (latent_dim,))
        failure = f"got {features} and {outputs}"
    except (RuntimeError, TypeError, ValueError) as error:
        features, outputs, failure = (), (), f"got the error {error!s}"
    if len(features) != 2 or outputs != wanted:
        raise ValueError(
            f"`network` must be an encoder that maps an observation {(1, *seen_shape)} to features (1, width) and a "
            f"decoder that maps a latent {(1, latent_dim)} to outputs {wanted}; {failure}: change its layers."
        )


def _output_shape(network: nn.Module, shape: Shape) -> Shape:
    """Shape of what ``network`` gives for one input of ``shape``, computed where its weights are."""
    was_training = [module.training for module in network.modules()]
    weight = next(network.parameters(), torch.empty(0))
    with torch.no_grad(), weight.device:
        output = network.eval()(torch.zeros(1, *shape))
    for module, training in zip(network.modules(), was_training, strict=True):
        module.training = training
    return tuple(output.shape)
