"""Several processes for one fit, started by ``--devices``, torchrun or SLURM: all but the first are silent."""

from __future__ import annotations

import logging
import signal
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

import typer

from gmvae.cli.speech import FAILURE, note


def start_processes(n: int) -> NoReturn:
    """Run this command line in so many processes, as ``torchrun --nproc-per-node`` does, and end as they end."""
    from torch.distributed.elastic.multiprocessing.errors import ChildFailedError
    from torch.distributed.elastic.multiprocessing.redirects import logger
    from torch.distributed.launcher.api import LaunchConfig, elastic_launch

    logging.getLogger("torch.distributed").setLevel(logging.CRITICAL)
    logger.setLevel(logging.CRITICAL)
    config = LaunchConfig(
        min_nodes=1,
        max_nodes=1,
        nproc_per_node=n,
        rdzv_backend="c10d",
        rdzv_endpoint="localhost:0",
        run_id="gmvae",
        max_restarts=0,
        monitor_interval=0.1,
    )
    try:
        elastic_launch(config, sys.executable)("-m", "gmvae", *sys.argv[1:])
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode < 0:
            go_on = "; where epochs were kept, --resume goes on" if rank == 0 else ""
            note(f"Process {rank} of {n} was ended by {failure.signal_name()}{go_on}.")
        raise typer.Exit(failure.exitcode if failure.exitcode > 0 else FAILURE) from error
    raise typer.Exit


@contextmanager
def silent_unless_first() -> Iterator[bool]:
    """Whether this process speaks: of several that do the same only the first, which also says what is wrong."""
    from gmvae.training.processes import processes_here

    first = processes_here().first
    try:
        with warnings.catch_warnings():
            if not first:
                warnings.simplefilter("ignore")
            yield first
    except (ValueError, OSError, FloatingPointError) as error:
        if first:
            raise
        raise typer.Exit(FAILURE) from error


def take_part_quietly(device: str) -> None:
    """Take part in a fit of which the first process speaks."""
    from gmvae.runs.fit_source import take_part
    from gmvae.training.processes import FirstProcessError, LostProcessError

    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # there is nothing to put in order, and waiting cannot be interrupted
    try:
        take_part(device)
    except (FirstProcessError, LostProcessError) as error:
        raise typer.Exit(FAILURE) from error
