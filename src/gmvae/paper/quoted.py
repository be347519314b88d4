"""Accuracies that the paper and the works it quotes report.

Table 1 is that of the paper's final revision. Two of its values were checked in other sources; the others are from
memory, and are printed as quoted.
"""

from __future__ import annotations

from typing import NamedTuple


class Cell(NamedTuple):
    """A setting of Table 1: K components and M samples."""

    K: int
    M: int


class Quoted(NamedTuple):
    """Accuracy in per cent under the exemplar protocol: of the best run, and mean and deviation over runs."""

    best: float | None
    mean: float | None
    deviation: float | None

    @property
    def spread(self) -> str | None:
        """Mean and deviation, if they are reported."""
        return None if self.mean is None else f"{self.mean:.2f} ± {self.deviation:.2f}"


TABLE_1: dict[Cell, Quoted] = {
    Cell(10, 1): Quoted(87.31, 77.78, 5.75),
    Cell(10, 10): Quoted(88.54, 82.31, 3.75),
    Cell(16, 1): Quoted(89.01, 85.09, 1.99),
    Cell(16, 10): Quoted(96.92, 87.82, 5.33),
    Cell(30, 1): Quoted(95.84, 92.77, 1.60),
    Cell(30, 10): Quoted(93.22, 89.27, 2.50),
}
OTHERS: dict[str, Quoted] = {
    "CatGAN, K = 20 (quoted)": Quoted(90.30, None, None),
    "AAE, K = 16 (quoted)": Quoted(None, 90.45, 2.05),
    "AAE, K = 30 (quoted)": Quoted(None, 95.90, 1.13),
    "DEC, K = 10 (quoted)": Quoted(84.30, None, None),
}
