"""`DataError`, and what fails in other libraries as such."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from gmvae.foreign_errors import reason


class DataError(ValueError):
    """Data that cannot be used; the message says what is required, what was found and what to do."""


@contextmanager
def refusing(must: str, remedy: str = "correct the file, or take another copy") -> Iterator[None]:
    """Raise what fails in the block, of many types, as `DataError`: "<must>; got: <reason>: <remedy>"."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        raise DataError(f"{must}; got: {reason(error)}: {remedy}.") from error
