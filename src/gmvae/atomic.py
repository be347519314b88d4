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
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name, and no descriptor as `tempfile` gives, which an interruption would leave open.
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}{''.join(path.suffixes)}")
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
