"""Descriptions that are clustered: principal components of rows, or of oriented gradients of images."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from sklearn.decomposition import PCA

from gmvae.config import MIN_AUGMENTED_SIZE
from gmvae.initialisation.weighted import mean_and_variance, principal_axes
from gmvae.likelihoods import Discrete
from gmvae.likelihoods.hurdle import MIN_REPEATED

MAX_DIMS = 30
"""Principal components that are kept."""
_FEW = 0.25
"""Distinct values per row up to which a column counts as discrete."""
_FINE = 0.1
"""Step over the standard deviation of a column up to which its values are as good as continuous."""
_MOSTLY = 0.9
_MAX_SPREAD = 2_000_000
"""Share of a value from which a column is as good as constant, and cells of a table up to which values are spread.
Without these, 10,000 flat images of MNIST, whose outer pixels are seldom lit, start with an ARI of 0.39, not 0.66."""
_MANY_OTHERS = 0.5
"""Distinct values per row above which those beside a repeated value are no counts."""
_SPREAD_OTHERS = 0.7
"""Standard deviation of these over their median distance from it: 1.4 for exponential incomes, 0.4 for a cluster two
and a half deviations away. Of 44 tables of blobs beside one or two columns with 60 to 97 % zeros, most lost up to 0.09
of ARI without it, and none loses more than 0.01 with it; clusters that nothing but such a column tells lose up to 0.05.
"""
_LEVELS_SPREAD = 1.2
"""Standard deviations by which answers and indicators are moved where clusters are counted. Of 31 tables with 2 to 5
groups the number is right for 20, and the mean of |log(number found / number of groups)| is .22; it is .31 with 1, .26
with 1.6, .49 with 2.2 and .62 where they are not moved."""
_N_CELLS, _N_DIRECTIONS = 6, 8
_IMAGES_AT_ONCE = 512


def descriptions(rows: np.ndarray, seed: int, weights: np.ndarray | None = None) -> Iterator[tuple[str, np.ndarray]]:
    """Descriptions by name, as principal components: for images strokes, pixels and colours, else the rows themselves.

    Strokes, oriented gradients, come first where images are large enough: nearest neighbours in pixels share stroke
    width, position and brightness rather than the object.

    Rows (n, p) or (n, C, H, W) are in the units that the networks see; descriptions have shape (n, at most 30).
    """
    if rows.ndim == 2:
        yield "rows", principal_scores(evenly_scaled(rows), seed, weights)
        return
    large = min(rows.shape[2:]) >= MIN_AUGMENTED_SIZE
    if large:
        yield "strokes", principal_scores(oriented_gradients(rows), seed, weights)
    yield "pixels", principal_scores(rows.reshape(len(rows), -1), seed, weights)
    if large:
        yield "colours", principal_scores(colours(rows), seed, weights)


def principal_scores(
    rows: np.ndarray, seed: int, weights: np.ndarray | None = None, *, overwrite: bool = False
) -> np.ndarray:
    """Principal components (n, at most 30) of rows (n, p), which may count by weights (n,).

    ``overwrite`` saves the memory of a second array: rows may be centred where they stand.
    """
    number = min(MAX_DIMS, *rows.shape)
    if weights is not None:
        mean = mean_and_variance(rows, weights)[0]
        centred = np.subtract(rows, mean, out=rows if overwrite else None)
        return centred @ principal_axes(centred, weights, number, seed).T
    pca = PCA(number, copy=not overwrite, random_state=seed)
    with np.errstate(invalid="ignore"):  # rows that are all equal have no variance to explain
        return pca.fit_transform(rows)


def one_cluster(rows: np.ndarray, scores: np.ndarray, n: int, seed: int) -> np.ndarray:
    """Scores (n, d) drawn from a single normal with the variances of ``scores``: the null model without clusters.

    Discrete columns of a table are rounded to values that occur in them.
    """
    normal = np.random.default_rng(seed).normal(size=(n, scores.shape[1])) * scores.std(0)
    if rows.ndim > 2:
        return normal
    table = evenly_scaled(rows)
    mean = table.mean(0)
    axes = np.linalg.lstsq(scores, table - mean, rcond=None)[0]
    drawn = normal @ axes
    for column, values in zip(drawn.T, (table - mean).T, strict=True):
        occurring = np.unique(values)
        if len(occurring) <= _FEW * len(values):
            between = (occurring[1:] + occurring[:-1]) / 2.0
            column[:] = occurring[np.searchsorted(between, column)]
    return drawn @ axes.T


def evenly_scaled(rows: np.ndarray) -> np.ndarray:
    """Standardised rows (n, p) in which columns that mostly hold one value do not outweigh others.

    Standardised, the rare values of such a column are many standard deviations from the other, or from one another, so
    that the few rows that have them would form a cluster of their own, whatever other columns say. A column of two
    values is at most 2 wide. One that mostly repeats a value, with others that are spread about as far as they lie from
    it, as incomes with 0 in most rows, has a standard deviation of at most 1 among the others. A cluster of a few rows
    lies farther from the value, and counts have few others. Where most columns are like that, as genes in cells, which
    rows have another value tells the clusters, and columns stay.
    """
    low, high = rows.min(0), rows.max(0)
    two_valued = ((rows == low) | (rows == high)).all(0)
    width = np.where(two_valued, 0.5 * (high - low), 1.0)
    repeated = np.median(rows, axis=0)  # the value that more than half of the rows have, if there is one
    differs = rows != repeated
    mostly_repeated = np.flatnonzero(~two_valued & (differs.mean(0) < 1.0 - MIN_REPEATED))
    for column in mostly_repeated if 2 * len(mostly_repeated) <= rows.shape[1] else []:
        others = rows[differs[:, column], column] - repeated[column]
        many = len(np.unique(others)) > _MANY_OTHERS * len(others)
        if many and others.std() > _SPREAD_OTHERS * np.median(np.abs(others)):
            width[column] = others.std()
    return rows / np.maximum(width, 1.0)


def spread_within_steps(rows: np.ndarray, seed: int) -> np.ndarray:
    """Rows (n, p) in which repeated values, such as answers from 0 to 4, are spread over the steps between them.

    A cluster that holds one value of a column has next to no variance there, and so the highest density, whatever other
    columns say; and rows with a rare value have no neighbours but one another. Equal rows are moved alike, so that a
    weight still counts as copies do. Columns of two values stay, those that mostly hold one and those whose steps are
    small; ``rows`` itself where all stay, and of large tables. NaN is a gap.
    """
    if rows.size > _MAX_SPREAD:
        return rows
    distinct, inverse = np.unique(np.where(np.isnan(rows), np.inf, rows), axis=0, return_inverse=True)
    places = np.random.default_rng(seed).uniform(-0.5, 0.5, distinct.shape)
    moved = False
    for column, place in zip(distinct.T, places.T, strict=True):
        known = np.isfinite(column)
        values, value, counts = np.unique(column[known], return_inverse=True, return_counts=True)
        if not 2 < len(values) <= _FEW * len(distinct) or counts.max() > _MOSTLY * known.sum():
            continue
        gaps = np.diff(values)
        step = np.median(gaps)
        if step > _FINE * column[known].std():
            nearest = np.minimum(np.r_[np.inf, gaps], np.r_[gaps, np.inf])
            column[known] += np.minimum(nearest, step)[value] * place[known]
            moved = True
    return np.where(np.isinf(distinct), np.nan, distinct)[inverse.ravel()] if moved else rows


def spread_levels(rows: np.ndarray, discrete: Discrete, seed: int) -> np.ndarray:
    """Rows (n, p) in which answers and indicators of levels are moved at random, where there are numbers beside them.

    Left as they are, every combination of levels lies apart, so that each divides the clusters of the numbers in the
    same way in both halves of the data. Equal rows are moved alike.
    """
    numbers = slice(discrete.n_answers, rows.shape[1] - discrete.n_indicators)
    if rows[:, numbers].shape[1] in (0, rows.shape[1]):
        return rows
    distinct, inverse = np.unique(rows, axis=0, return_inverse=True)
    moves = np.random.default_rng(seed).normal(size=distinct.shape) * _LEVELS_SPREAD * rows.std(0)
    moves[:, numbers] = 0.0
    return (distinct + moves)[inverse.ravel()]


def skewed_counts(rows: np.ndarray) -> bool:
    """Whether all columns of rows (n, p) are counts with zeros that vary more than Poisson's and are skewed upwards.

    NaN is a gap. Purchases, visits and words are; places on a screen or grey levels are not skewed in all columns.
    """
    if rows.ndim != 2:
        return False
    rows = rows.astype(np.float64)
    if not (np.nanmin(rows, axis=0, initial=np.inf) == 0.0).all():
        return False
    if not (np.isnan(rows) | (rows % 1.0 == 0.0)).all():
        return False
    mean, variance = np.nanmean(rows, axis=0), np.nanvar(rows, axis=0)
    return bool((variance > mean).all() and (np.nanmean((rows - mean) ** 3, axis=0) > 0.0).all())


def colours(images: np.ndarray) -> np.ndarray:
    """Mean and standard deviation of every channel of images (n, C, H, W), (n, 2 C)."""
    return np.concatenate([images.mean((2, 3)), images.std((2, 3))], axis=1)


def oriented_gradients(images: np.ndarray) -> np.ndarray:
    """Histograms of oriented gradients (Dalal and Triggs 2005).

    The gradient of every pixel, of the channel where it is steepest, is shared among the nearest two of eight
    directions and the nearest cells of a 6x6 grid. A direction and its opposite are the same, so that dark strokes on
    light equal light ones on dark. Unit length removes the contrast; the square root raises weak gradients.

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
