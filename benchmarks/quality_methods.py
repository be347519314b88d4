"""One method on one set, in this process: ``quality_methods.py METHOD ROWS.npz CLUSTERS.npz ARGUMENTS-AS-JSON``.

It runs in the interpreter of the peers, which needs no gmvae. The last line of its output is JSON: the seconds, the
versions and the settings; or the module that is missing. It is shown no labels.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import platform
import sys
import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from math import ceil, prod
from typing import Any, NamedTuple

import numpy as np
from torchvision_stand_in import stand_in_for_torchvision

Predict = Callable[[np.ndarray], np.ndarray]
"""Rows to clusters."""

N_PRINCIPAL = 30
N_LATENTS = 10
HIDDEN = (500, 500)
BATCH = 256
LARGE = 10_000
"""Rows up to which ClustPy's own epochs are kept."""
CLUSTPY_EPOCHS, CLUSTPY_STEPS = (100, 150), 2_400
"""Of pretraining and of clustering; and steps of each on larger sets."""
AUTOENCODER_EPOCHS, AUTOENCODER_STEPS = 20, 4_000
"""Both at least."""


@dataclass
class Task:
    """What a method is told, and the settings that it tells of."""

    n_components: int
    seed: int
    quick: bool
    images: bool
    settings: dict[str, Any] = field(default_factory=dict)


def kmeans(X: np.ndarray, task: Task) -> Predict:
    """k-means on principal components."""
    from sklearn.cluster import KMeans

    components = _principal(X, task)
    fitted = KMeans(task.n_components, n_init=10, random_state=task.seed).fit(components(X))
    return lambda rows: fitted.predict(components(rows))


def gmm(X: np.ndarray, task: Task) -> Predict:
    """Gaussian mixture on principal components."""
    components = _principal(X, task)
    fitted = _mixture(components(X), task)
    return lambda rows: fitted(components(rows))


def umap_gmm(X: np.ndarray, task: Task) -> Predict:
    """UMAP of principal components with what its documentation advises for clustering, then a Gaussian mixture."""
    from umap import UMAP

    advised = {"n_neighbors": 30, "min_dist": 0.0, "n_components": 2}
    task.settings |= advised
    components = _principal(X, task)
    embedding = UMAP(**advised, random_state=task.seed, n_epochs=20 if task.quick else None).fit(components(X))
    fitted = _mixture(embedding.embedding_, task)
    return lambda rows: fitted(embedding.transform(components(rows)))


def autoencoder_gmm(X: np.ndarray, task: Task) -> Predict:
    """A plain autoencoder in PyTorch, then a Gaussian mixture of its latents."""
    from quality_autoencoder import autoencode

    steps = ceil(len(X) / BATCH)
    epochs = 2 if task.quick else max(AUTOENCODER_EPOCHS, ceil(AUTOENCODER_STEPS / steps))
    task.settings |= {"hidden": HIDDEN, "latents": _latents(X), "batch": BATCH, "epochs": [epochs]}
    encode = autoencode(X, HIDDEN, _latents(X), BATCH, epochs, task.seed)
    fitted = _mixture(encode(X), task)
    return lambda rows: fitted(encode(rows))


def dec(X: np.ndarray, task: Task) -> Predict:
    """ClustPy's DEC."""
    from clustpy.deep import DEC

    return DEC(task.n_components, **_clustpy(X, task)).fit(X).predict


def vade(X: np.ndarray, task: Task) -> Predict:
    """ClustPy's VaDE; where columns are not grey levels, with a linear output and squared errors."""
    import torch
    from clustpy.deep import VaDE
    from clustpy.deep.vade import _VaDE_VAE

    normal = {
        "ssl_loss_fn": torch.nn.MSELoss(reduction="sum"),
        "neural_network": (_VaDE_VAE, {"decoder_output_fn": None}),
    }
    task.settings["reconstruction"] = "binary cross-entropy" if task.images else "squared error"
    return VaDE(task.n_components, **_clustpy(X, task), **({} if task.images else normal)).fit(X).predict


def ours(X: np.ndarray, task: Task) -> Predict:
    """Gmvae with the number of clusters, and nothing else."""
    from gmvae import GMVAE

    few = {"max_iter": 2} if task.quick else {}
    model = GMVAE(n_components=task.n_components, random_state=task.seed, **few).fit(X)
    task.settings["epochs"] = [model.n_iter_]
    return model.predict


