"""How well the criterion ranks starts: `python benchmarks/starts.py --out FILE`. See README.md beside this file.

Of every set, each way to cluster and each description of images gives clusters. Their scores are compared with how far
they agree with known groups, which the scores have never seen. `--page` writes the table between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from awkward_sets import SETS as AWKWARD
from pages import put_between
from quality_sets import SETS as QUALITY
from quality_sets import readable
from scipy.stats import spearmanr
from sklearn.exceptions import ConvergenceWarning

from gmvae.atomic import write_text
from gmvae.data.sets import resolve_home
from gmvae.fitting.starts import TrainingData
from gmvae.initialisation.features import descriptions
from gmvae.initialisation.starts import candidates, starting_clusters
from gmvae.initialisation.supports import Support, supports
from gmvae.likelihoods import likelihood_for
from gmvae.metrics import ari
from gmvae.observations import Observations
from gmvae.paper.provenance import provenance

SEED = 0
N_ROWS = 10_000
BEGIN, END = "<!-- starts: written by benchmarks/starts.py -->", "<!-- starts: end -->"
MARGIN = 0.02
CRITERIA: Mapping[str, Callable[[Support, float], float]] = {
    "gmvae's": Support.score,
    "cohesion": lambda support, best_gain: support.cohesion,
    "gain": lambda support, best_gain: support.gain,
}


class Labelled(NamedTuple):
    """Rows of a set, their groups, which rows are scored, and the number of clusters asked for."""

    X: np.ndarray
    y: np.ndarray
    scored: np.ndarray
    K: int


def sets(home: Path) -> Iterator[tuple[str, Labelled]]:
    """Every set of `awkward_tables.py` and `quality.py` whose files are there, as its name and its rows."""
    for source, rows in readable(AWKWARD, home):
        for K in source.numbers:
            if isinstance(K, int):
                yield f"{source.title}, K = {K}", Labelled(rows.X, rows.y, rows.scored, K)
    for source, split in readable(QUALITY, home):
        y = split.y_train
        yield source.title, Labelled(split.X_train, y, np.ones(len(y), dtype=bool), len(np.unique(y)))


def measured(name: str, given: Labelled) -> dict[str, Any]:
    """ARI and scores of every candidate, and what a default fit starts on."""
    drawn = np.sort(np.random.default_rng(SEED).permutation(len(given.X))[:N_ROWS])
    X = given.X[:, None] if given.X.ndim == 3 else given.X
    data = TrainingData(Observations(X), likelihood_for("auto", X))
    rows = data.completed(drawn)
    y, scored = given.y[drawn], given.scored[drawn]
    found = []
    for described, scores in descriptions(rows, SEED):
        clusters = candidates(scores, given.K, SEED)
        support = supports(scores, clusters)
        best_gain = max(each.gain for each in support.values())
        for way, found_by in clusters.items():
            of_way = {criterion: score(support[way], best_gain) for criterion, score in CRITERIA.items()}
            found.append({"view": described, "way": way, "ari": ari(y[scored], found_by[scored]), "scores": of_way})
    start = starting_clusters("auto", rows, given.K, SEED)
    return {
        "set": name,
        "rows": len(drawn),
        "candidates": found,
        "start": {"ari": ari(y[scored], start.clusters[scored]), "way": start.init, "reason": start.reason},
    }


def judged(record: Mapping[str, Any], criterion: str) -> tuple[float | None, float]:
    """Rank correlation with ARI over the ways to cluster a description, the mean over descriptions, and regret.

    The correlation is None where all ways agree with the groups alike; regret is that of the best-scored way on the
    first description.
    """
    correlations = []
    by_description: dict[str, list[Mapping[str, Any]]] = {}
    for each in record["candidates"]:
        by_description.setdefault(each["view"], []).append(each)
    for candidates_of in by_description.values():
        agreed, scores = [each["ari"] for each in candidates_of], [each["scores"][criterion] for each in candidates_of]
        if max(agreed) - min(agreed) > MARGIN and len(set(scores)) > 1:
            correlations.append(float(spearmanr(scores, agreed).statistic))
    first = next(iter(by_description.values()))
    taken = max(first, key=lambda each: each["scores"][criterion])
    regret = max(each["ari"] for each in first) - taken["ari"]
    return (float(np.mean(correlations)) if correlations else None), regret


def section(kept: Mapping[str, Any]) -> str:
    """The table of all sets, and the means of every criterion."""
    lines = ["## Starts", "", about(kept["about"]), ""]
    lines += [
        "| set | neighbours | k-means | mixture | best of all descriptions | start | taken | regret |",
        "| --- " * 8 + "|",
    ]
    for record in kept["records"]:
        first = record["candidates"][0]["view"]
        of_first = {each["way"]: each["ari"] for each in record["candidates"] if each["view"] == first}
        best = max(each["ari"] for each in record["candidates"])
        cells = [f"{of_first[way]:.3f}" if way in of_first else "–" for way in ("neighbours", "kmeans", "gmm")]
        start = record["start"]
        described = start["reason"].split(" by ")[0].removeprefix("clusters of ")
        regret = max(0.0, best - start["ari"])
        cells += [f"{best:.3f}", f"{start['ari']:.3f}", f"{start['way']}, {described}", f"{regret:.3f}"]
        lines.append("| " + " | ".join([record["set"], *cells]) + " |")
    lines += ["", "| criterion | mean rank correlation | sets | mean regret | largest regret |", "| --- " * 5 + "|"]
    for criterion in CRITERIA:
        both = [judged(record, criterion) for record in kept["records"]]
        correlations = [each for each, _ in both if each is not None]
        regrets = [regret for _, regret in both]
        cells = [
            f"{np.mean(correlations):.2f}",
            str(len(correlations)),
            f"{np.mean(regrets):.3f}",
            f"{max(regrets):.3f}",
        ]
        lines.append("| " + " | ".join([criterion, *cells]) + " |")
    return "\n".join(lines)


def about(known: Mapping[str, Any]) -> str:
    """Where and with what the numbers came."""
    return f"Seed {known['seed']}, at most {known['most_rows']:,} rows; commit {known['commit'][:7]}."


def main() -> None:
    """Measure the sets that are not in the file yet, and write them there and to the page."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="file of the results; what is known there stays")
    parser.add_argument("--data-home", type=Path, help="folder of the data; GMVAE_DATA or the user's cache if left out")
    parser.add_argument("--page", type=Path, help="page with the marks of the section")
    asked = parser.parse_args()
    warnings.simplefilter("ignore", ConvergenceWarning)
    kept: dict[str, Any] = {"about": {**provenance(), "seed": SEED, "most_rows": N_ROWS}, "records": []}
    if asked.out.is_file():
        kept = json.loads(asked.out.read_text())
    known = {record["set"] for record in kept["records"]}
    for name, given in sets(resolve_home(asked.data_home)):
        if name in known:
            continue
        record = measured(name, given)
        kept["records"].append(record)
        print(f"{name}: starts on {record['start']['ari']:.3f}, {record['start']['reason']}", flush=True)
        write_text(asked.out, json.dumps(kept, indent=1) + "\n")
    if asked.page is not None:
        put_between(asked.page, BEGIN, END, section(kept))


if __name__ == "__main__":
    main()
