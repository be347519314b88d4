"""Download of built-in sets: files are checked against the published checksum and appear only when complete."""

from __future__ import annotations

import hashlib
import urllib.request
from http.client import HTTPException
from pathlib import Path

from gmvae.atomic import replacing
from gmvae.data.errors import DataError
from gmvae.data.sets import BUILT_IN, RemoteFile, find, resolve_home

_BLOCK = 1 << 18
_TIMEOUT_SECONDS = 30


def fetch(name: str, data_home: Path | None = None) -> tuple[Path, ...]:
    """Make sure that the files of a built-in set are in the data home; download those that are not.

    Parameters
    ----------
    name : str
        A set or one part of it: ``svhn``, ``svhn:extra``. Without a part, all but the optional ones.
    data_home : Path, optional
        Folder of the built-in sets; by default ``GMVAE_DATA``, else the user's cache folder.

    Returns
    -------
    tuple of Path
        The files; none for sets that need no download. A progress bar goes to standard error.

    Raises
    ------
    DataError
        If there is no such set, or a download fails; the message says which files to put where.
    """
    known = find(name)
    if known is None:
        raise DataError(
            f"The built-in set must be one of {', '.join(BUILT_IN)}; got {name!r}: `gmvae data list` shows them."
        )
    chosen, part = known
    folder = resolve_home(data_home) / chosen.name
    files = chosen.files(part)
    try:
        return tuple(file.within(folder) or _download(file, chosen.mirrors, folder) for file in files)
    except OSError as error:
        missing = ", ".join(file.name for file in files if file.within(folder) is None)
        raise DataError(
            f"{name} needs {missing} in {folder}; the download failed ({error}): put the files there yourself, "
            f"or set GMVAE_DATA to the folder that holds {chosen.name}."
        ) from error


def _download(file: RemoteFile, mirrors: tuple[str, ...], folder: Path) -> Path:
    """Download the file from the first mirror that has it; OSError with the last reason if none has."""
    target = folder / file.name
    reason = OSError("no mirror is known")
    with replacing(target) as partial:
        for mirror in mirrors:
            address = mirror + file.name
            try:
                md5 = _copy(address, partial)
            except (OSError, HTTPException) as error:
                reason = OSError(f"{address}: {error}")
                continue
            if md5 == file.md5:
                break
            reason = OSError(f"{address} has the MD5 {md5}, not {file.md5}")
        else:
            raise reason
    return target


def _copy(address: str, target: Path) -> str:
    """Copy the content of an address to a file and return its MD5."""
    from rich.console import Console
    from rich.progress import wrap_file

    md5 = hashlib.md5(usedforsecurity=False)
    with urllib.request.urlopen(address, timeout=_TIMEOUT_SECONDS) as answer:  # noqa: S310 - addresses are our own constants
        size = int(answer.headers.get("Content-Length", 0))
        console = Console(stderr=True)
        bar = wrap_file(answer, size, description=address.rpartition("/")[2], console=console, transient=True)
        with bar as source, target.open("wb") as file:
            while block := source.read(_BLOCK):
                md5.update(block)
                file.write(block)
    return md5.hexdigest()
