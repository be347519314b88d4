"""The data room: every format read back exactly, every user error one sentence, downloads all or nothing."""

from __future__ import annotations

import dataclasses
import functools
import gzip
import hashlib
import http.server
import os
import struct
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gmvae.data import DataError, Dataset, arcs, catalogue, fetch, load, sets
from gmvae.data.sets import resolve_home

RNG = np.random.default_rng(0)
TABLE = "a,b,kind\n1,0.5,x\n2,-1.5,y\n3,4,x\n"


def idx(values: np.ndarray, code: int) -> bytes:
    """IDX written by its definition."""
    head = struct.pack(f">HBB{values.ndim}I", 0, code, values.ndim, *values.shape)
    return head + values.astype(values.dtype.newbyteorder(">")).tobytes()


def write(path: Path, content: str | bytes) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# ---------------------------------------------------------------- the record


@pytest.mark.parametrize(
    ("X", "labels", "names", "message"),
    [
        (np.array(["a"]), None, None, r"set must hold real numbers; got an array of type <U1: convert it\."),
        (np.arange(3.0), None, None, r"shape \(n, p\), .*; got shape \(3,\): reshape it\."),
        (np.empty((0, 2)), None, None, r"non-empty .*; got shape \(0, 2\): reshape it\."),
        (np.ones((3, 2)), np.arange(2), None, r"3 observations .* got labels of shape \(2,\) \(the first row of a CSV"),
        (np.ones((3, 2)), np.arange(5), None, r"3 observations .* got labels of shape \(5,\): give one label per"),
        (np.ones((3, 2)), None, ("a",), r"one feature name per column, \(2,\); got 1: give as many\."),
    ],
)
def test_the_record_holds_only_what_fits_together(X, labels, names, message) -> None:
    with pytest.raises(DataError, match=message):
        Dataset("set", X, labels, names)


def test_importing_the_room_is_light() -> None:
    heavy = "pyarrow", "PIL", "scipy", "sklearn", "rich", "torch", "matplotlib"
    code = f"import gmvae.data, sys; print([name for name in {heavy} if name in sys.modules])"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(p for p in sys.path if p)}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---------------------------------------------------------------- arrays


def test_npy_is_memory_mapped_and_never_written_to(tmp_path: Path) -> None:
    X = RNG.normal(size=(5, 3))
    np.save(tmp_path / "x.npy", X)
    np.save(tmp_path / "y.npy", np.arange(5))
    data = load(tmp_path / "x.npy", labels=tmp_path / "y.npy")
    assert isinstance(data.X, np.memmap)
    np.testing.assert_array_equal(data.X, X)
    assert data.labels is not None
    assert type(data.labels) is np.ndarray
    np.testing.assert_array_equal(data.labels, np.arange(5))
    data.X[:] = 0  # copy-on-write
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), X)


def test_images_with_channels_last_are_turned_and_booleans_become_numbers(tmp_path: Path) -> None:
    X = RNG.integers(256, size=(4, 6, 5, 3), dtype=np.uint8)
    np.save(tmp_path / "x.npy", X)
    np.testing.assert_array_equal(load(tmp_path / "x.npy").X, X.transpose(0, 3, 1, 2))
    np.save(tmp_path / "first.npy", X.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(load(tmp_path / "first.npy").X, X.transpose(0, 3, 1, 2))
    np.save(tmp_path / "truth.npy", X[:, 0, :, 0] > 100)
    truth = load(tmp_path / "truth.npy").X
    assert truth.dtype == np.uint8
    np.testing.assert_array_equal(truth, X[:, 0, :, 0] > 100)


def test_pickles_stay_shut(tmp_path: Path) -> None:
    objects = np.array([[{}, 1]], dtype=object)
    np.savez(tmp_path / "x.npz", X=objects)
    np.save(tmp_path / "x", np.ones((2, 2)))
    (tmp_path / "x.npy").rename(tmp_path / "single.npz")
    np.save(tmp_path / "x.npy", objects, allow_pickle=True)
    for name in ("x.npy", "x.npz", "single.npz"):
        with pytest.raises(DataError, match=rf"{name} must be .* without Python objects; got: .*\."):
            load(tmp_path / name)


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 torn", b"text"])
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "x.parquet", "a/x.png", "x.idx3-ubyte", "x.idx3-ubyte.gz"])
def test_broken_files_are_named(tmp_path: Path, name: str, content: bytes) -> None:
    path = write(tmp_path / name, content)
    with pytest.raises(DataError, match=rf"^{path.name} must "):
        load(path.parent if path.suffix == ".png" else path)


