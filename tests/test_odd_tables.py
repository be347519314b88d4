"""Odd files of tables: every one is read as it should be, or refused in a sentence that says what to do."""

from __future__ import annotations

import datetime
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet

from gmvae.data import load
from gmvae.data.columns import Columns
from gmvae.data.errors import DataError
from gmvae.data.frames import as_table
from gmvae.data.options import TableOptions
from gmvae.data.writers import write_table

N = 30
NUMBERS = [f"{value:.3f}" for value in np.random.default_rng(0).normal(size=N)]
TWO = list(zip(NUMBERS, reversed(NUMBERS), strict=True))


def written(path: Path, content: str, encoding: str = "utf-8") -> str:
    path.write_bytes(content.encode(encoding))
    return str(path)


def rows(separator: str = ",", end: str = "") -> str:
    return "".join(separator.join(row) + end + "\n" for row in TWO)


@pytest.mark.parametrize(
    ("name", "content", "encoding", "said"),
    [
        ("t.csv", "# by the lab\na,b\n" + rows(), "utf-8", r"its first, which has 1; got 2 in row 2, 'a,b': take out"),
        ("t.csv", "a,b", "utf-8", r"t\.csv must have at least one row below its header; got none: add rows"),
        ("t.csv", "", "utf-8", r"t\.csv must have at least one row below its header; got none: add rows"),
        ("t.csv", "a,b,\n" + rows(), "utf-8", r"which has 3; got 2 in row 2, .*: name every column, .* end all rows"),
        ("t.csv", 'a, b\n1, "x,y"\n', "utf-8", "which has 2; got 3 in row 2, .*: take out blanks before quotes"),
        ("t.csv", "a,b\n" + rows(end=","), "utf-8", r"which has 2; got 3 in row 2, .*: name every column, that of row"),
        ("t.csv", "a,b\n" + rows() + "1\n", "utf-8", r"which has 2; got 1 in row 32, '1': correct that row"),
        ("t.csv", "a,b\n" + rows(), "utf-16-le", "text in UTF-8; got bytes of another encoding or kind of file"),
        ("t.csv", "a,c\n" + "1.5,grün\n2.5,rot\n" * 9, "latin-1", "text in UTF-8; got other bytes: save the file as"),
        ("t.csv", "a^b\n" + rows("^"), "utf-8", r"`--separator \^` cuts them, `--separator ,` takes them as one"),
        ("t.tsv", "a,b\n" + rows(), "utf-8", "`--separator ,` cuts them, `--separator tab` takes them as one column"),
    ],
)
def test_odd_text_is_refused_with_a_remedy(tmp_path: Path, name: str, content: str, encoding: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        load(written(tmp_path / name, content, encoding))


@pytest.mark.parametrize("separator", [",", ";"])
def test_backslashes_mark_quotes_within_cells(tmp_path: Path, separator: str) -> None:
    cells = [r'"say \"hi\"; twice, now"', '"plain"', r'"a pipe of 5\" size"', r'"C:\\dir"'] * 7
    lines = [separator.join(("word", "y")), *(separator.join(each) for each in zip(cells, NUMBERS[:28], strict=True))]
    data = load(written(tmp_path / "t.csv", "\n".join(lines)))
    assert data.columns is not None
    assert data.columns.columns[0].levels == (r"C:\dir", 'a pipe of 5" size', "plain", 'say "hi"; twice, now')


@pytest.mark.parametrize(
    ("cells", "kind"),
    [
        ([*range(1, 260), "007"], str),
        ([10**19 + i for i in range(N)], str),
        ([f"{i}.10" for i in range(N)], str),
        (["NA", "NULL", "?", "1e5", "true"], str),
        (["2024-01-05T10:00"], str),
        ([-3, 0, 10**17], int),
    ],
)
def test_ids_stay_as_they_are_written(tmp_path: Path, cells: list[object], kind: type) -> None:
    path = written(tmp_path / "t.csv", "id,v\n" + "".join(f"{cell},{i}.5\n" for i, cell in enumerate(cells)))
    ids = load(path, table=TableOptions(id="id")).ids
    assert ids is not None
    assert ids.values.tolist() == [kind(cell) for cell in cells]


def test_cells_in_quotes_behind_blanks(tmp_path: Path) -> None:
    data = load(written(tmp_path / "t.csv", 'a, "b", c\n1, "x", "2.5"\n3, "y", "NA"\n'))
    assert data.columns is not None
    assert [(column.name, column.levels) for column in data.columns] == [("a", ()), ("b", ("x", "y")), ("c", ())]
    np.testing.assert_array_equal(data.X, [[1, 0, 2.5], [3, 1, np.nan]])


def test_one_row_without_an_end_of_line(tmp_path: Path) -> None:
    data = load(written(tmp_path / "t.csv", "1,2.5"), table=TableOptions(header=False))
    assert data.feature_names == ("column_1", "column_2")
    np.testing.assert_array_equal(data.X, [[1, 2.5]])


def test_measures_with_a_unit_and_dates_of_two_figures_are_left_out_as_such(tmp_path: Path) -> None:
    cells = [f"{a},{a} USD,'{a}',{1 + i // 3:02d}.{1 + i % 3:02d}.24" for i, a in enumerate(NUMBERS)]
    data = load(written(tmp_path / "t.csv", "a,price,quoted,day\n" + "\n".join(cells)))
    assert data.feature_names == ("a",)
    assert data.notes[0].startswith("Left out: 'price', 'quoted', numbers with a unit or sign beside each; write plain")
    assert data.notes[1].startswith("Left out: 'day', dates or times")


def test_numbers_that_pandas_gives_columns_are_names_behind_an_index(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 3)))
    frame.to_csv(tmp_path / "t.csv")
    data = load(tmp_path / "t.csv")
    assert data.feature_names == ("0", "1", "2")
    np.testing.assert_allclose(data.X, frame)


