"""The floor of a training step: its matrix products and convolutions, and the optimiser's memory traffic, no more.

The products are those of the reference: forward in order, then backward in reverse, each with its gradient for the
weight and, but for the first layer, for its input. Every layer has tensors of its own, made once, so weights stream
from memory as in a step. Elementwise work, reductions, biases, noise and autograd are left out.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, Protocol

import torch
from reference import Reference, as_floats, noise
from timing import seconds
from torch import Tensor, nn
from workloads import Workload

TRIALS = 5
"""Passes through a convolution in each memory format, after one that warms up; the fastest decides."""


class Product(Protocol):
    """A layer's forward and backward products."""

    def forward(self) -> object: ...

    def backward(self) -> object: ...


class Met(NamedTuple):
    """A layer as one batch met it: the shape of its input, and whether that needs a gradient."""

    layer: nn.Linear | nn.Conv2d | nn.ConvTranspose2d
    input_shape: torch.Size
    needs_input_gradient: bool


class MatrixProduct:
    """A linear layer, with the results' memory given."""

    def __init__(self, met: Met, dtype: torch.dtype) -> None:
        rows, width = math.prod(met.input_shape[:-1]), met.layer.out_features
        self.weight, self.weight_gradient = _weight(met.layer, dtype)
        self.needs_input_gradient = met.needs_input_gradient
        self.input = torch.randn(rows, met.input_shape[-1]).to(dtype)
        self.input_gradient = torch.empty_like(self.input)
        self.output = torch.empty(rows, width, dtype=dtype)
        self.output_gradient = torch.randn(rows, width).to(dtype)

    def forward(self) -> object:
        return torch.mm(self.input, self.weight.t(), out=self.output)

    def backward(self) -> object:
        if self.needs_input_gradient:
            torch.mm(self.output_gradient, self.weight, out=self.input_gradient)
        return torch.mm(self.output_gradient.t(), self.input, out=self.weight_gradient)


class ConvolutionProduct:
    """A convolution, transposed or not, in one memory format; PyTorch offers no way to give its results' memory."""

    def __init__(self, met: Met, dtype: torch.dtype, memory_format: torch.memory_format) -> None:
        layer = met.layer
        transposed = isinstance(layer, nn.ConvTranspose2d)
        weight, _ = _weight(layer, dtype)
        self.weight = weight.contiguous(memory_format=memory_format)
        self.input = torch.randn(met.input_shape).to(dtype, memory_format=memory_format)
        output_padding = layer.output_padding if transposed else (0, 0)
        self.geometry = (layer.stride, layer.padding, layer.dilation, transposed, output_padding, layer.groups)
        self.wanted = (met.needs_input_gradient, True, False)
        output = self.forward()
        self.output_gradient = torch.randn(output.shape).to(dtype, memory_format=memory_format)

    def forward(self) -> Tensor:
        return torch.ops.aten.convolution(self.input, self.weight, None, *self.geometry)

    def backward(self) -> object:
        return torch.ops.aten.convolution_backward(
            self.output_gradient, self.input, self.weight, None, *self.geometry, self.wanted
        )


def _weight(layer: nn.Module, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    """A layer's weight and the place of its gradient: the optimiser's own in float32, copies in another type."""
    return layer.weight.detach().to(dtype), layer.weight.grad.to(dtype)


def _convolution(met: Met, dtype: torch.dtype) -> ConvolutionProduct:
    """The convolution in the memory format that is faster here, by the least of a few trials, taken in turn."""
    forms = [ConvolutionProduct(met, dtype, each) for each in (torch.contiguous_format, torch.channels_last)]

    def trial(product: ConvolutionProduct) -> float:
        return seconds(product.forward, 1) + seconds(product.backward, 1)

    trials = [[trial(product) for product in forms] for _ in range(1 + TRIALS)]
    least = [min(each) for each in zip(*trials[1:], strict=True)]
    return forms[least.index(min(least))]


def layers_met(model: Reference, y: Tensor, batch: int) -> list[Met]:
    """The layers with weights, in the order in which one batch meets them."""
    met: list[Met] = []

    def note(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        met.append(Met(layer, inputs[0].shape, inputs[0].requires_grad))

    kinds = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)
    handles = [layer.register_forward_hook(note) for layer in model.modules() if isinstance(layer, kinds)]
    model.loss(y, *noise(model.workload, batch))
    for handle in handles:
        handle.remove()
    return met


def training_step(workload: Workload, batch: int, precision: str, seed: int) -> Callable[[], object]:
    """The floor of a step: products in ``precision``, "float32" or "bf16", and a fused Adam step in float32."""
    torch.manual_seed(seed)
    dtype = torch.float32 if precision == "float32" else torch.bfloat16
    model = Reference(workload).train()
    met = layers_met(model, as_floats(torch.from_numpy(workload.rows(batch, seed))), batch)
    for parameter in model.parameters():
        parameter.grad = 1e-3 * torch.randn_like(parameter)
    # So low a rate leaves the weights as they are; the traffic is the same.
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-12, fused=True)
    products: list[Product] = [
        MatrixProduct(each, dtype) if isinstance(each.layer, nn.Linear) else _convolution(each, dtype) for each in met
    ]

    @torch.no_grad()
    def step() -> None:
        for product in products:
            product.forward()
        for product in reversed(products):
            product.backward()
        optimizer.step()

    return step
