"""What the page's own JavaScript reads: the points of the map, values of their rows, and the cells of the style."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

import numpy as np

from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.curves import unit_square
from gmvae.report.pictures import Pictures
from gmvae.report.records import Contents, as_json

MOST_VALUE_BYTES = 1_000_000
"""Of the values of rows on the map: columns that differ least between clusters are left out first."""
_RESOLUTION = 4000
"""Steps of the map's coordinates."""


class PageData(NamedTuple):
    """See the module. ``columns`` holds values by column: numbers, or codes of ``levels``."""

    id: str
    clusters: list[str]
    points: dict[str, Any] | None
    columns: list[dict[str, Any]]
    n_columns: int
    thumbnails: dict[str, Any] | None
    style: dict[str, Any]


def page_data(seen: AnsweredRows, found: Contents, drawn: Pictures | None) -> PageData:
    """Everything that changes on the page, as small as it can be said."""
    points = None
    if found.map is not None:
        places = np.round(unit_square(found.map) * _RESOLUTION).astype(int)
        novel = [i for i, mark in enumerate(found.map.novel) if mark]
        points = {
            "side": _RESOLUTION,
            "x": places[:, 0].tolist(),
            "y": places[:, 1].tolist(),
            "id": found.map.id,
            "row": [row + 1 for row in found.map.row],
            "cluster": found.map.cluster,
            "percent": [round(100 * each) for each in found.map.probability],
            "ambiguous": np.flatnonzero(found.map.ambiguous).tolist(),
            "novel": novel,
        }
    thumbnails = None
    if drawn is not None and drawn.thumbnails is not None:
        width, height = drawn.thumbnails.side
        everything = len(drawn.thumbnails.points) == (0 if found.map is None else found.map.n)
        thumbnails = {
            "src": drawn.thumbnails.picture,
            "width": width,
            "height": height,
            "across": drawn.thumbnails.across,
            "points": None if everything else drawn.thumbnails.points,
        }
    return PageData(
        id=seen.data.row_ids.name,
        clusters=[cluster.name for cluster in found.clusters],
        points=points,
        columns=_columns(seen, found) if found.map is not None else [],
        n_columns=len(seen.columns),
        thumbnails=thumbnails,
        style={"steps": found.style.steps, "columns": found.style.columns, "cells": found.style.cells},
    )


def as_script(data: PageData) -> str:
    """The data as JSON that cannot end the element it stands in."""
    text = json.dumps(as_json(data), ensure_ascii=False, separators=(",", ":"))
    for sign in "<>&\u2028\u2029":
        text = text.replace(sign, f"\\u{ord(sign):04x}")
    return text


def _columns(seen: AnsweredRows, found: Contents) -> list[dict[str, Any]]:
    """Columns by how much they tell clusters apart, as many as the bytes allow, then in the order of the table."""
    most: dict[str, float] = {}
    for distinction in found.distinctions:
        for each in distinction.differences:
            most[each.column] = max(most.get(each.column, 0.0), abs(each.difference or 0.0))
    order = sorted(range(len(seen.columns)), key=lambda d: -most.get(seen.columns[d].name, 0.0))
    left, kept = MOST_VALUE_BYTES, []
    for d in order:
        column, values = seen.columns[d], seen.rows[seen.mapped, d].astype(np.float64)
        if column.levels:
            shown: list[Any] = [None if value != value else int(value) for value in values.tolist()]
        else:
            shown = [None if value != value else _rounded(value) for value in values.tolist()]
        left -= len(json.dumps(shown, separators=(",", ":")))
        if left < 0:
            break
        kept.append((d, {"name": column.name, "levels": list(column.levels) or None, "values": shown}))
    return [column for _, column in sorted(kept, key=lambda each: each[0])]


def _rounded(value: float) -> float | int:
    """A number to four digits; whole ones, and those from 1,000 on, to the unit."""
    if abs(value) < 2**53 and (value.is_integer() or abs(value) >= 1000):
        return round(value)
    return float(f"{value:.4g}")
