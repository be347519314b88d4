"""What a run shows in numbers: one schema for `gmvae fit --json`, `gmvae info` and reports. It needs no PyTorch."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from gmvae.history import History


def summary(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a fit came to, from the document of its model (`Fitted.document`), as JSON; None where nothing is known."""
    best = History.from_rows(document["history"]).best
    return {
        "epochs": len(document["history"]),
        "converged": document["converged"],
        "lower_bound_held_out": document["lower_bound"],
        "restart_bounds": document["restart_bounds"],
        "stability": document.get("stability"),
        "n_components": document["parameters"]["n_components"],
        "n_components_effective": document["n_components_effective"],
        "information": best.information if math.isfinite(best.information) else None,
        "agreement": best.agreement if math.isfinite(best.agreement) else None,
        "columns_by_kind": _columns_by_kind(document.get("columns")),
    }


def _columns_by_kind(columns: Mapping[str, Any] | None) -> dict[str, list[str]] | None:
    """Names of the columns of every kind; None for a table of numbers alone and for images."""
    if columns is None:
        return None
    found: dict[str, list[str]] = {}
    for column in columns["columns"]:
        found.setdefault(column["kind"], []).append(column["name"])
    return None if set(found) == {"number"} else found