def test_npz_arrays_by_name_or_the_only_candidate(tmp_path: Path) -> None:
    A, B, y = RNG.normal(size=(4, 2)), RNG.normal(size=(4, 3)), np.array(["p", "q", "p", "r"])
    np.savez_compressed(tmp_path / "two.npz", A=A, B=B, y=y)
    np.savez(tmp_path / "one.npz", y=y, A=A)
    np.savez(tmp_path / "named.npz", A=A, X=B)
    chosen = load(f"{tmp_path}/two.npz:B", labels="y")
    np.testing.assert_array_equal(chosen.X, B)
    np.testing.assert_array_equal(chosen.labels, y)
    assert chosen.name == "two.npz:B"
    np.testing.assert_array_equal(load(tmp_path / "one.npz").X, A)
    np.testing.assert_array_equal(load(tmp_path / "named.npz").X, B)
    with pytest.raises(DataError, match=r"as in two.npz:NAME; got the arrays A \(4, 2\), B \(4, 3\), y \(4,\): name"):
        load(tmp_path / "two.npz")
    with pytest.raises(DataError, match=r"two.npz must hold the array 'C'; got A, B, y: name one of these\."):
        load(f"{tmp_path}/two.npz:C")
    with pytest.raises(
        DataError, match=r"`labels` must be an array in two.npz or an existing file; got 'z': check the name\."
    ):
        load(f"{tmp_path}/two.npz:A", labels="z")


# ---------------------------------------------------------------- IDX


@pytest.mark.parametrize(
    ("code", "dtype"),
    [(0x08, "uint8"), (0x09, "int8"), (0x0B, "int16"), (0x0C, "int32"), (0x0D, "float32"), (0x0E, "float64")],
)
def test_idx_of_every_type_plain_and_zipped(tmp_path: Path, code: int, dtype: str) -> None:
    values = (100 * RNG.normal(size=(5, 3, 2))).astype(np.int8).astype(dtype)
    plain = write(tmp_path / "x-idx3-ubyte", idx(values, code))
    zipped = write(tmp_path / "x-idx3-ubyte.gz", gzip.compress(idx(values, code)))
    y = write(tmp_path / "y-idx1-ubyte", idx(np.arange(5, dtype=np.uint8), 0x08))
    for path in (plain, zipped):
        data = load(path, labels=y)
        assert data.X.dtype == np.dtype(dtype)
        assert data.X.flags.writeable
        np.testing.assert_array_equal(data.X, values)
        np.testing.assert_array_equal(data.labels, np.arange(5))


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x00\x01\x08\x01\x00\x00\x00\x01\x07", "magic number like 00000803; got 00010801"),
        (b"\x00\x00\x07\x01\x00\x00\x00\x01\x07", "magic number like 00000803; got 00000701"),
        (b"\x00\x00\x08\x03\x00\x00", "an IDX header of 16 bytes; got a file of 6"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcde", r"18 bytes by its header, shape \(2, 3\); got 17"),
        (b"\x00\x00\x08\x02\x00\x00\x00\x02\x00\x00\x00\x03abcdefg", r"18 bytes by its header.*; got 19"),
        (b"\x00\x00\x08\x01\x00\x00\x00\x00", r"at least one value; got shape \(0,\)"),
    ],
)
def test_idx_headers_are_checked_against_the_size(tmp_path: Path, content: bytes, message: str) -> None:
    for path in (
        write(tmp_path / "x.idx2-ubyte", content),
        write(tmp_path / "x.idx2-ubyte.gz", gzip.compress(content)),
    ):
        with pytest.raises(DataError, match=f"{path.name} must .*{message}"):
            load(path)


# ---------------------------------------------------------------- tables


def test_csv_with_a_label_column(tmp_path: Path) -> None:
    plain = write(tmp_path / "t.csv", TABLE)
    zipped = write(tmp_path / "t.csv.gz", gzip.compress(TABLE.encode()))
    for path in (plain, zipped):
        data = load(path, labels="kind")
        assert data.X.tolist() == [[1, 0.5], [2, -1.5], [3, 4]]
        assert data.labels is not None
        assert data.labels.tolist() == ["x", "y", "x"]
        assert data.feature_names == ("a", "b")
    assert load(write(tmp_path / "n.csv", "a,b\n1,2\n")).labels is None


