"""Sources in parts: peak memory over their size, and rows a second beside the same step on rows in memory.

    python benchmarks/streaming.py --out DIR --rows 1e6 1e7 1e8

writes Parquet files of 50 columns of float32 (200 bytes a row) to DIR, measures each size in a process of its own, and
takes the files away again; DIR/streaming.json has the numbers. Beside wall time stands that of the processor, of all
threads, which other work on the machine changes less.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

N_COLUMNS, N_CLUSTERS = 50, 8
ROWS_PER_FILE, ROWS_PER_GROUP = 250_000, 65_536
N_STEPS, BATCH_SIZE = 2000, 128
STEPS_IN_TURN = 300


def write(folder: Path, n_rows: int, rows_per_file: int, most_files: int) -> None:
    """Normal clusters, a file at a time; from ``most_files`` on the same files by further names."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import parquet

    folder.mkdir(parents=True)
    centres = 4.0 * np.random.default_rng(0).standard_normal((N_CLUSTERS, N_COLUMNS), dtype="f4")
    for number, first in enumerate(range(0, n_rows, rows_per_file)):
        if number >= most_files:
            os.link(folder / f"part-{number % most_files:05}.parquet", folder / f"part-{number:05}.parquet")
            continue
        rng, n = np.random.default_rng([1, number]), min(rows_per_file, n_rows - first)
        rows = rng.standard_normal((n, N_COLUMNS), dtype="f4") + centres[rng.integers(0, N_CLUSTERS, n)]
        table = pa.table({f"c{d}": column for d, column in enumerate(rows.T)})
        parquet.write_table(
            table,
            folder / f"part-{number:05}.parquet",
            row_group_size=ROWS_PER_GROUP,
            compression="none",
            use_dictionary=False,
        )


def peak_mib() -> float:
    """Peak resident memory of this process so far."""
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def clocks() -> Any:
    """Seconds on the wall and of the processor."""
    import numpy as np

    return np.array([time.perf_counter(), time.process_time()])


def whole(folder: Path, device: str = "cpu") -> dict[str, Any]:
    """The pass over all rows, and a fit of 2,000 steps from there to its end."""
    import warnings

    from gmvae import GMVAE
    from gmvae.shards import Shards
    from gmvae.training import minibatches

    warnings.simplefilter("ignore")
    files = sorted(folder.iterdir())
    started, before = clocks(), peak_mib()
    shards = Shards(files)
    opened = clocks()
    found = shards.survey
    looked, after_pass = clocks(), peak_mib()
    minibatches.MAX_STEPS_IN_PARTS = N_STEPS
    from pyarrow import dataset

    settings = {"batch_size": BATCH_SIZE, "hidden_layer_sizes": (64, 64), "max_iter": 1, "random_state": 0}
    model = GMVAE(N_CLUSTERS, device=device, **settings)
    model.fit(dataset.dataset(files))
    return {
        "rows": len(shards),
        "files": len(files),
        "bytes": sum(file.size for file in shards.files),
        "open_s": (opened - started).tolist(),
        "pass_s": (looked - opened).tolist(),
        "fit_s": (clocks() - looked).tolist(),
        "epoch_s": model.history_.epochs[0].seconds,
        "sample": len(found.rows),
        "peak_mib": {"imports": before, "pass": after_pass, "fit": peak_mib()},
    }


