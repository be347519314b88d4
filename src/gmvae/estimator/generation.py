"""What a fitted model makes: samples, reconstructions, rows without gaps, in the form of the fit's X."""

from __future__ import annotations

from abc import ABC
from typing import Any

import numpy as np

from gmvae.arrays import missing
from gmvae.config import COUNTS
from gmvae.data.frames import is_frame
from gmvae.estimator.frames import decoded
from gmvae.estimator.inputs import latent_rows
from gmvae.estimator.outputs import FittedOutputs
from gmvae.fitted.sampling import Components
from gmvae.seeds import draw_seed


class FittedGeneration(FittedOutputs, ABC):
    """The observations that a fitted `GMVAE` makes."""

    def inverse_transform(self, X: Any, *, batch_size: int | None = None) -> Any:
        """Mean of p(y|x) at given latents x. `batch_size` is that of `predict`.

        Parameters
        ----------
        X : array-like of shape (n, latent_dim)
            Places in the latent space, as from `transform`.

        Returns
        -------
        observations : ndarray of shape (n, n_features) or (n, C, H, W)
            In the data's units; uint8 images come back as values in [0, 1], counts with size factors as those of a row
            with the median size factor. If the fit's X was a frame, and not one of counts alone, a frame: columns have
            their types and levels, whole numbers stay whole, and values lie within the range of the fit.
        """
        return self._in_form_of_fit(self.fitted_.decode(latent_rows(X, self.fitted_.config.latent_dim), batch_size))

    def reconstruct(self, X: Any, *, batch_size: int | None = None) -> Any:
        """Mean of p(y|x) at every row's embedding; the result is as that of `inverse_transform`.

        Parameters are those of `predict`. Counts have the size factor of their row.
        """
        made = self.fitted_.reconstructions(self._rows(X), batch_size)
        return self._in_form_of_fit(made, X if is_frame(X) else None)

    def sample(
        self, n_samples: int = 1, component: Any = None, style: Any = None, *, mean: bool = False
    ) -> tuple[Any, np.ndarray]:
        """Draw new observations from the model.

        Parameters
        ----------
        n_samples : int
            How many.
        component : int or array-like of int of shape (n_samples,), optional
            Draw from this cluster, or each sample from its own; by default clusters are drawn from p(z).
        style : array-like of shape (style_dim,) or (n_samples, style_dim), optional
            Use this w; by default styles are drawn from p(w) = N(0, I).
        mean : bool
            Return the mean of p(y|x) (of skewed columns the median), which makes smooth images, in place of a draw.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, C, H, W)
            Or a frame, as from `inverse_transform`.
        labels : ndarray of shape (n_samples,)
            The cluster of every observation.
        """
        seed = draw_seed(self.random_state)
        rows, labels = self.fitted_.draw(n_samples, component, style, mean=mean, seed=seed)
        return self._in_form_of_fit(rows), labels

    def impute(self, X: Any, n_samples: int = 0, *, batch_size: int | None = None) -> Any:
        """Fill missing entries by what the model says of them given the observed ones.

        A fit with ``effort="density"`` fills them better than the default fit, which ends once clusters have settled.

        Parameters
        ----------
        X : array-like
            As in `fit`; NaN is a missing entry.
        n_samples : int
            How many draws of p(missing|observed) to return. 0 returns its mean, for a category the most probable level.
        batch_size : int, optional
            As in `predict`.

        Returns
        -------
        X : ndarray of shape (n_samples, n_features) or (n_samples, C, H, W)
            Observed entries stay as they are. Draws are stacked along a leading axis. If X is a frame, the result is a
            frame of the columns of the fit, or a list of frames, one for each draw.
        """
        seed = draw_seed(self.random_state)
        rows = np.asarray(self._rows(X))
        filled = self.fitted_.impute(rows, n_samples, seed=seed, batch_size=batch_size)
        observed = ~missing(rows)
        if n_samples == 0 or self._stays_array(X):
            return self._in_form_of_fit(filled, X, observed)
        return [self._in_form_of_fit(each, X, observed) for each in filled]

    def components(self, style: Any = None) -> Components:
        """Components of the latent mixture p(x|w) at one style.

        Parameters
        ----------
        style : array-like of shape (style_dim,), optional
            w; by default 0, the centre of p(w).
        """
        return self.fitted_.components(style)

    def _in_form_of_fit(self, rows: np.ndarray, template: Any = None, observed: np.ndarray | None = None) -> Any:
        """Rows (n, *event) in the form of the fit's X, or of ``template``: a frame where that is one."""
        columns = self.fitted_.columns
        if columns is None or self._stays_array(template):
            return rows
        return decoded(rows, columns, self._template if template is None else template, observed)

    def _stays_array(self, template: Any) -> bool:
        """Whether rows come back as an array: those of arrays, and of counts, whose means are no whole numbers."""
        columns = self.fitted_.columns
        if columns is None or not columns.of_numbers:
            return columns is None
        return self.fitted_.likelihood in COUNTS or not (template is None or is_frame(template))
