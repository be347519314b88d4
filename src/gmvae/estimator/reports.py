"""Reports of a fitted model: the page, and what tells clusters apart as a table."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.data.dataset import Dataset, Ids, as_labels
from gmvae.estimator.attributes import FittedAttributes
from gmvae.runs.record import versions
from gmvae.sparse_rows import AnyRows
from gmvae.weights_and_labels import checked_weights

if TYPE_CHECKING:
    from gmvae.report.contents import Provenance
    from gmvae.report.page import Report


class FittedReports(FittedAttributes, ABC):
    """The reports of a fitted `GMVAE`; what draws them is imported when one is asked for."""

    def report(
        self,
        X: Any,
        y: Any = None,
        *,
        sample_weight: Any = None,
        names: Sequence[str] | None = None,
        with_rows: bool = True,
    ) -> Report:
        """Report on the fit and on X: one page to look at and to send, which shows itself in a notebook.

        Parameters
        ----------
        X : array-like
            As in `fit`. Of more than 100,000 rows a random sample is looked at, and the report says so.
        y : array-like of shape (n_samples,), optional
            Labels with which the clusters are compared.
        sample_weight : array-like of shape (n_samples,), optional
            How much every row counts in shares, means and differences.
        names : sequence of str, optional
            Names of the clusters in order.
        with_rows : bool
            False leaves out every single row: the map, typical and ambiguous rows, and means of fewer than 5 rows.

        Returns
        -------
        report : Report
            `write_html` writes the page and its numbers, `json` gives these, `contents` has them as records.
        """
        from gmvae.report.page import report

        data = _dataset(X, self._rows(X), getattr(self, "feature_names_in_", None), y, sample_weight)
        return report(self.fitted_, data, provenance=self._provenance(), names=names, with_rows=with_rows)

    def describe(self, X: Any, *, sample_weight: Any = None) -> Any:
        """What tells clusters apart, a line for each cluster and column, by the size of the difference.

        Parameters
        ----------
        X : array-like
            As in `fit`.
        sample_weight : array-like of shape (n_samples,), optional
            How much every row counts.

        Returns
        -------
        table : frame of X's library, else a table of Arrow
            Columns ``cluster``, ``name``, ``rows``, ``nearest`` (other cluster); then for images ``pixels``, the root
            mean squared difference of the two means; for tables ``column``, ``level`` of a category, ``inside`` and
            ``outside``, mean or share among rows in the cluster and all others, ``difference`` in standard deviations,
            ``ratio`` of shares or counts, and ``separation``, the share of the column in what separates the cluster
            from the nearest under the model. The clusters were found in these data: differences are no tests.
        """
        from gmvae.data.frames import as_frame
        from gmvae.report.table import distinctions_table

        data = _dataset(X, self._rows(X), getattr(self, "feature_names_in_", None), None, sample_weight)
        return as_frame(distinctions_table(self.fitted_, data), X)

    @abstractmethod
    def _rows(self, X: Any) -> AnyRows:
        """X, validated, as rows (n, *event)."""

    def _provenance(self) -> Provenance:
        """The call that repeats the fit, as far as parameters tell it."""
        from gmvae.report.contents import Provenance

        seed = self.random_state
        return Provenance(
            command=f"{self!r}.fit(X)",
            found=self.get_params(deep=False)["n_components"] == "auto",
            seed=int(seed) if isinstance(seed, Integral) else None,
            versions=versions(),
        )


def _dataset(X: Any, rows: AnyRows, names: Any, y: Any, sample_weight: Any) -> Dataset:
    """Rows (n, *event) as a source named X, with labels ``y``, weights, and the index of a frame as ids.

    Raises
    ------
    ValueError
        If there is not one label for each row, or one is missing.
    """
    labels = None if y is None else as_labels(_host(y), "`y`")
    if labels is not None and len(labels) != len(rows):
        raise ValueError(f"`y` must hold one label for each of {len(rows)} rows; got {len(labels)}: give as many.")
    return Dataset(
        name="X",
        X=np.asarray(rows).astype(np.uint8) if rows.dtype.kind == "b" else rows,
        labels=labels,
        feature_names=None if names is None else tuple(map(str, names)),
        ids=_index(X),
        weights=None if sample_weight is None else checked_weights(sample_weight, len(rows)),
    )


def _index(X: Any) -> Ids | None:
    """The index of a pandas frame, unless it merely counts."""
    index = getattr(X, "index", None)
    if index is None or type(index).__name__ in ("RangeIndex", "builtin_function_or_method", "method"):
        return None
    return Ids(str(index.name or "index"), np.array([str(each) for each in index], dtype=object))


def _host(y: Any) -> np.ndarray:
    labels = np.asarray(y)
    if labels.dtype.kind != "O":
        return labels
    return np.array(["" if each is None or each != each else str(each) for each in labels])  # "" is refused
