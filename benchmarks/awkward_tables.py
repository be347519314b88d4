"""Default fits to tables that people bring: `python benchmarks/awkward_tables.py --out DIR`. See README.md.

Every case is run once and kept; an interrupted run goes on. `--page` writes what is known between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import tempfile
import time
import warnings
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from statistics import mean
from typing import Any, NamedTuple

import numpy as np
import torch
from awkward_sets import N_SILHOUETTE, OURS, SETS, Case, Rows, cases, drawn
from pages import put_between
from sklearn.cluster import KMeans
from sklearn.mixture import GaussianMixture
from sklearn.preprocessing import StandardScaler

from gmvae import GMVAE
from gmvae.atomic import replacing
from gmvae.data import DataError
from gmvae.data.sets import resolve_home
from gmvae.fitted.map_rows import map_rows
from gmvae.metrics import ari
from gmvae.model import Noise
from gmvae.paper.provenance import provenance
from gmvae.training import DivergedError

Record = dict[str, Any]

N_DRAWS = 64
N_KPROTOTYPES = 5000
MARGIN = 0.02
"""ARI by which a fit may miss the better of k-means and the mixture."""
BEGIN, END = "<!-- awkward: written by benchmarks/awkward_tables.py -->", "<!-- awkward: end -->"
BASELINES = ("k-means", "mixture")
SETTINGS = {
    "k-means": "KMeans(K, n_init=5, random_state=0), standardised columns",
    "mixture": "GaussianMixture(K, n_init=3, reg_covar=1e-3, random_state=0), standardised columns",
    "k-prototypes": f"KPrototypes(K, n_init=3, random_state=0), standardised numbers, at most {N_KPROTOTYPES} rows",
    OURS: "GMVAE(K, random_state=seed)",
}
K_PROTOTYPES = """
import sys, time
import numpy as np
from kmodes.kprototypes import KPrototypes
rows, n_numbers, K = np.load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
started = time.perf_counter()
model = KPrototypes(K, n_init=3, random_state=0)
labels = model.fit_predict(rows, categorical=list(range(n_numbers, rows.shape[1])))
np.save(sys.argv[1], labels)
print(time.perf_counter() - started)
"""


class Found(NamedTuple):
    """Clusters of the rows that a method was given, all or a sample, and what else is known of the fit."""

    labels: np.ndarray
    n_components: int
    seconds: float
    sample: np.ndarray | slice = slice(None)
    known: Record | None = None


class Run(NamedTuple):
    """What all cases of a run share."""

    out: Path
    home: Path
    kprototypes_python: Path | None

    def case(self, case: Case) -> None:
        """Do a case, unless it is done; keep its record, or the reason why there is none."""
        done, failed = self.out / "cases" / case.file, self.out / "not-run" / case.file
        if done.is_file():
            return
        try:
            rows = _rows(case.set, self.home)
            found = self._found(case, rows)
        except (DataError, DivergedError, FileNotFoundError, subprocess.CalledProcessError, ValueError) as error:
            reason = f"{type(error).__name__}: {error}" if isinstance(error, ValueError) else type(error).__name__
            print(f"{case.file}: not run, {reason}", flush=True)
            _write(failed, {**case._asdict(), "not_run": reason})
            return
        about = {**provenance(), "threads": torch.get_num_threads()}
        scores = rows.scores(found.labels, found.sample)
        fit = {"n_components": int(found.n_components), "seconds": found.seconds, **(found.known or {})}
        record = {**case._asdict(), "n_rows": len(found.labels), **scores, **fit, "about": about}
        failed.unlink(missing_ok=True)
        _write(done, record)
        print(f"{case.file}: ARI {record['ari']:.3f} in {found.seconds:.1f} s", flush=True)

    def _found(self, case: Case, rows: Rows) -> Found:
        if case.method == OURS:
            return _ours(rows, case.K, case.seed)
        taken = self.out / "cases" / case._replace(method=OURS).file
        K = case.K if isinstance(case.K, int) else json.loads(taken.read_text())["n_components"]
        if case.method == "k-prototypes":
            assert self.kprototypes_python is not None
            return _k_prototypes(rows, K, self.kprototypes_python)
        estimator = {
            "k-means": KMeans(K, n_init=5, random_state=0),
            "mixture": GaussianMixture(K, n_init=3, reg_covar=1e-3, random_state=0),
        }[case.method]
        started = time.perf_counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            labels = estimator.fit_predict(rows.standardised())
        return Found(labels, K, time.perf_counter() - started)

    def gather(self) -> Path:
        """Put all that is known so far into one file."""
        parts = {"records": self.out / "cases", "not_run": self.out / "not-run"}
        read = {
            name: [json.loads(path.read_text()) for path in sorted(part.glob("*.json"))] for name, part in parts.items()
        }
        about = {**provenance(), "settings": SETTINGS, "draws": N_DRAWS, "rows_of_silhouettes": N_SILHOUETTE}
        _write(self.out / "awkward.json", {"about": about, **read})
        return self.out / "awkward.json"


@cache
def _rows(name: str, home: Path) -> Rows:
    return SETS[name].read(home)


def _ours(rows: Rows, K: int | str, seed: int) -> Found:
    """A fit with complete defaults: its clusters, those it started on, and what its history says of the best epoch."""
    start: list[tuple[float, np.ndarray]] = []
    started, computing = time.perf_counter(), time.process_time()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model = GMVAE(K, random_state=seed).fit(
            rows.X, on_start=lambda labels: start.append((time.perf_counter() - started, labels))
        )
    seconds, computing = time.perf_counter() - started, time.process_time() - computing
    best = model.history_.epochs[int(model.history_["lower_bound_held_out"].argmax())]
    seconds_to_labels, labels = start[0]
    seen = rows.scored & (labels >= 0)
    known = {
        "start_ari": ari(rows.y[seen], labels[seen]),
        "seconds_to_labels": seconds_to_labels,
        "processor_seconds": computing,
        "epochs": model.n_iter_,
        "information": best.information,
        "agreement_held_out": best.agreement,
        "effective_components": best.effective_components,
        "agreement": _agreement(model, rows.X),
        "warnings": sorted({each.category.__name__ for each in caught}),
    }
    return Found(model.labels_, model.n_components_, seconds, known=known)


def _agreement(model: GMVAE, X: np.ndarray) -> float:
    """Share of rows whose cluster in `predict` is that of p(z|x,w) averaged over draws, which all rows share."""
    inner, generator = model.fitted_.model, torch.Generator().manual_seed(0)
    dims = (inner.D_x, inner.generative.style_dim)
    noise = Noise(*(torch.randn(N_DRAWS, 1, dim, generator=generator) for dim in dims))
    averaged = map_rows(lambda y: inner.mean_posterior(y, noise).argmax(-1), X, torch.device("cpu"))
    return float((averaged == model.predict(X)).mean())


def _k_prototypes(rows: Rows, K: int, python: Path) -> Found:
    """Clusters of the mixed columns, found by another interpreter; of many rows a sample."""
    assert rows.mixed is not None
    sample = drawn(len(rows.X), N_KPROTOTYPES)
    numbers = StandardScaler().fit_transform(rows.mixed.numbers)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "rows.npy"
        np.save(file, np.hstack([numbers, rows.mixed.codes])[sample])
        command = [str(python), "-c", K_PROTOTYPES, str(file), str(numbers.shape[1]), str(K)]
        said = subprocess.run(command, capture_output=True, text=True, check=True)
        labels = np.load(file)
    return Found(labels.astype(int), K, float(said.stdout), sample)


def _write(path: Path, content: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


class OfSet(NamedTuple):
    """Records of a set with a number of clusters, for the page: gmvae's of every seed, the others' by method."""

    ours: list[Record]
    others: dict[str, Record]

    @property
    def named(self) -> list[str]:
        """The set's name and the numbers of clusters."""
        taken = list(dict.fromkeys(str(each["n_components"]) for each in self.ours))
        return [SETS[self.ours[0]["set"]].title, f"{'auto: ' * (self.ours[0]['K'] == 'auto')}{', '.join(taken)}"]

    @property
    def bar(self) -> float:
        return max(self.others[method]["ari"] for method in BASELINES) - MARGIN

    def row(self) -> list[str]:
        """A line of the table of all sets."""
        aris = [each["ari"] for each in self.ours]
        middle, worst = (f"{value:z.3f}{' ↓' * (value < self.bar)}" for value in (mean(aris), min(aris)))
        return [
            *self.named,
            *(f"{self.others[method]['ari']:z.3f}" for method in BASELINES),
            f"{middle} ({len(aris)})",
            worst,
            f"{min(each['agreement'] for each in self.ours):.3f}",
            f"{max(each['largest_share'] for each in self.ours):.2f}",
            f"{mean(each['processor_seconds'] for each in self.ours):.0f}",
        ]

    def compared(self, score: str) -> list[str]:
        """A line of the table of mixed columns."""
        of_method = {**{method: [record] for method, record in self.others.items()}, OURS: self.ours}
        values = {method: [each[score] for each in records] for method, records in of_method.items()}
        told = {method: "–" if None in scores else f"{mean(scores):z.3f}" for method, scores in values.items()}
        return [*self.named, {"ari": "ARI"}.get(score, score), *(told.get(method, "not run") for method in SETTINGS)]

    def failure(self) -> str | None:
        """A line on a set where a fit is below the bar."""
        low = [each for each in self.ours if each["ari"] < self.bar]
        if not low:
            return None
        warned = sorted({name for each in low for name in each["warnings"]})
        starts = ", ".join(f"{each['start_ari']:z.3f}" for each in low)
        return (
            f"- {self.named[0]}, K {self.named[1]}: {len(low)} of {len(self.ours)} seeds, which started at {starts}; "
            f"{', '.join(warned) or 'no warning'}"
        )


