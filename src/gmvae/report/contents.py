"""The contents of a report, from what was looked at."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from gmvae.fitted.document import parameters
from gmvae.metrics import evaluate, match, reliability
from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.clusters import describe_clusters
from gmvae.report.curves import DRAWN
from gmvae.report.distinctions import FEW, distinctions
from gmvae.report.notation import shown_share
from gmvae.report.problems import problems, sentence
from gmvae.report.records import (
    SCHEMA,
    Agreement,
    Card,
    Contents,
    Making,
    Map,
    ShownRow,
    Style,
)
from gmvae.report.rows import cells, drawn_cells, identities

N_SAMPLES = 5
"""Draws of the model that are shown of each cluster."""


class Provenance(NamedTuple):
    """How a fit came about, as far as it is known."""

    command: str = ""  # by which the fit can be repeated
    found: bool = False  # whether the number of clusters was found, not asked for
    seed: int | None = None
    versions: dict[str, str] = {}  # noqa: RUF012 - never written to; of Python and libraries


def contents(
    seen: AnsweredRows, provenance: Provenance, style: Style, names: Sequence[str], *, with_rows: bool
) -> Contents:
    """Everything a report says in numbers and words; pictures are made apart."""
    columns = [column.name for column in seen.columns]
    show = _shown_rows(seen) if with_rows else None
    return Contents(
        schema=SCHEMA,
        problems=list(problems(seen)),
        card=_card(seen, provenance),
        columns=columns,
        clusters=describe_clusters(seen.assignment, seen.embedding, names, show, _samples(seen)),
        map=_map(seen) if with_rows else None,
        distinctions=distinctions(seen, few=0 if with_rows else FEW),
        style=style,
        training={name: seen.fitted.history[name].tolist() for name in DRAWN},
        agreement=_agreement(seen),
        making=_making(seen, provenance, with_rows=with_rows),
    )


def cluster_names(names: Sequence[str] | None, classes: Sequence[int | str | None], K: int) -> list[str]:
    """Names of all clusters, by default those of the classes that the fit knew, else cluster 0, cluster 1 and so on.

    ValueError if they are not K different names.
    """
    if names is None:
        known = [*classes, *[None] * (K - len(classes))]
        return [f"cluster {k}" + ("" if name is None else f": {name}") for k, name in enumerate(known)]
    names = [str(name).strip() for name in names]
    if len(names) != K or len(set(names)) != K or "" in names:
        raise ValueError(f"`names` must be {K} different names, one for each cluster; got {names!r}: name every one.")
    return names


def _card(seen: AnsweredRows, provenance: Provenance) -> Card:
    fitted, found = seen.fitted, seen.assignment
    best = fitted.history.best
    return Card(
        data=seen.data.name,
        n=len(seen.data.X),
        n_read=len(seen.kept),
        shape=list(fitted.event_shape),
        n_components=fitted.config.K,
        found=provenance.found,
        n_components_effective=fitted.n_components_effective,
        likelihood=fitted.likelihood,
        lower_bound_held_out=fitted.lower_bound,
        stability=_known(fitted.stability),
        information=_known(best.information),
        most_information=math.log(fitted.config.K),
        agreement=_known(best.agreement),
        certainty=float(np.average(found.certainty, weights=found.weight)),
        ambiguous_share=found.ambiguous_share,
        novel_share=seen.novel_share,
        n_scored=int((~np.isnan(seen.novel)).sum()),
        epochs=len(fitted.history.epochs),
        converged=fitted.converged,
        seconds=float(fitted.history["seconds"].sum()),
        seed=provenance.seed,
    )


def _known(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _shown_rows(seen: AnsweredRows) -> Callable[[NDArray[np.int64]], list[ShownRow]]:
    found = seen.assignment

    def show(places: NDArray[np.int64]) -> list[ShownRow]:
        ids = identities(seen.data, seen.kept[places])
        return [
            ShownRow(
                row=int(seen.kept[i]),
                id=name,
                probability=float(found.certainty[i]),
                second=int(found.second[i]) if found.K > 1 else None,
                second_probability=float(found.proba[i, found.second[i]]) if found.K > 1 else None,
                values=cells(seen.columns, seen.rows[i]) if seen.columns else None,
            )
            for i, name in zip(places.tolist(), ids, strict=True)
        ]

    return show


def _samples(seen: AnsweredRows) -> list[list[list[Any]] | None]:
    if seen.of_images:
        return [None] * seen.assignment.K
    return [drawn_cells(seen.fitted, seen.columns, own) for own in samples(seen)]


def samples(seen: AnsweredRows, *, mean: bool = False) -> NDArray[Any]:
    """Draws of every cluster at w = 0, (K, N_SAMPLES, *event), in the data's units; ``mean`` gives means of p(y|x)."""
    return seen.unit * seen.fitted.draw_each(N_SAMPLES, mean=mean)


