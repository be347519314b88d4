"""How the command line speaks: results on standard output, everything else on standard error, in sentences."""

from __future__ import annotations

import json
import signal
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NoReturn

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from gmvae.foreign_errors import first_line

USER_ERROR, FAILURE, INTERRUPTED, TERMINATED = 2, 1, 130, 143
"""Exit codes: what the user can put right, what went wrong in the computation, Ctrl-C, SIGTERM."""

_TABLE_WIDTH = 120


class Terminated(KeyboardInterrupt):
    """The system asks the process to end, as at a shutdown or the end of a batch job: answered as Ctrl-C is."""


def heed_termination() -> None:
    """Let SIGTERM raise `Terminated`."""

    def terminate(number: int, frame: object) -> NoReturn:
        raise Terminated

    signal.signal(signal.SIGTERM, terminate)


@contextmanager
def plainly(*, debug: bool) -> Iterator[None]:
    """Say errors that a user can put right, and warnings, in one line each; others keep their traceback.

    The library's errors about input are `ValueError`, the system's about files `OSError`, and training that
    diverged is a `FloatingPointError`. With ``debug`` every error keeps its traceback.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("default", UserWarning)
        warnings.simplefilter("ignore", DeprecationWarning)  # which those of some libraries are, too
        warnings.showwarning = _warn
        try:
            yield
        except BrokenPipeError:
            raise  # whoever read our output has gone; Typer ends quietly
        except Terminated as error:
            raise typer.Exit(TERMINATED) from error
        except (ValueError, OSError, FloatingPointError) as error:
            failed = isinstance(error, FloatingPointError | ConnectionError)
            if debug:
                raise
            _line("Error: ", _sentence(error), "bold red")
            raise typer.Exit(FAILURE if failed else USER_ERROR) from error


def note(text: str) -> None:
    """Say something beside the results."""
    _line("", text, "")


def interrupted(by: KeyboardInterrupt, text: str) -> NoReturn:
    """End after Ctrl-C or SIGTERM, with a word on what can be done next."""
    note(text)
    raise typer.Exit(TERMINATED if isinstance(by, Terminated) else INTERRUPTED)


def show(rows: Iterable[tuple[str, object]]) -> None:
    """Print names and values as results, one pair a line."""
    console = Console(highlight=False, soft_wrap=True)
    pairs = [(name, str(value)) for name, value in rows]
    width = max(len(name) for name, _ in pairs) + 2
    for name, value in pairs:
        console.print(Text.assemble((_shown(name).ljust(width), "bold"), _shown(value)))


def show_table(header: Sequence[str], lines: Iterable[Sequence[str]]) -> None:
    """Print a table as results; on a narrow terminal it runs over, for no value is broken in two."""
    table = Table(box=SIMPLE_HEAD)
    for name in header:
        table.add_column(name, no_wrap=True)
    for line in lines:
        table.add_row(*line)
    console = Console(highlight=False, soft_wrap=True)
    console.width = max(console.width, _TABLE_WIDTH)
    console.print(table)


def show_next(commands: Iterable[str]) -> None:
    """Print commands to try next, so that they can be copied."""
    console = Console(highlight=False, soft_wrap=True)
    console.print(Text("\nNext:", style="bold"))
    for command in commands:
        console.print(Text(f"  {command}"))


def show_json(document: Mapping[str, Any]) -> None:
    """Print results for machines: one JSON object and nothing else."""
    typer.echo(json.dumps(document, indent=2))


def _warn(message: Warning | str, *_: object, **__: object) -> None:
    from gmvae.data.options import with_options  # NumPy, which `--help` does without

    _line("Warning: ", with_options(" ".join(str(message).split())), "yellow")


def _line(kind: str, text: str, style: str) -> None:
    # Made anew each time, because a progress bar may have put itself in the place of standard error.
    Console(stderr=True, highlight=False, soft_wrap=True).print(Text.assemble((kind, style), (_shown(text), style)))


def _shown(text: str) -> str:
    """Without the characters by which a file's content or name could command the terminal."""
    return "".join(each if each.isprintable() or each == "\n" else ascii(each)[1:-1] for each in text)


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror.lower()}."
    return first_line(error)  # scikit-learn adds advice on pipelines below
