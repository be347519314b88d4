"""Figure 3: the z-prior term against the training step, without and with the constraint."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from gmvae import figures
from gmvae.paper import synthetic
from gmvae.paper.findings import Finding, draw, judge, spread
from gmvae.paper.scope import Scope

_MERGED = 0.1
"""Share of log K below which the z-prior indicates that components coincide."""
_HELD = 0.9
"""Share of λ that the z-prior must reach at the end for the constraint to count as held."""


def run(scope: Scope) -> Finding:
    """Fit and draw."""
    material, by_training = synthetic.material(scope), synthetic.outcomes(scope)
    plain, constrained = (
        np.array([outcome.record["history"]["z_prior"] for outcome in by_training[training]])
        for training in (synthetic.PLAIN, synthetic.CONSTRAINED)
    )
    threshold = synthetic.CONSTRAINED.min_information
    settings = by_training[synthetic.PLAIN][0].trial.settings
    K = settings["n_components"]
    merged = plain[:, -1] < _MERGED * math.log(K)
    held = constrained[:, -1] >= _HELD * threshold
    steps = np.arange(1, plain.shape[1] + 1) * (len(material.train.X) // settings["batch_size"])
    caption = (
        "The z-prior term against the training step: each seed pale, their mean bold. (a) Without the constraint. "
        "(b) With it and a warm-up of the conditional prior and the w-prior over a fifth of the epochs; λ dotted."
    )
    return Finding(
        item="fig3",
        title="Figure 3: the z-prior term against the training step",
        paper="the plain bound keeps the z-prior term near 0; with the constraint it grows, is held back once it "
        "reaches λ, and clusters stay apart.",
        ours=f"at the end the z-prior term is {spread(plain[:, -1].tolist())} nats without the constraint, with "
        f"components that coincide (below {_MERGED:.0%} of log K) on {merged.sum()} of {len(plain)} seeds; with "
        f"λ = {threshold:g} and a warm-up it is {spread(constrained[:, -1].tolist())} nats, at least {_HELD:.0%} of λ "
        f"on {held.sum()} of {len(constrained)} seeds.",
        verdict=judge([*merged, *held]),
        tables=[synthetic.training_table(by_training, "fig3-trainings")],
        figures=draw(scope.out, "fig3", _draw(steps, {0.0: plain, threshold: constrained}, K), caption),
        notes=[synthetic.length(scope)],
        run=scope.run(*by_training.values()),
    )


def _draw(steps: np.ndarray, curves: Mapping[float, np.ndarray], K: int) -> Any:
    figure = figures.new_figure(10.0, 3.8)
    panels = figure.subplots(1, 2, sharey=True)
    for panel, (value, z_priors) in zip(panels, curves.items(), strict=True):
        figures.z_prior_curve(steps, z_priors, panel, min_information=value, n_components=K, step_name="step")
        panel.set_title("Without the constraint" if value == 0 else f"With the constraint λ = {value:g} and a warm-up")
    figures.letter_panels(panels)
    return figure