def write_section(source: Path, page: Path) -> None:
    """Replace what stands between the marks of a page."""
    written = json.loads(source.read_text())
    of_sets = []
    for key in [(name, K) for name, source in SETS.items() for K in source.numbers]:
        records = [each for each in written["records"] if (each["set"], each["K"]) == key]
        ours = [each for each in records if each["method"] == OURS]
        of_sets.append(OfSet(ours, {each["method"]: each for each in records if each["method"] != OURS}))
    known = [each for each in of_sets if each.ours and each.others.keys() >= {*BASELINES}]
    form = "{machine}, threads: {threads}; {versions}; commit {commit}."
    about = sorted({form.format(**each["about"]) for each in written["records"]})
    failed = [f"- {each['set']}, K {each['K']}, {each['method']}: {each['not_run']}" for each in written["not_run"]]
    lines = [line for each in known if (line := each.failure())]
    real = [each for each in known if SETS[each.ours[0]["set"]].stage]
    heads = ["set", "K", *BASELINES, "gmvae, mean", "gmvae, worst", "agreement", "largest share", "processor seconds"]
    parts = [
        "## Awkward tables",
        *about,
        _table(heads, [each.row() for each in known]),
        f"On {len(lines)} of {len(known)} lines a fit is below the better of k-means and the mixture less {MARGIN}:",
        *(["\n".join(lines)] if lines else []),
        *(["Not run:", "\n".join(failed)] if failed else []),
        _table(
            ["set", "K", "score", *SETTINGS], [each.compared(score) for each in real for score in ("ari", "silhouette")]
        ),
    ]
    put_between(page, BEGIN, END, "\n\n".join(parts))


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in [heads, ["---"] * len(heads), *rows])


def main() -> None:
    """Do all cases, the small sets first, and write what came out."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of awkward.json; what is done there stays")
    parser.add_argument("--data-home", type=Path, help="folder of the data; GMVAE_DATA or the user's cache if left out")
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2], help="of gmvae's fits")
    parser.add_argument("--kprototypes-python", type=Path, help="interpreter with kmodes; not run if left out")
    parser.add_argument("--page", type=Path, help="write the section of this Markdown page too")
    arguments = parser.parse_args()
    run = Run(arguments.out, resolve_home(arguments.data_home), arguments.kprototypes_python)
    for case in cases(arguments.sets, arguments.seeds, arguments.kprototypes_python is not None):
        run.case(case)
    print(f"written to {(gathered := run.gather())}")
    if arguments.page is not None:
        write_section(gathered, arguments.page)


if __name__ == "__main__":
    main()
