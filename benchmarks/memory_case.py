"""One case of which the peak memory is measured, in this process: ``memory_case.py NAME ARGUMENTS-AS-JSON``.

The last line of its output is JSON: the peak of anonymous memory, which leaves pages of mapped files out.
"""

from __future__ import annotations

import importlib
import json
import re
import sys
import threading
import time
from pathlib import Path

N_STEPS = 4
N_ROWS = 5120


def importing(module: str) -> None:
    """Import a module, and nothing else."""
    importlib.import_module(module)


def steps(what: str, workload: str, batch: int, n_components: int, seed: int) -> None:
    """A few training steps of ours, of the reference or of the floor."""
    import floor
    import ours
    import reference
    from workloads import WORKLOADS

    wanted = WORKLOADS[workload].at(n_components, 1)
    kind, _, precision = what.partition(" ")
    if kind == "reference":
        step = reference.training_step(wanted, batch, seed)
    else:
        maker = ours.training_step if kind == "ours" else floor.training_step
        step = maker(wanted, batch, precision, seed)
    for _ in range(N_STEPS):
        step()


def fit(workload: str, batch: int, n_components: int, precision: str, seed: int) -> None:
    """One epoch of the public estimator."""
    import ours
    from workloads import WORKLOADS

    wanted = WORKLOADS[workload].at(n_components, 1)
    ours.fit(wanted.rows(N_ROWS, seed), ours.settings(wanted, batch, precision, seed), epochs=1)


def predict(model: str, array: str) -> None:
    """Clusters of all rows of a memory-mapped file."""
    import numpy as np

    from gmvae import GMVAE

    GMVAE.load(model, device="cpu").predict(np.load(array, mmap_mode="r"))


CASES = {"import": importing, "steps": steps, "fit": fit, "predict": predict}


def anonymous_mib() -> float:
    """Anonymous resident memory of this process now; NaN where the kernel does not tell."""
    try:
        status = Path("/proc/self/status").read_text()
    except OSError:
        return float("nan")
    found = re.search(r"RssAnon:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else float("nan")


def main() -> None:
    """Run the case while a thread watches anonymous memory."""
    peak = anonymous_mib()

    def look() -> float:
        nonlocal peak
        peak = max(peak, anonymous_mib())
        return peak

    def watch() -> None:
        while True:
            look()
            time.sleep(0.005)

    threading.Thread(target=watch, daemon=True).start()
    CASES[sys.argv[1]](**json.loads(sys.argv[2]))
    print(json.dumps({"peak_anonymous_mib": look()}))


if __name__ == "__main__":
    main()
