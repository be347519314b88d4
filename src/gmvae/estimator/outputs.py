"""What is written of a fitted model: its file, graphs that other programs answer from, reports and their tables."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from numbers import Integral
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.data.dataset import Dataset, Ids, as_labels
from gmvae.data.options import without_options
from gmvae.estimator.attributes import FittedAttributes
from gmvae.estimator.frames import warn_of_table
from gmvae.fitted.certainty import AMBIGUOUS_ABOVE
from gmvae.runs.record import versions
from gmvae.sparse_rows import AnyRows
from gmvae.weights_and_labels import checked_weights

if TYPE_CHECKING:
    from gmvae.fitted.onnx import Exported
    from gmvae.report.contents import Provenance
    from gmvae.report.page import Report


class FittedOutputs(FittedAttributes, ABC):
    """What is written of a fitted `GMVAE`; what draws reports is imported when one is asked for."""

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one safetensors file; no pickle is involved."""
        self.fitted_.save(path)

    def to_onnx(self, path: str | Path, *, ambiguous: float = AMBIGUOUS_ABOVE, novel: float | None = None) -> Exported:
        """Write ONNX graphs, which other programs can run without this library, and a model card.

        ``model.onnx`` takes observations in the data's own units, as the input ``X`` (n, n_features) or (n, C, H, W),
        and gives ``label``, ``proba``, ``embedding`` and ``ambiguous`` as `predict`, `predict_proba`, `transform` and
        `is_ambiguous` do. NaN is a missing entry. Of a table with text or categories it takes the codes of the levels,
        which the card and the graph's metadata list. A graph raises no errors: a row that `predict` refuses gets the
        label -1 and NaN. ``model.decoder.onnx`` maps ``embedding`` to ``mean``, as `inverse_transform` does for arrays.
        Both are single files of opset 18. Before they are kept, they are compared with PyTorch on 1,000 rows drawn from
        the model. ``model.md`` is the card.

        Parameters
        ----------
        path : str or Path
            Ends in ``.onnx``.
        ambiguous : float
            Nats of entropy above which a row is ambiguous, as in `is_ambiguous`.
        novel : float, optional
            Percentile as in `is_novel`. The graph then also gives ``novel`` and ``log_likelihood``, the estimate of
            log p(y) with 16 importance samples that decides it. It then decodes every row 16 times.

        Returns
        -------
        exported : Exported
            Paths of the files, and the largest difference from PyTorch.

        Raises
        ------
        ValueError
            If ONNX is not installed (``pip install 'gmvae[onnx]'``), a network of your own cannot be exported, or the
            model is larger than 2 GiB.
        """
        return self.fitted_.to_onnx(path, ambiguous, novel)

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

        data = self._dataset(X, y, sample_weight)
        return report(self.fitted_, data, provenance=self._provenance(), names=names, with_rows=with_rows)

    def describe(self, X: Any, *, sample_weight: Any = None) -> Any:
        """What tells clusters apart: a line for each cluster and column, the largest differences first.

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
            ``ratio`` of shares or counts, ``separation``, the share of the column in what separates the cluster from
            the nearest under the model, and ``log2_fold_change`` of its share of counts with size factors. The
            clusters were found in these data, so that differences are not tests of whether there are clusters.
        """
        from gmvae.data.frames import as_frame
        from gmvae.report.table import distinctions_table

        data = self._dataset(X, None, sample_weight)
        return as_frame(distinctions_table(self.fitted_, data), X)

    @abstractmethod
    def _rows(self, X: Any, note: Callable[[str], object] = warn_of_table) -> AnyRows:
        """X, validated, as rows (n, *event); ``note`` is called with what there is to say of a table."""

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

    def _dataset(self, X: Any, y: Any, sample_weight: Any) -> Dataset:
        """X as a source of this name, with labels ``y``, weights, the index of a frame as ids, and what was warned of.

        ValueError if there is not one label for each row, or one is missing.
        """
        columns = self.fitted_.columns
        notes = [] if columns is None else list(columns.notes)

        def note(sentence: str) -> None:
            notes.append(sentence)
            warn_of_table(sentence)

        rows, labels = self._rows(X, note), None if y is None else as_labels(_plain_labels(y), "`y`")
        if labels is not None and len(labels) != len(rows):
            raise ValueError(f"`y` must hold one label for each of {len(rows)} rows; got {len(labels)}: give as many.")
        names = getattr(self, "feature_names_in_", None) if columns is None else columns.names
        return Dataset(
            name="X",
            X=np.asarray(rows).astype(np.uint8) if rows.dtype.kind == "b" else rows,
            labels=labels,
            feature_names=None if names is None else tuple(map(str, names)),
            ids=_index(X),
            weights=None if sample_weight is None else checked_weights(sample_weight, len(rows)),
            notes=tuple(dict.fromkeys(map(without_options, notes))),
        )


def _index(X: Any) -> Ids | None:
    """The index of a pandas frame, unless it merely counts."""
    index = getattr(X, "index", None)
    if index is None or type(index).__name__ in ("RangeIndex", "builtin_function_or_method", "method"):
        return None
    return Ids(str(index.name or "index"), np.array([str(each) for each in index], dtype=object))


def _plain_labels(y: Any) -> np.ndarray:
    labels = np.asarray(y)
    if labels.dtype.kind != "O":
        return labels
    return np.array(["" if each is None or each != each else str(each) for each in labels])  # "" is refused
