"""Augmentation: random small affine maps of images."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

ANGLE, LOG_SCALE, SHEAR, SHIFT = 0.2, 0.15, 0.15, 0.1
"""Largest rotation in radians, log of the zoom, shear, and shift as a share of the image."""


def random_maps(n: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Small affine maps (n, 2, 3) of the plane: rotation, zoom, shear and shift."""

    def within(bound: float) -> Tensor:
        share = torch.rand(n, generator=generator, dtype=dtype, device=generator.device)
        return bound * (2.0 * share - 1.0)

    angle, shear = within(ANGLE), within(SHEAR)
    across, down = within(LOG_SCALE).exp(), within(LOG_SCALE).exp()
    cos, sin = angle.cos(), angle.sin()
    # Coordinates run from -1 to 1, so that a shift by a share of the image is twice as much.
    first = torch.stack([cos * across, shear * cos - sin * down, within(2.0 * SHIFT)], -1)
    second = torch.stack([sin * across, shear * sin + cos * down, within(2.0 * SHIFT)], -1)
    return torch.stack([first, second], 1)


def transform(images: Tensor, maps: Tensor) -> Tensor:
    """Images (B, C, H, W), each moved by its own of the maps (B, 2, 3)."""
    grid = functional.affine_grid(maps, list(images.shape), align_corners=False)
    return functional.grid_sample(images, grid, padding_mode="border", align_corners=False)
