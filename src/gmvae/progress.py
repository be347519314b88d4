"""Progress of training on standard error: a bar on a terminal, a plain line per epoch elsewhere."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol, Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn


class EpochLike(Protocol):
    """The columns of an epoch that are shown."""

    @property
    def epoch(self) -> int: ...
    @property
    def lower_bound_held_out(self) -> float: ...
    @property
    def z_prior(self) -> float: ...
    @property
    def effective_components(self) -> float: ...
    @property
    def seconds(self) -> float: ...


class Reporter:
    """Shows epochs as they end; a context manager.

    Parameters
    ----------
    max_iter : int
        Epochs at most.
    verbose : int
        0 shows nothing.
    label : str
        What is being trained.
    """

    def __init__(self, max_iter: int, verbose: int, label: str) -> None:
        self.max_iter = max_iter
        self.console = Console(stderr=True, quiet=verbose == 0)
        self.label = label
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[status]}"),
            TimeRemainingColumn(),
            console=self.console,
            disable=verbose == 0 or not self.console.is_terminal,
        )

    def __enter__(self) -> Self:
        self.bar.start()
        self.task = self.bar.add_task(self.label, total=self.max_iter, status="")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.bar.stop()

    def show(self, epoch: EpochLike) -> None:
        """Show one ended epoch."""
        status = (
            f"held-out bound {epoch.lower_bound_held_out:.3f}  z-prior {epoch.z_prior:.3f}  "
            f"effective clusters {epoch.effective_components:.1f}"
        )
        if self.console.is_terminal:
            self.bar.update(self.task, completed=epoch.epoch, status=status)
        else:
            line = f"{self.label}  epoch {epoch.epoch}/{self.max_iter}  {status}  {epoch.seconds:.1f} s"
            self.console.print(line, soft_wrap=True, highlight=False)
