"""Pictures of a report on images: PNG and JPEG within the page, small enough that the file stays small."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.contents import samples
from gmvae.report.distinctions import FEW, mean_images
from gmvae.report.records import Contents, ShownRow
from gmvae.report.style import StyleGrid

MOST_THUMBNAIL_BYTES = 1_500_000
"""Of the thumbnails of the map before they are written as text, which adds a third."""
_LARGEST = 64
"""Pixels that a picture is high or wide at most."""
_SIDES = (28, 24, 20, 18, 16, 14)
_GREYS = 16
_TRIED = 400
"""Thumbnails by which the size of all is estimated."""


class ClusterPictures(NamedTuple):
    """Pictures of one cluster as data URIs; None where there is none.

    ``difference`` is the mean less that of the nearest cluster: orange where it is brighter, blue where it is darker.
    """

    mean: str | None
    difference: str | None
    typical: list[str]
    ambiguous: list[str]
    samples: list[str]


class Thumbnails(NamedTuple):
    """One picture with a thumbnail for each of the first ``n`` points of the map in the order ``points``."""

    picture: str
    side: tuple[int, int]
    across: int
    points: list[int]


class Pictures(NamedTuple):
    """All pictures: of each cluster, of the points of the map, and of the style of each cluster as one sheet."""

    size: tuple[int, int]
    clusters: list[ClusterPictures]
    thumbnails: Thumbnails | None
    styles: list[str]


def pictures(seen: AnsweredRows, found: Contents, grid: StyleGrid, *, with_rows: bool = True) -> Pictures:
    """Draw everything on the scale of the data, from its lowest value (or 0) to its highest."""
    scale = _Scale.of(seen.rows)
    means, drawn = mean_images(seen), samples(seen, mean=True)
    places = {int(row): i for i, row in enumerate(seen.kept)}

    def of_rows(shown: Sequence[ShownRow]) -> list[str]:
        return [_uri(scale.shades(seen.rows[places[each.row]])) for each in shown]

    own = []
    for cluster, distinction in zip(found.clusters, found.distinctions, strict=True):
        k = cluster.cluster
        enough = cluster.size >= (1 if with_rows else FEW)
        gap = means[k] - means[distinction.nearest] if distinction.nearest is not None else None
        own.append(
            ClusterPictures(
                mean=_uri(scale.shades(means[k])) if enough else None,
                difference=_uri(_diverging(gap)) if enough and gap is not None and not np.isnan(gap).all() else None,
                typical=of_rows(cluster.typical),
                ambiguous=of_rows(cluster.ambiguous),
                samples=[_uri(scale.shades(image)) for image in drawn[k]],
            )
        )
    width, height = _fitting(seen.fitted.event_shape[2], seen.fitted.event_shape[1], _LARGEST)
    styles = [
        _sheet([scale.shades(image) for line in cluster for image in line], len(cluster[0])) for cluster in grid.means
    ]
    thumbnails = _thumbnails(seen.rows[seen.mapped], scale) if with_rows else None
    return Pictures((width, height), own, thumbnails, styles)


class _Scale(NamedTuple):
    """Values that are black and white."""

    low: float
    high: float

    @classmethod
    def of(cls, rows: NDArray[Any]) -> _Scale:
        parts = [(np.nanmin(part), np.nanmax(part)) for part in np.array_split(rows, max(1, len(rows) // 1024))]
        low, high = min(float(low) for low, _ in parts), max(float(high) for _, high in parts)
        if rows.dtype == np.uint8 and high > 1:
            return cls(0.0, 255.0)
        return cls(min(low, 0.0), max(high, 1.0) if low >= 0.0 and high <= 1.0 else high)

    def shades(self, image: NDArray[Any]) -> NDArray[np.uint8]:
        """An image (C, H, W) as (H, W) or (H, W, 3 or 4); missing pixels have the lowest value."""
        filled = np.nan_to_num(image.astype(np.float64), nan=self.low)
        level = np.clip((filled - self.low) / ((self.high - self.low) or 1.0), 0.0, 1.0)
        return _channels_last((255 * level).round().astype(np.uint8))


def _channels_last(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return image[0] if image.shape[0] < 3 else np.moveaxis(image, 0, -1)


def _diverging(gap: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A difference (C, H, W), averaged over channels, from blue over white to orange."""
    flat = np.nan_to_num(gap).mean(axis=0)
    level = flat / (np.abs(flat).max() or 1.0)
    ends = np.where(level[..., None] > 0, (213, 94, 0), (0, 114, 178))
    return (255 + np.abs(level[..., None]) * (ends - 255)).round().astype(np.uint8)


