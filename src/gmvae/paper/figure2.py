"""Figure 2: data, densities and latent space of the synthetic experiment."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from gmvae import figures
from gmvae.paper import synthetic
from gmvae.paper.baselines import draw_densities, gaussian_mixture
from gmvae.paper.findings import Finding, Table, draw, judge, spread
from gmvae.paper.scope import Scope
from gmvae.paper.trials import Material, Outcome, mean_of, measured

_MOST_SEEDS = 0.9
"""Share of the seeds that must find the arcs for the verdict."""
_IN_USE = 0.1
"""Share of the widest coordinate's deviation from which a coordinate of x counts as used."""
_REACH = 2.9
"""Half the width of the plots of the plane."""

_CAPTION = (
    "(a) The data. (b) Points drawn from GMVAE, coloured by component. (c) Its density. (d) The "
    "density of a Gaussian mixture with as many components. (e) Latent space under the plain bound. (f) With the "
    "constraint, the last epoch before the z-prior reaches λ. (g) At convergence. Stars: means at w = 0; ellipses: 2σ. "
    "(h) Held-out log-likelihood of every seed."
)


def run(scope: Scope) -> Finding:
    """Fit, compare and draw."""
    material, by_training = synthetic.material(scope), synthetic.outcomes(scope)
    constrained, plain = by_training[synthetic.CONSTRAINED], by_training[synthetic.PLAIN]
    n, settings = len(constrained), constrained[0].trial.settings
    K, seeds = settings["n_components"], [outcome.trial.seed for outcome in constrained]
    mixtures = [gaussian_mixture(material.train.X, K, seed) for seed in seeds]
    # Held-out log-likelihood of each seed's models, in nats per point.
    ours = measured(constrained, "log_likelihood")
    theirs = [float(mixture.score(material.test.X)) for mixture in mixtures]
    wins = sum(own > other for own, other in zip(ours, theirs, strict=True))
    good = synthetic.n_good(constrained)
    distinct, distinct_plain = (mean_of(group, "distinct_clusters") for group in (constrained, plain))
    likelihoods = {"GMVAE": ours, "Gaussian\nmixture": theirs}
    figure = _draw(scope, material, constrained, plain, likelihoods, mixtures[0])
    return Finding(
        item="fig2",
        title="Figure 2: densities and latent space on arcs of five circles",
        paper="GMVAE learns a mixture of curved parts where a Gaussian mixture fits badly; under the plain bound it is "
        "over-regularised; the constraint lets clusters spread and at convergence merges the excess ones.",
        ours=f"held-out log-likelihood {spread(ours)} against {spread(theirs)} of a Gaussian "
        f"mixture with K = {K}, above it on {wins} of {n} seeds. "
        f"{distinct:.1f} distinct clusters with the constraint λ = "
        f"{settings['min_information']:g} and a warm-up over {settings['warm_up']:.0%} of the epochs, "
        f"{distinct_plain:.1f} without either. ARI {spread(measured(constrained, 'ari'))} "
        f"with them, at least {synthetic.GOOD_ARI} on {good} of {n} seeds: the excess components share out an arc "
        "instead of lying on one another.",
        verdict=judge((wins == n, good >= _MOST_SEEDS * n, distinct > distinct_plain)),
        tables=[
            Table(
                "fig2-likelihood",
                "Held-out log-likelihood in nats per point",
                ("seed", "GMVAE", "Gaussian mixture", "difference", "coordinates of x in use"),
                [
                    (seed, own, other, own - other, _n_in_use(outcome, material.test.X))
                    for seed, own, other, outcome in zip(seeds, ours, theirs, constrained, strict=True)
                ],
            ),
            synthetic.training_table(by_training, "fig2-trainings"),
        ],
        figures=draw(scope.out, "fig2", figure, _CAPTION),
        notes=[
            "Distinct clusters: exp of the information an assignment carries about its point. Where all components "
            "coincide it is 1, although each is used alike.",
            f"A coordinate of x is in use if the standard deviation of the means of q(x|y) over points is at least "
            f"{_IN_USE:.0%} of the largest. Where only one of the two is, the arcs are drawn along a line: the warm-up "
            "was over before the other came into use, and its price keeps it out of use from then on.",
            "ARI is that of the most probable components against the five arcs, on held-out points.",
            synthetic.length(scope),
        ],
        run=scope.run(*by_training.values()),
    )


def _n_in_use(outcome: Outcome, X: np.ndarray) -> int:
    deviations = outcome.model().transform(X).std(axis=0)
    return int((deviations >= _IN_USE * deviations.max()).sum())


def _draw(
    scope: Scope,
    material: Material,
    constrained: Sequence[Outcome],
    plain: Sequence[Outcome],
    likelihoods: dict[str, list[float]],
    mixture: Any,
) -> Any:
    model = constrained[0].model()
    figure = figures.new_figure(19.0, 9.2)
    (data, samples, ours, theirs), (without, spreading, converged, seeds) = figure.subplots(2, 4)
    X, labels = material.train.X, material.train.labels
    assert labels is not None
    figures.scatter_clusters(X, labels, data).set_title("Data")
    figures.scatter_clusters(*model.sample(len(X)), samples).set_title(f"Samples of GMVAE, K = {model.n_components}")
    size = synthetic.SIZES[scope.scale]
    axis = np.linspace(-_REACH, _REACH, size.grid)
    draw_densities(model, mixture, (ours, theirs), axis)
    latents = (
        (without, synthetic.FINAL, plain, "Plain bound"),
        (spreading, synthetic.SPREADING, constrained, "Before λ is reached"),
        (converged, synthetic.FINAL, constrained, "At convergence"),
    )
    for panel, moment, outcomes, title in latents:
        latent = synthetic.read_latent_space(outcomes[0].folder / moment)
        figures.latent_space(latent.x, latent.clusters, panel, means=latent.means, scales=latent.scales)
        panel.set_title(f"{title}, epoch {latent.epoch}")
    figures.strip_plot(likelihoods, seeds)
    seeds.set(title="Held-out log-likelihood", xlabel="nats per point")
    for panel in (data, samples, ours, theirs):
        panel.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), adjustable="box")
    figures.letter_panels(figure.axes[:8])
    return figure
