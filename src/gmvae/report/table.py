"""What tells clusters apart as a table: one line for each cluster and column, or for each cluster of images."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.data import Dataset
from gmvae.fitted.fitted import Fitted
from gmvae.report.answered_rows import answered_rows
from gmvae.report.contents import cluster_names
from gmvae.report.distinctions import distinctions
from gmvae.report.records import Difference

if TYPE_CHECKING:
    import pyarrow as pa


def distinctions_table(fitted: Fitted, data: Dataset, names: Sequence[str] | None = None) -> pa.Table:
    """The distinctions of a report as a table, in the same order.

    Columns are ``cluster``, ``name``, ``rows``, ``nearest``; of tables then those of `Difference`, of images
    ``pixels``.
    """
    import pyarrow as pa

    seen = answered_rows(fitted, data, mapped=False)
    shown_names = cluster_names(names, fitted.classes, fitted.config.K)
    kinds: dict[str, Any] = {
        "cluster": pa.int64(),
        "name": pa.string(),
        "rows": pa.int64(),
        "nearest": pa.int64(),
    }
    if seen.of_images:
        kinds["pixels"] = pa.float64()
    else:
        text = ("column", "level")
        kinds |= {name: pa.string() if name in text else pa.float64() for name in Difference._fields}
    sizes = np.bincount(seen.assignment.first, minlength=seen.assignment.K).tolist()
    lines: list[dict[str, Any]] = []
    for distinction in distinctions(seen):
        k = distinction.cluster
        first = {"cluster": k, "name": shown_names[k], "rows": sizes[k], "nearest": distinction.nearest}
        if seen.of_images:
            lines.append({**first, "pixels": distinction.pixels})
        lines += [{**first, **each._asdict()} for each in distinction.differences]
    return pa.Table.from_pylist(lines, schema=pa.schema(kinds))
