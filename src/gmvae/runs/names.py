"""Names of the clusters of a run, kept for all later outputs."""

from __future__ import annotations

import json
from collections.abc import Sequence

from gmvae.atomic import write_text
from gmvae.runs.folder import RunFolder
from gmvae.runs.record import read_json


def read_names(folder: RunFolder, K: int) -> list[str] | None:
    """Names that the K clusters of a run were given; None where they have none.

    ValueError if the file holds something else.
    """
    if not folder.names.is_file():
        return None
    names = read_json(folder.names).get("names")
    if not isinstance(names, list) or len(names) != K or not all(isinstance(name, str) for name in names):
        raise ValueError(f"{folder.names} must hold {K} names of clusters; got something else: delete it.")
    return names


def write_names(folder: RunFolder, names: Sequence[str]) -> None:
    """Keep the names of the clusters of a run, for all later outputs."""
    write_text(folder.names, json.dumps({"names": list(names)}, indent=2, ensure_ascii=False) + "\n")
