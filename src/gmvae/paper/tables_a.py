"""Tables A.1-A.3: the networks, from the models that the presets build."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gmvae.build import build
from gmvae.config import Config
from gmvae.likelihoods import FAMILIES
from gmvae.model import GaussianMixtureVAE
from gmvae.networks import Shape
from gmvae.paper.findings import Finding, Table
from gmvae.paper.scope import Scope
from gmvae.presets import PresetName, preset

TABLES: dict[str, tuple[PresetName, Shape]] = {
    "A.1": ("paper-synthetic", (2,)),
    "A.2": ("paper-mnist", (1, 28, 28)),
    "A.3": ("paper-svhn", (3, 32, 32)),
}


def run(scope: Scope) -> Finding:
    """Build the presets' models and list their layers."""
    return Finding(
        item="tableA",
        title="Tables A.1-A.3: the networks",
        paper="the layers of the networks for the synthetic data, MNIST and SVHN.",
        ours="the same layers, read off the models that the presets build; a star stands for batch normalisation. "
        "Log-scales stand for the paper's log-variances, and pass through a smooth bound.",
        verdict="reproduced",
        tables=[
            Table(
                f"table{name}",
                f"Table {name}, preset `{preset_name}`, y of shape {'×'.join(map(str, shape))}",
                ("network", "layer", "output"),
                [list(row) for row in layers(_model(preset_name, shape), shape)],
            )
            for name, (preset_name, shape) in TABLES.items()
        ],
        run=scope.run(),
    )


def _model(name: PresetName, shape: Shape) -> GaussianMixtureVAE:
    config = Config(**preset(name))
    with torch.random.fork_rng(devices=[]):
        return build(config, shape, FAMILIES[str(config.likelihood)].blank(shape, {})).eval()


def layers(model: GaussianMixtureVAE, shape: Shape) -> Iterator[tuple[str, str, str]]:
    """Network, layer and shape of its output, for one observation, in the order of computation."""
    generative, recognition = model.generative, model.recognition
    parts: list[tuple[str, nn.Module, Callable[[Tensor], Any], Shape]] = [
        ("q(x, w | y)", recognition, recognition, shape),
        ("p(x | w, z)", generative.mixture, generative.mixture, (generative.style_dim,)),
        ("p(y | x)", generative.observation.decoder, generative.observation.decoder, (model.D_x,)),
    ]
    for name, module, function, of in parts:
        for layer, output in _trace(module, function, of):
            yield name, layer, "×".join(map(str, output))


def _trace(module: nn.Module, function: Callable[[Tensor], Any], shape: Shape) -> list[tuple[str, Shape]]:
    """Layers with weights, each with its normalisation and activation, and the shape of its output."""
    found: list[tuple[str, Shape]] = []

    def note(layer: nn.Module, inputs: Any, output: Tensor) -> None:
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            found[-1] = (found[-1][0] + "*", found[-1][1])
        elif isinstance(layer, nn.ReLU | nn.Tanh):
            found[-1] = (f"{found[-1][0]} {type(layer).__name__}", found[-1][1])
        else:
            found.append((_spelled(layer), tuple(output.shape[1:])))

    handles = [leaf.register_forward_hook(note) for leaf in module.modules() if not list(leaf.children())]
    with torch.no_grad():
        function(torch.zeros(1, *shape))
    for handle in handles:
        handle.remove()
    return found


def _spelled(layer: nn.Module) -> str:
    if isinstance(layer, nn.Linear):
        return f"fc {layer.out_features}"
    assert isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    kind = "conv" if isinstance(layer, nn.Conv2d) else "full-conv"
    height, width = layer.kernel_size
    return f"{kind} {layer.out_channels}×{height}×{width} ({layer.stride[0]}-{layer.padding[0]})"
