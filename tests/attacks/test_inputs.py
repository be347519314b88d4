"""Bad input of every kind: one sentence that says what, where and what to do; legitimate input of odd kinds: it works.

The sentences are those of the table of bad inputs in docs/reliability.md.
"""

from __future__ import annotations

import gzip
import io
import os
import re
import subprocess
import sys
import warnings
import zipfile
import zlib
from collections.abc import Callable
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image
from pyarrow import parquet
from typer.testing import CliRunner

from gmvae import GMVAE, TableWarning
from gmvae.cli import app
from gmvae.data import DataError, images, load, zipped

pytestmark = pytest.mark.filterwarnings(
    "ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning", "ignore::gmvae.TrainingWarning"
)

Count = Callable[[str, int], None]
X = np.random.default_rng(0).normal(size=(30, 3))


def small(**parameters: Any) -> GMVAE:
    chosen = {"n_components": 2, "hidden_layer_sizes": (8,), "latent_dim": 2, "style_dim": 1, "max_iter": 1}
    return GMVAE(**{**chosen, "init": "kmeans", "batch_size": 16, "random_state": 0, "device": "cpu", **parameters})


def with_value(value: float, dtype: str = "f8") -> np.ndarray:
    changed = X.astype(dtype)
    changed[4, 1] = value
    return changed


def assert_answers(fitted: GMVAE, rows: Any, n: int) -> None:
    proba = fitted.predict_proba(rows)
    np.testing.assert_allclose(proba.sum(1), np.ones(n))
    for answer in (fitted.score_samples(rows), fitted.transform(rows), fitted.sample(3)[0]):
        assert np.isfinite(answer).all()


# ---------------------------------------------------------------- arrays

LEGITIMATE = {
    "a constant column": np.column_stack([X, np.ones(30)]),
    "nothing but one row, repeated": np.repeat(X[:1], 30, axis=0),
    "as many rows as components": X[:2],
    "one column": X[:, :1],
    "1e30": X * 1e30,
    "1e-30": X * 1e-30,
    "1e30 beside 1e-30": X * [1e30, 1.0, 1e-30],
    "one value of 1e30": with_value(1e30),
    "the largest float32": with_value(float(np.finfo("f4").max), "f4"),
    "an offset of 1e15": X + 1e15,
    "integers": (X * 10).astype(int),
    "integers of 1e18": (X * 1e18).astype(np.int64),
    "unsigned integers": np.abs(X * 1e18).astype(np.uint64),
    "booleans": X > 0,
    "float16": X.astype("f2"),
    "long double": X.astype(np.longdouble),
    "big-endian": X.astype(">f8"),
    "numbers as objects": X.astype(object),
    "lists": X.tolist(),
    "a masked array without masked values": np.ma.masked_greater(X, 1e9),
    "bfloat16": torch.from_numpy(X).bfloat16(),
    "a tensor with a gradient": torch.from_numpy(X).requires_grad_(),
    "a reversed view": X[::-1, ::-1],
    "a read-only view of one row": np.broadcast_to(X[0], (30, 3)),
    "images of one grey": np.full((30, 8, 8), 7, np.uint8),
    "images of one pixel": np.zeros((30, 1, 1)),
    "denormal numbers": np.full((30, 2), 5e-324),
}


