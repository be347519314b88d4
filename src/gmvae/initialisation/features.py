"""What is clustered: principal components of rows, or of the strokes in images."""

from __future__ import annotations

import numpy as np
from sklearn.decomposition import PCA

from gmvae.config import LEAST_PICTURE

MAX_DIMS = 30
"""Principal components that are clustered; the rest is mostly noise."""
_N_CELLS, _N_DIRECTIONS = 6, 8
_IMAGES_AT_ONCE = 512


def principal_scores(rows: np.ndarray, seed: int) -> np.ndarray:
    """What is clustered: principal components (n, at most 30) of rows, or of images' `oriented_gradients`."""
    if rows.ndim == 4 and min(rows.shape[2:]) >= LEAST_PICTURE:
        rows = oriented_gradients(rows)
    rows = rows.reshape(len(rows), -1)
    pca = PCA(min(MAX_DIMS, *rows.shape), random_state=seed)
    with np.errstate(invalid="ignore"):  # rows that are all alike have no variance to explain
        return pca.fit_transform(rows)


def oriented_gradients(images: np.ndarray) -> np.ndarray:
    """Which way the strokes of images run, and where: histograms of oriented gradients (Dalal and Triggs 2005).

    The gradient of every pixel, of the channel where it is steepest, is dealt out to the nearest two of eight
    directions and to the nearest cells of a 6x6 grid. A direction and its opposite are one, so that dark strokes on
    light are as light ones on dark. Histograms of unit length do not tell the contrast; their square roots let faint
    strokes count.

    Parameters
    ----------
    images : ndarray of shape (n, C, H, W)

    Returns
    -------
    histograms : ndarray of shape (n, 288)
        Zeros for an image without gradients.
    """
    n, _, height, width = images.shape
    histograms = np.empty((n, _N_DIRECTIONS, _N_CELLS, _N_CELLS))
    directions = np.arange(_N_DIRECTIONS)[:, None, None]
    for first in range(0, n, _IMAGES_AT_ONCE):
        batch = images[first : first + _IMAGES_AT_ONCE]
        down, across = np.gradient(batch, axis=(2, 3))
        steepest = np.hypot(down, across).argmax(1)[:, None]
        down, across = (np.take_along_axis(slope, steepest, axis=1) for slope in (down, across))
        turn = _N_DIRECTIONS * (np.arctan2(down, across) / np.pi % 1.0)
        apart = np.abs(turn - directions)
        share = np.maximum(0.0, 1.0 - np.minimum(apart, _N_DIRECTIONS - apart))
        steepness = share * np.hypot(down, across)
        histograms[first : first + _IMAGES_AT_ONCE] = _cells(height) @ steepness @ _cells(width).T
    flat = histograms.reshape(n, -1)
    length = np.linalg.norm(flat, axis=1, keepdims=True)
    return np.sqrt(flat / np.where(length == 0.0, 1.0, length))


def _cells(n_pixels: int) -> np.ndarray:
    """Triangular windows (cells, pixels) that overlap by half."""
    centres = (np.arange(_N_CELLS) + 0.5) * n_pixels / _N_CELLS - 0.5
    return np.maximum(0.0, 1.0 - np.abs(np.arange(n_pixels) - centres[:, None]) * _N_CELLS / n_pixels)
