"""Files of a fitted model: its own, and those that other programs answer from."""

from __future__ import annotations

from abc import ABC
from pathlib import Path
from typing import TYPE_CHECKING

from gmvae.estimator.reports import FittedReports
from gmvae.fitted.certainty import AMBIGUOUS_ABOVE

if TYPE_CHECKING:
    from gmvae.fitted.onnx import Exported


class FittedFiles(FittedReports, ABC):
    """How a fitted `GMVAE` is written to files."""

    def save(self, path: str | Path) -> None:
        """Write the fitted model to one safetensors file; no pickle is involved."""
        self.fitted_.save(path)

    def to_onnx(self, path: str | Path, *, ambiguous: float = AMBIGUOUS_ABOVE, novel: float | None = None) -> Exported:
        """Write graphs of ONNX that answer without this library, and a model card.

        ``model.onnx`` takes observations in the data's own units, as the input ``X`` (n, n_features) or (n, C, H, W),
        and gives ``label``, ``proba``, ``embedding`` and ``ambiguous`` as `predict`, `predict_proba`, `transform` and
        `is_ambiguous` do. NaN is a missing entry. Of a table with text or categories it takes the codes of the levels,
        which the card and the graph's metadata list. A graph raises no errors: a row that `predict` refuses gets the
        label -1 and NaN. ``model.decoder.onnx`` maps ``embedding`` to ``mean``, as `inverse_transform` does for arrays.
        Both are single files of opset 18, held to PyTorch on 1,000 rows drawn from the model before they are kept.
        ``model.md`` is the card.

        Parameters
        ----------
        path : str or Path
            Ends in ``.onnx``.
        ambiguous : float
            Nats of entropy above which a row is ambiguous, as in `is_ambiguous`.
        novel : float, optional
            Percentile as in `is_novel`. The graph then also gives ``novel`` and ``log_likelihood``, the estimate of
            log p(y) with 16 importance samples by which rows are novel; it then decodes every row 16 times.

        Returns
        -------
        exported : Exported
            Paths of the files, and the largest difference from PyTorch.

        Raises
        ------
        ValueError
            If ONNX is not installed (``pip install 'gmvae[onnx]'``), a network of the user's own cannot be exported, or
            the model is larger than 2 GiB.
        """
        return self.fitted_.to_onnx(path, ambiguous, novel)
