"""Points by cluster, as several figures draw them: checks, a subsample, dots in colours, and labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patheffects import withStroke
from numpy.typing import ArrayLike, NDArray

from gmvae.figures.palette import COLOURS, colour, marker

MOST_POINTS = 5000
"""Points that are drawn at most; more would hide one another."""

_APART = 14.0
"""Distance, in points of 1/72 inch, below which labels would overlap and are joined into one."""


class NumberedPoints(NamedTuple):
    """Points (N, D), a component number for each (N,), and the name of each number."""

    points: NDArray[np.float64]
    numbers: NDArray[np.int64]
    names: dict[int, str]


def numbered(points: ArrayLike, clusters: ArrayLike) -> NumberedPoints:
    """Points with clusters by number or any name; ValueError if the shapes do not fit, or a point is not finite."""
    array, labels = np.asarray(points, dtype=np.float64), np.asarray(clusters)
    if array.ndim != 2 or not array.size or labels.shape != (len(array),):
        raise ValueError(
            "The points must have shape (n_samples, n_dimensions) and `clusters` (n_samples,); "
            f"got {array.shape} and {labels.shape}; pass one cluster per point."
        )
    if not np.isfinite(array).all():
        raise ValueError(f"The points must be finite; got {np.sum(~np.isfinite(array))} NaN or infinite; drop them.")
    names, codes = np.unique(labels, return_inverse=True)
    if labels.dtype.kind in "iu" and names[0] >= 0:
        return NumberedPoints(array, labels.astype(np.int64), {int(name): str(name) for name in names})
    return NumberedPoints(array, codes, {code: str(name) for code, name in enumerate(names)})


def subsample(n: int, at_most: int) -> NDArray[np.int64]:
    """Return the same random indices each time, in random order, so that no cluster covers another."""
    return np.random.default_rng(0).permutation(n)[:at_most]


def dots(ax: Axes, plane: NDArray[np.float64], numbers: NDArray[np.int64], **style: Any) -> None:
    """Scatter points (N, 2) in the colours and markers of their components (N,)."""
    size = float(np.clip(14000 / len(plane), 5, 22))
    rounds = numbers // len(COLOURS)
    for nth in np.unique(rounds):
        mine = rounds == nth
        hues = [colour(int(k)) for k in numbers[mine]]
        shape = marker(int(nth) * len(COLOURS))
        look = {"s": size, "alpha": 0.75, "linewidths": 0, "rasterized": True} | style
        ax.scatter(plane[mine, 0], plane[mine, 1], c=hues, marker=shape, **look)


def name_clusters(ax: Axes, plane: NDArray[np.float64], numbers: NDArray[np.int64], names: Mapping[int, str]) -> None:
    """Write the name of each cluster at its point nearest the median, which lies within it even if it is curved."""
    used, places = np.unique(numbers).tolist(), []
    for number in used:
        mine = plane[numbers == number]
        places.append(mine[np.square(mine - np.median(mine, axis=0)).sum(axis=1).argmin()])
    annotate(ax, np.stack(places), [names[k] for k in used], [colour(k) for k in used])


def annotate(ax: Axes, places: NDArray[np.float64], names: Sequence[str], hues: Sequence[str] = ()) -> None:
    """Write names (K,) beside their places (K, 2), or on them in frames of given hues; overlapping ones are joined."""
    ax.apply_aspect()
    spots = ax.transData.transform(places) * 72 / ax.figure.dpi
    left = list(range(len(names)))
    while left:
        first = left[0]
        here = [k for k in left if np.hypot(*(spots[k] - spots[first])) <= _APART]
        left = [k for k in left if k not in here]
        text = ax.annotate(
            _together([names[k] for k in here]),
            tuple(places[here].mean(axis=0)),
            xytext=(0, 0) if hues else (4, 4),
            textcoords="offset points",
            fontsize="small",
            fontweight="bold",
            color="0.1",
            zorder=5,
        )
        if hues:
            text.set(ha="center", va="center")
            text.set_bbox(
                {"boxstyle": "round,pad=0.2", "facecolor": "white", "edgecolor": hues[first], "linewidth": 1.5}
            )
        else:
            text.set_path_effects([withStroke(linewidth=2.5, foreground="white")])


def _together(names: Sequence[str]) -> str:
    """List names, runs of three or more consecutive numbers as 0-2."""
    parts: list[list[str]] = []
    for name in names:
        follows = bool(parts) and name.isdecimal() and parts[-1][-1].isdecimal() and int(name) == int(parts[-1][-1]) + 1
        parts[-1].append(name) if follows else parts.append([name])
    return ", ".join(f"{run[0]}–{run[-1]}" if len(run) > 2 else ", ".join(run) for run in parts)
