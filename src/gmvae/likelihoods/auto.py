"""The likelihood of rows: chosen by name, or found where it is "auto", of one family or a joint one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

import numpy as np

from gmvae.arrays import has_missing
from gmvae.config import SIZES_WITHOUT_COLUMN
from gmvae.domains import first_of
from gmvae.likelihoods.bernoulli import BernoulliLikelihood, two_valued
from gmvae.likelihoods.categorical import CategoricalLikelihood
from gmvae.likelihoods.families import FAMILIES, SIZED_FAMILIES
from gmvae.likelihoods.gaussian import GaussianLikelihood
from gmvae.likelihoods.hurdle import HurdleLikelihood, mostly_repeated
from gmvae.likelihoods.joint import JointLikelihood
from gmvae.likelihoods.likelihood import ColumnMoments, Likelihood
from gmvae.likelihoods.negative_binomial import SizedNegativeBinomialLikelihood
from gmvae.likelihoods.sized_count_likelihood import SizedCountLikelihood
from gmvae.sparse_rows import AnyRows


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
    sizes = _index(size_factors, names, rows.shape[1], "size_factors") if in_column else None
    columns = families_of(choice, rows, names, kinds, sizes)
    batch = None if covariate is None else _index(covariate, names, rows.shape[1], "covariate")
    sized = None if size_factors == "none" else _sized_family(columns, rows, size_factors, {sizes, batch})
    if sized is not None:
        return sized.learn_sized(rows, weights, sizes, batch)
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
    names: Sequence[str] | None,
    kinds: Sequence[str | None] | None,
    weights: np.ndarray | None,
    size_factors: str,
) -> Likelihood:
    """The same from a sample (m, p) of very many rows and what is known of the columns of all.

    Families are found on the sample, and hold for the range of all rows; means, scales and ranges of Gaussian columns
    are those of all rows, and levels of categories; what else a family learns is of the sample.

    Parameters
    ----------
    choice, names, kinds, weights, size_factors
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
        raise likelihood.refusal(ends[row, column], (row, column), f"in column {known[column]!r}")
    return likelihood


def _sized_family(
    columns: Mapping[str, Sequence[int]], rows: AnyRows, size_factors: str, beside: Set[int | None]
) -> type[SizedCountLikelihood] | None:
    """The family of counts with size factors, but for the columns beside them; None where "auto" takes none."""
    names = sorted(name for name, own in columns.items() if {*own} - beside)
    family = SIZED_FAMILIES.get(names[0]) if len(names) == 1 and rows.ndim == 2 and not has_missing(rows) else None
    if size_factors == "auto" and family is not SizedNegativeBinomialLikelihood:
        return None
    if family is None:
        found = "missing entries" if has_missing(rows) else f"{', '.join(names) or 'no other'} columns"
        raise ValueError(
            f"`size_factors` must be 'none' unless X is a complete table of counts of one likelihood; got "
            f"{size_factors!r} for {found}: set `likelihood='negative-binomial'`, or leave `size_factors` out."
        )
    return family


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
        raise ValueError(f"`{parameter}` must name columns of X, {first_of(known)}; got {name!r}: name one of them.")
    return known.index(str(name))
