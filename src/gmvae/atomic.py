"""Files that appear whole or not at all."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place once the block has ended well.

    Parameters
    ----------
    path : str or Path
        The file to write; its folder is made if it is missing. The temporary file keeps its suffixes.

    Raises
    ------
    OSError
        If it cannot be written, as on a full disk; by the name of ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name, and no descriptor as `tempfile` gives, which an interruption would leave open.
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}{''.join(path.suffixes)}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno is not None and (error.filename is None or ".tmp-" in str(error.filename)):
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
