"""Model files and checkpoints: one safetensors file, everything else as JSON text in its header; never pickle.

Importing it costs next to nothing; torch is imported where tensors are.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from safetensors import SafetensorError, deserialize

from gmvae.atomic import replacing
from gmvae.version import __version__

if TYPE_CHECKING:
    from torch import Tensor

FORMAT_VERSION = 4
"""Version 2 brought a checksum, version 3 units of rounded columns and heavy tails, version 4 size factors; earlier
files are read."""
_READABLE = ("1", "2", "3", str(FORMAT_VERSION))
_CHECKSUM = "sha256"

Kind = Literal["model", "checkpoint"]
Tensors = TypeVar("Tensors")


class ModelFileError(ValueError):
    """A file is not a model or checkpoint that this version can read."""


def write(path: str | Path, kind: Kind, tensors: Mapping[str, Tensor], document: Mapping[str, Any]) -> None:
    """Write ``tensors`` and a JSON ``document`` to one safetensors file with a checksum, atomically."""
    import torch
    from safetensors.torch import save

    metadata = {
        "format": f"gmvae-{kind}",
        "format_version": str(FORMAT_VERSION),
        "gmvae_version": __version__,
        "torch_version": version("torch"),
        "document": json.dumps(document),
    }
    # Copies, because a file of tensors refuses weights that share memory, such as tied layers.
    copies = {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format) for name, tensor in tensors.items()
    }
    header, body = _parts(save(copies, metadata))
    header["__metadata__"][_CHECKSUM] = _checksum(header, body)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        file.write(body)


def read(path: str | Path, kind: Kind) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what `write` wrote.

    ModelFileError if the file is missing, foreign, damaged, of another kind or from another version.
    """
    from safetensors.torch import load

    return _opened(path, kind, load)


def read_document(path: str | Path, kind: Kind) -> dict[str, Any]:
    """Read the document alone, without torch; raises as `read` does."""
    return _opened(path, kind, deserialize)[1]


def _opened(path: str | Path, kind: Kind, load: Callable[[bytes], Tensors]) -> tuple[Tensors, dict[str, Any]]:
    path = Path(path)
    if not path.is_file():
        raise ModelFileError(f"`path` must be an existing {kind} file; got {str(path)!r}: check the name.")
    try:
        content = path.read_bytes()
        tensors = load(content)
        header, body = _parts(content)
    except (SafetensorError, OSError, ValueError, KeyError) as error:
        raise ModelFileError(
            f"`path` must be a {kind} file in safetensors format; {str(path)!r} could not be read ({error}): "
            "save it again."
        ) from error
    _check(path, kind, header, body)
    try:
        document = json.loads(header["__metadata__"]["document"])
    except (KeyError, ValueError, RecursionError) as error:
        raise broken(path, kind, "the document in it cannot be read") from error
    if not isinstance(document, dict):
        raise broken(path, kind, "the document in it is not a JSON object")
    return tensors, document


def _check(path: Path, kind: Kind, header: Mapping[str, Any], body: memoryview) -> None:
    metadata = header.get("__metadata__", {})
    if metadata.get("format") != f"gmvae-{kind}":
        raise ModelFileError(
            f"`path` must be a {kind} file of gmvae; {str(path)!r} says it is "
            f"{metadata.get('format', 'something else')}: name a file that gmvae wrote."
        )
    version = metadata.get("format_version")
    if version not in _READABLE:
        raise ModelFileError(
            f"`path` must have one of the format versions {', '.join(_READABLE)}; {str(path)!r} has {version!r} "
            f"(written by gmvae {metadata.get('gmvae_version')}): install a version of gmvae that reads it."
        )
    claimed = metadata.get(_CHECKSUM)
    if (claimed is not None or version != "1") and claimed != _checksum(header, body):
        raise ModelFileError(
            f"`path` must be an undamaged {kind} file; the checksum in {str(path)!r} is not that of its content: take "
            "another copy, or save it again."
        )


def broken(path: str | Path, kind: Kind, why: str) -> ModelFileError:
    """The error for a file whose content cannot be what gmvae wrote."""
    return ModelFileError(f"`path` must be a whole {kind} file; {str(path)!r} is not, {why}: save it again.")


def _parts(content: bytes) -> tuple[dict[str, Any], memoryview]:
    """Header and body of a safetensors file."""
    length = 8 + int.from_bytes(content[:8], "little")
    return json.loads(content[8:length]), memoryview(content)[length:]


def _checksum(header: Mapping[str, Any], body: memoryview) -> str:
    """SHA-256 of all but the checksum itself."""
    metadata = {name: text for name, text in header["__metadata__"].items() if name != _CHECKSUM}
    digest = hashlib.sha256(json.dumps({**header, "__metadata__": metadata}, sort_keys=True).encode())
    digest.update(body)
    return digest.hexdigest()
