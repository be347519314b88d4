"""Files that appear whole or not at all, and folders in which one process writes at a time."""

from __future__ import annotations

import csv
import errno
import os
import secrets
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any

TEMPORARY = ".tmp-"
"""How the names begin of what is not whole yet, or no longer."""


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place once the block has ended well.

    OSError if it cannot be written, as on a full disk; the error names ``path``, and what was there before stays.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made if it is missing. The temporary file keeps its suffixes.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name, and no descriptor as `tempfile` gives, which an interruption would leave open.
    temporary = path.with_name(f"{TEMPORARY}{secrets.token_hex(8)}{''.join(path.suffixes)}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
        _keep_name(path.parent)
    except OSError as error:
        if error.errno is None or (error.filename is not None and TEMPORARY not in str(error.filename)):
            raise
        raise OSError(error.errno, os.strerror(error.errno), str(path)) from error
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a file of UTF-8 text by `replacing`."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_csv(path: str | Path, header: Iterable[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a table as CSV by `replacing`."""
    with replacing(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)


def sweep(folder: Path) -> None:
    """Remove what a killed process has left half-written; nobody else may be writing in the folder."""
    for left in folder.glob(f"{TEMPORARY}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()


@contextmanager
def locked(lock: Path) -> Iterator[None]:
    """Hold the file ``lock`` for the block; a process that dies holds it no longer.

    A file system that knows no locks keeps nobody out. ValueError if another process, or another thread, holds it.
    """
    lock.parent.mkdir(parents=True, exist_ok=True)
    while not _is_at(file := _open_locked(lock), lock):  # its last holder has just taken the name away
        file.close()
    try:
        yield
    finally:
        with suppress(OSError):  # Windows takes no name from an open file
            lock.unlink(missing_ok=True)
        file.close()


def _open_locked(lock: Path) -> IO[bytes]:
    file = lock.open("ab")
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES):
            file.close()
            raise ValueError(
                f"A run must be written by one process at a time; another is at work in {str(lock.parent)!r}: wait "
                "until it has ended, or take another folder."
            ) from error
    return file


def _is_at(file: IO[bytes], path: Path) -> bool:
    return path.exists() and os.path.samestat(os.fstat(file.fileno()), path.stat())


def _keep_name(folder: Path) -> None:
    """Write a folder's names through to the disk, where folders can be opened."""
    if sys.platform != "win32":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
