"""The folder of the user for what can be fetched or computed again."""

from __future__ import annotations

import os
import sys
from pathlib import Path


def cache_folder() -> Path:
    """``gmvae`` in the cache folder: ``XDG_CACHE_HOME``, else ``~/.cache`` (``~/Library/Caches`` on macOS).

    On Windows it is in ``%LOCALAPPDATA%``.
    """
    caches = {"win32": ("LOCALAPPDATA", "~/AppData/Local"), "darwin": ("XDG_CACHE_HOME", "~/Library/Caches")}
    variable, usual = caches.get(sys.platform, ("XDG_CACHE_HOME", "~/.cache"))
    return Path(os.environ.get(variable) or usual).expanduser() / "gmvae"
