"""Files of one kind, damaged at random and read, within limits of time and memory; run as a program by test_readers.py.

python fuzz_readers.py KIND N FOLDER
    Prints one JSON object: how many files were read, how many refused in a sentence, and what went wrong otherwise.
"""

from __future__ import annotations

import faulthandler
import gzip
import io
import json
import random
import resource
import signal
import struct
import sys
import traceback
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np

SECONDS_PER_FILE = 10
BYTES_ABOVE_START = 512 * 2**20
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0x8000, 0xFFFF, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**63, 2**64 - 1)
TOKENS = (
    *(b"", b"\n", b"\r", b",", b";", b'"', b"'", b"\0", b"\xff", b"\xef\xbb\xbf", b"\xff\xfe", b"nan", b"inf", b"-1"),
    *(
        b"1e999",
        b"1e-999",
        b"true",
        b"2020-01-01",
        b"99999999999999999999",
        b"0x1f",
        b"(",
        b"[[[[",
        b"'O'",
        b"\xc3\x28",
    ),
)

Seeds = list[tuple[str, bytes]]
"""Sound files: name and content."""


class Hang(BaseException):
    """A file took longer than it may."""


def damaged(content: bytes, others: Seeds, chance: random.Random) -> bytes:
    """One to three random injuries."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 3))):
        at = chance.randrange(len(data) + 1)
        to = min(len(data), at + chance.choice((1, 1, 2, 4, 8, 64)))
        match chance.choices(range(9), (4, 2, 2, 2, 1, 3, 3, 2, 1))[0]:
            case 0:
                if at < len(data):
                    data[at] ^= 1 << chance.randrange(8)
            case 1:
                data[at:to] = chance.randbytes(to - at)
            case 2:
                data[at:at] = chance.randbytes(chance.choice((1, 2, 8, 100)))
            case 3:
                del data[at:to]
            case 4:
                del data[at:]
            case 5:
                size = chance.choice((1, 2, 4, 8))
                number = chance.choice(EXTREMES) % 2 ** (8 * size)
                data[at : at + size] = number.to_bytes(size, chance.choice(("big", "little")))
            case 6:
                data[at:to] = chance.choice(TOKENS)
            case 7:
                data[at:at] = bytes(data[at:to]) * chance.choice((1, 2, 50))
            case 8:
                other = chance.choice(others)[1]
                data[at:] = other[chance.randrange(len(other) + 1) :]
    return bytes(data)


# ---------------------------------------------------------------- sound files of every kind


def csv() -> Seeds:
    texts = [
        "a,b,kind\n1,0.5,x\n2,-1.5,y\n3,4,x\n",
        "a\n1\n2\n\n3\n",
        '"a","b ""c""",kind\r\n1e30,-1e-30,"u\nv"\r\n0,7,w\r\n',
        "a,b\n1,2\n3,4\n5,6\n",
        "0,1,2\n7,8,9\n6,8,9\n",
        "a;b;kind\n1,5;2;x\n",
        "a,when,kind\n1,2020-01-01,1\n2,2021-01-01 10:00:00,2\n",
        "\ufeffa,b\n1,2\n3,\n",
        "a,kind\n1,é\n2,\n",
    ]
    chance = np.random.default_rng(0)
    rows = [",".join(map(str, row)) for row in chance.normal(size=(40, 3)).round(3).tolist()]
    texts += ["\n".join(["a,b,c", *rows]), "\n".join(["a,b,kind", *(f"{i},{i % 3},{i % 2}" for i in range(99))])]
    return [("t.csv", text.encode()) for text in texts] + [("t.csv", "a,kind\n1,é\n".encode("latin-1"))]


def parquet() -> Seeds:
    import pyarrow as pa
    from pyarrow import parquet

    numbers = {"a": [1.0, 2.0, -3.5], "b": [1, 2, 3], "kind": ["x", "y", "x"]}
    tables = [
        pa.table(numbers),
        pa.table({name: np.random.default_rng(0).normal(size=2000) for name in "abc"}),
        pa.table({"a": np.arange(5000) % 7, "kind": np.arange(5000) % 3}),
        pa.table({"a": pa.array([1, 2, 3], pa.uint8()), "kind": pa.array(["u", "v", "u"]).dictionary_encode()}),
        pa.table({"a": [[1, 2], [3], []], "kind": [[1], [2, 3], None]}),
        pa.table({"a": [{"x": 1}, {"x": 2}], "kind": [{"x": 1}, {"x": 2}]}),
        pa.table({"a": pa.array([1, 2], pa.timestamp("ms")), "kind": pa.array([1, 2], pa.decimal128(5))}),
        pa.table({"a": pa.array([None, None]), "kind": [b"1", b"2"]}),
        pa.table({"a": [True, False], "b": pa.array([1.5, None], pa.float32()), "kind": [1.0, 2.5]}),
    ]
    found = []
    for table in tables:
        for compression in ("none", "snappy", "zstd"):
            buffer = io.BytesIO()
            parquet.write_table(table, buffer, compression=compression)
            found.append(("t.parquet", buffer.getvalue()))
    return found


