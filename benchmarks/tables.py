"""Tables with gaps, categories or both: `python benchmarks/tables.py --out DIR`. See README.md beside this file.

Every cell, a method on a set with some entries hidden, is measured once and kept; an interrupted run goes on. `--page`
writes what is known between the marks of a page.
"""

from __future__ import annotations

import argparse
import json
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from tables_methods import KNOWN, METHODS, OURS, PEERS, SETTINGS, Found, Pythons, run
from tables_page import write_section
from tables_sets import SETS, Table, hidden

from gmvae.atomic import replacing
from gmvae.data import DataError
from gmvae.data.sets import resolve_home
from gmvae.metrics import ari
from gmvae.paper.provenance import provenance
from gmvae.training import DivergedError

Record = dict[str, Any]
TASKS = ("impute", "mixed", "gaps")
HELD_OUT = 0.2
IMPUTED = ("wine", "breast cancer", "horse-colic", "adult", "pendigits")
CLUSTERED = {"iris": 3, "wine": 3, "three blobs": 1, "survey": 1, "twelve answers": 1, "pendigits": 1, "digits": 1}
MIXED = ("made, correlated", "made, unequal", "made, bent", "horse-colic", "adult")
SHARES_IMPUTED, SHARES_CLUSTERED = (0.2, 0.5), (0.0, 0.1, 0.3, 0.5)


class Cell(NamedTuple):
    """A method on a set of which a share of the entries is hidden by one of several masks."""

    task: str
    set: str
    share: float
    mask: int
    method: str

    @property
    def file(self) -> str:
        """Name of the file that keeps what came out."""
        words = f"{self.task}-{self.set}-{self.share:.1f}-{self.mask}-{self.method}"
        return "".join(letter if letter.isalnum() or letter in "-." else "_" for letter in words) + ".json"


def cells(n_masks: int) -> Iterator[Cell]:
    """All cells: the first mask of everything, then the others."""
    for mask in range(n_masks):
        for name in IMPUTED:
            for share in SHARES_IMPUTED:
                yield from (Cell("impute", name, share, mask, method) for method in METHODS["impute"])
        if mask == 0:
            yield from (Cell("mixed", name, 0.0, 0, method) for name in MIXED for method in METHODS["mixed"])
        for name, most in CLUSTERED.items():
            if mask < most:
                for share in SHARES_CLUSTERED:
                    for method in METHODS["gaps"]:
                        first, _, then = method.partition(" + ")
                        if share or (mask == 0 and not (first == "iterative" and then == OURS)):
                            yield Cell("gaps", name, share, mask, method)


class Run(NamedTuple):
    """What all cells of a run share."""

    out: Path
    home: Path
    pythons: Pythons
    most: int

    def cell(self, cell: Cell) -> None:
        """Measure a cell, unless that is done; keep its record, or the reason why there is none."""
        done, failed = self.out / "cells" / cell.file, self.out / "not-run" / cell.file
        if done.is_file():
            return
        try:
            scores = self._scores(cell)
        except subprocess.CalledProcessError as error:
            scores, reason = None, error.stderr.strip().splitlines()[-1]
        except (DataError, DivergedError, ValueError) as error:
            scores, reason = None, f"{type(error).__name__}: {error}"
        if scores is None:
            print(f"{cell.file}: not run, {reason}", flush=True)
            _write(failed, {**cell._asdict(), "not_run": reason})
            return
        failed.unlink(missing_ok=True)
        about = {**provenance(), "threads": torch.get_num_threads()}
        _write(done, {**cell._asdict(), **scores, "about": about})
        print(f"{cell.file}: {', '.join(f'{k} {v:.4g}' for k, v in scores.items() if v is not None)}", flush=True)

    def _scores(self, cell: Cell) -> Record:
        table = _table(cell.set, self.home, self.most)
        if cell.task == "mixed":
            return self._mixed(table, cell.method)
        gaps = hidden(table.rows, cell.share, cell.mask)
        train = table._replace(rows=np.where(gaps, np.nan, table.rows))
        found = run(cell.method, train, None, self.pythons, fills=cell.task == "impute")
        known = {"seconds": found.seconds, "epochs": found.epochs}
        if cell.task == "impute":
            assert found.filled is not None
            if np.isnan(found.filled).any():
                raise ValueError("gaps are filled with NaN")
            return {**errors(found.filled, table, gaps), **known}
        assert found.labels is not None
        return {"ari": ari(table.y, found.labels), **known}

    def _mixed(self, table: Table, method: str) -> Record:
        order = np.random.default_rng(0).permutation(len(table.rows))
        n_held_out = round(HELD_OUT * len(order))
        train, test = (table._replace(rows=table.rows[part], y=table.y[part]) for part in _parts(order, n_held_out))
        for column in range(table.n_numbers, table.rows.shape[1]):  # a level that no training row has tells nothing
            unseen = ~np.isin(test.rows[:, column], train.rows[:, column])
            test.rows[unseen, column] = np.nan
        if method == KNOWN:
            assert table.log_density is not None
            top = np.logaddexp.reduce(table.log_density(test.rows), axis=1)
            found = Found(table.log_density(train.rows).argmax(1), None, top, 0.0)
        elif method == "k-prototypes":
            filled = run("mean/mode", train, None, self.pythons).filled
            assert filled is not None
            found = run(method, train._replace(rows=filled), test, self.pythons)
        else:
            found = run(method, train, test, self.pythons)
        assert found.labels is not None
        log_likelihood = None if found.log_likelihood is None else float(found.log_likelihood.mean())
        scores = {"ari": ari(train.y, found.labels), "log_likelihood": log_likelihood}
        return {**scores, "seconds": found.seconds, "epochs": found.epochs, "held_out": n_held_out}

    def may(self, cell: Cell) -> bool:
        """Whether the cell can be: its interpreter is named, and its set has what the method needs."""
        if cell.method in PEERS and self.pythons.of(cell.method) is None:
            return False
        made = cell.set.startswith("made")
        return cell.method not in (KNOWN, "StepMix, full covariance") or made

    def gather(self, command: str) -> Path:
        """Put all that is known so far into one file."""
        parts = {"records": self.out / "cells", "not_run": self.out / "not-run"}
        read = {
            name: [json.loads(path.read_text()) for path in sorted(part.glob("*.json"))] for name, part in parts.items()
        }
        sizes = {name: _sizes(_table(name, self.home, self.most)) for name in {each["set"] for each in read["records"]}}
        about = {**provenance(), "command": command, "settings": SETTINGS, "sets": dict(sorted(sizes.items()))}
        _write(self.out / "tables.json", {"about": about, **read})
        return self.out / "tables.json"