def steps(folder: Path, hidden: int, repetitions: int) -> dict[str, Any]:
    """Steps on rows in memory and in parts, in turn, and the reader alone."""
    import numpy as np

    from gmvae.config import Config
    from gmvae.fitting.starts import TrainingData, learned_likelihood, split_rows
    from gmvae.observations import Observations, sampled
    from gmvae.shards import Shards, Stream
    from gmvae.training import Trainer, minibatches
    from gmvae.training.fabric import make_fabric

    minibatches.MAX_STEPS_IN_PARTS = 10**9
    shards = Shards(sorted(folder.iterdir()))
    settings = Config(
        n_components=N_CLUSTERS,
        style_dim=2,
        batch_size=BATCH_SIZE,
        hidden_layer_sizes=(hidden, hidden),
        init="random",
        max_iter=100,
        consistency=0.0,
        precision="32-true",
        compile=False,
        device="cpu",
    )
    rows = np.concatenate([shards.read(block) for block in range(len(shards.sizes))])

    def training(observations: Observations) -> Iterator[Any]:
        likelihood = learned_likelihood(settings, observations)
        model = TrainingData(observations, likelihood).model(settings, 0)
        split = split_rows(len(observations), 0.1, 0)
        trainer = Trainer(model, observations, split, settings, make_fabric(settings, None), 0)
        state = trainer.begin(None)
        trainer.model.train()

        def minibatches() -> Iterator[Any]:
            while True:
                yield from trainer.minibatches(state)

        coming = minibatches()
        for minibatch in islice(coming, 20):
            trainer.step(minibatch)
        while True:
            started = clocks()
            for minibatch in islice(coming, STEPS_IN_TURN):
                trainer.step(minibatch)
            yield clocks() - started

    ways = {"memory": training(Observations(rows)), "parts": training(sampled(shards, N_CLUSTERS))}
    taken: dict[str, list[Any]] = {name: [] for name in ways}
    for _ in range(repetitions):
        for name, way in ways.items():
            taken[name].append(next(way))
    stream = Stream(shards, np.empty(0, dtype=np.int64), BATCH_SIZE, 0)
    n, started = min(20_000, stream.steps_per_pass), clocks()
    for step in range(n):
        stream.minibatch(step)
    rates = {"reader alone": (n * BATCH_SIZE / (clocks() - started)).tolist()}
    stream.close()
    for name, each in taken.items():
        rates[name] = (STEPS_IN_TURN * BATCH_SIZE / np.median(each, axis=0)).tolist()
    ratios = np.array(taken["parts"]) / np.array(taken["memory"])
    return {
        "hidden": hidden,
        "rows_per_s": rates,  # on the wall, and of the processor
        "ratio": np.median(ratios, axis=0).tolist(),
        "ratios": ratios.tolist(),
    }


def measured(*arguments: object) -> dict[str, Any]:
    """What a process of its own finds."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--rows", type=float, nargs="+", default=[1e6, 1e7])
    parser.add_argument("--rows-per-file", type=float, default=ROWS_PER_FILE)
    parser.add_argument("--most-files", type=int, default=10**9, help="files that differ; more are links to them")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--skip-steps", action="store_true", help="measure memory alone")
    parser.add_argument("--case", choices=["whole", "steps"], help="for processes that this script starts")
    parser.add_argument("--hidden", type=int, default=500)
    wanted = parser.parse_args()
    if wanted.case:
        found = whole(wanted.out) if wanted.case == "whole" else steps(wanted.out, wanted.hidden, wanted.repetitions)
        print(json.dumps(found))
        return
    wanted.out.mkdir(parents=True, exist_ok=True)
    os.environ["XDG_CACHE_HOME"] = str(wanted.out / "cache")
    result: dict[str, Any] = {"sizes": [], "steps": []}
    for n in map(int, wanted.rows):
        folder = wanted.out / f"rows-{n}"
        write(folder, n, int(wanted.rows_per_file), wanted.most_files)
        load = os.getloadavg()[0]
        result["sizes"].append({**measured("--out", folder, "--case", "whole"), "load_before": load})
        if n == int(min(wanted.rows)) and not wanted.skip_steps:
            for hidden in (500, 64):
                case = ("--case", "steps", "--hidden", hidden, "--repetitions", wanted.repetitions)
                result["steps"].append({**measured("--out", folder, *case), "load_before": os.getloadavg()[0]})
        shutil.rmtree(folder)
        (wanted.out / "streaming.json").write_text(json.dumps(result, indent=2) + "\n")
        print(json.dumps(result["sizes"][-1]))


if __name__ == "__main__":
    main()