def test_csv_types_found_late_and_booleans(tmp_path: Path) -> None:
    # The first megabyte looks like integers: the type must be settled by the whole column.
    rows = 300_000
    text = "a,b\n" + "7,true\n" * rows + "0.25,false\n"
    X = load(write(tmp_path / "t.csv", text)).X
    assert X.shape == (rows + 1, 2)
    assert X[0].tolist() == [7, 1]
    assert X[-1].tolist() == [0.25, 0]


def test_parquet_is_read_like_csv(tmp_path: Path) -> None:
    pa, parquet = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    columns = {
        "5": pa.array([1, 2, 3], pa.uint8()),
        "3": pa.array([True, False, True]),
        "kind": pa.array(["u", "v", "u"]).dictionary_encode(),
        "__index_level_0__": pa.array([17, 4, 9]),
    }
    parquet.write_table(pa.table(columns), tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet", labels="kind")
    assert data.X.tolist() == [[1, 1], [2, 0], [3, 1]]
    assert data.X.dtype == np.uint8
    assert data.labels is not None
    assert data.labels.tolist() == ["u", "v", "u"]
    assert data.feature_names == ("5", "3")
    assert data.ids is not None
    assert (data.ids.name, data.ids.values.tolist()) == ("index", [17, 4, 9])
    parquet.write_table(pa.table({"a": [1.0, np.nan], "b": [1, 2]}), tmp_path / "nan.parquet")
    np.testing.assert_array_equal(load(tmp_path / "nan.parquet").X, [[1, 1], [np.nan, 2]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a,b\n1,2\n2,3\nx,4\n",
            "column 'a', must hold numbers; got 'x' in data row 3: correct it, empty it if it marks missing c",
        ),
        ("a,b\n1,\n2,\n", "column 'b', must have a value in some row; got none: leave it out \\(`--drop`\\)"),
        ("a,b\n1,2\n3\n", "as many cells in every row as in its first, which has 2; got 1 in row 3, '3': correct"),
        ("when\n2020-01-01\n", "must have a column of numbers, .*; got none: Left out: 'when', dates or times; enc"),
        ("", "must have at least one row below its header; got none: add rows"),
        ("a,b\n", "at least one row below its header; got none"),
        ("a,a\n1,2\n", "different column names in its first row; got 'a' 2 times"),
        ("a,,b\n0,2,3\n", "must name every column; got no name for number 2"),
        ("5.1,3.5,1.4\n4.9,3,1.4\n", "must start with the names of its columns; got 5.1, 3.5, 1.4, which may be data"),
        ("a\xf6,b\n1,2\n".encode("latin-1"), "must be text in UTF-8; its first row is not: save it as UTF-8"),
    ],
)
def test_what_is_wrong_with_a_csv_is_said_with_row_and_column(tmp_path: Path, text: str | bytes, message: str) -> None:
    with pytest.raises(DataError, match=rf"^t\.csv.* {message}"):
        load(write(tmp_path / "t.csv", text))


def test_labels_alone_are_not_a_table(tmp_path: Path) -> None:
    path = write(tmp_path / "t.csv", "kind\nx\n")
    with pytest.raises(DataError, match="at least one column to learn from; got none beside labels and ids"):
        load(path, labels="kind")
    with pytest.raises(DataError, match=r"column 'kind', must not be missing; got none in data row 2: fill it in\."):
        load(write(tmp_path / "m.csv", "a,kind\n1,1\n2,\n"), labels="kind")
    with pytest.raises(
        DataError, match=r"`labels` must be a column of t.csv \(a, b\) or an existing file; got 'c': check the name\."
    ):
        load(write(tmp_path / "t.csv", "a,b\n1,2\n"), labels="c")


# ---------------------------------------------------------------- labels in files


