"""How good gmvae is: the same sets and seeds for several methods, each case once. See README.md beside this file."""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from quality_methods import METHODS, OURS
from quality_sets import SETS, Prepared, prepared
from speed import machine
from timing import peak

from gmvae.atomic import replacing
from gmvae.data import DataError
from gmvae.metrics import accuracy_hungarian, ari, nmi

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS")


class Case(NamedTuple):
    """One method on one set with one seed."""

    set: str
    method: str
    seed: int

    @property
    def file(self) -> str:
        """Name of the file that keeps what came out."""
        return f"{self.set}-{self.method}-{self.seed}.json"


class Run(NamedTuple):
    """What all cases of a run share."""

    out: Path
    data_home: Path | None
    peers_python: Path
    quick: bool
    threads: int

    def case(self, case: Case) -> None:
        """Do a case, unless it is done; keep its record, or the reason why there is none."""
        done, failed = self.out / "cases" / case.file, self.out / "not-run" / case.file
        if done.is_file():
            return
        print(f"{case.set}, {case.method}, seed {case.seed} ...", flush=True)
        try:
            record = self._measured(case, prepared(case.set, self.out / "sets", self.data_home, self.quick))
        except (DataError, NotInstalledError, RuntimeError) as error:
            reason = _without_paths(str(error).strip().splitlines()[-1])
            print(f"  not run: {reason}", flush=True)
            _write(failed, {**case._asdict(), "not_run": reason})
        else:
            print("  {hungarian:.3f}".format(**record["test"] or record["train"]), f"in {record['seconds']:.1f} s")
            failed.unlink(missing_ok=True)
            _write(done, record)
        self.gather()

    def _measured(self, case: Case, given: Prepared) -> dict[str, Any]:
        """Run the case in a process of its own, which sees no labels, and score the clusters that it found."""
        python = Path(sys.executable) if case.method == OURS else self.peers_python
        arguments = {"n_components": given.n_components, "seed": case.seed, "quick": self.quick}
        with tempfile.TemporaryDirectory() as scratch:
            found = Path(scratch) / "clusters.npz"
            script = str(Path(__file__).with_name("quality_methods.py"))
            command = [str(python), script, case.method, str(given.rows), str(found), json.dumps(arguments)]
            measured = peak(command)
            if "missing" in measured.said:
                raise NotInstalledError(f"{measured.said['missing']} is not installed")
            with np.load(found) as clusters:
                train, test = clusters["train"], clusters["test"]
        return {
            **case._asdict(),
            "n_components": given.n_components,
            "n_train": len(train),
            "n_test": len(test),
            "train": _scores(given.y_train, train),
            "test": _scores(given.y_test, test) if len(test) else None,
            **measured.said,
            "peak_mib": measured.peak_mib,
            "about": {**machine("benchmarks/quality.py"), "threads": self.threads},
        }

    def gather(self) -> None:
        """Put all that is known so far into one file."""
        parts = {"records": self.out / "cases", "not_run": self.out / "not-run"}
        read = {
            name: [json.loads(path.read_text()) for path in sorted(part.glob("*.json"))] for name, part in parts.items()
        }
        _write(self.out / "quality.json", {"quick": self.quick, **read})


class NotInstalledError(RuntimeError):
    """A package that the case's interpreter lacks."""


def main() -> None:
    """Do all cases, seeds outermost and the cheap ones first, so that an interrupted run has the most to show."""
    arguments = parser_of(__doc__, [*SETS]).parse_args()
    os.environ |= {name: str(arguments.threads) for name in THREADS} | {"CUDA_VISIBLE_DEVICES": ""}
    run = Run(
        arguments.out / "quick" if arguments.quick else arguments.out,
        arguments.data_home,
        arguments.peers_python,
        arguments.quick,
        arguments.threads,
    )
    cases = [
        Case(name, method, seed)
        for seed in (arguments.seeds[:1] if arguments.quick else arguments.seeds)
        for name in arguments.sets
        for method in arguments.methods
    ]
    try:
        for case in cases:
            run.case(case)
    except KeyboardInterrupt:
        sys.exit("Interrupted: the same command goes on where this one stopped.")
    run.gather()
    print(f"written to {run.out / 'quality.json'}")


def _scores(labels: np.ndarray, clusters: np.ndarray) -> dict[str, float]:
    return {
        "hungarian": accuracy_hungarian(labels, clusters),
        "nmi": nmi(labels, clusters),
        "ari": ari(labels, clusters),
        "n_clusters": len(np.unique(clusters)),
    }


def _without_paths(text: str) -> str:
    """Keep the last part only of absolute paths and addresses."""
    return re.sub(r"(?<!\w)(?:\w+:/)?/\S+", lambda found: Path(found[0]).name, text)


def _write(path: Path, content: dict[str, Any]) -> None:
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def _seeds(text: str) -> list[int]:
    return [int(word) for word in text.split(",")]


def _names(known: Sequence[str]) -> Callable[[str], list[str]]:
    """Read names with commas, in the order in which they are known."""

    def parse(text: str) -> list[str]:
        names = text.split(",")
        if unknown := [name for name in names if name not in known]:
            raise argparse.ArgumentTypeError(f"must be of {','.join(known)}; got {','.join(unknown)}")
        return [name for name in known if name in names]

    return parse


def parser_of(about: str | None, sets: Sequence[str]) -> argparse.ArgumentParser:
    """The options of a run; ``sets`` are those that it takes if none are named."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--out", type=Path, required=True, help="folder of quality.json; what is done there stays")
    parser.add_argument("--data-home", type=Path, help="folder of the data; GMVAE_DATA or the user's cache if left out")
    parser.add_argument(
        "--peers-python",
        type=Path,
        default=Path(sys.executable),
        help="interpreter with scikit-learn, umap-learn, clustpy and torch; this one if left out",
    )
    parser.add_argument("--seeds", type=_seeds, default=[0, 1, 2, 3, 4], help="with commas: 0,1,2,3,4")
    parser.add_argument("--sets", type=_names([*SETS]), default=[*sets], help=",".join(SETS))
    parser.add_argument("--methods", type=_names([*METHODS]), default=[*METHODS], help=",".join(METHODS))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of every case; all cores if left out")
    parser.add_argument(
        "--quick", action="store_true", help="a smoke test, in DIR/quick: few rows and epochs, one seed"
    )
    return parser


if __name__ == "__main__":
    main()
