"""Widths of the hidden layers: `python benchmarks/widths.py --data DIR --out FILE`; see README.md beside this.

Fits small sets with layers of every width, and adds a line of JSON to the file for each fit. Processor time is
compared, because other work may share the machine.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

from assignments_sets import SETS
from single_cell_runs import worm_neuron
from sklearn.metrics import adjusted_rand_score

from gmvae import GMVAE
from gmvae.paper.provenance import provenance

CELLS = "worm_neuron"
NAMES = (
    *("wine", "rounded-iris", "rounded-blobs", "survey", "counts", "two-sizes", "marked-blobs", "ages"),
    *("breast-cancer", "digits", "pendigits", CELLS),
)
WIDTHS = (500, 256, 128)
_N_CELL_TYPES, _N_GENES = 10, 2000


def rows_of(name: str, data: Path) -> tuple[int, Any, Any, Any]:
    """K, the rows of the fit, and rows to score with their classes or None."""
    if name == CELLS:
        counts, types = worm_neuron(data, _N_GENES)
        return _N_CELL_TYPES, counts, counts, types
    source = SETS[name]
    return source.K, *source.read(data)


def main() -> None:
    """Fit every set with every width and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="file of the results, one line of JSON a fit")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each fit")
    parser.add_argument("--sets", nargs="+", choices=NAMES, default=NAMES)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the results say what a fit would warn of
    for name in asked.sets:
        K, X, X_scored, y_scored = rows_of(name, asked.data)
        for seed in range(asked.seeds):
            for width in WIDTHS:
                started = time.process_time()
                model = GMVAE(K, hidden_layer_sizes=(width, width), random_state=seed).fit(X)
                record = {"set": name, "seed": seed, "width": width, "cpu_seconds": time.process_time() - started}
                record |= {"epochs": model.n_iter_, "held_out_bound": model.lower_bound_}
                if y_scored is not None:
                    record["ari"] = adjusted_rand_score(y_scored, model.predict(X_scored))
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | provenance()) + "\n")


if __name__ == "__main__":
    main()