class Method(NamedTuple):
    """A method's name on the page, its fit, and whose versions matter."""

    title: str
    fit: Callable[[np.ndarray, Task], Predict]
    packages: tuple[str, ...]


MODULES = {
    "clustpy": "clustpy.deep",
    "gmvae": "gmvae.estimator",
    "scikit-learn": "sklearn.mixture",
    "torch": "torch",
    "umap-learn": "umap",
}
"""What to import of a package, before the clock starts."""
METHODS = {
    "kmeans": Method("k-means", kmeans, ("scikit-learn",)),
    "gmm": Method("GMM", gmm, ("scikit-learn",)),
    "umap": Method("PCA + UMAP + GMM", umap_gmm, ("umap-learn", "scikit-learn")),
    "autoencoder": Method("autoencoder + GMM", autoencoder_gmm, ("torch", "scikit-learn")),
    "dec": Method("DEC", dec, ("clustpy", "torch")),
    "vade": Method("VaDE", vade, ("clustpy", "torch")),
    "ours": Method("gmvae", ours, ("gmvae", "torch")),
}
"""From cheap to dear."""
OURS = "ours"


def _principal(X: np.ndarray, task: Task) -> Callable[[np.ndarray], np.ndarray]:
    from sklearn.decomposition import PCA

    n = min(N_PRINCIPAL, *X.shape)
    task.settings["principal_components"] = n
    return PCA(n, random_state=task.seed).fit(X).transform


def _mixture(X: np.ndarray, task: Task) -> Predict:
    """Full covariances, regularised by a ten-thousandth of the mean variance."""
    from sklearn.mixture import GaussianMixture

    X = X.astype(np.float64)
    floor = 1e-4 * float(X.var(axis=0).mean())
    fitted = GaussianMixture(task.n_components, n_init=3, reg_covar=floor, random_state=task.seed).fit(X)
    return lambda rows: fitted.predict(rows.astype(np.float64))


def _clustpy(X: np.ndarray, task: Task) -> dict[str, Any]:
    """Keywords of ClustPy's methods: its own but for the epochs on large sets, and the latents of narrow ones."""
    enough = ceil(CLUSTPY_STEPS / ceil(len(X) / BATCH)) if len(X) > LARGE else max(CLUSTPY_EPOCHS)
    epochs = [2 if task.quick else min(own, enough) for own in CLUSTPY_EPOCHS]
    task.settings |= {"latents": _latents(X), "batch": BATCH, "epochs": epochs}
    return {
        "pretrain_epochs": epochs[0],
        "clustering_epochs": epochs[1],
        "embedding_size": _latents(X),
        "batch_size": BATCH,
        "random_state": task.seed,
    }


def _latents(X: np.ndarray) -> int:
    return min(N_LATENTS, X.shape[1])


def _import(package: str) -> str:
    """Import a package and tell its version."""
    if package == "clustpy":
        stand_in_for_torchvision()
    importlib.import_module(MODULES[package])
    return importlib.metadata.version(package)


def plain(train: np.ndarray, test: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows as the other methods take them: images as flat grey levels in [0, 1], columns standardised."""
    if train.ndim > 2:
        level = np.float32(255 if train.dtype == np.uint8 else 1)
        return tuple(part.reshape(len(part), prod(part.shape[1:])).astype(np.float32) / level for part in (train, test))
    mean, scale = train.mean(axis=0, dtype=np.float64), train.std(axis=0, dtype=np.float64)
    scale[scale == 0] = 1
    return tuple(((part - mean) / scale).astype(np.float32) for part in (train, test))


def main(name: str, source: str, target: str, arguments: str) -> dict[str, Any]:
    """Fit, assign the clusters of all rows, write them, and tell what it took."""
    method = METHODS[name]
    versions = {"Python": platform.python_version(), **{package: _import(package) for package in method.packages}}
    with np.load(source) as content:
        train, test = content["X_train"], content["X_test"]
    task = Task(**json.loads(arguments), images=train.ndim > 2)
    if name != OURS:
        train, test = plain(train, test)
    started = time.perf_counter()
    predict = method.fit(train, task)
    fitted = time.perf_counter()
    np.savez(target, train=predict(train), test=predict(test) if len(test) else np.zeros(0, int))
    predicted = time.perf_counter() - fitted
    return {
        "seconds": fitted - started,
        "seconds_predict": predicted,
        "settings": task.settings,
        "versions": versions,
    }


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    try:
        said = main(*sys.argv[1:])
    except ModuleNotFoundError as error:
        said = {"missing": error.name}
    print("\n" + json.dumps(said))
