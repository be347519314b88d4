"""The demonstration: GMVAE, k-means and a Gaussian mixture on handwritten digits and five arcs."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.parallel import Parallel, delayed

from gmvae import figures
from gmvae.atomic import write_csv
from gmvae.data import Dataset, arcs, load
from gmvae.estimator import GMVAE, fit_together
from gmvae.fitted.sampling import log_density
from gmvae.metrics import accuracy_hungarian, ari, nmi
from gmvae.paper.baselines import draw_densities, gaussian_mixture
from gmvae.report.figures import draw_run

SEEDS = (0, 1, 2)
SETTINGS: dict[str, dict[str, Any]] = {
    "digits": {"n_components": 10},
    "synthetic": {
        "n_components": 5,
        "latent_dim": 2,
        "style_dim": 2,
        "hidden_layer_sizes": (120, 120),
        "effort": "density",
        "max_iter": 100,
    },
}
"""What differs from the defaults: the number of clusters; for points in the plane two-dimensional latents, the paper's
narrower network, and more of its cheap epochs, for their density."""

_N_HELD_OUT = 2000
_GRID = np.linspace(-3.0, 3.0, 120)


class Row(NamedTuple):
    """One line of the table: a method on a data set with one seed.

    Scores are against the true classes. ``held_out`` is the mean log-likelihood of held-out points in nats, where the
    methods' densities compare; ``seconds`` the wall time of the fit, of seeds fitted together an equal share.
    """

    data: str
    method: str
    seed: int
    accuracy: float
    nmi: float
    ari: float
    held_out: float | None
    seconds: float


class Demo(NamedTuple):
    """Lines of the table, and files of the figures."""

    rows: list[Row]
    pictures: list[Path]


def run(out: Path, on_row: Callable[[Row], None] = lambda row: None) -> Demo:
    """Fit, compare and draw into a folder.

    Parameters
    ----------
    out : Path
        Gets ``results.csv`` and a folder of figures per data set.
    on_row : callable
        Called with every line of the table as it is ready.
    """
    # The arcs' small networks train faster as one stacked model, those of the digits in two processes.
    tasks = [
        delayed(_ours)("synthetic", SEEDS, out),
        *(delayed(_ours)("digits", (seed,), out) for seed in SEEDS),
        *(delayed(_baselines)(data) for data in SETTINGS),
    ]
    found = Demo([], [])
    for rows, pictures in Parallel(n_jobs=2, return_as="generator")(tasks):
        found.rows.extend(rows)
        found.pictures.extend(pictures)
        for row in rows:
            on_row(row)
    write_csv(out / "results.csv", Row._fields, found.rows)
    return found


def _ours(data: str, seeds: Sequence[int], out: Path) -> Demo:
    """Fit GMVAE with some seeds, and draw the first of all."""
    dataset = load(data)
    started = time.perf_counter()
    models = [GMVAE(**SETTINGS[data], random_state=seed, device="cpu") for seed in seeds]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        fit_together(models, dataset.X)
    seconds = (time.perf_counter() - started) / len(models)
    rows = [
        _row(data, "GMVAE", seed, dataset, model.labels_, model, seconds)
        for seed, model in zip(seeds, models, strict=True)
    ]
    return Demo(rows, _draw(models[0], dataset, out / data) if seeds[0] == SEEDS[0] else [])


def _baselines(data: str) -> Demo:
    dataset, K, rows = load(data), SETTINGS[data]["n_components"], []
    X = dataset.X.reshape(len(dataset.X), -1)
    for seed in SEEDS:
        started = time.perf_counter()
        means = KMeans(K, n_init=10, random_state=seed).fit(X)
        between = time.perf_counter()
        mixture = gaussian_mixture(X, K, seed)
        ended = time.perf_counter()
        rows += [
            _row(data, "k-means", seed, dataset, means.labels_, None, between - started),
            _row(data, "GaussianMixture", seed, dataset, mixture.predict(X), mixture, ended - between),
        ]
    return Demo(rows, [])


def _row(
    data: str, method: str, seed: int, dataset: Dataset, clusters: NDArray[Any], density: Any, seconds: float
) -> Row:
    """A line of the table; ``density`` is the fitted estimator, if it has one to score held-out points with."""
    assert dataset.labels is not None
    accuracy, mutual, rand = (score(dataset.labels, clusters) for score in (accuracy_hungarian, nmi, ari))
    scored = density is not None and data == "synthetic"
    held_out = float(density.score(arcs(_N_HELD_OUT, seed=1).X)) if scored else None
    return Row(data, method, seed, accuracy, mutual, rand, held_out, seconds)


def _draw(model: GMVAE, dataset: Dataset, folder: Path) -> list[Path]:
    fitted = model.fitted_
    rows = fitted.rows(dataset.X)
    pictures = draw_run(fitted, rows, fitted.proba(rows), folder, dataset.labels)
    if dataset.name.startswith("synthetic"):
        pictures.append(_densities(model, dataset.X, folder / "densities.png"))
    return pictures


def _densities(model: GMVAE, X: NDArray[Any], path: Path) -> Path:
    """The learned density beside a Gaussian mixture's, shaded up to the densest row (Fig. 2b, c of the paper)."""
    mixture = gaussian_mixture(X, model.n_components_, SEEDS[0])
    peak = float(log_density(model.fitted_.model, X).max())
    figure = figures.new_figure(11.0, 4.8)
    draw_densities(model, mixture, figure.subplots(1, 2), _GRID, peak)
    return figures.save(figure, path)
