"""Trunks layer by layer: the default one, the errors, and transposed convolutions as exact adjoints."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from gmvae.networks import (
    MIN_CONV_SIZE,
    PAPER_ARCHITECTURES,
    Architecture,
    ConvDecoder,
    ConvEncoder,
    ConvLayer,
    MLPDecoder,
    MLPEncoder,
    architecture,
    default_convolutions,
    fully_connected,
    output_width,
)

EVERY_SIZE = range(8, 34)


@pytest.fixture(autouse=True)
def seed() -> None:
    """Weights come from the global generator by design."""
    torch.manual_seed(0)


def _in_numpy(layers: nn.Module, value: np.ndarray) -> np.ndarray:
    """Run linear layers with ReLU or tanh between them by hand, in float64."""
    for layer in layers.children():
        if isinstance(layer, nn.Linear):
            value = value @ layer.weight.detach().double().numpy().T + layer.bias.detach().double().numpy()
        elif isinstance(layer, nn.ReLU):
            value = np.maximum(value, 0.0)
        else:
            assert isinstance(layer, nn.Tanh)
            value = np.tanh(value)
    return value


# ---------------------------------------------------------------- fully connected


def test_fully_connected_alternates_linear_and_activation() -> None:
    layers = fully_connected([3, 7, 5], activation=nn.Tanh)
    assert [type(layer) for layer in layers] == [nn.Linear, nn.Tanh, nn.Linear, nn.Tanh]
    value = torch.randn(6, 3)
    np.testing.assert_allclose(layers(value).detach().numpy(), _in_numpy(layers, value.double().numpy()), atol=1e-6)


def test_batch_norm_stands_between_linear_and_activation() -> None:
    layers = fully_connected([3, 7, 5], batch_norm=True)
    kinds = [nn.Linear, nn.BatchNorm1d, nn.ReLU]
    assert [type(layer) for layer in layers] == kinds * 2
    value = torch.randn(64, 3)
    linear = layers[0](value).detach()
    expected = torch.relu((linear - linear.mean(0)) / (linear.var(0, correction=0) + 1e-5).sqrt())
    torch.testing.assert_close(layers[:3](value).detach(), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("event_shape", [(5,), (2, 3, 4)])
def test_mlp_encoder_flattens_in_row_major_order(event_shape: tuple[int, ...]) -> None:
    encoder = MLPEncoder(event_shape, (6, 4))
    y = torch.randn(3, *event_shape)
    expected = _in_numpy(encoder.layers, y.double().numpy().reshape(3, -1))
    np.testing.assert_allclose(encoder(y).detach().numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("event_shape", [(5,), (2, 3, 4)])
def test_mlp_decoder_gives_each_output_the_events_shape(event_shape: tuple[int, ...]) -> None:
    decoder = MLPDecoder(3, (6, 4), 2, event_shape)
    x = torch.randn(7, 3)
    hidden = _in_numpy(decoder.layers, x.double().numpy())
    flat = hidden @ decoder.output.weight.detach().double().numpy().T + decoder.output.bias.detach().numpy()
    np.testing.assert_allclose(decoder(x).detach().numpy(), flat.reshape(7, 2, *event_shape), atol=1e-6)


def test_the_decoder_mirrors_the_hidden_widths() -> None:
    encoder, decoder = Architecture(hidden=(50, 20, 10)).build((4,), latent_dim=3, n_outputs=2)
    sizes = [(m.in_features, m.out_features) for m in encoder.modules() if isinstance(m, nn.Linear)]
    assert sizes == [(4, 50), (50, 20), (20, 10)]
    sizes = [(m.in_features, m.out_features) for m in decoder.modules() if isinstance(m, nn.Linear)]
    assert sizes == [(3, 10), (10, 20), (20, 50), (50, 8)]


# ---------------------------------------------------------------- convolutions


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_the_default_convolutions_restore_every_size(channels: int) -> None:
    for height in EVERY_SIZE:
        width = 8 + (height * 7) % 26  # images need not be square
        for shape in ((channels, height, height), (channels, height, width)):
            trunks = Architecture((6,), default_convolutions(shape)).build(shape, latent_dim=3, n_outputs=2)
            assert trunks.encoder(torch.zeros(2, *shape)).shape == (2, 6)
            assert trunks.decoder(torch.zeros(2, 3)).shape == (2, 2, *shape)


@pytest.mark.parametrize(
    ("size", "channels"), [(28, [32, 64]), (35, [32, 64]), (64, [32, 64, 128]), (256, [32, 64, 128, 256, 256])]
)
def test_large_images_get_more_layers_so_that_the_last_map_stays_small(size: int, channels: list[int]) -> None:
    shape = (1, size, size)
    layers = default_convolutions(shape)
    assert [layer.channels for layer in layers] == channels
    encoder = ConvEncoder(shape, layers, 5, batch_norm=False)
    assert encoder.convolutions(torch.zeros(1, *shape)).shape[-1] <= 8


@pytest.mark.parametrize("shape", [(1, 8, 200), (2, 100, 9), (3, 65, 64)])
def test_long_and_large_images_are_restored(shape: tuple[int, int, int]) -> None:
    trunks = Architecture((6,), default_convolutions(shape)).build(shape, latent_dim=3, n_outputs=1)
    assert trunks.encoder(torch.zeros(1, *shape)).shape == (1, 6)
    assert trunks.decoder(torch.zeros(1, 3)).shape == (1, 1, *shape)


@pytest.mark.parametrize(
    ("network", "shape", "kind"), [("mlp", (7,), nn.BatchNorm1d), ("conv", (1, 8, 8), nn.BatchNorm2d)]
)
def test_batch_norm_is_an_option_of_the_default_networks(
    network: str, shape: tuple[int, ...], kind: type[nn.Module]
) -> None:
    for wanted in (True, False):
        trunks = architecture(network, (10, 9), wanted, shape).build(shape, 2, 1)
        for trunk in trunks:
            assert any(isinstance(module, kind) for module in trunk.modules()) is wanted


def _kernels(trunk: ConvEncoder | ConvDecoder) -> list[nn.Conv2d | nn.ConvTranspose2d]:
    return [m for m in trunk.convolutions if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]


@pytest.mark.parametrize(
    ("shape", "convolutions"),
    [
        *(((2, size, size + 3), default_convolutions((2, size, size + 3))) for size in (8, 9, 10, 11, 13)),
        ((1, 28, 28), PAPER_ARCHITECTURES["paper-mnist"].convolutions),
        ((3, 32, 32), PAPER_ARCHITECTURES["paper-svhn"].convolutions),
        ((1, 17, 20), (ConvLayer(3, 5, 3, 1), ConvLayer(4, 3, 2, 0))),
    ],
)
def test_each_transposed_layer_is_the_adjoint_of_its_mirror_image(
    shape: tuple[int, int, int], convolutions: tuple[ConvLayer, ...]
) -> None:
    """⟨conv(y), u⟩ = ⟨y, convᵀ(u)⟩ with shared weights: sizes, strides and paddings all agree."""
    encoder = ConvEncoder(shape, convolutions, 5, batch_norm=False).double()
    decoder = ConvDecoder(4, 5, convolutions, 1, shape, batch_norm=False).double()
    y = torch.randn(2, *shape, dtype=torch.float64)
    for down, up in zip(_kernels(encoder), reversed(_kernels(decoder)), strict=True):
        assert up.weight.shape == down.weight.shape
        with torch.no_grad():
            up.weight.copy_(down.weight)
            up.bias.zero_()
            down.bias.zero_()
            below = down(y)
            u = torch.randn_like(below)
            assert up(u).shape == y.shape
            torch.testing.assert_close((below * u).sum(), (y * up(u)).sum(), rtol=1e-10, atol=1e-10)
        y = below


def test_conv_trunks_equal_functional_convolutions() -> None:
    shape, latent_dim, n_outputs = (3, 9, 12), 4, 2
    chosen = Architecture((6,), default_convolutions((1, 8, 8)))
    encoder, decoder = chosen.build(shape, latent_dim, n_outputs)
    first, second = _kernels(encoder)
    y = torch.randn(5, *shape)
    hidden = functional.conv2d(y, first.weight, first.bias, stride=2, padding=1).relu()
    hidden = functional.conv2d(hidden, second.weight, second.bias, stride=2, padding=1).relu()
    linear = encoder.features[0]
    expected = functional.linear(hidden.reshape(5, -1), linear.weight, linear.bias).relu()
    torch.testing.assert_close(encoder(y), expected, rtol=1e-5, atol=1e-6)

    x = torch.randn(5, latent_dim)
    linear = decoder.features[0]
    hidden = functional.linear(x, linear.weight, linear.bias).relu()
    hidden = functional.linear(hidden, decoder.expand.weight, decoder.expand.bias).reshape(5, 64, 2, 3).relu()
    first, second = _kernels(decoder)
    hidden = functional.conv_transpose2d(hidden, first.weight, first.bias, 2, 1, output_padding=(0, 0)).relu()
    hidden = functional.conv_transpose2d(hidden, second.weight, second.bias, 2, 1, output_padding=(1, 0))
    # Channels are output-major: all of the first output's, then all of the second's.
    torch.testing.assert_close(decoder(x)[:, 0], hidden[:, :3], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(decoder(x)[:, 1], hidden[:, 3:], rtol=1e-5, atol=1e-6)


def test_the_decoder_ends_without_an_activation() -> None:
    for batch_norm in (False, True):
        decoder = ConvDecoder(4, 5, default_convolutions((1, 8, 8)), 2, (1, 8, 8), batch_norm)
        assert isinstance(decoder.convolutions[-1], nn.ConvTranspose2d)
        assert decoder(torch.randn(4, 4)).lt(0).any()


# ---------------------------------------------------------------- choices and errors


@pytest.mark.parametrize(
    ("event_shape", "convolves"),
    [
        ((5,), False),
        ((1, 8, 8), True),
        ((3, 32, 40), True),
        ((1, 7, 8), False),
        ((1, 28, 7), False),
        ((8, 1, 1), False),
        ((28, 28), False),
    ],
)
def test_auto_convolves_images_that_are_large_enough(event_shape: tuple[int, ...], convolves: bool) -> None:
    chosen = architecture("auto", (30, 20), False, event_shape)
    assert bool(chosen.convolutions) == convolves
    assert chosen.hidden == (30, 20)
    assert chosen.mixture_width == 20
    trunks = chosen.build(event_shape, latent_dim=2, n_outputs=1)
    assert output_width(trunks.encoder, event_shape) == 20
    assert trunks.decoder(torch.zeros(2, 2)).shape == (2, 1, *event_shape)


@pytest.mark.parametrize("network", ["conv", "paper-mnist", "paper-svhn"])
@pytest.mark.parametrize("event_shape", [(10,), (28, 28)])
def test_convolutions_refuse_tables(network: str, event_shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"`network='{network}'` needs images .* got rows of shape .*mlp"):
        architecture(network, (10,), False, event_shape)


@pytest.mark.parametrize(
    ("network", "smallest"),
    # Worked by hand: 4 -> 2 -> 1; 12 -> 7 -> 2 -> 1; 8 -> 4 -> 2 -> 1.
    [("conv", 4), ("paper-mnist", 12), ("paper-svhn", 8)],
)
def test_convolutions_refuse_tiny_images_and_take_the_next_larger(network: str, smallest: int) -> None:
    for height, width in product(range(1, smallest + 1), repeat=2):
        chosen = architecture(network, (10,), False, (1, height, width))
        if min(height, width) < smallest:
            with pytest.raises(ValueError, match=rf"large enough .* got {height}x{width} pixels"):
                chosen.build((1, height, width), 2, 1)
    trunks = architecture(network, (10,), False, (1, smallest, smallest)).build((1, smallest, smallest), 2, 1)
    assert trunks.decoder.eval()(torch.zeros(1, 2)).shape == (1, 1, 1, smallest, smallest)
    assert MIN_CONV_SIZE >= 4


def test_only_the_named_network_is_built() -> None:
    assert architecture("mlp", [9, 4], False, (1, 28, 28)) == Architecture((9, 4), mixture_width=4)
    assert architecture("conv", [9, 4], False, (1, 28, 28)).hidden == (9, 4)
    assert architecture("paper-synthetic", [9, 4], False, (2,)) is PAPER_ARCHITECTURES["paper-synthetic"]


@pytest.mark.parametrize("training", [True, False])
def test_output_width_leaves_the_encoder_as_it_was(training: bool) -> None:
    encoder = ConvEncoder((1, 8, 8), default_convolutions((1, 8, 8)), 13, batch_norm=True).train(training)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    assert output_width(encoder, (1, 8, 8)) == 13
    assert encoder.training is training
    for name, value in encoder.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(parameter.grad is None for parameter in encoder.parameters())
