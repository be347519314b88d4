"""What `GMVAE.predict` should mean: `python benchmarks/assignments.py --data DIR --out DIR`.

p(z|x,w) at the means of q(x|y) and q(w|y), beside its average over one set of draws that all rows share, of x and w,
of w alone and of x alone. Every set is fitted once per seed with complete defaults; fits are kept, so a second run only
measures, and what it does not measure anew stays in the file. Labels are used for the scores alone.
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from assignments_meanings import N_IMPORTANCE, Meaning, Posterior, agreement, answers, distance, log_loss, weighed
from assignments_sets import SETS, Rows
from assignments_tables import tables
from timing import Effort, interleaved

from gmvae import GMVAE
from gmvae.atomic import replacing
from gmvae.fitted.map_rows import map_rows
from gmvae.fitting.starts import split_rows
from gmvae.metrics import accuracy_hungarian, calibration_error
from gmvae.model import GaussianMixtureVAE
from gmvae.paper.provenance import provenance
from gmvae.seeds import draw_seed

PLUG_IN, MEAN_FIELD, REFERENCE = Meaning("none"), Meaning("closed"), Meaning("pseudo", 256)
W_ALONE, X_ALONE = Meaning("sobol", 64, "w"), Meaning("sobol", 64, "x")
TIMED = [PLUG_IN, MEAN_FIELD, *(Meaning("sobol", S) for S in (4, 8, 16, 64)), Meaning("sobol", 16, "w"), W_ALONE]
MEANINGS = [*TIMED, X_ALONE, *(Meaning("pseudo", S) for S in (4, 16, 64))]
"""What `predict` might mean, and the average over x alone, which tells what comes from where."""
JUDGED = [PLUG_IN, MEAN_FIELD, W_ALONE, X_ALONE, Meaning("sobol", 16), REFERENCE]
"""Those that are held to the model's own posterior."""
REFERENCE_SEED, SECOND_SEED, OWN_SEED = 1000, 2000, 3000
N_NOISES = 3
"""Seeds of the draws over which the agreement is looked at; the first one's answers are scored."""
N_JUDGED = {"train": 200, "held_out": 100}
"""Rows, at most, of which the model's own posterior is taken."""
N_TIMED = 2000
REPEATED = Effort(5, 0.0)

Record = dict[str, Any]


