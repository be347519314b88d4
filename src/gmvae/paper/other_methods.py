"""Other methods on the images of Table 1: k-means and mixtures on pixels, VAE + GMM, DEC and VaDE."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from gmvae.atomic import write_text
from gmvae.metrics import accuracy_hungarian, accuracy_majority, ari, nmi
from gmvae.paper.baselines import gaussian_mixture
from gmvae.paper.findings import Table, spread
from gmvae.paper.mnist import PAPER, SIZES, trials
from gmvae.paper.provenance import provenance
from gmvae.paper.quoted import Cell
from gmvae.paper.scope import Scope, UnfinishedError
from gmvae.paper.trials import Material, key_of, require_time

_K = 10
_CLUSTPY_EPOCHS = {"quick": (1, 1), "laptop": (10, 10), "long": (10, 10), "full": (100, 150)}
"""Epochs of pretraining and of clustering; the last are ClustPy's defaults."""

Labels = NDArray[Any]


def table(scope: Scope, material: Material) -> Table:
    """Scores of the other methods on the test images."""
    seeds = scope.seeds_or(SIZES[scope.scale].n_seeds)
    train, test = (data.X.reshape(len(data.X), -1) / np.float32(255) for data in (material.train, material.test))
    epochs, (pretraining, clustering) = SIZES[scope.scale].epochs, _CLUSTPY_EPOCHS[scope.scale]
    theirs = f"of ClustPy, {pretraining} + {clustering} epochs"
    methods: dict[str, Callable[[int], Labels]] = {
        "k-means, pixels": lambda seed: KMeans(_K, n_init=3, random_state=seed).fit(train).predict(test),
        "GMM with diagonal covariances, pixels": partial(_mixture, "diag", train, test),
        f"VAE (this model with K = 1, {epochs} epochs) + GMM": partial(_vae_mixture, scope, material),
        f"DEC {theirs}": partial(_clustpy, "DEC", train, test, pretraining, clustering),
        f"VaDE {theirs}": partial(_clustpy, "VaDE", train, test, pretraining, clustering),
    }
    rows = []
    for name, predict in methods.items():
        description: dict[str, Any] = {"method": name, "n_train": len(material.train.X), "n_test": len(material.test.X)}
        if name.startswith("VAE"):
            description["fits"] = [trial.key for trial in trials(scope, PAPER, Cell(1, 1))]
        try:
            found = [_computed_once(scope, {**description, "seed": seed}, predict, material) for seed in seeds]
        except UnfinishedError:
            continue
        except ModuleNotFoundError as error:
            rows.append([name, f"not run: {error.name} is not installed", *[None] * 4])
            continue
        scores = [spread([each[score] for each in found]) for score in ("hungarian", "majority", "nmi", "ari")]
        rows.append([name, *scores, f"{np.mean([each['seconds'] for each in found]):.0f}"])
    columns = ("method, K = 10", "Hungarian", "majority", "NMI", "ARI", "seconds")
    return Table("table1-others", "Other methods on the same images; accuracies in per cent", columns, rows)


def _computed_once(
    scope: Scope, description: dict[str, Any], predict: Callable[[int], Labels], material: Material
) -> dict[str, Any]:
    """Scores of a method with a seed, computed once."""
    path = scope.runs / "others" / f"{key_of(description)}.json"
    if path.is_file():
        return json.loads(path.read_text(encoding="utf-8"))
    if scope.kept_only:
        raise UnfinishedError
    require_time(scope.deadline)
    scope.note(f"{description['method']}; seed {description['seed']}")
    started = time.perf_counter()
    clusters, truth = predict(description["seed"]), material.test.labels
    assert truth is not None
    record = {
        "hungarian": 100 * accuracy_hungarian(truth, clusters),
        "majority": 100 * accuracy_majority(truth, clusters),
        "nmi": nmi(truth, clusters),
        "ari": ari(truth, clusters),
        "seconds": time.perf_counter() - started,
        **description,
        **provenance(),
    }
    write_text(path, json.dumps(record) + "\n")
    return record


def _mixture(covariance_type: str, train: NDArray[Any], test: NDArray[Any], seed: int) -> Labels:
    mixture = gaussian_mixture(train.astype(np.float64), _K, seed, covariance_type, n_init=1)
    return mixture.predict(test.astype(np.float64))


def _vae_mixture(scope: Scope, material: Material, seed: int) -> Labels:
    """With one component the model is a VAE with two layers of latents; its embedding is then clustered."""
    scope = scope._replace(seeds=(seed,))
    (outcome,) = scope.outcomes(trials(scope, PAPER, Cell(1, 1)), material)
    model = outcome.model()
    return _mixture("full", model.transform(material.train.X), model.transform(material.test.X), seed)


def _clustpy(
    name: str, train: NDArray[Any], test: NDArray[Any], pretraining: int, clustering: int, seed: int
) -> Labels:
    from clustpy import deep

    method = getattr(deep, name)(_K, pretrain_epochs=pretraining, clustering_epochs=clustering, random_state=seed)
    return method.fit(train).predict(test)
