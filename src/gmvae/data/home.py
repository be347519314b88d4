"""The data home: the folder of the built-in sets."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def resolve_home(data_home: Path | None = None) -> Path:
    """The data home: the argument, else ``GMVAE_DATA``, else ``gmvae`` in the user's cache folder.

    The cache folder is ``XDG_CACHE_HOME``, else ``~/.cache`` (``~/Library/Caches`` on macOS); on Windows
    ``%LOCALAPPDATA%``.
    """
    if data_home is not None:
        return Path(data_home).expanduser()
    if chosen := os.environ.get("GMVAE_DATA"):
        return Path(chosen).expanduser()
    if sys.platform == "win32":
        cache = os.environ.get("LOCALAPPDATA") or "~/AppData/Local"
    elif sys.platform == "darwin":
        cache = os.environ.get("XDG_CACHE_HOME") or "~/Library/Caches"
    else:
        cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "gmvae"