def main() -> None:
    """Measure every set with every seed, write after each, and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder of the data sets")
    parser.add_argument("--out", type=Path, required=True, help="folder of assignments.json and the fitted models")
    parser.add_argument("--sets", nargs="+", choices=[*SETS], default=[*SETS], metavar="SET", help=", ".join(SETS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0])
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    path = arguments.out / "assignments.json"
    known = json.loads(path.read_text())["records"] if path.is_file() else []
    records: dict[tuple[int, str], Record] = {(each["seed"], each["set"]): each for each in known}
    for seed in arguments.seeds:
        for name in arguments.sets:
            rows = SETS[name].read(arguments.data)
            estimator, fit = fitted(name, seed, rows.X, arguments.out)
            started = time.perf_counter()
            about = {"set": name, "K": SETS[name].K, "seed": seed, "fit": fit, "measured": provenance()}
            records[seed, name] = {**about, **measured(estimator, rows)}
            write(path, [*records.values()])
            spent = time.perf_counter() - started
            print(f"{name}, seed {seed}: fitted in {fit['seconds']:.0f} s, measured in {spent:.0f} s", flush=True)
    print("\n".join(["", *tables([*records.values()])]))


def write(path: Path, records: list[Record]) -> None:
    """Put all records into one file."""
    about = {
        "threads": torch.get_num_threads(),
        "settings": "GMVAE(K, random_state=seed)",
        "noise_seeds": {"scored": 0, "number": N_NOISES, "reference": REFERENCE_SEED, "second": SECOND_SEED},
        "rows_timed": N_TIMED,
        "importance_samples": {"number": N_IMPORTANCE, "seed": OWN_SEED, "rows": N_JUDGED},
        "sets": {name: source.words for name, source in SETS.items()},
    }
    with replacing(path) as temporary:
        temporary.write_text(json.dumps({"about": about, "records": records}, indent=1) + "\n")


def fitted(name: str, seed: int, X: np.ndarray, out: Path) -> tuple[GMVAE, Record]:
    """The default fit and what is known of it: kept in the folder, or made now."""
    model, known = out / f"{name}-{seed}.safetensors", out / f"{name}-{seed}.json"
    if not known.is_file():
        started = time.perf_counter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            estimator = GMVAE(SETS[name].K, random_state=seed).fit(X)
        best = estimator.history_.epochs[int(estimator.history_["lower_bound_held_out"].argmax())]
        estimator.save(model)
        fit = {
            "seconds": time.perf_counter() - started,
            "epochs": estimator.n_iter_,
            "agreement": best.agreement,
            "warnings": sorted({f"{each.category.__name__}: {each.message}" for each in caught}),
            **provenance(),
        }
        with replacing(known) as temporary:
            temporary.write_text(json.dumps(fit, indent=1) + "\n")
    return GMVAE.load(model, device="cpu"), json.loads(known.read_text())


def measured(estimator: GMVAE, rows: Rows) -> Record:
    """Scores, agreement and time of every meaning, and where the rows lie that the draws move."""
    model = estimator.fitted_.model
    reference, second = (answers(model, REFERENCE, rows.X_scored, seed) for seed in (REFERENCE_SEED, SECOND_SEED))
    meanings = {REFERENCE.name: scores(rows.y_scored, reference)}
    for meaning in MEANINGS:
        seeds = range(N_NOISES if meaning.S > 1 else 1)
        several = [answers(model, meaning, rows.X_scored, seed) for seed in seeds]
        meanings[meaning.name] = {
            **scores(rows.y_scored, several[0]),
            "agreement": [agreement(each, reference) for each in several],
            "distance": [distance(each, reference) for each in several],
        }
    return {
        "n_rows": len(rows.X),
        "n_scored": len(rows.X_scored),
        "meanings": meanings,
        "two_references": {"agreement": agreement(second, reference), "distance": distance(second, reference)},
        "moved": moved(answers(model, PLUG_IN, rows.X_scored), reference),
        "parts": parts(estimator, rows),
        "milliseconds": milliseconds(model, rows.X_scored),
    }


def scores(labels: np.ndarray | None, proba: np.ndarray) -> Record:
    """Confidence; accuracy, log-loss and calibration error under the one-to-one matching of clusters and classes."""
    confidence = {"confidence": float(proba.max(1).mean())}
    if labels is None:
        return confidence
    return {
        **confidence,
        "accuracy": accuracy_hungarian(labels, proba.argmax(1)),
        "log_loss": log_loss(labels, proba),
        "calibration_error": calibration_error(labels, proba),
    }


def moved(plug_in: np.ndarray, reference: np.ndarray) -> Record:
    """How sure both are of the rows that they put into different clusters: lead of the first over the second."""
    rows = plug_in.argmax(1) != reference.argmax(1)
    leads = {"plug_in": plug_in, "reference": reference}
    medians = {
        f"median_lead_{name}": float(np.median(np.diff(np.sort(proba[rows], axis=1)[:, -2:])))
        for name, proba in leads.items()
        if rows.any()
    }
    return {"n_rows": int(rows.sum()), **medians}


def parts(estimator: GMVAE, rows: Rows) -> Record:
    """The rows that trained and those held out of the fit: agreement with the reference and the model's own posterior.

    A fit without held-out rows has some of the training rows in their place.
    """
    model = estimator.fitted_.model
    seeds = np.random.SeedSequence(draw_seed(estimator.random_state)).generate_state(estimator.n_init + 1, np.uint32)
    split = split_rows(len(rows.X), estimator.validation_fraction, int(seeds[0]))
    found = {}
    for name, indices in (("train", split.train.numpy()), ("held_out", split.held_out.numpy())):
        few = indices[: N_JUDGED[name]]  # in random order
        y = rows.y_scored[few] if rows.y_scored is not None and rows.X_scored is rows.X else None
        reference = answers(model, REFERENCE, rows.X[indices], REFERENCE_SEED)
        own = weighed(model, rows.X[few], OWN_SEED)
        meanings = {}
        for meaning in JUDGED:
            proba = answers(model, meaning, rows.X[indices])
            meanings[meaning.name] = {
                **scores(y, proba[: len(few)]),
                "agreement": agreement(proba, reference),
                "agreement_own": agreement(proba[: len(few)], own.proba),
                "distance_own": distance(proba[: len(few)], own.proba),
            }
        found[name] = {
            "n_rows": len(indices),
            "n_judged": len(few),
            "median_effective_samples": float(np.median(own.effective)),
            "own": scores(y, own.proba),
            "meanings": meanings,
        }
    return found


def milliseconds(model: GaussianMixtureVAE, X: np.ndarray) -> dict[str, float]:
    """Median time of finding the clusters of `N_TIMED` rows, which repeat those of the set."""
    X = X[np.arange(N_TIMED) % len(X)]

    def call(posterior: Posterior) -> Callable[[], object]:
        return lambda: map_rows(lambda y: posterior(y).argmax(-1), X, torch.device("cpu"))

    timed = interleaved({meaning.name: call(meaning.posterior(model)) for meaning in TIMED}, REPEATED)
    return {name: 1e3 * each.median for name, each in timed.items()}


if __name__ == "__main__":
    main()
