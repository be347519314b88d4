"""What went wrong in a fit, or may mislead whoever reads its clusters, each with its remedy."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from gmvae.fitted.certainty import AMBIGUOUS_ABOVE
from gmvae.fitted.novelty import NOVEL_BELOW
from gmvae.fitting.warn import collapse, possible_marks
from gmvae.report.answered_rows import AnsweredRows
from gmvae.report.records import Problem

MANY_AMBIGUOUS = 0.2
"""Share of ambiguous rows from which the clusters are said to overlap."""
MANY_NOVEL = 5 * NOVEL_BELOW / 100
"""Share of novel rows from which the data are said to be unlike those of the fit."""


def problems(seen: AnsweredRows) -> Iterator[Problem]:
    """All that applies, the gravest first."""
    fitted = seen.fitted
    if fitted.history.epochs:
        collapsed = collapse(fitted.history.best, fitted.config)
        if collapsed is not None:
            yield Problem(f"With K = {fitted.config.K} {collapsed.what}.", sentence(collapsed.remedy))
    if not fitted.converged:
        yield Problem(
            f"Training ended after {len(fitted.history.epochs)} epochs, before the held-out bound had stopped gaining.",
            "Raise `max_iter` (`--epochs`), or `tol` to accept it.",
        )
    failed = sum(map(math.isnan, fitted.restart_bounds))
    if failed:
        yield Problem(
            f"{failed} of {len(fitted.restart_bounds)} restarts diverged.",
            "Lower `learning_rate`, or look for outliers.",
        )
    novel = seen.novel_share or 0.0
    if novel > MANY_NOVEL:
        yield Problem(
            f"{novel:.0%} of rows are novel: less probable than all but {NOVEL_BELOW:g}% of held-out rows.",
            "Check that the data were prepared as those of the fit; look at the marked rows; fit again with them.",
        )
    ambiguous = seen.assignment.ambiguous_share
    if ambiguous > MANY_AMBIGUOUS:
        yield Problem(
            f"{ambiguous:.0%} of rows are ambiguous: the entropy of their cluster is above {AMBIGUOUS_ABOVE} nats.",
            "Take fewer clusters (`gmvae choose-k`), or use the probabilities in place of the clusters.",
        )
    kinds = None if fitted.columns is None else fitted.columns.families
    marks = possible_marks(seen.rows, kinds, [column.name for column in seen.columns])
    if marks is not None:
        yield Problem(
            f"{marks}.", "If it is one, put NaN in its place (`--missing`): rows with it tend to be a cluster."
        )
    sizes = np.bincount(seen.assignment.first, minlength=seen.assignment.K)
    if (sizes == 0).any():
        empty = np.flatnonzero(sizes == 0).tolist()
        yield Problem(
            f"No row is in {'cluster' if len(empty) == 1 else 'clusters'} {', '.join(map(str, empty))}.",
            "Take fewer `n_components` if these rows are all there are.",
        )


def sentence(text: str) -> str:
    """The text, beginning with a capital letter and ending with a full stop."""
    return f"{text[0].upper()}{text[1:]}."
