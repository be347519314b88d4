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

from assignments_sets import SETS
from sklearn.metrics import adjusted_rand_score

from gmvae import GMVAE
from gmvae.paper.provenance import provenance

NAMES = (
    *("wine", "rounded-iris", "rounded-blobs", "survey", "counts", "two-sizes", "marked-blobs", "ages"),
    *("breast-cancer", "digits", "pendigits"),
)
WIDTHS = (500, 256, 128)


def main() -> None:
    """Fit every set with every width and seed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="file of the results, one line of JSON a fit")
    parser.add_argument("--seeds", type=int, default=2, help="seeds of each fit")
    asked = parser.parse_args()
    warnings.simplefilter("ignore")  # the results say what a fit would warn of
    for name in NAMES:
        source = SETS[name]
        rows = source.read(asked.data)
        for seed in range(asked.seeds):
            for width in WIDTHS:
                started = time.process_time()
                model = GMVAE(source.K, hidden_layer_sizes=(width, width), random_state=seed).fit(rows.X)
                record = {"set": name, "seed": seed, "width": width, "cpu_seconds": time.process_time() - started}
                record |= {"epochs": model.n_iter_, "held_out_bound": model.lower_bound_}
                if rows.y_scored is not None:
                    record["ari"] = adjusted_rand_score(rows.y_scored, model.predict(rows.X_scored))
                with asked.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(record | provenance()) + "\n")


if __name__ == "__main__":
    main()
