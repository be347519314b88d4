"""Warnings at the line of the user's code that called into the library, however deep they arise."""

from __future__ import annotations

import sys
import warnings

_INSIDE = ("gmvae", "contextlib", "sklearn", "torch")
"""Modules between that line and the warning: ours, and those whose wrappers we pass through."""


class TableWarning(UserWarning):
    """Something in a table was left out or counts as missing, or perhaps should be."""


def warn_user(message: str, category: type[Warning]) -> None:
    """Warn at the innermost line that is none of the library's."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] in _INSIDE:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
