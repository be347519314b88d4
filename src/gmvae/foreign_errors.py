"""Other libraries' errors in a sentence of ours."""

from __future__ import annotations


def first_line(error: BaseException) -> str:
    """What an error says, without the advice that some libraries add below; the name of its type if it says nothing."""
    return str(error).strip().split("\n", maxsplit=1)[0].rstrip() or type(error).__name__


def reason(error: BaseException) -> str:
    """The same as the end of a sentence."""
    return first_line(error).rstrip(". ") or type(error).__name__
