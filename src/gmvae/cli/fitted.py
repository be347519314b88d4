"""A fitted model and the data that it is asked about."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from gmvae.data import DataError, Dataset, load
from gmvae.fitted.fitted import Fitted
from gmvae.runs.folder import RunFolder, model_file
from gmvae.runs.record import Record


class Asked(NamedTuple):
    """A fitted model and, if it lies in a run folder of `gmvae fit`, the record of its data."""

    fitted: Fitted
    record: Record | None

    @property
    def columns(self) -> list[str] | None:
        """Names of the columns of the fit; files of earlier versions leave them to the record."""
        return self.fitted.feature_names or (None if self.record is None else self.record.feature_names)


def open_fitted(run: Path, device: str) -> Asked:
    """Load the model of a run folder, or a model file."""
    path = model_file(run)
    return Asked(Fitted.load(path, device=device), RunFolder(path.parent).read_record())


def load_for(asked: Asked, source: str, labels: str | None, data_home: Path | None) -> Dataset:
    """Load data for a fitted model; columns of a table are put in the order of the training.

    The source of the training keeps the labels it had then, unless others are given.
    """
    record = asked.record
    if labels is None and record is not None and source == record.source:
        labels = record.labels
    data = load(source, labels=labels, data_home=data_home)
    names = asked.columns
    if names is None or data.feature_names is None or list(data.feature_names) == names:
        return data
    missing = [name for name in names if name not in data.feature_names]
    if missing:
        raise DataError(f"{data.name} must have the columns of the training; it lacks {', '.join(missing)}.")
    columns = [data.feature_names.index(name) for name in names]
    return replace(data, X=data.X[:, columns], feature_names=tuple(names))