@pytest.mark.parametrize("what", LEGITIMATE)
def test_odd_but_legitimate(what: str) -> None:
    rows = LEGITIMATE[what]
    assert_answers(small().fit(rows), rows, len(rows))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (with_value(-np.inf), r"X must hold finite numbers .*; got -infinity at X\[4, 1\]"),
        (with_value(np.inf, "f2"), r"X must hold finite numbers .*; got infinity at X\[4, 1\]"),
        (with_value(1e300), r"X must hold finite numbers of at most 1e\+150; got 1e\+300 at X\[4, 1\]"),
        (torch.full((30, 2), torch.nan), "X must hold a value in every row to fit; got none in row 0: drop it"),
        (np.full((30, 8, 8), np.nan), "X must hold a value in every row to fit; got none in row 0: drop it"),
        (
            pd.DataFrame({"a": pd.array([1, None] * 15, "Int64")}),
            "X must hold a value in every row to fit; got none in row 1: drop it",
        ),
        (X.astype(str), r"X must hold numbers; got text, <U\d+: encode it as numbers"),
        (np.array([[1, 2.0], [3, "a"]] * 9, object), r"column 'column_2', must hold numbers; got 'a' in data row 2: "),
        (np.full((9, 2), "2020-01-01", "M8[D]"), r"X must hold numbers; got values of type datetime64\[D\]: encode"),
        (np.full((9, 2), 3, "m8[D]"), r"X must hold numbers; got values of type timedelta64\[D\]: encode them"),
        (
            pd.DataFrame({"a": pd.date_range("2020", periods=9)}),
            "X must have a column of numbers, .*; got none: Left out",
        ),
        (X + 1j, "Complex data not supported: X must hold real numbers; got complex128"),
        (torch.from_numpy(X).to_sparse(), r"can't convert Sparse layout tensor to numpy. Use Tensor.to_dense\(\)"),
        ([[1, 2], [3]] * 9, "The requested array has an inhomogeneous shape"),
        (None, "Expected 2D array, got scalar array instead"),
        (X[:, 0], "Expected 2D array, got 1D array instead"),
        (X[:0], r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\) while a minimum of 2 is required by GMVAE"),
        (X[:1], r"Found array with 1 sample\(s\) \(shape=\(1, 3\)\) while a minimum of 2 is required by GMVAE"),
        (X[:, :0], r"Found array with 0 feature\(s\) \(shape=\(30, 0\)\) while a minimum of 1 is required by GMVAE"),
        (np.zeros((30, 0, 8)), r"X must hold images of at least one pixel; got shape \(30, 0, 8\)"),
        (np.zeros((30, 8, 8, 3)), r"X must have shape .* got \(30, 8, 8, 3\): move the channels with"),
    ],
)
def test_unfit_arrays(rows: Any, sentence: str) -> None:
    with pytest.raises((ValueError, TypeError), match=sentence):
        small().fit(rows)