def test_parquet_of_odd_columns(tmp_path: Path) -> None:
    values = pa.array(np.arange(N) / 7)
    parquet.write_table(pa.Table.from_arrays([values, values], ["x", "x"]), tmp_path / "twice.parquet")
    with pytest.raises(
        DataError, match=r"twice\.parquet must have different column names; got 'x' 2 times: rename one"
    ):
        load(tmp_path / "twice.parquet")
    bytes_of_text = pa.array([b"lo", b"hi"] * (N // 2))
    parquet.write_table(pa.table({" x": values, "x": bytes_of_text, "y": values}), tmp_path / "t.parquet")
    data = load(tmp_path / "t.parquet")
    np.testing.assert_allclose(data.X, np.c_[np.arange(N) / 7, np.tile([1, 0], N // 2), np.arange(N) / 7])
    assert not data.notes


def test_categories_of_numbers_in_pandas_are_categories_in_its_parquet(tmp_path: Path) -> None:
    frame = pd.DataFrame({"grade": [3, 1, 2] * 10, "answer": [True, False] * 15, "dose": [0.5, 1.5, None] * 10})
    frame = frame.astype("category").assign(x=np.arange(N) / 7)
    frame.to_parquet(tmp_path / "t.parquet")
    found = load(tmp_path / "t.parquet").columns
    assert found is not None
    expected = Columns.learn(as_table(frame)).columns
    assert [(c.name, c.kind, c.levels) for c in found] == [(c.name, c.kind, c.levels) for c in expected]


def test_parts_with_other_separators_are_refused(tmp_path: Path) -> None:
    written(tmp_path / "a.csv", "a;b\n1,5;2\n3,5;4\n")
    written(tmp_path / "b.csv", 'a,b\n"1,250",2\n"3,250",4\n')  # thousands, not decimals
    with pytest.raises(DataError, match="must have the same separator; got different ones in a"):
        load(tmp_path)
    written(tmp_path / "b.csv", "")
    with pytest.raises(DataError, match=r"b\.csv must have at least one row below its header"):
        load(tmp_path)


def test_parts_of_a_frame_with_and_without_a_stored_index(tmp_path: Path) -> None:
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(N, 2)), columns=["a", "b"])
    for number, part in enumerate([frame[:10], frame[10:], frame[:0]]):  # pandas stores no index that counts from 0
        part.to_parquet(tmp_path / f"{number}.parquet")
    data = load(tmp_path)
    np.testing.assert_array_equal(data.X, frame)
    assert data.ids is None
    frame[10:].rename_axis("key").to_parquet(tmp_path / "1.parquet")
    with pytest.raises(DataError, match="must have the same columns; got 'key' in some of them only"):
        load(tmp_path)


@pytest.mark.parametrize("pattern", ["", "/*/*.parquet"])
def test_columns_in_names_of_folders_are_noted(tmp_path: Path, pattern: str) -> None:
    for year in (2023, 2024):
        (tmp_path / f"year={year}").mkdir()
        pd.DataFrame({"a": np.arange(N) / 7}).to_parquet(tmp_path / f"year={year}" / "part.parquet")
    (tmp_path / "_SUCCESS").touch()
    notes = load(f"{tmp_path}{pattern}").notes
    assert notes[-1] == "Left out: 'year', in names of folders alone; write them into the files to keep them."


def test_a_folder_of_other_files_is_refused_as_such(tmp_path: Path) -> None:
    written(tmp_path / "notes.txt", "x")
    with pytest.raises(DataError, match=r"must hold images \(.*\) or parts of a table \(.csv, .*\); got neither"):
        load(tmp_path)


LEVELS = pa.table({"text": ["x", "y"] * 15, "truth": [True, False] * 15, "zero": [0, 1] * 15, "number": NUMBERS})


@pytest.mark.parametrize("name", LEVELS.column_names)
@pytest.mark.parametrize(
    "cells",
    [[[1.0]] * N, [{"a": 1}] * N, [b"\xff\xfe"] * N, [datetime.timedelta(1)] * N],
    ids=["lists", "structs", "bytes", "durations"],
)
def test_columns_of_a_type_that_no_fit_has_are_refused_later(name: str, cells: list[object]) -> None:
    known = Columns.learn(LEVELS).columns
    with pytest.raises(DataError, match=f"column '{name}', must hold (values|numbers) as in the fit.*: encode them as"):
        known.encode(LEVELS.set_column(LEVELS.column_names.index(name), name, pa.array(cells)))


def test_columns_of_the_fit_cannot_be_left_out_later(tmp_path: Path) -> None:
    path = written(tmp_path / "t.csv", "a,b\n" + rows())
    known = load(path, table=TableOptions(drop=("b",))).columns
    assert known is not None
    assert load(path, table=TableOptions(drop=("b",)), known=known).X.shape == (N, 1)
    for options in (TableOptions(drop=("a",)), TableOptions(columns=("b",))):
        with pytest.raises(DataError, match="`--drop` and `--columns` must keep the columns of the fit; got 'a' left"):
            load(path, table=options, known=known)


def test_words_in_the_place_of_truth_values_are_noted() -> None:
    table = pa.table({"truth": [True, False] * 15, "text": ["x", "y"] * 15})
    known = Columns.learn(table).columns
    later = pa.table({"truth": ["Yes", "TRUE", None], "text": [1.5, np.nan, 1.5]})
    y, notes = known.encode(later)
    np.testing.assert_array_equal(y, [[np.nan, np.nan], [1, np.nan], [np.nan, np.nan]])
    assert notes == [
        "Counted as missing: 1 cell of 'truth' whose value the fit did not have: 'yes'.",
        "Counted as missing: 2 cells of 'text' whose value the fit did not have: '1.5'.",
    ]


def test_standard_output_that_cannot_take_a_table_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    block = [pa.array(["Köln"])]
    monkeypatch.setattr("sys.stdout", io.TextIOWrapper(io.BytesIO(), encoding="ascii"))
    with pytest.raises(ValueError, match=r"take all letters .* got ascii, without '\\xf6': set PYTHONIOENCODING=utf-8"):
        write_table(None, ["city"], [block])
    monkeypatch.setattr("sys.stdout", None)
    with pytest.raises(ValueError, match="must be a file where standard output is closed; got -: name one"):
        write_table(None, ["city"], [block])
