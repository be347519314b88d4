"""`DataError`, and other libraries' errors as ends of sentences."""

from __future__ import annotations


class DataError(ValueError):
    """Data that cannot be used; the message says what is required, what was found and what to do."""


def reason(error: Exception) -> str:
    """The first line of another library's error, as the end of a sentence."""
    return next(iter(str(error).splitlines()), "").rstrip(". ") or type(error).__name__
