"""Figure 5: samples of each MNIST component, and the style of some."""

from __future__ import annotations

from typing import Any

import numpy as np

from gmvae import figures
from gmvae.estimator import GMVAE
from gmvae.metrics import match
from gmvae.paper import mnist
from gmvae.paper.findings import Finding, Table, draw
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Material
from gmvae.report.figures import component_images, name_directions, style_images
from gmvae.report.style import style_deviations, style_directions

_STYLES = np.linspace(-2.5, 2.5, 7)
_N_STYLED = 4
"""Components whose style is drawn."""
_N_ASKED = 200
_MIXED = 0.5
"""Share of its most frequent class from which a component represents that class."""


def run(scope: Scope) -> Finding:
    """Fit the paper's runs of Table 1 with K = 10 and M = 1, and draw the one with the best bound."""
    material = mnist.material(scope)
    outcomes = scope.outcomes(mnist.trials(scope, mnist.PAPER), material)
    best = max(outcomes, key=lambda outcome: outcome.measures["bound"])
    model = best.model()
    rows = _table(model, material)
    pure = sorted({row[1] for row in rows if row[3] >= 100 * _MIXED})
    told = sorted({row[1] for row in rows if min(row[3], row[4]) >= 100 * _MIXED})
    caption = (
        "Left: ten samples of every component that is used, at w = 0, in the order of the digits. Right: the mean of "
        "some components over the two coordinates of w that vary most, from -2.5 to 2.5."
    )
    columns = ("component", "most frequent digit", "share of images, %", "share of that digit, %", "found again, %")
    return Finding(
        item="fig5",
        title="Figure 5: samples of each MNIST component, and the style",
        paper="each component generates one digit; its style varies with w.",
        ours=f"{len(rows)} of {model.n_components} components are used; "
        f"{len(pure)} of the 10 digits have a component of which they are at least {_MIXED:.0%}, and for {len(told)} "
        f"of these at least {_MIXED:.0%} of its samples are found in it again; the w-prior is "
        f"{best.measures['w_prior']:.1f} nats.",
        verdict="reproduced" if len(told) >= 9 else "in part" if len(told) >= 5 else "not reached",
        tables=[Table("fig5", "Components in the order of the rows, and the test images in them", columns, rows)],
        figures=draw(scope.out, "fig5", _draw(model, material, rows), caption),
        notes=[
            "The paper's network, bound and training from a random start, as in the first row of Table 1.",
            f"Found again: of {_N_ASKED} samples of the component at w = 0, the mean images that the model itself "
            "assigns to it.",
            f"{mnist.SIZES[scope.scale].epochs} of the paper's 100 epochs.",
            f"The run with the best training bound of {len(outcomes)}: seed {best.trial.seed}. Labels order the rows, "
            "and nothing else.",
        ],
        run=scope.run(outcomes),
    )


def _found_again(model: GMVAE, component: int) -> float:
    """Share of a component's samples at w = 0 that the model assigns to it."""
    images, _ = model.sample(_N_ASKED, component=component, style=np.zeros(model.style_dim_), mean=True)
    return float((model.predict(np.rint(255 * images).astype(np.uint8)) == component).mean())


def _table(model: GMVAE, material: Material) -> list[list[Any]]:
    """A row for each component in use, in the order of its most frequent digit."""
    assert material.test.labels is not None
    confusion = match(material.test.labels, model.predict(material.test.X))
    digits = confusion.classes[confusion.matrix.argmax(axis=0)]
    order = np.lexsort((-confusion.matrix.max(axis=0), digits))
    sizes = confusion.matrix.sum(axis=0)
    return [
        [
            int(confusion.clusters[column]),
            int(digits[column]),
            round(100 * float(sizes[column] / sizes.sum()), 1),
            round(100 * float(confusion.matrix[:, column].max() / sizes[column]), 1),
            round(100 * _found_again(model, int(confusion.clusters[column]))),
        ]
        for column in order
    ]


def _draw(model: GMVAE, material: Material, rows: list[list[Any]]) -> Any:
    components = [row[0] for row in rows]
    figure = figures.new_figure(13.0, 0.55 * max(len(components), 8) + 1.0)
    samples, styles = figure.subfigures(1, 2, width_ratios=(1.0, 1.25), squeeze=False)[0]
    images = component_images(model.fitted_, material.train.X)[components]
    panel = figures.component_samples(images, samples.add_subplot(), names=[str(row[0]) for row in rows])
    panel.set_title("Samples of the components at w = 0")
    fitted = model.fitted_
    directions = style_directions(style_deviations(fitted, fitted.rows(material.test.X)))
    chosen = components[:: max(1, len(components) // _N_STYLED)]
    for component, ax in zip(chosen, styles.subplots(2, 2).flat, strict=False):
        sheet = style_images(model.fitted_, material.train.X, component, directions, _STYLES)
        figures.style_grid(sheet, ax, component=component)
        name_directions(ax, directions)
    return figure
