"""What ``n_components="auto"`` finds: `python benchmarks/number_of_clusters.py --out FILE`; see README.md beside this.

Counts the clusters of sets with known classes, and of two without any, by halves of the rows; nothing is fitted.
`--page` writes the table between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from awkward_sets import SETS as AWKWARD
from pages import put_between
from quality_sets import SETS as QUALITY
from quality_sets import readable
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine, make_blobs

from gmvae.atomic import write_text
from gmvae.data.sets import resolve_home
from gmvae.fitting.starts import TrainingData
from gmvae.likelihoods import likelihood_for
from gmvae.observations import Observations
from gmvae.paper.provenance import provenance

SEEDS = (0, 1, 2)
BEGIN, END = "<!-- numbers: written by benchmarks/number_of_clusters.py -->", "<!-- numbers: end -->"


class Source(NamedTuple):
    """A set's name on the page, its number of classes, and its rows."""

    title: str
    classes: int | None
    X: np.ndarray


def sources(home: Path) -> Iterator[Source]:
    """Well-known tables, made sets, and those of the other benchmarks whose files are there."""
    for title, load in (("iris", load_iris), ("wine", load_wine), ("breast cancer", load_breast_cancer)):
        table = load()
        yield Source(title, len(table.target_names), table.data)
    yield Source("four blobs in the plane", 4, make_blobs(1000, 2, centers=4, random_state=0)[0])
    yield Source("eight blobs in 5 dimensions", 8, make_blobs(1000, 5, centers=8, random_state=0)[0])
    yield Source("scikit-learn's digits, flat", 10, load_digits().data)
    random = np.random.default_rng(0)
    yield Source("a normal distribution in 5 dimensions", None, random.normal(size=(1000, 5)))
    yield Source("points spread evenly over a square", None, random.uniform(size=(1000, 2)))
    for source, rows in readable(AWKWARD, home):
        yield Source(source.title, _number(source.numbers), rows.X)
    for source, split in readable(QUALITY, home):
        X = split.X_train
        yield Source(source.title, len(np.unique(split.y_train)), X[:, None] if X.ndim == 3 else X)


def _number(numbers: Sequence[int | str]) -> int:
    """The first number that is asked for: that of the groups of a made set, of the classes of a real one."""
    return next(each for each in numbers if isinstance(each, int))


def counted(source: Source) -> dict[str, Any]:
    """Numbers, stabilities and sentences, one for each seed."""
    data = TrainingData(Observations(source.X), likelihood_for("auto", source.X))
    found = [data.n_clusters(seed) for seed in SEEDS]
    reasons = [reason for _, reason in found]
    stability = [float(match[1]) if (match := re.search(r" by (\d\.\d+)", each)) else None for each in reasons]
    numbers = [number for number, _ in found]
    return {"set": source.title, "classes": source.classes, "found": numbers, "stability": stability, "said": reasons}


def section(kept: dict[str, Any]) -> str:
    """The table and what it was made with."""
    lines = [f"`random_state` {', '.join(map(str, SEEDS))}, commit {kept['about']['commit'][:7]}.", ""]
    lines += ["| data | classes | found | stability |", "|---|---|---|---|"]
    for record in kept["records"]:
        stability = ", ".join("–" if each is None else f"{each:.2f}" for each in record["stability"])
        found = ", ".join(map(str, record["found"]))
        lines.append(f"| {record['set']} | {record['classes'] or 'none'} | {found} | {stability} |")
    return "\n".join(lines)


def main() -> None:
    """Count the sets that are not in the file yet, and write them there and to the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file of the results; what is known there stays")
    parser.add_argument("--data-home", type=Path, help="folder of the data; GMVAE_DATA or the user's cache if left out")
    parser.add_argument("--page", type=Path, help="page with the marks of the table")
    asked = parser.parse_args()
    kept: dict[str, Any] = {"about": provenance(), "records": []}
    if asked.out.is_file():
        kept = json.loads(asked.out.read_text())
    known = {record["set"] for record in kept["records"]}
    for source in sources(resolve_home(asked.data_home)):
        if source.title not in known:
            record = counted(source)
            kept["records"].append(record)
            print(f"{source.title}: {record['found']} of {source.classes}", flush=True)
            write_text(asked.out, json.dumps(kept, indent=1) + "\n")
    if asked.page is not None:
        put_between(asked.page, BEGIN, END, section(kept))


if __name__ == "__main__":
    main()
