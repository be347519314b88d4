"""The built-in sets: description, files and terms of use, and the data home, the folder they are in."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from gmvae.cache import cache_folder
from gmvae.data.errors import DataError


@dataclass(frozen=True)
class RemoteFile:
    """A file as published: its name and its MD5 checksum."""

    name: str
    md5: str

    def within(self, folder: Path) -> Path | None:
        """The file in `folder`, unpacked or as published; None if neither is there."""
        plain = folder / self.name.removesuffix(".gz")
        return next((path for path in (plain, folder / self.name) if path.is_file()), None)


@dataclass(frozen=True)
class BuiltIn:
    """One built-in set, as `catalogue` lists it.

    Parameters
    ----------
    name, description, terms : str
        Name, content, and the owner's terms of use.
    shape : tuple of int
        Shape of one observation.
    parts : mapping of str to tuple of RemoteFile
        Parts such as ``train``, the default one first, and their files; empty where nothing needs to be downloaded.
    optional : tuple of str
        Parts that are downloaded only on explicit request, for their size.
    mirrors : tuple of str
        Addresses of the folder of files, tried in turn.
    present : bool
        Whether all files but those of optional parts are in the data home.
    """

    name: str
    description: str
    shape: tuple[int, ...]
    terms: str
    parts: Mapping[str, tuple[RemoteFile, ...]] = field(default_factory=dict)
    optional: tuple[str, ...] = ()
    mirrors: tuple[str, ...] = ()
    present: bool = True

    def files(self, part: str | None = None) -> tuple[RemoteFile, ...]:
        """The files of one part, or of all that are not optional."""
        wanted = [name for name in self.parts if name not in self.optional] if part is None else [part]
        return tuple(file for name in wanted for file in self.parts[name])


def resolve_home(data_home: Path | None = None) -> Path:
    """The data home: the argument, else ``GMVAE_DATA``, else the user's cache folder."""
    if chosen := data_home or os.environ.get("GMVAE_DATA"):
        return Path(chosen).expanduser()
    return cache_folder()


def catalogue(data_home: Path | None = None) -> tuple[BuiltIn, ...]:
    """List the built-in sets, with whether each is present in the data home."""
    home = resolve_home(data_home)
    return tuple(
        replace(known, present=all(file.within(home / known.name) for file in known.files()))
        for known in BUILT_IN.values()
    )


def find(text: str) -> tuple[BuiltIn, str | None] | None:
    """The set and the part of ``name`` or ``name:part``; None without such a set, DataError without such a part."""
    name, colon, part = text.partition(":")
    known = BUILT_IN.get(name)
    if known is None:
        return None
    if colon and part not in known.parts:
        offered = f"must be one of {', '.join(known.parts)}" if known.parts else "must be left out"
        raise DataError(f"The part of {name!r} {offered}; got {part!r}.")
    return known, part or None


def _idx_parts(train: tuple[str, str], test: tuple[str, str]) -> dict[str, tuple[RemoteFile, ...]]:
    return {
        part: (
            RemoteFile(f"{prefix}-images-idx3-ubyte.gz", images),
            RemoteFile(f"{prefix}-labels-idx1-ubyte.gz", labels),
        )
        for part, prefix, (images, labels) in (("train", "train", train), ("test", "t10k", test))
    }


BUILT_IN: dict[str, BuiltIn] = {
    known.name: known
    for known in (
        BuiltIn("synthetic", "10,000 points on noisy arcs of 5 circles, drawn with a fixed seed", (2,), "none"),
        BuiltIn("digits", "1,797 small handwritten digits that come with scikit-learn", (8, 8), "CC BY 4.0 (UCI)"),
        BuiltIn(
            "mnist",
            "70,000 handwritten digits: 60,000 train, 10,000 test",
            (28, 28),
            "LeCun, Cortes and Burges; CC BY-SA 3.0",
            parts=_idx_parts(
                ("f68b3c2dcbeaaa9fbdd348bbdeb94873", "d53e105ee54ea40749a09fcbcd1e9432"),
                ("9fb629c4189551a2d022fa330f9573f3", "ec29112dd5afa0611ce80d1b7f02629c"),
            ),
            mirrors=(
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
            ),
        ),
        BuiltIn(
            "fashion-mnist",
            "70,000 pictures of clothes in 10 classes: 60,000 train, 10,000 test",
            (28, 28),
            "Zalando; MIT",
            parts=_idx_parts(
                ("8d4fb7e6c68d591d4c3dfef9ec88bf0d", "25c81989df183df01b3e8a0aad5dffbe"),
                ("bef4ecab320f06d8554ea6380940ec79", "bb300cfdad3c16e7a12a480ee83cd310"),
            ),
            mirrors=("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        ),
        BuiltIn(
            "svhn",
            "cropped street-view house numbers: 73,257 train, 26,032 test, 531,131 extra (1.3 GB, only on request)",
            (3, 32, 32),
            "Netzer et al. 2011; non-commercial use only",
            parts={
                "train": (RemoteFile("train_32x32.mat", "e26dedcc434d2e4c54c9b2d4a06d8373"),),
                "test": (RemoteFile("test_32x32.mat", "eb5a983be6a315427106f1b164d9cef3"),),
                "extra": (RemoteFile("extra_32x32.mat", "a93ce644f1a588dc4d68dda5feec44a7"),),
            },
            optional=("extra",),
            mirrors=("http://ufldl.stanford.edu/housenumbers/",),
        ),
    )
}
