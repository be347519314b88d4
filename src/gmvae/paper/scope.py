"""The scope of a reproduction: scale, seeds and folders."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gmvae.device import device_for
from gmvae.paper.findings import FOLDER
from gmvae.paper.provenance import provenance
from gmvae.paper.trials import Material, Outcome, Trial, run_trials

Scale = Literal["quick", "laptop", "full"]
"""A smoke test; a few hours on two cores; the paper's epochs and seeds."""


class Scope(NamedTuple):
    """Scale, seeds and folders of a reproduction.

    Attributes
    ----------
    out : Path
        Gets the page, the items' files and the finished trials.
    seeds : tuple of int, optional
        In place of the item's own.
    note : callable
        Takes sentences on the progress.
    """

    out: Path
    scale: Scale
    seeds: tuple[int, ...] | None = None
    data_home: Path | None = None
    note: Callable[[str], object] = lambda sentence: None

    @property
    def on_gpu(self) -> bool:
        """Whether fits will be on a GPU."""
        return device_for("auto").type == "cuda"

    def seeds_or(self, n_seeds: int) -> tuple[int, ...]:
        """The seeds asked for, or the first ``n_seeds``."""
        return tuple(range(n_seeds)) if self.seeds is None else self.seeds

    def outcomes(self, trials: Sequence[Trial], material: Material) -> list[Outcome]:
        """Outcomes of trials, run unless they are finished."""
        return run_trials(trials, material, self.out / FOLDER / "runs", self.note)

    def run(self, outcomes: Iterable[Outcome] = ()) -> dict[str, Any]:
        """Facts of the run: scale, seeds, seconds, commits, versions and machines."""
        found = list(outcomes)
        sources = [outcome.record for outcome in found] or [{**provenance(), "seconds": 0.0}]
        return {
            "scale": self.scale,
            "seeds": sorted({outcome.trial.seed for outcome in found}),
            "seconds": sum(source["seconds"] for source in sources),
            **{name: "; ".join(sorted({source[name] for source in sources})) for name in provenance()},
        }