def test_labels_from_each_kind_of_file(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    np.save(tmp_path / "whole.npy", np.array([[2.0], [0.0], [1.0]]))
    write(tmp_path / "y.csv", "kind\n2\n0\n1\n")
    write(tmp_path / "y.txt", "\ufeffone word\r\nb\r\n c \r\n\r\n")
    expected = {"whole.npy": [2, 0, 1], "y.csv": [2, 0, 1], "y.txt": ["one word", "b", "c"]}
    for name, values in expected.items():
        labels = load(tmp_path / "x.npy", labels=tmp_path / name).labels
        assert labels is not None
        assert labels.tolist() == values


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        (
            "y.txt",
            "a\n\nb\n",
            r"Labels in y.txt must not be missing; got an empty one in row 2: fill it in, or drop the row\.",
        ),
        ("y.txt", b"\xff\xfe", r"y.txt must be text in UTF-8; got: "),
        ("y.csv", "a,b\n1,2\n", r"y.csv must have one column, the labels; got a, b: leave only that of the labels\."),
        ("y.csv", "a\n1\n0.5\n3\n", r"must be whole numbers or text; got 0.5 in row 2: fill it in"),
        ("y.csv", "0\n1\n2\n", r"y.csv must start with the names of its columns; got 0, which may be data: "),
        ("y.csv", "k\n0\n1\n", r"x.npy has 3 observations .* got labels of shape \(2,\) \(the first row of a CSV"),
        ("y.json", "[]", r"A file of labels must be .npy, .csv, .txt or IDX; got y.json: save it as one of these\."),
    ],
)
def test_what_is_wrong_with_a_file_of_labels(tmp_path: Path, name: str, content: str | bytes, message: str) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    with pytest.raises(DataError, match=message):
        load(tmp_path / "x.npy", labels=write(tmp_path / name, content))
    with pytest.raises(DataError, match=r"`labels` must be an existing file; got 'none.txt': check the name\."):
        load(tmp_path / "x.npy", labels="none.txt")


# ---------------------------------------------------------------- images


def save(path: Path, pixels: np.ndarray, mode: str | None = None, **options: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)


@pytest.mark.parametrize("channels", [0, 3, 4])
def test_image_folders_keep_every_pixel(tmp_path: Path, channels: int) -> None:
    pixels = RNG.integers(256, size=(3, 5, 7, channels) if channels else (3, 5, 7), dtype=np.uint8)
    for image, name in zip(pixels, ("b/2.png", "a/3.PNG", "b/1.png"), strict=True):
        save(tmp_path / name, image)
    write(tmp_path / "a" / "notes.txt", "not an image")
    write(tmp_path / "a" / "._3.png", "not an image")
    data = load(tmp_path, labels="folder")
    expected = pixels[[1, 2, 0]]
    np.testing.assert_array_equal(data.X, expected.transpose(0, 3, 1, 2) if channels else expected)
    assert data.X.dtype == np.uint8
    assert data.labels is not None
    assert data.labels.tolist() == ["a", "b", "b"]
    labels = load(tmp_path, labels=write(tmp_path / "y.txt", "u\nv\nw\n")).labels
    assert labels is not None
    assert labels.tolist() == ["u", "v", "w"]


def test_palettes_and_black_and_white_become_plain(tmp_path: Path) -> None:
    black_and_white = np.array([[0, 255], [255, 0]], np.uint8)
    save(tmp_path / "bw" / "x.png", black_and_white, "1")
    np.testing.assert_array_equal(load(tmp_path / "bw").X[0], black_and_white)
    colours = np.array([[[255, 0, 0], [0, 0, 255]]], np.uint8)
    save(tmp_path / "p" / "x.png", colours, "P")
    palette = load(tmp_path / "p").X[0]
    np.testing.assert_array_equal(palette, colours.transpose(2, 0, 1))
    save(tmp_path / "t" / "x.png", colours, "P", transparency=0)
    assert load(tmp_path / "t").X.shape == (1, 4, 1, 2)


def test_what_is_wrong_with_a_folder_of_images(tmp_path: Path) -> None:
    grey = np.zeros((4, 6), np.uint8)
    save(tmp_path / "size" / "a.png", grey)
    save(tmp_path / "size" / "b.png", grey.T)
    with pytest.raises(DataError, match=r"must be 6x4 grey like a.png; got 4x6 grey in b.png: convert it\."):
        load(tmp_path / "size")
    save(tmp_path / "mode" / "a.png", grey)
    save(tmp_path / "mode" / "in" / "b.png", grey, "RGB")
    with pytest.raises(DataError, match=r"must be 6x4 grey like a.png; got 6x4 RGB in in/b.png"):
        load(tmp_path / "mode")
    save(tmp_path / "deep" / "a.png", grey)
    save(tmp_path / "deep" / "b.png", np.zeros((4, 6), np.uint16))
    with pytest.raises(DataError, match=r"must be 6x4 grey like a.png; got 6x4 16-bit grey in b.png: convert it\."):
        load(tmp_path / "deep")
    save(tmp_path / "float" / "a.tif", np.zeros((4, 6), np.float32))
    with pytest.raises(DataError, match=r"a.tif must have 8 bits per channel, .*; got mode F: convert it, or save"):
        load(tmp_path / "float")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"Folder empty must hold images \(.png, .*\); got neither: name another"):
        load(tmp_path / "empty")
    save(tmp_path / "one" / "a.png", grey)
    with pytest.raises(DataError, match=r"every image must be in a sub-folder; got a.png in none: move it into one\."):
        load(tmp_path / "one", labels="folder")
    with pytest.raises(
        DataError, match=r"`labels` must be the word 'folder' or an existing file; got 'folders': check"
    ):
        load(tmp_path / "one", labels="folders")


