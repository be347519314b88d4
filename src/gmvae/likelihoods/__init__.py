"""p(y|x), one family a file: which rows suit it, what it learns from them, what the encoder sees, what is scored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from gmvae.arrays import has_missing
from gmvae.config import SIZES_WITHOUT_COLUMN
from gmvae.likelihoods.bernoulli import BernoulliLikelihood, two_valued
from gmvae.likelihoods.categorical import CategoricalLikelihood
from gmvae.likelihoods.count_likelihood import CountLikelihood
from gmvae.likelihoods.families import FAMILIES
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.hurdle import HurdleLikelihood, mostly_repeated
from gmvae.likelihoods.joint import JointLikelihood
from gmvae.likelihoods.likelihood import ColumnMoments, Discrete, Likelihood, Observation
from gmvae.likelihoods.negative_binomial import NegativeBinomialLikelihood
from gmvae.likelihoods.poisson import PoissonLikelihood
from gmvae.sparse_rows import AnyRows

LIKELIHOODS: Mapping[str, type[Likelihood]] = {**FAMILIES, JointLikelihood.name: JointLikelihood}
"""By the name that is written to files."""


def likelihood_for(
    choice: str | Mapping[str, str],
    rows: AnyRows,
    names: Sequence[str] | None = None,
    kinds: Sequence[str | None] | None = None,
    weights: np.ndarray | None = None,
    size_factors: str = "auto",
    covariate: str | None = None,
) -> Likelihood:
    """Learn a likelihood from the rows of a fit: of one family, or a joint one of several families or with gaps.

    ValueError if the rows hold values that a family does not have, a family is chosen for a column that there is not,
    or there are to be size factors of columns that are not counts of one family, or have gaps.

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
    size_factors : str
        "total", "none", the name of a column, or "auto", which takes totals where all columns are of the negative
        binomial family and none has gaps.
    covariate : str, optional
        The column with the numbers of experimental batches, where there are size factors.
    """
    in_column = size_factors not in SIZES_WITHOUT_COLUMN
    place = _index(size_factors, names, rows.shape[1], "size_factors") if in_column else None
    columns = families_of(choice, rows, names, kinds, place)
    batch = None if covariate is None else _index(covariate, names, rows.shape[1], "covariate")
    sized = None if size_factors == "none" else _sized(columns, rows, size_factors, place, batch)
    if sized is not None:
        return sized.family.learn_sized(rows, weights, sized.column, batch)
    if covariate is not None:
        raise ValueError(
            f"`covariate` must be None unless X is counts with size factors; got {covariate!r}: set "
            "`likelihood='negative-binomial'`, or leave the column out."
        )
    if len(columns) == 1 and not has_missing(rows) and CategoricalLikelihood.name not in columns:
        return FAMILIES[next(iter(columns))].learn(rows, weights)
    return JointLikelihood.learn_columns(columns, rows, weights)


def likelihood_from_sample(
    choice: str | Mapping[str, str],
    rows: np.ndarray,
    of_all: ColumnMoments,
    fractions: np.ndarray,
    names: Sequence[str] | None = None,
    kinds: Sequence[str | None] | None = None,
    size_factors: str = "auto",
    weights: np.ndarray | None = None,
) -> Likelihood:
    """The same from a sample (m, p) of very many rows and what is known of the columns of all.

    Families are found on the sample, and hold for the range of all rows; means, scales and ranges of Gaussian columns
    are those of all rows, and levels of categories; what else a family learns is of the sample.

    Parameters
    ----------
    choice, names, kinds, size_factors, weights
        Those of `likelihood_for`.
    rows : ndarray of shape (m, p)
        A row or more with NaN where columns have gaps.
    fractions : ndarray of shape (p,)
        A value of every column that is no whole number; NaN where there is none.
    """
    low, high = of_all.low.numpy(), of_all.high.numpy()
    ends = np.stack([low, high, np.where(np.isnan(fractions), low, fractions)])
    columns = families_of(choice, rows, names, kinds)
    if BernoulliLikelihood.name in columns:  # some row may lie outside [0, 1]
        columns = families_of(choice, np.concatenate([rows, ends]), names, kinds)
    categories = columns.get(CategoricalLikelihood.name, [])
    if categories:  # their last levels may not be among the rows
        rows = rows.copy()
        rows[(~np.isnan(rows[:, categories])).argmax(0), categories] = high[categories]
    known = [str(column) for column in range(rows.shape[1])] if names is None else list(names)
    families = {known[column]: family for family, own in columns.items() for column in own}
    likelihood = likelihood_for(families, rows, names, weights=weights, size_factors=size_factors)
    likelihood.refine(of_all)
    wrong = np.argwhere(~likelihood.valid(ends))
    if len(wrong):
        row, column = wrong[0].tolist()
        said = str(likelihood.refusal(ends[row, column], (row, column)))
        raise ValueError(said.replace(f"at X[{row}, {column}]", f"in column {known[column]!r}"))
    return likelihood


class _Sized(NamedTuple):
    """The family of rows with size factors, and the column that holds these; None for totals."""

    family: type[CountLikelihood]
    column: int | None


def _sized(
    columns: Mapping[str, Sequence[int]],
    rows: AnyRows,
    size_factors: str,
    column: int | None,
    batch: int | None,
) -> _Sized | None:
    """How rows of these families have size factors; None where "auto" takes none."""
    families = {name for name, own in columns.items() if {*own} - {column, batch}}
    (name, *others) = families
    family = FAMILIES[name]
    counts = not others and issubclass(family, CountLikelihood) and rows.ndim == 2 and not has_missing(rows)
    if size_factors == "auto" and not (counts and family is NegativeBinomialLikelihood):
        return None
    if not counts or not issubclass(family, CountLikelihood) or rows.shape[1] == (column is not None):
        found = "missing entries" if has_missing(rows) else f"{', '.join(sorted(families))} columns"
        raise ValueError(
            f"`size_factors` must be 'none' unless X is a complete table of counts of one likelihood; got "
            f"{size_factors!r} for {found}: set `likelihood='negative-binomial'`, or leave `size_factors` out."
        )
    return _Sized(family, column)


def families_of(
    choice: str | Mapping[str, str],
    rows: AnyRows,
    names: Sequence[str] | None = None,
    kinds: Sequence[str | None] | None = None,
    sizes: int | None = None,
) -> dict[str, list[int]]:
    """Columns by the name of their family, for `likelihood_for`; of images all channels have one family.

    A column of ``sizes`` has none of its own, and is not looked at.
    """
    fixed: list[str | None] = [None] * rows.shape[1] if kinds is None else list(kinds)
    if not isinstance(choice, str):
        for name, family in choice.items():
            column = _index(name, names, rows.shape[1], "likelihood")
            if fixed[column] == CategoricalLikelihood.name != family:
                raise ValueError(
                    f"`likelihood` must be 'categorical' for {name!r}, a column of categories; got {family!r}: leave "
                    "it out, or encode the column as numbers."
                )
            fixed[column] = family
        choice = "auto"
    numbers = [column for column, family in enumerate(fixed) if family is None and column != sizes]
    if numbers:
        of_numbers = rows if len(numbers) == len(fixed) else rows[:, numbers]
        found = _families_of_numbers(choice, of_numbers)
        if choice == "auto" and len(numbers) < len(fixed) - (sizes is not None) and GaussianLikelihood.name in found:
            repeated = mostly_repeated(of_numbers)
            normal = np.array(found) == GaussianLikelihood.name
            found = [
                HurdleLikelihood.name if each else name for name, each in zip(found, normal & repeated, strict=True)
            ]
        for column, family in zip(numbers, found, strict=True):
            fixed[column] = family
    return {name: own for name in FAMILIES if (own := [index for index, each in enumerate(fixed) if each == name])}


def _families_of_numbers(choice: str, rows: AnyRows) -> list[str]:
    """The family of every column of numbers: in a table of several kinds, columns of 0 and 1 are answers."""
    n = rows.shape[1]
    if choice != "auto":
        return [choice] * n
    first = next(name for name, family in FAMILIES.items() if family.suits(rows))
    if rows.ndim > 2 or first != GaussianLikelihood.name:
        return [first] * n
    return [BernoulliLikelihood.name if answers else first for answers in two_valued(rows)]


def _index(name: str, names: Sequence[str] | None, n: int, parameter: str) -> int:
    known = [str(index) for index in range(n)] if names is None else list(names)
    if str(name) not in known:
        shown = ", ".join(known[:12]) + (", …" if n > 12 else "")
        raise ValueError(f"`{parameter}` must name columns of X, {shown}; got {name!r}: name one of them.")
    return known.index(str(name))


__all__ = [
    "FAMILIES",
    "LIKELIHOODS",
    "BernoulliLikelihood",
    "CategoricalLikelihood",
    "ColumnMoments",
    "CountLikelihood",
    "Discrete",
    "GaussianLikelihood",
    "HurdleLikelihood",
    "JointLikelihood",
    "Likelihood",
    "NegativeBinomialLikelihood",
    "Observation",
    "PoissonLikelihood",
    "families_of",
    "likelihood_for",
    "likelihood_from_sample",
]
