"""The paper's two-dimensional example: noisy arcs of five circles (Fig. 2a)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

N_ARCS = 5
RADIUS = 1.2
CENTRE = (1.55, -1.0)
ANGLES = (0.2 * np.pi, 0.8 * np.pi)
NOISE = 0.06


class Arcs(NamedTuple):
    """Points and the arc each belongs to."""

    X: np.ndarray
    labels: np.ndarray


def arcs(n: int = 10_000, seed: int = 0) -> Arcs:
    """Draw points from five noisy circular arcs arranged as a pinwheel.

    Parameters
    ----------
    n : int
        Number of points; the arcs share them equally, up to rounding.
    seed : int
        Seed of the draw; the same seed gives the same points.

    Returns
    -------
    Arcs
        ``X`` of shape (n, 2), ``float32``, dimensionless and about the origin; ``labels`` of shape (n,), 0 to 4.
        The order is random.

    Notes
    -----
    Arc k is the part `ANGLES` of a circle of radius `RADIUS` about `CENTRE`, turned by 2πk/5; the distance from its
    centre has a normal error of standard deviation `NOISE`.
    """
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.arange(n) % N_ARCS)
    angle = generator.uniform(*ANGLES, size=n)
    radius = generator.normal(RADIUS, NOISE, size=n)
    # One complex number per point makes the turn a product.
    spoke = complex(*CENTRE) + radius * np.exp(1j * angle)
    points = spoke * np.exp(2j * np.pi * labels / N_ARCS)
    return Arcs(np.column_stack([points.real, points.imag]).astype(np.float32), labels)
