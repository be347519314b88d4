"""What a report says, as records: one schema for the page and for ``report.json``."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np

SCHEMA = 1
"""Of ``report.json``; a change that readers of the file notice raises it."""


class Problem(NamedTuple):
    """Something that went wrong or may mislead, and what can be done about it."""

    what: str
    remedy: str


class Card(NamedTuple):
    """The fit at a glance; None where nothing is known.

    ``n`` rows are in the data, ``n_read`` of them were looked at; shares are of those, that of novel rows of
    ``n_scored`` of them. ``n_components`` was asked for, or found where ``found``. ``information`` is at
    most ``most_information``, log K. ``seconds`` is the time of training.
    """

    data: str
    n: int
    n_read: int
    shape: list[int]
    n_components: int
    found: bool
    n_components_effective: float
    likelihood: str
    lower_bound_held_out: float
    stability: float | None
    information: float | None
    most_information: float
    agreement: float | None
    certainty: float
    ambiguous_share: float
    novel_share: float | None
    n_scored: int
    epochs: int
    converged: bool
    seconds: float
    seed: int | None


class ShownRow(NamedTuple):
    """One row: its number from 0, what identifies it, its most probable clusters and, in tables, its values."""

    row: int
    id: str
    probability: float
    second: int | None
    second_probability: float | None
    values: list[Any] | None


class Neighbour(NamedTuple):
    """Another cluster: its mean probability among a cluster's rows, and for how many ambiguous ones it is second."""

    cluster: int
    probability: float
    ambiguous_rows: int


class Cluster(NamedTuple):
    """One cluster.

    ``certainty`` is the mean probability of the cluster among its rows, ``samples`` are rows that the model draws at
    w = 0 (tables only).
    """

    cluster: int
    name: str
    size: int
    share: float
    certainty: float | None
    ambiguous_share: float | None
    typical: list[ShownRow]
    ambiguous: list[ShownRow]
    neighbours: list[Neighbour]
    samples: list[list[Any]] | None


class Difference(NamedTuple):
    """A column, or a level of one, inside a cluster and among all other rows.

    Attributes
    ----------
    column : str
    level : str, optional
        Of a category; its shares are compared. None: means are.
    inside, outside : float, optional
        Mean or share among the rows that have a value.
    difference : float, optional
        Their difference over the root of the mean of both variances.
    ratio : float, optional
        Share inside over share outside, and of counts mean over mean; None for other numbers, or over 0.
    separation : float, optional
        Share of the column in what separates the cluster from the nearest other one under the model.
    log2_fold_change : float, optional
        Of counts with size factors: of the mean share that the model gives to rows of the cluster over that of others.
    """

    column: str
    level: str | None
    inside: float | None
    outside: float | None
    difference: float | None
    ratio: float | None
    separation: float | None = None
    log2_fold_change: float | None = None


class Distinction(NamedTuple):
    """What tells a cluster from the others: columns by size of the difference; of images that of the mean pixels.

    ``nearest`` is the other cluster with the highest mean probability among this one's rows; ``pixels`` the root mean
    squared difference of the two mean images.
    """

    cluster: int
    nearest: int | None
    differences: list[Difference]
    pixels: float | None


class Map(NamedTuple):
    """Embedded rows in the plane. ``novel`` is None for rows whose density was not estimated."""

    method: str
    axes: list[str]
    n: int
    row: list[int]
    id: list[str]
    x: list[float]
    y: list[float]
    cluster: list[int]
    probability: list[float]
    ambiguous: list[bool]
    novel: list[bool | None]


class Style(NamedTuple):
    """Means of every cluster over the style coordinates that vary most.

    ``cells`` are those of tables, by cluster, value of the second coordinate, value of the first, and column.
    """

    directions: list[int]
    deviations: list[float]
    steps: list[float]
    w_prior: float
    used: bool
    columns: list[str]
    cells: list[list[list[list[Any]]]] | None


class Agreement(NamedTuple):
    """Clusters against labels: scores, counts of classes (rows) and clusters (columns, by number), calibration.

    Of ``n`` rows: those whose class the fit did not know.
    """

    n: int
    scores: dict[str, float]
    classes: list[str]
    clusters: list[int]
    matrix: list[list[int]]
    confidence: list[float | None]
    accuracy: list[float | None]
    counts: list[int]


class Making(NamedTuple):
    """How the fit and this report were made."""

    command: str
    parameters: dict[str, Any]
    versions: dict[str, str]
    likelihoods: dict[str, int]
    notes: list[str]


class Contents(NamedTuple):
    """A report, in the order of its page; None for what was left out or cannot be had."""

    schema: int
    problems: list[Problem]
    card: Card
    columns: list[str]
    clusters: list[Cluster]
    map: Map | None
    distinctions: list[Distinction]
    style: Style
    training: dict[str, list[float]]
    agreement: Agreement | None
    making: Making


def as_json(value: Any) -> Any:
    """Records and arrays as JSON values: NaN and infinity, which JSON does not have, as None."""
    if hasattr(value, "_asdict"):
        return {name: as_json(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): as_json(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | np.generic):
        return as_json(value.tolist())
    if isinstance(value, list | tuple):
        return [as_json(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
