"""p(y|x), one family a file: which rows suit it, what it learns from them, what the encoder sees, what is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from gmvae.arrays import has_missing
from gmvae.likelihoods.bernoulli import BernoulliLikelihood, two_valued
from gmvae.likelihoods.categorical import CategoricalLikelihood
from gmvae.likelihoods.families import FAMILIES
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.joint import JointLikelihood
from gmvae.likelihoods.likelihood import Likelihood, Observation
from gmvae.likelihoods.poisson import PoissonLikelihood

LIKELIHOODS: Mapping[str, type[Likelihood]] = {**FAMILIES, JointLikelihood.name: JointLikelihood}
"""By the name that is written to files."""


def likelihood_for(
    choice: str | Mapping[str, str],
    rows: np.ndarray,
    names: Sequence[str] | None = None,
    kinds: Sequence[str | None] | None = None,
    weights: np.ndarray | None = None,
) -> Likelihood:
    """Learn a likelihood from the rows of a fit: of one family, or a joint one of several families or with gaps.

    Parameters
    ----------
    choice : str or mapping
        The family of numbers: one of `FAMILIES`, or "auto"; or families by the name of a column, the others "auto".
    rows : ndarray of shape (n, *event)
        NaN is a gap.
    names : sequence of str, optional
        Of the columns of a table.
    kinds : sequence of str or None, optional
        The family of every column of which its type decides, as of categories; None for numbers.
    weights : ndarray of shape (n,), optional
        How much every row counts, above 0; see `Likelihood.learn`.

    Raises
    ------
    ValueError
        If the rows hold values that a family does not have, or a family is chosen for a column that there is not.
    """
    columns = families_of(choice, rows, names, kinds)
    if len(columns) == 1 and not has_missing(rows) and CategoricalLikelihood.name not in columns:
        return FAMILIES[next(iter(columns))].learn(rows, weights)
    return JointLikelihood.learn_columns(columns, rows, weights)


def families_of(
    choice: str | Mapping[str, str],
    rows: np.ndarray,
    names: Sequence[str] | None = None,
    kinds: Sequence[str | None] | None = None,
) -> dict[str, list[int]]:
    """Columns by the name of their family, for `likelihood_for`; of images all channels have one family."""
    fixed: list[str | None] = [None] * rows.shape[1] if kinds is None else list(kinds)
    if not isinstance(choice, str):
        for name, family in choice.items():
            fixed[_index(name, names, rows.shape[1])] = family
        choice = "auto"
    numbers = [column for column, family in enumerate(fixed) if family is None]
    if numbers:
        of_numbers = rows if len(numbers) == len(fixed) else rows[:, numbers]
        for column, family in zip(numbers, _families_of_numbers(choice, of_numbers), strict=True):
            fixed[column] = family
    return {name: own for name in FAMILIES if (own := [index for index, each in enumerate(fixed) if each == name])}


def _families_of_numbers(choice: str, rows: np.ndarray) -> list[str]:
    """The family of every column of numbers: in a table of several kinds, columns of 0 and 1 are answers."""
    n = rows.shape[1]
    if choice != "auto":
        return [choice] * n
    first = next(name for name, family in FAMILIES.items() if family.suits(rows))
    if rows.ndim > 2 or first != GaussianLikelihood.name:
        return [first] * n
    return [BernoulliLikelihood.name if answers else first for answers in two_valued(rows)]


def _index(name: str, names: Sequence[str] | None, n: int) -> int:
    known = [str(index) for index in range(n)] if names is None else list(names)
    if str(name) not in known:
        shown = ", ".join(known[:12]) + (", …" if n > 12 else "")
        raise ValueError(f"`likelihood` must name columns of X, {shown}; got {name!r}: name one of them.")
    return known.index(str(name))


__all__ = [
    "FAMILIES",
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "GaussianLikelihood",
    "JointLikelihood",
    "Likelihood",
    "Observation",
    "PoissonLikelihood",
    "families_of",
    "likelihood_for",
]
