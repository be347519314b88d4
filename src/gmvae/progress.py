"""Progress of training on standard error: a bar on a terminal, a plain line per epoch elsewhere."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from gmvae.history import Epoch


class Reporter:
    """Shows the choices of a fit and the epochs of its runs as they end; a context manager. ``verbose=0`` is silent."""

    def __init__(self, verbose: int) -> None:
        self.console = Console(stderr=True, quiet=verbose == 0)
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
        return self

    def __exit__(self, *raised: object) -> None:
        self.bar.stop()

    def note(self, sentence: str) -> None:
        """Show a sentence."""
        self.console.print(sentence, soft_wrap=True, highlight=False, markup=False)

    @contextmanager
    def stage(self, title: str) -> Iterator[None]:
        """Show for the block what is being done, and then how long it took."""
        started = time.perf_counter()
        task = self.bar.add_task(title, total=None, status="")
        try:
            yield
        finally:
            self.bar.remove_task(task)
        self.note(f"{title}: {time.perf_counter() - started:.1f} s")

    def track(self, title: str, max_iter: int) -> Callable[[Epoch], None]:
        """Start to show a run of at most ``max_iter`` epochs; the function returned shows one that has ended."""
        task = self.bar.add_task(title, total=max_iter, status="")

        def show(epoch: Epoch) -> None:
            status = (
                f"held-out bound {epoch.lower_bound_held_out:.3f}  z-prior {epoch.z_prior:.3f}  "
                f"effective clusters {epoch.effective_components:.1f}"
            )
            if self.console.is_terminal:
                self.bar.update(task, completed=epoch.epoch, status=status)
            else:
                self.note(f"{title}  epoch {epoch.epoch}/{max_iter}  {status}  {epoch.seconds:.1f} s")

        return show
