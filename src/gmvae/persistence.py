"""Model files and checkpoints: one safetensors file, everything else as JSON text in its header; never pickle.

Importing it costs next to nothing; torch is imported where tensors are.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from safetensors import SafetensorError, safe_open

from gmvae.atomic import replacing

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 1

Kind = Literal["model", "checkpoint"]


class ModelFileError(ValueError):
    """A file is not a model or checkpoint that this version can read."""


def write(path: str | Path, kind: Kind, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Write ``tensors`` and a JSON ``document`` to one safetensors file, atomically."""
    import torch
    from safetensors.torch import save_file

    header = {
        "format": f"gmvae-{kind}",
        "format_version": str(FORMAT_VERSION),
        "gmvae_version": version("gmvae"),
        "torch_version": version("torch"),
        "document": json.dumps(document),
    }
    with replacing(path) as temporary:
        # Copies, because a file of tensors refuses weights that share memory, such as tied layers.
        copies = {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
        }
        try:
            save_file(copies, temporary, header)
        except SafetensorError as error:  # a full disk
            raise OSError(f"{path} must be writable; it is not: {error}.") from error


def read(path: str | Path, kind: Kind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    Raises
    ------
    ModelFileError
        If the file is missing, foreign, damaged, of another kind or from another version.
    """
    with _opened(path, kind, "pt") as opened:
        return {name: opened.file.get_tensor(name) for name in opened.file.keys()}, opened.document  # noqa: SIM118


def read_document(path: str | Path, kind: Kind) -> dict[str, Any]:
    """Read the document alone, without torch; raises as `read` does."""
    with _opened(path, kind, "np") as opened:
        return opened.document


class _Opened(NamedTuple):
    file: safe_open
    document: dict[str, Any]


@contextmanager
def _opened(path: str | Path, kind: Kind, framework: str) -> Iterator[_Opened]:
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"`path` must be an existing {kind} file; got {str(path)!r}: check the name.")
    try:
        with safe_open(path, framework=framework) as file:
            yield _Opened(file, _document(path, kind, file.metadata() or {}))
    except (SafetensorError, OSError) as error:
        raise ModelFileError(
            f"`path` must be a {kind} file in safetensors format; {str(path)!r} could not be read ({error}): "
            "save it again."
        ) from error


def _document(path: Path, kind: Kind, header: Mapping[str, str]) -> dict[str, Any]:
    if header.get("format") != f"gmvae-{kind}":
        raise ModelFileError(
            f"`path` must be a {kind} file of gmvae; {str(path)!r} says it is {header.get('format', 'something else')}."
        )
    if header.get("format_version") != str(FORMAT_VERSION):
        raise ModelFileError(
            f"`path` must have format version {FORMAT_VERSION}; {str(path)!r} has {header.get('format_version')!r} "
            f"(written by gmvae {header.get('gmvae_version')}): install a version of gmvae that reads it."
        )
    try:
        return json.loads(header["document"])
    except (KeyError, json.JSONDecodeError) as error:
        raise ModelFileError(
            f"`path` must be a whole {kind} file; the document in {str(path)!r} cannot be read: save it again."
        ) from error
