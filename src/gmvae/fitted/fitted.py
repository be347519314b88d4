"""The outcome of a fit, and what it answers about rows that have been checked."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

from gmvae import persistence
from gmvae.arrays import has_missing, without_values
from gmvae.build import rebuild
from gmvae.config import Config
from gmvae.data.columns import Columns
from gmvae.device import device_for, device_or_cpu, torch_defaults
from gmvae.domains import require
from gmvae.fitted.certainty import AMBIGUOUS_ABOVE, require_entropy
from gmvae.fitted.document import check, config_of, entries_of, fields_of, parameters
from gmvae.fitted.gaps import N_IMPUTATION_SAMPLES, impute, prior_of_components, prior_of_latents, with_gaps
from gmvae.fitted.graphs import Answers, Decoder
from gmvae.fitted.map_rows import map_rows
from gmvae.fitted.novelty import N_NOVELTY_SAMPLES, NOVEL_BELOW, Novelty
from gmvae.fitted.onnx import N_CHECKED, Exported, Graph, export
from gmvae.fitted.sampling import COUNT, Components, components, draw
from gmvae.history import History
from gmvae.model import GaussianMixtureVAE, Noise, log_odds
from gmvae.networks import Shape
from gmvae.observations import shaped_as_fitted
from gmvae.seeds import draw_seed, seeded
from gmvae.sparse_rows import AnyRows

N_IMPORTANCE_SAMPLES = 64


@dataclass(frozen=True, eq=False, kw_only=True)
class Fitted:
    """The outcome of a fit, without scikit-learn.

    Attributes
    ----------
    model : GaussianMixtureVAE
        In evaluation mode.
    config : Config
        Hyperparameters of the fit, with numbers in place of "auto" in `n_components` and `style_dim`.
    event_shape : tuple of int
        Shape of one row.
    history : History
        History of the best restart.
    feature_names : list of str, optional
        Names of the columns, if they had some.
    classes : list of int, str or None
        The class of every component, (K,), by `partial_labels`; None for components without one.
    columns : Columns, optional
        What the columns of a table hold: later tables are encoded by them, and samples decoded.
    converged : bool
        Whether training ended because the clusters had settled or the held-out bound no longer gained.
    lower_bound : float
        Held-out bound in nats per row.
    restart_bounds : list of float
        Held-out bound of every restart; NaN for one that diverged.
    stability : float
        Mean adjusted Rand index between the clusters of restarts; NaN with fewer than two.
    weights : ndarray of shape (K,)
        Share of every cluster among the rows of the fit, weighted by `sample_weight`.
    n_components_effective : float
        exp of the entropy of ``weights``.
    held_out_log_likelihoods : ndarray
        Estimates of log p(y) of rows held out of the fit, in rising order. They and all from ``converged`` on are known
        only when the fit has ended.
    held_out_sizes : ndarray, optional
        Size factors of these rows, if counts have some.
    batches : list of str, optional
        Names of the experimental batches, in the order of their numbers.
    """

    model: GaussianMixtureVAE
    config: Config
    event_shape: Shape
    history: History
    feature_names: list[str] | None = None
    classes: list[int | str | None] = field(default_factory=list)
    columns: Columns | None = None
    converged: bool = False
    lower_bound: float = math.nan
    restart_bounds: list[float] = field(default_factory=list)
    stability: float = math.nan
    weights: np.ndarray = field(default_factory=lambda: np.empty(0))
    n_components_effective: float = math.nan
    held_out_log_likelihoods: np.ndarray = field(default_factory=lambda: np.empty(0))
    held_out_sizes: np.ndarray | None = None
    batches: list[str] | None = None

    @property
    def likelihood(self) -> str:
        return self.model.likelihood.name

    @property
    def column_likelihoods(self) -> dict[str | int, str]:
        """Name of the likelihood of every column of a table, by its name or number."""
        if len(self.event_shape) > 1:
            return {}
        names = range(self.event_shape[0]) if self.feature_names is None else self.feature_names
        of_column = self.model.likelihood.of_columns(self.event_shape[0])
        return dict(zip(names, of_column, strict=True))

    @property
    def categories(self) -> dict[str, np.ndarray]:
        """Levels of every column of categories or of two answers, by its name."""
        return {column.name: np.array(column.levels) for column in self.columns or () if column.levels}

    def rows(self, X: AnyRows) -> np.ndarray | Any:
        """Check an array from a file and return rows (n, *event_shape); flat rows of images pass too.

        ValueError if the shape is another than in the fit, or the values are not numeric, not finite or in other units.
        """
        rows = shaped_as_fitted(X, self.event_shape)
        self.model.likelihood.check(rows)
        return rows

    def labels(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """Most probable component of every row, (n,)."""
        return self._log_posterior(rows, lambda log_posterior: log_posterior.argmax(-1), batch_size)

    def proba(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """p(z|y) of every row, (n, K), at the means of q(x|y) and q(w|y); float64, so that rows sum to 1."""
        return self._log_posterior(rows, lambda log_posterior: log_posterior.double().softmax(-1), batch_size)

    def log_odds(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """log [p(z=k|y) / (1 − p(z=k|y))] of every row, (n, K), in float64."""
        return self._log_posterior(rows, log_odds, batch_size)

    def embedding(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """Mean of q(x|y) of every row, (n, D_x)."""
        return self._ask(GaussianMixtureVAE.embed, rows, batch_size, prior_of_latents)

    def style(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """Mean of q(w|y) of every row, (n, D_w)."""
        return self._ask(GaussianMixtureVAE.embed_style, rows, batch_size, lambda _: 0.0)

    def decode(
        self, latents: np.ndarray, batch_size: int | None = None, batches: np.ndarray | None = None
    ) -> np.ndarray:
        """Mean of p(y|x), (n, *event), for latents (n, D_x), in the batches (n,) of a covariate or the largest one."""
        model = self.model
        if batches is None:
            return map_rows(lambda x: model.decode(x.to(model.dtype)), latents, model.device, batch_size)
        beside = np.column_stack([latents, batches])

        def decode(x: Tensor) -> Tensor:
            return model.decode(x[:, :-1].to(model.dtype), x[:, -1].long())

        return map_rows(decode, beside, model.device, batch_size)

    def reconstructions(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """Means of p(y|x) at the means of q(x|y), (n, *event), of the size and in the batch that every row has."""
        likelihood = self.model.likelihood
        mean = self.decode(self.embedding(rows, batch_size), batch_size, likelihood.batches_of(rows))
        return likelihood.resized(mean, rows)

    def log_evidence(
        self, rows: AnyRows, n_importance_samples: int = N_IMPORTANCE_SAMPLES, batch_size: int | None = None
    ) -> np.ndarray:
        """Importance-weighted estimate of log p(y) of every row, (n,), in nats; all rows share the same noise."""
        require("n_importance_samples", COUNT, n_importance_samples)
        noise = self._shared_noise(n_importance_samples)
        return self._ask(lambda model, y: model.log_evidence(y, noise), rows, batch_size, lambda _: 0.0)

    def impute(self, rows: np.ndarray, n_samples: int = 0, *, seed: int = 0, batch_size: int | None = None) -> Any:
        """Rows with their missing entries filled in; see `GMVAE.impute`."""
        model = with_gaps(self.model, self.event_shape)
        return impute(model, rows, self._shared_noise(N_IMPUTATION_SAMPLES), n_samples, seed, batch_size)

    def novelty_log_evidence(self, rows: AnyRows, batch_size: int | None = None) -> np.ndarray:
        """The estimate of log p(y) by which rows are novel or not, (n,)."""
        return self.log_evidence(rows, N_NOVELTY_SAMPLES, batch_size)

    def novel(self, rows: AnyRows, below: float = NOVEL_BELOW, batch_size: int | None = None) -> np.ndarray:
        """Whether the density of every row is below a percentile of those of held-out rows, for its size; (n,)."""
        novelty = Novelty.of(self.held_out_log_likelihoods, self.held_out_sizes, below)
        return novelty.holds(self.novelty_log_evidence(rows, batch_size), self.model.likelihood.sizes(rows))

    def draw(
        self, n_samples: int, component: Any = None, style: Any = None, *, mean: bool = False, seed: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """New observations (n_samples, *event) and their components (n_samples,); see `GMVAE.sample`."""
        return draw(self.model, n_samples, component, style, mean=mean, seed=seed)

    def draw_each(self, n: int, *, mean: bool) -> np.ndarray:
        """New observations of every component at w = 0, (K, n, *event); the seed is that of the fit."""
        each, style = np.repeat(np.arange(self.config.K), n), np.zeros(self.config.D_w)
        drawn, _ = self.draw(len(each), each, style, mean=mean, seed=draw_seed(self.config.random_state))
        return drawn.reshape(self.config.K, n, *self.event_shape)

    def components(self, style: Any = None) -> Components:
        """Components of p(x|w) at one style (D_w,), by default 0."""
        return components(self.model, style)

    @property
    def document(self) -> dict[str, Any]:
        """All but the weights, as JSON values."""
        return {
            "parameters": parameters(self.config),
            "likelihood": self.likelihood,
            "event_shape": list(self.event_shape),
            "n_features_in": math.prod(self.event_shape),
            **entries_of(vars(self)),
        }

    def save(self, path: str | Path) -> None:
        """Write everything to one safetensors file; no pickle is involved."""
        persistence.write(path, "model", self.model.state_dict(), self.document)

    def to_onnx(self, path: str | Path, ambiguous: float = AMBIGUOUS_ABOVE, novel: float | None = None) -> Exported:
        """Write what it answers to files of ONNX; see `GMVAE.to_onnx`."""
        require_entropy(ambiguous)
        novelty = None if novel is None else Novelty.of(self.held_out_log_likelihoods, self.held_out_sizes, novel)
        noise = self._shared_noise(N_NOVELTY_SAMPLES)
        answers = Answers(self.model, self.event_shape, ambiguous, noise, novelty)
        rows = answers.as_rows(self.draw(N_CHECKED, seed=0)[0])
        expected = {"proba": self.proba(rows), "embedding": self.embedding(rows)}
        if novel is not None:
            expected["log_likelihood"] = self.novelty_log_evidence(rows)
        latents = expected["embedding"].astype(np.float32)
        graph = Graph(answers, "X", answers.outputs, rows, expected)
        decoder = Graph(Decoder(self.model), "embedding", Decoder.outputs, latents, {"mean": self.decode(latents)})
        return export(Path(path), graph, decoder, self.document, ambiguous=ambiguous, novel=novel)

    @classmethod
    @torch_defaults()
    def load(cls, path: str | Path, *, network: Any = None, device: str = "auto") -> Self:
        """Read what `save` wrote; see `GMVAE.load`."""
        place = device_for(Config(device=device).device)
        tensors, document = persistence.read(path, "model")
        check(path, document)
        config, event_shape = config_of(path, document["parameters"], network), tuple(document["event_shape"])
        try:
            with seeded(0):
                model = rebuild(config, event_shape, document["likelihood"], tensors)
        except ValueError as error:
            raise persistence.ModelFileError(
                f"`path` must hold the weights of its own network; {str(path)!r} does not: {str(error).rstrip('.')}."
            ) from error
        if not all(tensor.isfinite().all() for tensor in tensors.values()):
            raise persistence.broken(path, "model", "its weights are not all finite")
        model, config = model.eval().to(place), replace(config, device=device)
        return cls(model=model, config=config, event_shape=event_shape, **fields_of(document))

    def __getstate__(self) -> dict[str, Any]:
        """With the model on the CPU, so that a pickle from a GPU opens on a machine without one."""
        model = self.model if self.model.device.type == "cpu" else copy.deepcopy(self.model).cpu()
        return {**vars(self), "model": model}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.model.to(device_or_cpu(self.config.device))

    def _shared_noise(self, n_samples: int) -> Noise:
        """Noise that all rows share, (S, 1, D)."""
        generator = torch.Generator().manual_seed(0)
        dims, device, dtype = (self.config.latent_dim, self.config.D_w), self.model.device, self.model.dtype
        return Noise(*(torch.randn(n_samples, 1, dim, generator=generator).to(device, dtype) for dim in dims))

    def _log_posterior(self, rows: AnyRows, function: Callable[[Tensor], Tensor], batch_size: int | None) -> np.ndarray:
        """A function of log p(z|y) (B, K) at the means of q(x|y) and q(w|y)."""
        return self._ask(
            lambda model, y: function(model.log_posterior(y)),
            rows,
            batch_size,
            lambda model: function(prior_of_components(model)[None])[0].cpu().numpy(),
        )

    def _ask(
        self,
        function: Callable[[GaussianMixtureVAE, Tensor], Tensor],
        rows: AnyRows,
        batch_size: int | None,
        of_prior: Callable[[GaussianMixtureVAE], Any],
    ) -> np.ndarray:
        """Ask the model about rows; those of which nothing is observed get what the prior says."""
        if not has_missing(rows):
            return map_rows(lambda y: function(self.model, y), rows, self.model.device, batch_size)
        model = with_gaps(self.model, self.event_shape)
        results = map_rows(lambda y: function(model, y), rows, self.model.device, batch_size)
        results[without_values(rows)] = of_prior(model)
        return results
