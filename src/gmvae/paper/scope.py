"""The scope of a reproduction: scale, seeds and folders."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

from gmvae.device import device_for
from gmvae.paper.findings import FOLDER
from gmvae.paper.provenance import provenance
from gmvae.paper.trials import Material, Outcome, Trial, kept, run_trials

Scale = Literal["quick", "laptop", "long", "full"]
"""A smoke test; a few hours on two cores; days on two cores; the paper's epochs and seeds."""


class UnfinishedError(Exception):
    """Not all fits of an item are finished."""


class Scope(NamedTuple):
    """Scale, seeds and folders of a reproduction."""

    out: Path  # gets the page, the items' files and the finished trials
    scale: Scale
    seeds: tuple[int, ...] | None = None  # in place of the item's own
    data_home: Path | None = None
    note: Callable[[str], object] = lambda sentence: None  # takes sentences on the progress
    deadline: float = math.inf  # when to stop fitting, on the clock of `time.monotonic`
    kept_only: bool = False  # whether nothing is fitted, and items show what is kept

    @property
    def runs(self) -> Path:
        """Folder of the kept fits."""
        return self.out / FOLDER / "runs"

    @property
    def on_gpu(self) -> bool:
        """Whether fits will be on a GPU."""
        return device_for("auto").type == "cuda"

    def seeds_or(self, n_seeds: int) -> tuple[int, ...]:
        """The seeds asked for, or the first ``n_seeds``."""
        return tuple(range(n_seeds)) if self.seeds is None else self.seeds

    def outcomes(self, trials: Sequence[Trial], material: Material) -> list[Outcome]:
        """Outcomes of trials, run unless they are finished.

        BudgetSpentError if the deadline has passed before all were finished. UnfinishedError if none may be run and not
        all are finished.
        """
        if not self.kept_only:
            return run_trials(trials, material, self.runs, self.note, self.deadline)
        found = kept(trials, self.runs)
        if len(found) < len(trials):
            raise UnfinishedError(f"{len(found)} of {len(trials)} fits are finished")
        return found

    def run(self, *groups: Iterable[Outcome]) -> dict[str, Any]:
        """Facts of the run of groups of trials: scale, seeds, seconds, commits, versions and machines."""
        found = [outcome for group in groups for outcome in group]
        sources = [outcome.record for outcome in found] or [{**provenance(), "seconds": 0.0}]
        return {
            "scale": self.scale,
            "seeds": sorted({outcome.trial.seed for outcome in found}),
            "seconds": sum(source["seconds"] for source in sources),
            **{name: "; ".join(sorted({source[name] for source in sources})) for name in provenance()},
        }