def _saved(array: np.ndarray, version: tuple[int, int] | None = None) -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version, allow_pickle=True)
    return buffer.getvalue()


ARRAYS = [
    np.arange(12.0).reshape(4, 3),
    np.asfortranarray(np.arange(12, dtype=">i4").reshape(4, 3)),
    np.zeros((2, 5, 6, 3), np.uint8),
    np.array([[True, False]]),
    np.array([[1, "a"]], dtype=object),
    np.array([(1, 2.0)], dtype=[("u", "i4"), ("v", "f8")]),
    np.array([["a", "b"]]),
    np.array([["2020-01-01"]], "M8[D]"),
    np.array([[1 + 2j]]),
    np.array([[1, 2]], np.float16),
    np.array([[1, 2]], np.longdouble),
]


def npy() -> Seeds:
    return [("x.npy", _saved(array, version)) for array in ARRAYS for version in ((1, 0), (2, 0), (3, 0))]


def npz() -> Seeds:
    found = []
    for method in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA):
        for i, array in enumerate(ARRAYS):
            buffer = io.BytesIO()
            with zipfile.ZipFile(buffer, "w", method) as archive:
                archive.writestr("X.npy" if i % 2 else "first.npy", _saved(array))
                archive.writestr("kind.npy", _saved(np.arange(len(array))))
                archive.writestr("notes.txt", b"no array")
            found.append(("x.npz", buffer.getvalue()))
    return found


def idx() -> Seeds:
    found = []
    for code, kind in ((8, "u1"), (9, "i1"), (0xB, ">i2"), (0xC, ">i4"), (0xD, ">f4"), (0xE, ">f8")):
        for shape in ((4, 3), (4,), (2, 3, 4), (2, 1, 3, 4)):
            head = struct.pack(f">HBB{len(shape)}I", 0, code, len(shape), *shape)
            found.append(("x.idx3-ubyte", head + np.arange(np.prod(shape)).astype(kind).tobytes()))
    return found


def images() -> Seeds:
    from PIL import Image

    chance = np.random.default_rng(0)
    grey = chance.integers(256, size=(9, 7), dtype=np.uint8)
    colour = chance.integers(256, size=(9, 7, 3), dtype=np.uint8)
    pictures = [
        *(("png", Image.fromarray(grey), {}), ("png", Image.fromarray(colour).convert("P"), {"transparency": 0})),
        *(("png", Image.fromarray(colour).convert("RGBA"), {}), ("png", Image.fromarray(grey).convert("1"), {})),
        *(("png", Image.fromarray(grey.astype(np.uint16)), {}), ("jpg", Image.fromarray(colour), {})),
        *(("jpg", Image.fromarray(colour).convert("CMYK"), {}), ("bmp", Image.fromarray(colour), {})),
        *(("bmp", Image.fromarray(grey).convert("1"), {}), ("gif", Image.fromarray(colour).convert("P"), {})),
        *(
            ("tif", Image.fromarray(colour), {"compression": name})
            for name in ("raw", "tiff_lzw", "tiff_deflate", "jpeg")
        ),
        *(("webp", Image.fromarray(colour), {}), ("webp", Image.fromarray(colour), {"lossless": True})),
        *(("pgm", Image.fromarray(grey), {}), ("ppm", Image.fromarray(colour), {})),
    ]
    found = []
    for suffix, picture, options in pictures:
        buffer = io.BytesIO()
        kind = {"jpg": "jpeg", "tif": "tiff", "pgm": "ppm"}.get(suffix, suffix)
        picture.save(buffer, kind, **options)
        found.append((f"b.{suffix}", buffer.getvalue()))
    frames = io.BytesIO()
    Image.fromarray(grey).save(frames, "gif", save_all=True, append_images=[Image.fromarray(grey.T)])
    return [*found, ("b.gif", frames.getvalue()), ("b.ppm", b"P3 2 1 255\n1 2 3 4 5 6\n")]


def labels() -> Seeds:
    vectors = [np.arange(4), np.arange(4.0), np.array(list("abcd")), np.array([[1], [2], [3], [4]], np.uint64)]
    return [
        *(("y.npy", _saved(vector)) for vector in vectors),
        *(
            ("y.csv", text.encode())
            for text in ("kind\n1\n2\n3\n4\n", "kind\na\nb b\n\nc\n", "kind\n1.0\n2\n3\n1e300\n")
        ),
        *(("y.txt", text.encode()) for text in ("a\nb\nc\nd\n", "\ufeffé\r\nb\r\n c \r\nd\r\n\r\n")),
        ("y-idx1-ubyte", idx()[1][1]),
    ]


