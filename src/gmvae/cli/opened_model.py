"""A fitted model and the data that it is asked about."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from gmvae.cli.speech import note
from gmvae.data import Dataset
from gmvae.data.columns import Column, Columns
from gmvae.data.options import NO_OPTIONS, TableOptions, in_words_of_options
from gmvae.data.sources import Source
from gmvae.fitted.fitted import Fitted
from gmvae.runs.folder import RunFolder, model_file
from gmvae.runs.record import RunRecord
from gmvae.runs.source_data import missing_cells
from gmvae.weights_and_labels import checked_weights, known_labels

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray


class OpenedModel(NamedTuple):
    """A fitted model and, if it lies in a run folder of `gmvae fit`, the record of its data and names of clusters."""

    fitted: Fitted
    record: RunRecord | None
    names: list[str] | None

    @property
    def columns(self) -> list[str] | None:
        """Names of the columns of the fit; files of earlier versions leave them to the record."""
        return self.fitted.feature_names or (None if self.record is None else self.record.feature_names)


def open_fitted(run: Path, device: str) -> OpenedModel:
    """Load the model of a run folder, or a model file."""
    path = model_file(run)
    folder = RunFolder(path.parent)
    fitted = Fitted.load(path, device=device)
    return OpenedModel(fitted, folder.read_record(), folder.read_names(fitted.config.K))


def load_for_model(
    opened: OpenedModel, source: str, labels: str | None, data_home: Path | None, table: TableOptions = NO_OPTIONS
) -> Dataset:
    """Load data for a fitted model; a table is encoded by the columns of the fit, in their order.

    The source of the training keeps the labels it had then, and every table the options it was read with, unless others
    are given. What readers should know of it is noted.
    """
    record = opened.record
    if labels is None and record is not None and source == record.source:
        labels = record.labels
    fitted = opened.fitted
    known = fitted.columns
    if known is None and opened.columns is not None:  # of an earlier version, which took numbers only
        known = Columns(tuple(Column(name, "number", "double") for name in opened.columns))
    named = Source(source, labels, data_home, options_for(record, table))
    data = named.load(fitted.config, known=known, batches=fitted.batches)
    with in_words_of_options(data.name):
        weight = None if data.weights is None else checked_weights(data.weights, len(data.X))
        known_labels(data.partial_labels, len(data.X), weight)
    for sentence in data.notes:
        note(sentence)
    missing = missing_cells(data)
    if missing is not None:
        note(f"{missing}.")
    return data


def written_columns(
    opened: OpenedModel, rows: NDArray[Any], observed: NDArray[np.bool_] | None = None
) -> dict[str, NDArray[Any] | pa.Array]:
    """Rows (n, D) of a table by column, as they are written: of a fit's table with its types and levels.

    Numbers that were ``observed``, (n, D), stay as they are.
    """
    if opened.fitted.columns is None:
        names = opened.columns or [f"y_{d}" for d in range(rows.shape[1])]
        return dict(zip(names, rows.T, strict=True))
    decoded = opened.fitted.columns.decode(rows, observed)
    return {name: decoded.column(name).combine_chunks() for name in decoded.column_names}


def options_for(record: RunRecord | None, table: TableOptions) -> TableOptions:
    """Options of a table, and for what they leave open those of the fit."""
    return table if record is None else table.or_else(TableOptions.from_document(record.table))
