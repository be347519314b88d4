"""Figure 6: samples of each component on street-view house numbers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from gmvae import figures
from gmvae.data import Dataset, catalogue, load
from gmvae.data.sets import resolve_home
from gmvae.estimator import GMVAE
from gmvae.paper import mnist
from gmvae.paper.findings import Finding, Table, Verdict, draw
from gmvae.paper.scope import Scale, Scope
from gmvae.paper.trials import Material, Outcome, Trial, all_epochs, first_rows
from gmvae.presets import preset
from gmvae.report.figures import component_images

_GREY, _CROPS = "svhn_test_recrop_grey32.npz", "svhn_train_first1083_rgb32.npz"
_MIN_VISIBLE = 0.9 * 255
"""Least part of a re-cropped digit's window that lies within its photograph, on a scale to 255."""
_TEST_SHARE = 0.2


class Size(NamedTuple):
    """Rows, gradient steps and epochs at most, rows and samples of the estimate of log p(y), and how many trainings."""

    rows: int
    steps: int
    max_epochs: int
    n_scored: int
    n_importance_samples: int
    n_trainings: int


_SIZES: dict[Scale, Size] = {
    "quick": Size(300, 10, 1, 10, 2, 1),
    "laptop": Size(100_000, 2_000, 40, 500, 64, 2),
    "long": Size(1_000_000, 20_000, 500, 500, 64, 2),
    "full": Size(1_000_000, 40_000, 500, 500, 64, 2),
}
_MOST_COMPONENTS = 9
"""Components, of ten, that must be in use for the verdict."""

_PAPERS = "the paper's"
_TRAININGS: Mapping[str, Mapping[str, Any]] = {
    _PAPERS: mnist.PAPER,
    "exact bound from clusters": mnist.STARTED,
}
"""Those of MNIST. The first decides on the verdict."""
_MEASURES = {
    "Hungarian": "accuracy_hungarian",
    "exemplar": "accuracy_exemplar",
    "NMI": "nmi",
    "bound": "bound",
    "used": "n_components_used",
}


class Edition(NamedTuple):
    """A set of SVHN images and its description."""

    name: str
    words: str
    train: Dataset
    test: Dataset


def run(scope: Scope) -> Finding:
    """Fit the paper's network to the editions of SVHN in the data home."""
    size = _SIZES[scope.scale]
    found = [(edition, scope.outcomes(wanted, material)) for edition, wanted, material in fits(scope)]
    rows, used = [], []
    drawn: dict[str, str] = {}
    for edition, outcomes in found:
        for training, outcome in zip(_TRAININGS, outcomes, strict=False):
            sizes = len(edition.train.X), len(edition.test.X), outcome.trial.settings["max_iter"]
            rows.append((edition.name, training, *sizes, *(outcome.measures[name] for name in _MEASURES.values())))
            used.append(f"{edition.name}, {training}: {outcome.measures['n_components_used']}")
            drawn |= _draw(scope, edition, training, outcome.model())
    return Finding(
        item="fig6",
        title="Figure 6: samples of each SVHN component",
        paper="each component generates house numbers of one kind, over the official training set.",
        ours=f"components in use, of 10: {'; '.join(used)}." if used else "no edition of SVHN is at hand.",
        verdict=_verdict(found),
        tables=[
            Table(
                "fig6",
                "The paper's SVHN network, one seed each",
                ("data", "training", "rows", "test rows", "epochs", *_MEASURES),
                rows,
            )
        ],
        figures=drawn,
        notes=[
            "The paper trains on the official colour images. `gmvae data fetch svhn` brings them, and then this item "
            "takes them in place of the editions above.",
            f"Each fit has {size.steps:,} gradient steps or {size.max_epochs} epochs at most.",
        ],
        run=scope.run(*(outcomes for _, outcomes in found)),
    )


def _draw(scope: Scope, edition: Edition, training: str, model: GMVAE) -> dict[str, str]:
    images = component_images(model.fitted_, edition.train.X)
    shares = np.bincount(model.predict(edition.train.X), minlength=len(images)) / len(edition.train.X)
    panel = figures.component_samples(images, shares=shares)
    panel.set_title(edition.words.partition(" (")[0])
    caption = (
        f"{edition.name}, {training}: {edition.words}. Ten samples of every component at w = 0, and its share of the "
        "images."
    )
    name = f"fig6-{edition.name}" + ("" if training == _PAPERS else "-exact")
    return draw(scope.out, name, panel, caption)


def _verdict(found: Sequence[tuple[Edition, Sequence[Outcome]]]) -> Verdict:
    if not found:
        return "not run"
    if any(outcomes[0].measures["n_components_used"] < _MOST_COMPONENTS for _, outcomes in found):
        return "not reached"
    return "reproduced" if all(edition.name == "official" for edition, _ in found) else "in part"


def fits(scope: Scope) -> Iterator[tuple[Edition, list[Trial], Material]]:
    """Trials of each edition, and what they are fitted to and measured on."""
    size, seed = _SIZES[scope.scale], scope.seeds_or(1)[0]
    for edition in _editions(scope):
        settings, n_rows = preset("paper-svhn"), len(edition.train.X)
        epochs = min(size.max_epochs, max(1, size.steps * settings["batch_size"] // n_rows))
        settings |= all_epochs(epochs)
        changes = list(_TRAININGS.values())[: size.n_trainings]
        sizes = size.n_scored, size.n_importance_samples
        material = Material(f"svhn, {edition.name}", edition.train, edition.test, False, *sizes)
        yield (
            edition,
            [Trial(f"svhn-{edition.name}[:{n_rows}]", {**settings, **each}, seed) for each in changes],
            material,
        )


def _editions(scope: Scope) -> list[Edition]:
    """The official set if it has been fetched, else the other editions in the data home; their first rows."""
    if any(known.name == "svhn" and known.present for known in catalogue(scope.data_home)):
        parts = (load(f"svhn:{part}", data_home=scope.data_home) for part in ("train", "test"))
        found = [Edition("official", "SVHN, official training images in colour", *parts)]
    else:
        folder = resolve_home(scope.data_home) / "svhn"
        readers = {_GREY: recropped_grey, _CROPS: _crops}
        found = [read(folder / name) for name, read in readers.items() if (folder / name).is_file()]
    n = _SIZES[scope.scale].rows
    return [each._replace(train=first_rows(each.train, n), test=first_rows(each.test, n)) for each in found]


def recropped_grey(path: Path) -> Edition:
    """Digits that lie within their photograph, those of one photograph on one side of the split."""
    with np.load(path, allow_pickle=False) as content:
        visible = content["visible"] >= _MIN_VISIBLE
        X, y, source = (content[name][visible] for name in ("X", "y", "src_image"))
    sources = np.unique(source)
    held_out = np.random.default_rng(0).permutation(sources)[: round(_TEST_SHARE * len(sources))]
    test = np.isin(source, held_out)
    words = f"SVHN test, re-cropped grey ({len(X):,} digits, split by photograph; not the official pixels)"
    return Edition("grey", words, *(Dataset(path.name, X[part, None], y[part]) for part in (~test, test)))


def _crops(path: Path) -> Edition:
    with np.load(path, allow_pickle=False) as content:
        X, y = np.ascontiguousarray(content["X"].transpose(0, 3, 1, 2)), content["y"].astype(np.int64)
    first = round((1 - _TEST_SHARE) * len(X))
    words = f"SVHN train, the first {len(X):,} official colour images"
    return Edition("crops", words, Dataset(path.name, X[:first], y[:first]), Dataset(path.name, X[first:], y[first:]))