# ---------------------------------------------------------------- names and parts


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (
            "mnits:test",
            r"must be an existing path or one of synthetic, .*; got 'mnits:test' \(did you mean 'mnist'\?\): check",
        ),
        ("mnist:valid", r"The part of 'mnist' must be one of train, test; got 'valid'\."),
        ("digits:test", r"The part of 'digits' must be left out; got 'test'\."),
        (r"C:\data\x.npy", r"must be an existing path .*; got 'C:.*\."),
        ("*.csv", r"pattern must match Parquet, .* and no others; got '\*.csv': name the folder in place of CSV files"),
        ("x.npz:X", r"must be an existing path .*; got 'x.npz:X': check the name\."),
    ],
)
def test_unknown_sources_and_parts(source: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        load(source)


def test_colons_in_file_names_and_built_in_names_in_the_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    write(Path("t.csv"), "a\n1\n")
    save(Path("C") / "x.png", np.zeros((2, 2), np.uint8))
    save(Path("digits") / "x.png", np.full((2, 2), 9, np.uint8))
    if os.name != "nt":
        write(Path("t.csv:2"), "")
        np.save("t:2.npy", np.full((1, 1), 2.0))
        assert load("t:2.npy").X.tolist() == [[2.0]]
    assert load("digits").X.shape == (1797, 8, 8)
    assert load("./digits").X.tolist() == [[[9, 9], [9, 9]]]
    assert load(Path("digits")).X.tolist() == [[[9, 9], [9, 9]]]
    assert load(Path("synthetic")).X.shape == (10_000, 2)
    with pytest.raises(DataError, match="must be an existing path"):
        load(r"C:\x.npy")  # a drive letter, though a folder of that name exists
    with pytest.raises(
        DataError, match=r"Only .npz files and built-in sets have parts; got t.csv:part: leave out :part\."
    ):
        load("t.csv:part")
    with pytest.raises(DataError, match=r"A source must be .npy, .*; got t.xlsx: save it as one of these\."):
        load(write(Path("t.xlsx"), ""))
    with pytest.raises(DataError, match=r"`labels` must be left out for the built-in set 'digits'"):
        load("digits", labels="t.csv")


# ---------------------------------------------------------------- built-in sets


def test_synthetic_points_lie_on_five_separate_arcs() -> None:
    X, labels = arcs()
    assert X.shape == (10_000, 2)
    assert X.dtype == np.float32
    np.testing.assert_array_equal(np.bincount(labels), [2000] * 5)
    # Turned back by its own angle, every arc lies on the same circle.
    turned = (X[:, 0] + 1j * X[:, 1]) * np.exp(-2j * np.pi * labels / 5)
    distance = np.abs(turned - complex(1.55, -1.0))
    assert abs(distance.mean() - 1.2) < 4 * 0.06 / 100
    assert abs(distance.std() - 0.06) < 4 * 0.06 / np.sqrt(2 * 10_000)
    # Separate: single linkage at 0.1 joins each arc (no gap along it is wider), and no two (they are 0.3 apart).
    from scipy.spatial import cKDTree

    for k in range(5):
        along = np.sort(np.angle(turned[labels == k] - complex(1.55, -1.0)))
        assert np.diff(along).max() * 1.2 < 0.1
        assert cKDTree(X[labels == k]).query(X[labels != k])[0].min() > 0.3
    np.testing.assert_array_equal(arcs(100, seed=3).X, arcs(100, seed=3).X)
    assert not np.array_equal(arcs(100, seed=3).X, arcs(100, seed=4).X)
    data = load("synthetic")
    np.testing.assert_array_equal(data.X, X)
    np.testing.assert_array_equal(data.labels, labels)


def test_digits_are_scikit_learns() -> None:
    from sklearn.datasets import load_digits

    data, reference = load("digits"), load_digits()
    assert data.X.dtype == np.float32
    np.testing.assert_array_equal(data.X.reshape(1797, 64) * 16, reference.data)
    np.testing.assert_array_equal(data.labels, reference.target)


MNIST_COUNTS = {
    "train": [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949],
    "test": [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009],
}


@pytest.mark.parametrize(("part", "first"), [("train", [5, 0, 4, 1, 9]), ("test", [7, 2, 1, 0, 4])])
def test_mnist_is_the_one_everybody_knows(data_home: Path, part: str, first: list[int]) -> None:
    data = load(f"mnist:{part}", data_home=data_home)
    assert data.labels is not None
    assert data.X.shape == (sum(MNIST_COUNTS[part]), 28, 28)
    assert data.X.dtype == np.uint8
    assert data.labels[:5].tolist() == first
    assert np.bincount(data.labels).tolist() == MNIST_COUNTS[part]
    if part == "train":
        # The mean and standard deviation that every tutorial normalises with.
        pixels = np.bincount(data.X.ravel(), minlength=256) / data.X.size
        mean = pixels @ np.arange(256) / 255
        assert round(mean, 4) == 0.1307
        assert round(np.sqrt(pixels @ (np.arange(256) / 255 - mean) ** 2), 4) == 0.3081


def test_fashion_mnist_has_ten_equal_classes(data_home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GMVAE_DATA", str(data_home))
    data = load("fashion-mnist:test")
    assert data.labels is not None
    assert data.X.shape == (10_000, 28, 28)
    assert np.bincount(data.labels).tolist() == [1000] * 10
    assert data.labels[0] == 9


def test_svhn_from_the_official_form(data_home: Path, tmp_path: Path) -> None:
    from scipy.io import savemat

    with np.load(data_home / "svhn" / "svhn_train_first1083_rgb32.npz") as crops:
        X, y = crops["X"], crops["y"]
    (tmp_path / "svhn").mkdir()
    official = {"X": X.transpose(1, 2, 3, 0), "y": np.where(y == 0, 10, y)[:, None]}
    savemat(tmp_path / "svhn" / "train_32x32.mat", official, do_compression=True)
    data = load("svhn", data_home=tmp_path)
    assert data.name == "svhn:train"
    np.testing.assert_array_equal(data.X, X.transpose(0, 3, 1, 2))
    assert data.X.flags.c_contiguous
    np.testing.assert_array_equal(data.labels, y)
    assert data.labels is not None
    assert data.labels[:3].tolist() == [1, 9, 2]  # the first house of SVHN is number 19


def test_a_broken_mat_is_named(tmp_path: Path) -> None:
    write(tmp_path / "svhn" / "extra_32x32.mat", b"torn")
    with pytest.raises(DataError, match=r"extra_32x32.mat must be SVHN's MATLAB v5 file .*: download it again\."):
        load("svhn:extra", data_home=tmp_path)


def test_the_catalogue_says_what_is_there(tmp_path: Path) -> None:
    write(tmp_path / "svhn" / "train_32x32.mat", "")
    write(tmp_path / "mnist" / "train-images-idx3-ubyte", "")
    for name in ("train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1"):
        write(tmp_path / "mnist" / f"{name}-ubyte.gz", "")
    entries = {entry.name: entry for entry in catalogue(tmp_path)}
    present = {name: entry.present for name, entry in entries.items()}
    assert present == {"synthetic": True, "digits": True, "mnist": True, "fashion-mnist": False, "svhn": False}
    write(tmp_path / "svhn" / "test_32x32.mat", "")
    assert catalogue(tmp_path)[-1].present  # without the optional extra part
    assert "non-commercial" in entries["svhn"].terms
    assert entries["svhn"].shape == (3, 32, 32)
    assert list(entries["svhn"].parts) == ["train", "test", "extra"]
    assert all(entry.description and entry.terms for entry in entries.values())


def test_where_the_data_home_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GMVAE_DATA", str(tmp_path / "b"))
    assert resolve_home(tmp_path / "a") == tmp_path / "a"
    assert resolve_home() == tmp_path / "b"
    monkeypatch.setenv("GMVAE_DATA", "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "c"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert resolve_home() == tmp_path / "c" / "gmvae"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert resolve_home() == Path.home() / ".cache" / "gmvae"
    monkeypatch.setattr(sys, "platform", "darwin")
    assert resolve_home() == Path.home() / "Library" / "Caches" / "gmvae"
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "d"))
    assert resolve_home() == tmp_path / "d" / "gmvae"


# ---------------------------------------------------------------- downloads


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[str]:
    """A loopback server with MNIST's file names over a handful of pixels; its address."""
    for prefix, n in (("train", 6), ("t10k", 4)):
        images = np.arange(n * 4, dtype=np.uint8).reshape(n, 2, 2)
        write(tmp_path / "www" / f"{prefix}-images-idx3-ubyte.gz", gzip.compress(idx(images, 0x08)))
        labels = np.arange(n, dtype=np.uint8)
        write(tmp_path / "www" / f"{prefix}-labels-idx1-ubyte.gz", gzip.compress(idx(labels, 0x08)))
    handler = functools.partial(Quiet, directory=str(tmp_path / "www"))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture
def serve(mirror: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Point the built-in MNIST at given mirrors and at the checksums of the small files."""
    monkeypatch.setenv("no_proxy", "*")

    def point(*mirrors: str) -> None:
        parts = {
            part: tuple(
                dataclasses.replace(file, md5=hashlib.md5((tmp_path / "www" / file.name).read_bytes()).hexdigest())
                for file in files
            )
            for part, files in sets.BUILT_IN["mnist"].parts.items()
        }
        small = dataclasses.replace(sets.BUILT_IN["mnist"], parts=parts, mirrors=mirrors)
        monkeypatch.setitem(sets.BUILT_IN, "mnist", small)

    return point


DEAD = "http://127.0.0.1:9/"  # the discard port: nothing answers


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_download_takes_only_what_is_asked_for_and_only_once(serve, mirror: str, tmp_path: Path, capsys) -> None:
    serve(DEAD, mirror)  # the second mirror serves where the first is down
    home = tmp_path / "home"
    data = load("mnist:test", data_home=home)
    np.testing.assert_array_equal(data.X, np.arange(16).reshape(4, 2, 2))
    np.testing.assert_array_equal(data.labels, np.arange(4))
    assert names(home / "mnist") == ["t10k-images-idx3-ubyte.gz", "t10k-labels-idx1-ubyte.gz"]
    assert [path.name.split("-")[0] for path in fetch("mnist", home)] == ["train", "train", "t10k", "t10k"]
    assert len(names(home / "mnist")) == 4
    serve(DEAD)
    np.testing.assert_array_equal(load("mnist", data_home=home).labels, np.arange(6))
    assert capsys.readouterr().out == ""


def test_a_wrong_checksum_leaves_nothing_behind(serve, mirror: str, tmp_path: Path) -> None:
    serve(mirror)
    write(tmp_path / "www" / "t10k-labels-idx1-ubyte.gz", b"something else")
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte.gz has the MD5 [0-9a-f]{32}, not [0-9a-f]{32}\)"):
        load("mnist:test", data_home=tmp_path / "home")
    assert names(tmp_path / "home" / "mnist") == ["t10k-images-idx3-ubyte.gz"]  # whole and checked


def test_without_a_network_the_files_and_their_place_are_named(serve, tmp_path: Path) -> None:
    serve(DEAD)
    home = tmp_path / "home"
    with pytest.raises(DataError) as caught:
        load("mnist:test", data_home=home)
    message = str(caught.value)
    assert f"needs t10k-images-idx3-ubyte.gz, t10k-labels-idx1-ubyte.gz in {home / 'mnist'}" in message
    assert "put the files there yourself" in message
    assert "\n" not in message
    assert names(home / "mnist") == []


def test_fetch_knows_its_names(tmp_path: Path) -> None:
    assert fetch("digits", tmp_path) == ()
    with pytest.raises(
        DataError, match=r"must be one of synthetic, digits, mnist, fashion-mnist, svhn; got 'cifar': `g"
    ):
        fetch("cifar", tmp_path)
    write(tmp_path / "file", "")
    with pytest.raises(DataError, match=r"svhn needs train_32x32.mat, test_32x32.mat in "):
        fetch("svhn", tmp_path / "file")  # a file where the folder should be
