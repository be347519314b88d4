"""`DataError`, and other libraries' errors as ends of sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


class DataError(ValueError):
    """Data that cannot be used; the message says what is required, what was found and what to do."""


def reason(error: Exception) -> str:
    """The first line of another library's error, as the end of a sentence."""
    return next(iter(str(error).splitlines()), "").rstrip(". ") or type(error).__name__


@contextmanager
def refusing(must: str) -> Iterator[None]:
    """Raise what fails in the block as `DataError`, "<must>; got: <reason>: …"; parsers raise errors of many types."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{must}; got: {reason(error)}: correct the file, or take another copy.") from error