def errors(filled: np.ndarray, table: Table, gaps: np.ndarray) -> Record:
    """Mean over columns: share of wrong levels; root mean square error over a number's range."""
    nominal, numeric = [], []
    for column in np.flatnonzero(gaps.any(0)):
        whole = table.rows[:, column]
        truth, said = whole[gaps[:, column]], filled[gaps[:, column], column]
        if column < table.n_numbers:
            numeric.append(np.sqrt(np.mean((said - truth) ** 2)) / (np.nanmax(whole) - np.nanmin(whole)))
        else:
            nominal.append(np.mean(said != truth))
    return {"nominal": _mean(nominal), "numeric": _mean(numeric), "hidden": int(gaps.sum())}


def _mean(values: list[Any]) -> float | None:
    return float(np.mean(values)) if values else None


def _parts(order: np.ndarray, n_held_out: int) -> tuple[np.ndarray, np.ndarray]:
    return np.sort(order[n_held_out:]), np.sort(order[:n_held_out])


@cache
def _table(name: str, home: Path, most: int) -> Table:
    return SETS[name](home).at_most(most)


def _sizes(table: Table) -> Record:
    n, p = table.rows.shape
    gaps = float(np.isnan(table.rows).mean())
    return {"rows": n, "numbers": table.n_numbers, "categories": p - table.n_numbers, "K": table.K, "gaps": gaps}


def _write(path: Path, content: Record) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n")


def main() -> None:
    """Measure all cells, and write what came out."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--out", type=Path, required=True, help="folder of tables.json; what is done there stays")
    parser.add_argument("--data-home", type=Path, help="folder of the data; GMVAE_DATA or the user's cache if left out")
    parser.add_argument("--tasks", nargs="+", choices=TASKS, default=TASKS)
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--methods", nargs="+", help="all if left out", metavar="METHOD")
    parser.add_argument("--masks", type=int, default=5, help="at most")
    parser.add_argument("--rows", type=int, default=5000, help="at most, of every set; the others are left out")
    parser.add_argument("--stepmix-python", type=Path, help="interpreter with stepmix; not run if left out")
    parser.add_argument("--kprototypes-python", type=Path, help="interpreter with kmodes; not run if left out")
    parser.add_argument("--page", type=Path, help="write the section of this Markdown page too")
    asked = parser.parse_args()
    pythons = Pythons(asked.stepmix_python, asked.kprototypes_python)
    measuring = Run(asked.out, resolve_home(asked.data_home), pythons, asked.rows)
    for cell in cells(asked.masks):
        wanted = cell.task in asked.tasks and cell.set in asked.sets and cell.method in (asked.methods or [cell.method])
        if wanted and measuring.may(cell):
            measuring.cell(cell)
    command = f"python benchmarks/tables.py --out DIR --rows {asked.rows} --masks {asked.masks}"
    print(f"written to {(gathered := measuring.gather(command))}")
    if asked.page is not None:
        write_section(gathered, asked.page)


if __name__ == "__main__":
    main()
