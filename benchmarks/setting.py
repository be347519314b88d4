"""What a section is told: how hard to try, the seed, a scratch folder and the peers' interpreter."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from timing import Effort

Record = dict[str, Any]
"""One measurement: what was measured, at which sizes, and what came out."""

FULL, QUICK = Effort(9, 0.2), Effort(3, 0.03)


class Setting(NamedTuple):
    """One run of the benchmark."""

    quick: bool
    seed: int
    scratch: Path
    peers_python: Path | None

    @property
    def effort(self) -> Effort:
        """Repetitions, and their length."""
        return QUICK if self.quick else FULL
