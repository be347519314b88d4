"""Augmentation: random small affine maps of images, and smooth bends."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ANGLE, LOG_SCALE, SHEAR, SHIFT = 0.2, 0.15, 0.15, 0.1
"""Largest rotation in radians, log of the zoom, shear, and shift as a share of the image."""
BEND, NODES = 0.08, 4
"""Largest shift of a node, as a share of the image, in a grid of so many nodes a side, between which shifts are
interpolated (elastic distortions: Simard, Steinkraus and Platt 2003)."""


def random_maps(n: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Small affine maps (n, 2, 3) of the plane: rotation, zoom, shear and shift."""

    def within(bound: float) -> Tensor:
        return _within(bound, (n,), dtype, generator)

    angle, shear = within(ANGLE), within(SHEAR)
    across, down = within(LOG_SCALE).exp(), within(LOG_SCALE).exp()
    cos, sin = angle.cos(), angle.sin()
    # Coordinates run from -1 to 1, so that a shift by a share of the image is twice as much.
    first = torch.stack([cos * across, shear * cos - sin * down, within(2.0 * SHIFT)], -1)
    second = torch.stack([sin * across, shear * sin + cos * down, within(2.0 * SHIFT)], -1)
    return torch.stack([first, second], 1)


def random_bends(n: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Shifts (n, 2, NODES, NODES) of the nodes, across and down, in coordinates from -1 to 1."""
    return _within(2.0 * BEND, (n, 2, NODES, NODES), dtype, generator)


def transform(images: Tensor, maps: Tensor, bends: Tensor) -> Tensor:
    """Images (B, C, H, W), each moved by its own of the maps (B, 2, 3) and of the bends (B, 2, NODES, NODES)."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    down, across = (_between_nodes(size, images) for size in images.shape[2:])
    bent = torch.einsum("hi,bcij,wj->bhwc", down, bends, across)
    return functional.grid_sample(images, grid + bent, padding_mode="border", align_corners=False)


def _between_nodes(size: int, like: Tensor) -> Tensor:
    """Weights (size, NODES) of the nodes at the pixels of one axis, for bicubic interpolation.

    A product with them for each axis gives the same as `functional.interpolate` in the plane, many times as fast.
    """
    nodes = torch.eye(NODES, dtype=like.dtype, device=like.device)
    return functional.interpolate(nodes[None, :, :, None], (size, 1), mode="bicubic", align_corners=True)[0, :, :, 0].T


def _within(bound: float, shape: tuple[int, ...], dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Uniform numbers between -bound and bound."""
    return bound * (2.0 * torch.rand(*shape, generator=generator, dtype=dtype, device=generator.device) - 1.0)