def zipped(make: Callable[[], Seeds]) -> Callable[[], Seeds]:
    return lambda: [(f"{name}.gz", content) for name, content in make()]


KINDS: dict[str, Callable[[], Seeds]] = {
    "csv": csv,
    "csv.gz": zipped(csv),
    "parquet": parquet,
    "npy": npy,
    "npz": npz,
    "idx": idx,
    "idx.gz": zipped(idx),
    "image folder": images,
    "labels": labels,
}


def injured(seeds: Seeds, chance: random.Random) -> tuple[str, bytes]:
    """A damaged file: one that is compressed is injured before, after, or both."""
    name, content = chance.choice(seeds)
    where = chance.choice(("inside", "outside", "both"))
    if name.endswith(".gz"):
        content = gzip.compress(content if where == "outside" else damaged(content, seeds, chance), mtime=0)
    elif name.endswith(".npz") and where != "outside":
        buffer = io.BytesIO()
        with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as new:
            for member in old.namelist():
                new.writestr(member, damaged(old.read(member), [(member, old.read(member))], chance))
        content = buffer.getvalue()
    elif name.endswith((".npy", ".npz")) and where == "inside":
        where = "both"
    if where == "inside" and name.endswith((".gz", ".npz")):
        return name, content
    return name, damaged(content, seeds, chance)


# ---------------------------------------------------------------- reading them


def attack(kind: str, n: int, folder: Path) -> dict[str, object]:
    from PIL import Image

    from gmvae.data import DataError, load

    np.save(folder / "X.npy", np.ones((4, 2)))
    seeds = KINDS[kind]()
    chance = random.Random(f"{kind} {n}")
    counts = {"read": 0, "refused": 0}
    faults: dict[str, dict[str, object]] = {}

    def fault(what: str, i: int, path: Path, detail: str) -> None:
        entry = faults.setdefault(what, {"times": 0, "detail": detail, "file": f"{path.name} {i}"})
        entry["times"] = int(str(entry["times"])) + 1

    def read(i: int, path: Path, content: bytes) -> None:
        signal.setitimer(signal.ITIMER_REAL, SECONDS_PER_FILE)
        try:
            if kind == "image folder":
                load(folder / "images", labels=chance.choice((None, "folder")))
            elif kind == "labels":
                load(folder / "X.npy", labels=path)
            else:
                load(path, labels=chance.choice((None, "kind")) if b"kind" in content or kind.endswith("gz") else None)
            counts["read"] += 1
        except DataError as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            counts["refused"] += 1
            sentence = str(error)
            named = path.name in sentence or "X.npy" in sentence or "images" in sentence or "`labels`" in sentence
            if "\n" in sentence or not sentence.endswith(".") or not named:
                fault("not one sentence that names the file", i, path, sentence)
        except (Exception, Hang) as error:
            signal.setitimer(signal.ITIMER_REAL, 0)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            fault(f"{type(error).__name__} in {frame.name}", i, path, traceback.format_exc()[-1500:])
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)

    subfolder = folder / "images" / "in"
    subfolder.mkdir(parents=True)
    if kind == "image folder":
        folder_of = subfolder
        Image.new("L", (7, 9)).save(subfolder / "a.png")
    else:
        folder_of = folder

    def put(name: str, content: bytes) -> Path:
        path = folder_of / name
        path.unlink(missing_ok=True)  # memory maps of the last one stay whole
        path.write_bytes(content)
        return path

    for name, content in seeds:  # what is imported and allocated once is not held against the files
        read(-1, path := put(name, content), content)
        path.unlink()
    peak = _peak()
    _, most = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (_virtual() + 2 * BYTES_ABOVE_START, most))
    counts.update(read=0, refused=0)
    for i in range(n):
        name, content = injured(seeds, chance)
        path = put(name, content)
        before = _peak()
        read(i, path, content)
        if before - peak < BYTES_ABOVE_START <= _peak() - peak:
            fault("memory", i, path, f"{(_peak() - peak) / 2**20:.0f} MiB above the start")
        path.unlink()
    return {**counts, "faults": faults}


def _peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def _virtual() -> int:
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


def _hang(*_: object) -> None:
    raise Hang


if __name__ == "__main__":
    faulthandler.enable()
    signal.signal(signal.SIGALRM, _hang)
    _, kind, n, folder = sys.argv
    warnings.simplefilter("ignore")
    warnings.simplefilter("error", RuntimeWarning)  # numbers that were not kept
    sys.stdout.write(json.dumps(attack(kind, int(n), Path(folder))))
