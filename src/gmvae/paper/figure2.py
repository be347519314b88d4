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
_REACH = 2.9
"""Half the width of the plots of the plane."""


_CAPTION = (
    "(a) The data. (b) Points drawn from GMVAE after its excess components were merged, coloured by the most probable "
    "component. (c) Its density. (d) The density of a Gaussian mixture with as many components. (e) Latent space under "
    "the plain bound. (f) With the constraint, the last epoch before the z-term reaches λ. (g) At convergence. "
    "(h) Merged while that raises the bound. Stars: means at w = 0; ellipses: 2σ. (i) Held-out log-likelihood of every "
    "seed."
)


def run(scope: Scope) -> Finding:
    """Fit, compare and draw."""
    material, by_training, merged = synthetic.material(scope), synthetic.outcomes(scope), synthetic.merged(scope)
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
    likelihoods = {"GMVAE": ours, "merged": measured(merged, "log_likelihood"), "Gaussian\nmixture": theirs}
    figure = _draw(scope, material, constrained, plain, merged, likelihoods, mixtures[0])
    as_trained, after = (spread([each.record["bounds"][name] for each in merged]) for name in ("trained", "merged"))
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
        "instead of lying on one another. Merging components for as long as that raises the bound leaves "
        f"{mean_of(merged, 'distinct_clusters'):.1f} distinct clusters with ARI "
        f"{spread(measured(merged, 'ari'))}, at least {synthetic.GOOD_ARI} on {synthetic.n_good(merged)} of {n}, and "
        f"takes the bound from {as_trained} to {after}.",
        verdict=judge((wins == n, good >= _MOST_SEEDS * n, distinct > distinct_plain)),
        tables=[
            Table(
                "fig2-likelihood",
                "Held-out log-likelihood in nats per point",
                ("seed", "GMVAE", "Gaussian mixture", "difference"),
                [(seed, own, other, own - other) for seed, own, other in zip(seeds, ours, theirs, strict=True)],
            ),
            synthetic.training_table(by_training, "fig2-trainings"),
            synthetic.merge_table(constrained, merged, "fig2-merges"),
        ],
        figures=draw(scope.out, "fig2", figure, _CAPTION),
        notes=[
            "Distinct clusters: exp of the information an assignment carries about its point. Where all components "
            "coincide it is 1, although each is used alike.",
            "ARI is that of the most probable components against the five arcs, on held-out points.",
            "Merged: of two components that compete for the same rows one becomes a copy of the other, and training "
            "goes on for a third of the epochs; what does not reach a higher bound than as many epochs without it is "
            "undone. No labels take part. Training by gradients alone decides the verdict.",
            synthetic.length(scope),
        ],
        run=scope.run(*by_training.values(), merged),
    )


def _draw(
    scope: Scope,
    material: Material,
    constrained: Sequence[Outcome],
    plain: Sequence[Outcome],
    merged: Sequence[Outcome],
    likelihoods: dict[str, list[float]],
    mixture: Any,
) -> Any:
    model = merged[0].model()
    figure = figures.new_figure(14.5, 13.5)
    (data, samples, ours), (theirs, without, spreading), (converged, at_last, seeds) = figure.subplots(3, 3)
    X, labels = material.train.X, material.train.labels
    assert labels is not None
    figures.scatter_clusters(X, labels, data).set_title("Data")
    drawn, _ = model.sample(len(X))
    figures.scatter_clusters(drawn, model.predict(drawn), samples)
    samples.set_title(f"Samples of GMVAE, K = {model.n_components}, merged")
    size = synthetic.SIZES[scope.scale]
    axis = np.linspace(-_REACH, _REACH, size.grid)
    draw_densities(model, mixture, (ours, theirs), axis)
    theirs.set_title(f"Gaussian mixture, K = {model.n_components}")
    latents = (
        (without, synthetic.FINAL, plain, "Plain bound"),
        (spreading, synthetic.SPREADING, constrained, "Before λ is reached"),
        (converged, synthetic.FINAL, constrained, "At convergence"),
        (at_last, synthetic.FINAL, merged, "Merged"),
    )
    for panel, moment, outcomes, title in latents:
        latent = synthetic.read_latent_space(outcomes[0].folder / moment)
        figures.latent_space(latent.x, latent.clusters, panel, means=latent.means, scales=latent.scales)
        panel.set_title(title if outcomes is merged else f"{title}, epoch {latent.epoch}")
    figures.strip_plot(likelihoods, seeds)
    seeds.set(title="Held-out log-likelihood", xlabel="nats per point")
    for panel in (data, samples, ours, theirs):
        panel.set(xlim=(-_REACH, _REACH), ylim=(-_REACH, _REACH), adjustable="box")
    figures.letter_panels(figure.axes[:9])
    return figure