@pytest.mark.parametrize(
    ("n_components", "sentence"),
    [
        (0, "`n_components` must be an integer of at least 1 or 'auto'; got 0"),
        (31, "`n_components` must be at most the number of rows; got 31 for 30 rows: take fewer components"),
    ],
)
def test_unfit_numbers_of_clusters(n_components: int, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        small(n_components=n_components).fit(X)
    assert_answers(small(n_components=1).fit(X), X, 30)


@pytest.fixture(scope="module")
def fitted() -> GMVAE:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return small().fit(np.column_stack([X, np.full(30, 7.0)]))


QUESTIONS = (
    "predict",
    "predict_proba",
    "predict_log_odds",
    "transform",
    "transform_style",
    "score_samples",
    "is_novel",
)


@pytest.mark.parametrize("value", [1e13, -1e30, 3e38, 1e150])
@pytest.mark.parametrize("column", [0, 3])
def test_rows_too_far_away_are_refused(fitted: GMVAE, value: float, column: int) -> None:
    rows = np.zeros((5, 4))
    rows[2, column] = value
    sentence = (
        rf"X must lie within 1e\+12 standard deviations of the mean in `fit`; got .* at X\[2, {column}\]: replace it"
    )
    for question in (*QUESTIONS, "reconstruct"):
        with pytest.raises(ValueError, match=sentence):
            getattr(fitted, question)(rows)


@pytest.mark.parametrize("value", [1e3, -1e7, 9e11])
def test_rows_far_away_are_answered(fitted: GMVAE, value: float) -> None:
    rows = np.zeros((5, 4))
    rows[2, 0], rows[3, 3] = value * fitted.fitted_.model.units.scale[0].item(), value
    assert_answers(fitted, rows, 5)
    assert np.isfinite(fitted.reconstruct(rows)).all()
    assert fitted.is_novel(rows)[2]


@pytest.mark.parametrize(
    ("ask", "sentence"),
    [
        (lambda m: m.predict(X[:, :2]), "X has 2 features, but GMVAE is expecting 4 features as input"),
        (lambda m: m.predict(np.zeros((3, 2, 2))), r"X must have observations of shape \(4,\) as in `fit`; got \(1, 2"),
        (lambda m: m.inverse_transform([[1e30, 0]]), r"X must hold places of at most 1e\+24; got 1e\+30: take nearer"),
        (lambda m: m.inverse_transform([[np.nan, 0]]), "X must hold places in the latent space; got NaN: drop its row"),
        (lambda m: m.sample(2, style=[np.nan]), r"`style` must hold finite numbers of at most 1e\+12; got \[nan\]"),
        (lambda m: m.sample(2, style=["a"]), r"`style` must hold finite numbers of at most 1e\+12; got \['a'\]"),
        (lambda m: m.components([1e300]), r"`style` must hold finite numbers of at most 1e\+12; got \[1e\+300\]"),
        (
            lambda m: m.sample(2, component="a"),
            r"`component` must be None, or one integer in 0..1 or 2 of them; got 'a'",
        ),
    ],
)
def test_unfit_questions(fitted: GMVAE, ask: Callable[[GMVAE], Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        ask(fitted)


ANY_KIND = st.one_of(
    arrays.floating_dtypes(), arrays.integer_dtypes(), arrays.unsigned_integer_dtypes(), arrays.boolean_dtypes(),
    arrays.complex_number_dtypes(), arrays.datetime64_dtypes(), arrays.timedelta64_dtypes(),
    arrays.unicode_string_dtypes(),
)  # fmt: skip


def _holds(n: int) -> Callable[[Any], Any]:
    quiet = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large]
    return settings(max_examples=n, derandomize=True, database=None, deadline=None, suppress_health_check=quiet)


# Slow: a fit for many of them.
@pytest.mark.parametrize("n", [60, pytest.param(2_000, marks=pytest.mark.slow)])
def test_any_array_is_fitted_or_refused(n: int, tally: Count) -> None:
    refusals: set[str] = set()

    @_holds(n)
    @given(arrays.arrays(ANY_KIND, arrays.array_shapes(min_dims=0, max_dims=5, min_side=0, max_side=6)))
    def fits_or_refuses(rows: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", RuntimeWarning)
            try:
                fitted = small().fit(rows)
            except ValueError as error:
                refusals.add(str(error))
            else:
                assert_answers(fitted, rows, len(rows))

    fits_or_refuses()
    said = re.compile(
        r"X must |`n_components` must |Found array with \d|Expected 2D array|Complex data not supported: X"
    )
    assert [refusal for refusal in refusals if not said.match(refusal)] == []
    tally("arrays of any type and shape fitted or refused", n)


# Slow for the same reason as above, though far less so.
@pytest.mark.parametrize("n", [200, pytest.param(20_000, marks=pytest.mark.slow)])
def test_any_question_is_answered_or_refused(fitted: GMVAE, n: int, tally: Count) -> None:
    @_holds(n)
    @given(arrays.arrays(np.float64, st.tuples(st.integers(1, 3), st.just(4)), elements=st.floats(width=64)))
    def answers_or_refuses(rows: np.ndarray) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            warnings.simplefilter("ignore", TableWarning)  # of rows without any value
            units = fitted.fitted_.model.units
            near = (np.isnan(rows) | (np.abs(rows - units.shift.numpy()) <= 1e12 * units.scale.numpy())).all()
            with nullcontext() if near else pytest.raises(ValueError, match=r"^X must (hold finite|lie within)"):
                assert_answers(fitted, rows, len(rows))

    answers_or_refuses()
    tally("rows of any float64 answered or refused", n)


# ---------------------------------------------------------------- files


def png(size: tuple[int, int], mode: str = "L") -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size).save(buffer, "png")
    return buffer.getvalue()


def lying_png(width: int, height: int) -> bytes:
    """A small image that says it is large."""
    whole = png((1, 1))
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + whole[24:29]
    return whole[:12] + header + zlib.crc32(header).to_bytes(4, "big") + whole[33:]


def saved(array: np.ndarray) -> bytes:
    buffer = io.BytesIO()
    np.save(buffer, array, allow_pickle=True)
    return buffer.getvalue()


def table(**columns: Any) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.table(columns), buffer)
    return buffer.getvalue()


def archive(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in members.items():
            file.writestr(f"{name}.npy", content)
    return buffer.getvalue()


PROPERLY = saved(np.ones((4, 2)))
LYING_ARRAY = PROPERLY.replace(b"(4, 2), }", b"(4, 2000000000), }").replace(b"   " * 3, b"", 1)
POSTSCRIPT = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n(out) (w) file closefile\nshowpage\n"
FILES: list[tuple[str, bytes, str]] = [
    # tables
    (
        "t.csv",
        b"a,b\n1,2\n3\n",
        r"t.csv must have as many cells in every row as in its first, which has 2; got 1 in row 3, '3': corr",
    ),
    (
        "t.csv",
        b"a;b\n1;2,5\n2;x\n",
        r"t.csv, column 'b', must hold numbers; got 'x' in data row 2: correct it, empty it",
    ),
    (
        "t.csv",
        b'a,b\n1,"1,250"\n',
        r"t.csv, column 'b', must hold numbers of one meaning; .* be 1250 or 1.250: write plain",
    ),
    ("t.csv", b"a,b\n1,2\n1,inf\n", r"t.csv, column 'b', must hold finite numbers; got inf in data row 2: replace it"),
    ("t.csv", b"a,b\n1,2\nx,4\n", r"t.csv, column 'a', must hold numbers; got 'x' in data row 2: correct it, empty it"),
    (
        "t.csv",
        b"when\n2020-01-01 10:00:00\n",
        r"t.csv must have a column of numbers, .*: Left out: 'when', dates or ti",
    ),
    (
        "t.csv",
        "a,b\n1,é\n".encode("latin-1"),
        r"column 'b', must hold numbers, or text in UTF-8; got other bytes: save the file as UTF-8",
    ),
    ("t.csv", "a,é\n1,2\n".encode("latin-1"), r"t.csv must be text in UTF-8; its first row is not: save it as UTF-8."),
    ("t.csv", "a,b\n1,2\n".encode("utf-16-le"), r"t.csv must "),
    ("t.csv", b"5.1,3.5\n4.9,3\n", r"t.csv must start with the names of its columns; got 5.1, 3.5, which may be data"),
    ("t.csv", b"\0" * 99, r"^t.csv"),
    (
        "t.csv",
        b"a,b\n1,2\n1," + b"x" * 10**6,
        r"^t.csv, column 'b', must hold numbers; got 'x{12}\.\.\.x{13}' in data row 2: c",
    ),
    ("t.csv.gz", b"a,b\n1,2\n", r"t.csv.gz must be a table that can be read; got: Not a gzipped file"),
    ("t.csv.gz", gzip.compress(b"a,b\n1,2\n" * 9)[:-9], r"t.csv.gz must be a table that can be read; got: Compressed"),
    (
        "t.parquet",
        table(a=[[1, 2], [3]]),
        r"column 'a', must hold numbers, text or truth values; got values of type lis",
    ),
    (
        "t.parquet",
        table(a=[{"x": 1}]),
        r"column 'a', must hold numbers, text or truth values; got values of type struct",
    ),
    (
        "t.parquet",
        table(a=pa.array([2**62], pa.timestamp("us"))),
        r"must have a column of numbers, truth values or categories; got none: Left out: 'a', dates or times",
    ),
    ("t.parquet", table(a=[1.0, np.inf]), r"t.parquet, column 'a', must hold finite numbers; got inf in data row 2"),
    ("t.parquet", PROPERLY, r"t.parquet must be a table that can be read; got: Parquet magic bytes not found"),
    # arrays
    ("x.npy", saved(np.array([[{}]], object)), r"x.npy must be one array saved by numpy.save, without Python objects"),
    ("x.npy", PROPERLY[:-9], r"x.npy must be one array saved by numpy.save, .*; got: mmap length is greater than fi"),
    ("x.npy", PROPERLY.replace(b"(4, 2)", b"(4, 2("), r"x.npy must be one array saved by numpy.save, .*; got: "),
    ("x.npy", LYING_ARRAY, r"x.npy must be one array saved by numpy.save, .*; got: "),
    ("x.npy", saved(np.array([["a"]])), r"x.npy must hold real numbers; got an array of type <U1"),
    ("x.npy", saved(np.array([[1j]])), r"x.npy must hold real numbers; got an array of type complex128"),
    ("x.npy", saved(np.array([["2020"]], "M8[Y]")), r"x.npy must hold real numbers; got an array of type datetime64"),
    ("x.npy", saved(np.ones(3)), r"x.npy must be a non-empty array of shape \(n, p\), .*; got shape \(3,\)"),
    (
        "x.npz",
        archive(X=LYING_ARRAY),
        r"x.npz must be arrays saved by numpy.savez, .*; got: |x.npz and its labels must",
    ),
    ("x.npz", archive(X=b"no array"), r"x.npz must be arrays saved by numpy.savez, .*; got: 'X' is no array"),
    (
        "x.npz",
        archive(X=saved(np.array([[{}]], object))),
        r"x.npz must be arrays .*; got: Object arrays cannot be load",
    ),
    ("x.npz", archive(a=PROPERLY, b=PROPERLY), r"x.npz must be followed by the array to use, as in x.npz:NAME; got"),
    # IDX
    (
        "x.idx2-ubyte",
        b"\0\0\x08\x02" + b"\xff" * 8 + b"a",
        r"x.idx2-ubyte must have \d+ bytes by its header, .*; got 13",
    ),
    (
        "x.idx",
        b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"a",
        r"x.idx must start with an IDX magic number like 00000803; got",
    ),
    (
        "x.idx.gz",
        gzip.compress(b"\0\0\x08\x02" + b"\xff" * 8),
        r"x.idx.gz must have \d+ bytes by its header, .*; got 12",
    ),
    ("x.idx.gz", b"\0\0\x08\x01\0\0\0\x01a", r"x.idx.gz must be a readable IDX file; got: Not a gzipped file"),
    # images
    ("in/a.png", png((20, 30))[:-30], r"in/a.png must be an image that can be read; got: "),
    ("in/a.png", POSTSCRIPT, r"in/a.png must be one of PNG, JPEG, .*; it is none: convert or remove it\."),
    ("in/a.png", lying_png(10_000, 10_000), r"in/a.png must be an image that can be read; got: Image size \(1000000"),
    (
        "in/a.png",
        lying_png(10**6, 10**6),
        r"in/a.png must be an image .*; got: Image size .* could be decompression bo",
    ),
    (
        "in/a.png",
        b"",
        r"in/a.png must be one of PNG, JPEG, BMP, GIF, TIFF, PPM, WEBP; it is none: convert or remove it\.",
    ),
]


def put(folder: Path, name: str, content: bytes) -> Path:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path.parent.parent if name.endswith(".png") else path


# What is in a file is no part of a test's name: gzip and zip write the time into it.
FILE_NAMES = [f"{number}-{name}" for number, (name, *_) in enumerate(FILES)]


@pytest.mark.parametrize(("name", "content", "sentence"), FILES, ids=FILE_NAMES)
def test_unfit_files(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence) as caught:
        load(put(tmp_path, name, content))
    said = str(caught.value)
    assert "\n" not in said
    assert len(said) < 300 + len(name)


def test_odd_but_legitimate_files(tmp_path: Path) -> None:
    np.testing.assert_array_equal(load(put(tmp_path, "t.csv", b"\xef\xbb\xbfa,b\r\n1,2\r\n")).X, [[1, 2]])
    np.testing.assert_array_equal(load(put(tmp_path, "t.csv", "a,b\n1,2\n".encode("utf-16"))).X, [[1, 2]])
    np.testing.assert_array_equal(load(put(tmp_path, "t.csv", b'"a","b;c"\n1e30,-1e-30\n')).X, [[1e30, -1e-30]])
    np.testing.assert_array_equal(load(put(tmp_path, "t.csv", b"a;b\n1\n2\n")).X, [[1], [2]])
    np.testing.assert_array_equal(load(put(tmp_path, "t.csv", b"a,b\n1,true\n2.5,false\n")).X, [[1, 1], [2.5, 0]])
    np.testing.assert_array_equal(
        load(put(tmp_path, "t.parquet", table(a=[1, 2], b=[True, False]))).X, [[1, 1], [2, 0]]
    )
    one = archive(X=PROPERLY, notes=b"no array")
    np.testing.assert_array_equal(load(put(tmp_path, "x.npz", one)).X, np.ones((4, 2)))
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "folder.png" / "a.png").write_bytes(png((3, 2)))
    (tmp_path / "link.png").symlink_to(tmp_path / "folder.png" / "a.png")
    assert load(tmp_path).X.shape == (2, 2, 3)


def test_no_postscript_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        pytest.fail("another program was started")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", "gs")
    Image.init()
    with pytest.raises(DataError, match="it is none"):
        load(put(tmp_path, "in/a.png", POSTSCRIPT))


def gzip_bomb(size: int) -> bytes:
    block = gzip.compress(b"0\n" * 2**19)
    return block * (size // 2**20)


@pytest.mark.parametrize("name", ["t.csv.gz", "x.idx.gz", "x.npz", "t.parquet"])
def test_bombs_are_refused_before_they_fill_the_memory(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch, tally: Count
) -> None:
    monkeypatch.setattr(zipped, "_HARMLESS", 2**24)
    n = 2**25
    content = {
        "t.csv.gz": lambda: gzip.compress(b"a\n") + gzip_bomb(n),
        "x.idx.gz": lambda: gzip.compress(b"\0\0\x08\x02\0\0\x80\0\0\0\x04\0") + gzip_bomb(n),
        "x.npz": lambda: archive(X=saved(np.zeros((n // 8, 2)))),
        "t.parquet": lambda: table(a=np.zeros(n // 4)),
    }[name]()
    path = put(tmp_path, name, content)
    with pytest.raises(
        DataError, match=rf"{name} must not unpack to more than [\d,]+ bytes, .*: if it is what it should"
    ):
        load(path)
    monkeypatch.setattr(zipped, "_MOST_FOLD", 10**6)
    if name != "x.idx.gz":
        assert len(load(path).X) >= n // 8  # a bomb it was
    tally("bombs refused", 1)


def test_too_little_memory_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for i in range(3):
        put(tmp_path, f"in/{i}.png", png((4, 4)))
    empty = np.empty

    def scarce(shape: Any, *arguments: Any) -> np.ndarray:
        if np.prod(shape) > 16:
            raise MemoryError
        return empty(shape, *arguments)

    monkeypatch.setattr(np, "empty", scarce)
    with pytest.raises(
        DataError, match="and its labels must fit into memory; they do not: take fewer rows, smaller im"
    ):
        load(tmp_path)


def test_images_must_be_alike(tmp_path: Path) -> None:
    put(tmp_path, "in/a.png", png((4, 6)))
    for mode, size, sentence in (
        ("L", (6, 4), r"All images must be 4x6 grey like in/a.png; got 6x4 grey in in/b.png: convert it\."),
        ("RGB", (4, 6), r"All images must be 4x6 grey like in/a.png; got 4x6 RGB in in/b.png: convert it\."),
        ("I;16", (4, 6), r"All images must be 4x6 grey like in/a.png; got 4x6 16-bit grey in in/b.png: convert it\."),
    ):
        put(tmp_path, "in/b.png", png(size, mode))
        with pytest.raises(DataError, match=sentence):
            load(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes")
@pytest.mark.parametrize("name", ["x.npy", "x.npz", "t.csv", "t.csv.gz", "t.parquet", "x.idx", "x.idx.gz", "in/a.png"])
def test_pipes_and_dangling_links_are_not_waited_for(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    os.mkfifo(path)
    source = tmp_path if name.endswith(".png") else path
    with pytest.raises(
        DataError, match=r"must be an image .*; got no file: remove it|must be a file or a folder; .* is ne"
    ):
        load(source)
    path.unlink()
    path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match=r"got no file: remove it|must be an existing path or one of"):
        load(source)


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that even root cannot read")
@pytest.mark.parametrize(
    "name", ["x.npy", "x.npz", "t.csv", "t.csv.gz", "t.parquet", "x.idx", "x.idx.gz", "in/a.png", "y.txt"]
)
def test_unreadable_files_are_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    path.symlink_to("/proc/self/mem")
    np.save(tmp_path / "X.npy", X[:1])
    arguments = {"y.txt": (tmp_path / "X.npy", path), "in/a.png": (tmp_path, None)}.get(name, (path, None))
    with pytest.raises(DataError, match=f"^{name} must"):
        load(arguments[0], labels=arguments[1])


def test_a_file_that_vanishes_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("a.png", "b.png"):
        put(tmp_path, f"in/{name}", png((2, 2)))
    found = list(images._names(tmp_path))
    (tmp_path / "in" / "b.png").unlink()
    monkeypatch.setattr(images, "_names", lambda _: iter(found))
    with pytest.raises(DataError, match=r"in/b.png must be an image that can be read; got no file: remove it"):
        load(tmp_path)


# ---------------------------------------------------------------- labels


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "y.txt",
            b"a\nb\n",
            r"x.npy has 4 observations and must have as many labels; got labels of shape \(2,\): give one label per",
        ),
        ("y.csv", b"1\n2\n3\n4\n", r"y.csv must start with the names of its columns; got 1, which may be data"),
        ("y.csv", b"k\n2\n3\n4\n", r"got labels of shape \(3,\) \(the first row of a CSV file is its header\): give"),
        ("y.txt", b"a\n\nb\nc\n", r"Labels in y.txt must not be missing; got an empty one in row 2: fill it in"),
        ("y.txt", "é\n".encode("latin-1"), r"y.txt must be text in UTF-8; got: 'utf-8' codec can't decode byte 0xe9"),
        (
            "y.csv",
            "k\né\n".encode("latin-1"),
            r"Labels in y.csv, column 'k', must be whole numbers or text in UTF-8; got",
        ),
        ("y.csv", b"k\n2020-01-01\n", r"column 'k', must be whole numbers or text in UTF-8; got values of type date32"),
        ("y.csv", b"k\n1\n1e300\n2\n3\n", r"must be whole numbers or text; got 1e\+300 in row 2: fill it in"),
        ("y.csv", b"k\n1\n0.5\n2\n3\n", r"must be whole numbers or text; got 0.5 in row 2: fill it in"),
        (
            "y.npy",
            saved(np.array([1.0, np.nan, 1, 1])),
            r"Labels in y.npy must be whole numbers or text; got nan in row 2",
        ),
        ("y.npy", saved(np.array([{}] * 4)), r"y.npy must be one array saved by numpy.save, without Python objects"),
        (
            "y.npy",
            saved(np.ones((4, 2))),
            r"Labels in y.npy must be one per observation; got an array of shape \(4, 2\)",
        ),
        (
            "y.npy",
            saved(np.ones(4) * 1j),
            r"Labels in y.npy must be whole numbers or text; got values of type complex128",
        ),
        ("y.yaml", b"", r"A file of labels must be .npy, .csv, .txt or IDX; got y.yaml: save it as one of these\."),
    ],
)
def test_unfit_labels(tmp_path: Path, name: str, content: bytes, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(put(tmp_path, "x.npy", PROPERLY), labels=put(tmp_path, name, content))


def test_unfit_columns_of_labels(tmp_path: Path) -> None:
    for values in ([[1, 2], [3]], [{"u": 1}] * 2, [b"\xff", b"\xfe"], pa.array([2**62, 1], pa.timestamp("us"))):
        path = put(tmp_path, "t.parquet", table(a=[1, 2], kind=values))
        with pytest.raises(
            DataError, match=r"column 'kind', must be whole numbers or text in UTF-8; got values of type "
        ):
            load(path, labels="kind")
    coded = pa.array(["u", "v"]).dictionary_encode()
    labels = load(put(tmp_path, "t.parquet", table(a=[1, 2], kind=coded)), labels="kind").labels
    assert labels is not None
    assert labels.tolist() == ["u", "v"]


# ---------------------------------------------------------------- the command line and the disk


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}


def refused(*arguments: object) -> str:
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert (result.exit_code, result.stdout) == (2, ""), (result.stdout, result.stderr, result.exception)
    lines = result.stderr.splitlines()
    assert len(lines) == 1
    assert lines[0].startswith("Error: ")
    return lines[0].removeprefix("Error: ")


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("inputs")
    np.save(folder / "X.npy", X)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        arguments = ["fit", folder / "X.npy", "-o", folder / "run", "-k", 2, "--epochs", 1, "-q"]
        arguments += ["--set", "hidden_layer_sizes=8", "--set", "latent_dim=2", "--set", "style_dim=1"]
        assert CliRunner().invoke(app, list(map(str, arguments))).exit_code == 0
    return folder / "run"


@pytest.mark.parametrize(("name", "content", "sentence"), FILES[::3], ids=FILE_NAMES[::3])
def test_the_command_line_says_it_and_leaves_nothing(
    run: Path, tmp_path: Path, name: str, content: bytes, sentence: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    source = put(tmp_path / "in", name, content) if (tmp_path / "in").mkdir() is None else tmp_path
    before = sorted(tmp_path.rglob("*"))
    np.testing.assert_equal(refused("fit", source, "-o", "out"), refused("predict", run, source, "-o", "out.csv"))
    with pytest.raises(DataError, match=sentence) as caught:
        load(source)
    assert refused("fit", source) == str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (
            with_value(1e200),
            "X must hold finite numbers of at most 1e+150; got 1e+200 at X[4, 1]: replace it or drop its",
        ),
        (
            with_value(1e30),
            "X must lie within 1e+12 standard deviations of the mean in `fit`; got 1e+30 at X[4, 1]: rep",
        ),
        (X[:, :2], "X must have shape (n, 3) as in `fit`; got (30, 2): name the right source."),
        (np.zeros((2, 8, 8)), "X must have observations of shape (3,) as in `fit`; got (1, 8, 8): resize or reshape"),
    ],
)
def test_unfit_rows_at_the_command_line(run: Path, tmp_path: Path, rows: np.ndarray, sentence: str) -> None:
    np.save(tmp_path / "new.npy", rows)
    for suffix in ("csv", "npy", "parquet"):
        assert refused("predict", run, tmp_path / "new.npy", "-o", tmp_path / f"out.{suffix}").startswith(sentence)
    assert [path.name for path in tmp_path.iterdir()] == ["new.npy"]


def test_what_a_file_says_does_not_command_the_terminal(tmp_path: Path) -> None:
    said = refused("fit", put(tmp_path, "t.csv", b"a,b\n1,2\n\x1b[2J\x07\n"))
    assert r"got 1 in row 3, '\x1b[2J\x07': correct that row" in said
    assert "\\x1b]0;" in refused("fit", "\x1b]0;title\x07.csv")


def test_a_target_that_exists_is_replaced_whole(run: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text("mine")
    (tmp_path / "out.csv").symlink_to(tmp_path / "mine.csv")
    CliRunner().invoke(app, ["predict", str(run), str(run.parent / "X.npy"), "-o", str(tmp_path / "out.csv")])
    assert len((tmp_path / "out.csv").read_text().splitlines()) == 31
    assert not (tmp_path / "out.csv").is_symlink()
    assert (tmp_path / "mine.csv").read_text() == "mine"  # a link is replaced, not followed


@pytest.mark.parametrize("name", ["figures", "checkpoints", "tensorboard"])
def test_links_out_of_a_run_are_not_followed(run: Path, tmp_path: Path, name: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "cluster-sizes.png").write_text("mine")
    inside = tmp_path / "run"
    inside.mkdir()
    for file in ("config.json", "run.json"):
        (inside / file).write_bytes((run / file).read_bytes())
    (inside / name).symlink_to(outside)
    said = refused("fit", "-o", inside, "--resume")
    assert (
        said == f"`-o` must hold no symbolic links to resume; got {inside / name}: put what it leads to in its place."
    )
    assert [path.read_text() for path in outside.iterdir()] == ["mine"]


@pytest.fixture
def tiny_disk(mounted: Callable[[str], Path]) -> Path:
    return mounted("100k")


@pytest.mark.parametrize("name", ["out.npy", "out.csv", "out.parquet", "run"])
def test_a_full_disk_is_said_and_nothing_stays(run: Path, tmp_path: Path, tiny_disk: Path, name: str) -> None:
    np.save(tmp_path / "many.npy", np.random.default_rng(0).normal(size=(20_000, 3)))
    arguments = ["predict", run, tmp_path / "many.npy", "--proba", "-o", tiny_disk / name]
    if name == "run":  # whose first checkpoint is larger than the disk
        arguments = ["fit", run.parent / "X.npy", "-k", "2", "--epochs", "1", "-q", "-o", tiny_disk / name]
    if name == "out.npy":  # in a process of its own: a memory map would be ended by a signal
        command = [sys.executable, "-m", "gmvae", *map(str, arguments)]
        done = subprocess.run(command, env=environment(), capture_output=True, text=True, check=False)
        assert done.returncode == 2, done.stderr
        said = done.stderr.removeprefix("Error: ")
    else:
        said = refused(*arguments)
    assert "no space left on device" in said.lower()
    assert name in said
    assert list(tiny_disk.iterdir()) == []


def test_a_disk_that_cannot_be_written_is_said(run: Path, tiny_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny_disk)], check=True)
    rows = run.parent / "X.npy"
    for arguments in (("predict", run, rows, "-o", tiny_disk / "out.csv"), ("fit", rows, "-o", tiny_disk / "run")):
        said = refused(*arguments)
        assert said.endswith(": read-only file system.")
        assert str(arguments[-1]) in said


def test_a_model_that_does_not_fit_on_the_disk(fitted: GMVAE, tiny_disk: Path) -> None:
    with suppress(OSError), (tiny_disk / "full").open("wb", buffering=0) as file:
        while True:
            file.write(b"0" * 1024)
    with pytest.raises(OSError, match="No space left on device") as caught:
        fitted.save(tiny_disk / "model")
    assert caught.value.filename == str(tiny_disk / "model")
    assert [path.name for path in tiny_disk.iterdir()] == ["full"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_full_standard_output(run: Path) -> None:
    command = [sys.executable, "-m", "gmvae", "predict", str(run), str(run.parent / "X.npy")]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(command, env=environment(), stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode != 0
    assert "No space left on device" in done.stderr