def _fitting(width: int, height: int, most: int) -> tuple[int, int]:
    """A size of the same shape, at most so many pixels wide and high."""
    factor = min(1.0, most / max(width, height))
    return max(1, round(width * factor)), max(1, round(height * factor))


def _resized(shades: NDArray[np.uint8], size: tuple[int, int]) -> Image.Image:
    image = Image.fromarray(shades)
    return image if image.size == size else image.resize(size, Image.Resampling.BOX)


def _uri(shades: NDArray[np.uint8]) -> str:
    return _png(_resized(shades, _fitting(shades.shape[1], shades.shape[0], _LARGEST)))


def _png(image: Image.Image) -> str:
    return _encoded(_bytes(image, "PNG"), "png")


def _bytes(image: Image.Image, form: str) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, form, optimize=form == "PNG", **({"quality": 70} if form == "JPEG" else {}))
    return buffer.getvalue()


def _encoded(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"


def _sheet(tiles: list[NDArray[np.uint8]], across: int) -> str:
    size = _fitting(tiles[0].shape[1], tiles[0].shape[0], _LARGEST)
    return _png(_few_greys(_pasted([_resized(tile, size) for tile in tiles], across)))


def _pasted(tiles: list[Image.Image], across: int) -> Image.Image:
    width, height = tiles[0].size
    sheet = Image.new(tiles[0].mode, (across * width, math.ceil(len(tiles) / across) * height))
    for i, tile in enumerate(tiles):
        sheet.paste(tile, (i % across * width, i // across * height))
    return sheet


def _few_greys(image: Image.Image) -> Image.Image:
    """A grey picture in 16 shades, which halves its file; others as they are."""
    if image.mode != "L":
        return image
    levels = np.asarray(image, dtype=np.uint16) * (_GREYS - 1) + 127
    few = Image.fromarray((levels // 255).astype(np.uint8), "P")
    few.putpalette([shade for level in range(_GREYS) for shade in [level * 255 // (_GREYS - 1)] * 3])
    return few


def _thumbnails(rows: NDArray[Any], scale: _Scale) -> Thumbnails:
    """As large and as many as the bytes allow: first they get smaller, then fewer."""
    height, width = rows.shape[2:]
    drawn = np.random.default_rng(0).permutation(len(rows))
    size, n = _fitting(width, height, _SIDES[-1]), len(rows)
    for side in _SIDES:
        size = _fitting(width, height, side)
        tried = drawn[:_TRIED]
        each = len(_thumbnail_bytes(rows, tried, scale, size)) / len(tried)
        n = min(len(rows), int(MOST_THUMBNAIL_BYTES / each))
        if n == len(rows):
            break
    points = np.sort(drawn[:n])
    content = _thumbnail_bytes(rows, points, scale, size)
    return Thumbnails(_encoded(content, _form(rows).lower()), size, _across(n), points.tolist())


def _thumbnail_bytes(rows: NDArray[Any], points: NDArray[np.int64], scale: _Scale, size: tuple[int, int]) -> bytes:
    tiles = [_resized(scale.shades(rows[i]), size) for i in points]
    sheet = _few_greys(_pasted(tiles, _across(len(tiles))))
    return _bytes(sheet.convert("RGB") if _form(rows) == "JPEG" else sheet, _form(rows))


def _form(rows: NDArray[Any]) -> str:
    return "JPEG" if rows.shape[1] >= 3 else "PNG"


def _across(n: int) -> int:
    return max(1, math.isqrt(n))