def _map(seen: AnsweredRows) -> Map:
    mapped, points = seen.mapped, seen.plane.points
    novel = seen.novel[mapped]
    return Map(
        method=seen.plane.method,
        axes=seen.plane.axes,
        n=len(mapped),
        row=seen.kept[mapped].tolist(),
        id=identities(seen.data, seen.kept[mapped]),
        x=[float(f"{value:.5g}") for value in points[:, 0]],
        y=[float(f"{value:.5g}") for value in points[:, 1]],
        cluster=seen.assignment.first[mapped].tolist(),
        probability=seen.assignment.certainty[mapped].round(4).tolist(),
        ambiguous=seen.assignment.ambiguous[mapped].tolist(),
        novel=[None if np.isnan(mark) else bool(mark) for mark in novel],
    )


def _agreement(seen: AnsweredRows) -> Agreement | None:
    """Against the labels of rows whose class the fit did not know; None without such rows."""
    others = ~seen.known
    if seen.labels is None or not others.any():
        return None
    labels, proba = seen.labels[others], seen.assignment.proba[others]
    table = match(labels, seen.assignment.first[others])
    curve = reliability(labels, proba)
    return Agreement(
        n=int(others.sum()),
        scores=evaluate(labels, proba, seen.fitted.log_odds(seen.rows[others]))._asdict(),
        classes=[str(name) for name in table.classes],
        clusters=[int(k) for k in table.clusters],
        matrix=table.matrix.tolist(),
        confidence=[_known(value) for value in curve.confidence.tolist()],
        accuracy=[_known(value) for value in curve.accuracy.tolist()],
        counts=curve.counts.tolist(),
    )


def _making(seen: AnsweredRows, provenance: Provenance, *, with_rows: bool) -> Making:
    likelihoods: dict[str, int] = {}
    for column in seen.columns:
        likelihoods[column.likelihood] = likelihoods.get(column.likelihood, 0) + 1
    notes = list(seen.data.notes) if with_rows else []  # they quote cells and names of files
    names = [column.name for column in seen.columns]
    notes += [sentence(each) for each in seen.fitted.model.likelihood.notes(names)] if names else []
    missing = float(np.isnan(seen.rows).mean())
    if missing:
        notes.append(f"{shown_share(missing)} of cells are missing: they count nowhere, and the fit did not fill them.")
    if seen.data.weights is not None:
        notes.append("Rows count by their weights in shares, means and differences; sizes and scores count each once.")
    if seen.known.any():
        notes.append(f"The fit knew the class of {int(seen.known.sum()):,} of these rows.")
    left_out = () if seen.fitted.columns is None else seen.fitted.columns.left_out
    untold = [name for name in left_out if not any(repr(name) in note for note in notes)]
    if untold:
        notes.append(f"The fit left out: {', '.join(untold)}.")
    return Making(
        command=provenance.command,
        parameters=parameters(seen.fitted.config),
        versions=provenance.versions,
        likelihoods=likelihoods,
        notes=notes,
    )
