"""Columns of tables: what they hold, as numbers and back, whatever library the table is of."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from gmvae.data import DataError
from gmvae.data.columns import Column, Columns
from gmvae.data.frames import as_frame, as_table
from gmvae.data.order import natural_path
from gmvae.data.table_cells import Form

NAN = np.nan


def kinds(table: pa.Table) -> dict[str, str]:
    return {column.name: column.kind for column in Columns.learn(table).columns}


def read(values: list[str | None], form: Form | None = None) -> list[float]:
    """One column of text as numbers."""
    table = pa.table({"v": values})
    columns, _ = Columns.learn(table, form=form)
    assert columns.columns[0].kind == "number"
    return columns.encode(table, form=form).y[:, 0].tolist()


# ---------------------------------------------------------------- kinds


def test_every_kind_of_a_pandas_frame() -> None:
    frame = pd.DataFrame(
        {
            "sparse": pd.arrays.SparseArray([0, 0, 1.5, 2]),
            "grade": pd.Categorical(["c", None, "b", "a"], categories=["a", "b", "c"], ordered=True),
            "whole": pd.array([1, None, 3, 5], dtype="Int64"),
            "truth": pd.array([True, None, False, True], dtype="boolean"),
            "answer": ["no", None, " ?", "yes"],
            "mixed": [1, "2", None, "3.5"],
            "money": [Decimal("1.50"), None, Decimal("2.25"), Decimal("7.10")],
            "arrow": pd.array([1, 2, None, 4], dtype=pd.ArrowDtype(pa.decimal128(5, 2))),
            "dummy": [0, 1, 1, 0],
            "when": pd.to_datetime(["2020-01-01"] * 4),
            "same": ["x"] * 4,
        },
        index=[7, 8, 9, 10],
    )
    columns, notes = Columns.learn(as_table(frame))
    assert {column.name: column.kind for column in columns} == {
        "sparse": "number",
        "grade": "category",
        "whole": "number",
        "truth": "yes/no",
        "answer": "yes/no",
        "mixed": "number",
        "money": "number",
        "arrow": "number",
        "dummy": "yes/no",
    }
    assert [note.split(",")[0] for note in notes] == ["Left out: 'when'", "Left out: 'same'"]
    assert Counter(column.kind for column in columns) == {"number": 5, "yes/no": 3, "category": 1}
    encoded = columns.encode(as_table(frame))
    np.testing.assert_allclose(
        encoded.y,
        [
            [0, 2, 1, 1, 0, 1, 1.5, 1, 0],
            [0, NAN, NAN, NAN, NAN, 2, NAN, 2, 1],
            [1.5, 1, 3, 0, NAN, NAN, 2.25, NAN, 1],
            [2, 0, 5, 1, 1, 3.5, 7.1, 4, 0],
        ],
        rtol=1e-15,
    )
    assert encoded.notes == []


def test_a_polars_frame_keeps_its_levels_and_comes_back() -> None:
    frame = pl.DataFrame(
        {
            "size": pl.Series(["m", "s", None], dtype=pl.Enum(["s", "m", "l"])),
            "tag": pl.Series(["x", "y", "x"], dtype=pl.Categorical),
            "text": ["q", "r", "s"],
            "money": pl.Series([Decimal("1.50"), None, Decimal("2.25")]),
            "n": [1, None, 3],
        }
    )
    columns, _ = Columns.learn(as_table(frame))
    assert [column.levels for column in columns] == [("s", "m"), ("x", "y"), ("q", "r", "s"), (), ()]
    assert columns.columns[0].type_levels == ("s", "m", "l")
    y = columns.encode(as_table(frame)).y
    np.testing.assert_array_equal(y, [[1, 0, 0, 1.5, 1], [0, 1, 1, NAN, NAN], [NAN, 0, 2, 2.25, 3]])
    back = as_frame(columns.decode(y), frame)
    assert back.schema["size"] == pl.Enum(["s", "m", "l"])
    assert back.select("size", "text", "n").equals(frame.select("size", "text", "n"))
    assert back["money"].to_list() == frame["money"].to_list()


def test_complete_numbers_keep_their_type() -> None:
    for values, dtype in (
        ({"a": np.array([1, 2], np.uint8), "b": np.array([True, False])}, np.uint8),
        ({"a": np.array([1, 2], np.float32), "b": np.array([3, 5], np.int16)}, np.float32),
        ({"a": np.array([1, 2]), "b": np.array([3, 5])}, np.int64),
        ({"a": np.array([0, 1]), "b": np.array([3, 5])}, np.int64),
        ({"a": np.array([0, 1]), "b": np.array([0.5, 5])}, np.float64),
    ):
        table = pa.table(values)
        y = Columns.learn(table).columns.encode(table).y
        assert y.dtype == dtype
        np.testing.assert_array_equal(y, np.column_stack(list(values.values())))


def test_objects_of_an_array_are_a_table() -> None:
    X = np.array([[1, "a", None], [2.5, "b", 3], [NAN, "c", 4]], dtype=object)
    columns, _ = Columns.learn(as_table(X))
    assert columns.names == ("column_1", "column_2", "column_3")
    np.testing.assert_array_equal(columns.encode(as_table(X)).y, [[1, 0, NAN], [2.5, 1, 3], [NAN, 2, 4]])


def test_names_ids_and_texts_are_left_out_unless_wanted() -> None:
    n = 60
    table = pa.table(
        {
            "name": [f"person {i}" for i in range(n)],
            "ticket": [f"T{i // 2}x{i % 2}" for i in range(n)],
            "number": [1000, *range(1000, 1000 + n - 1)],  # one comes twice
            "city": [f"city {i % 14}" for i in range(n)],
            "x": [i / 7 for i in range(n)],
        }
    )
    columns, notes = Columns.learn(table)
    assert columns.names == ("number", "city", "x")
    assert columns.columns[1].levels[:3] == ("city 0", "city 1", "city 2")
    assert "city 10" in columns.columns[1].levels[10:]
    assert notes[0].startswith("Left out: 'name', 'ticket', where nearly every row has a text of its own")
    assert "`--columns`" in notes[0]
    assert notes[1].startswith(
        "Perhaps an id: 'number', a different whole number in nearly every row; if it is one, leave it out (`--id`"
    )
    assert len(notes) == 2
    kept = Columns.learn(table, wanted=["name"]).columns
    assert kept.columns[0].kind == "category"
    assert columns.encode(table).notes == []  # what the fit left out is no news


def test_numbers_in_another_unit_are_noted() -> None:
    columns, _ = Columns.learn(pa.table({"share": [0.1, 0.4, 0.9], "height": [1.6, 1.7, 1.9]}))
    query = {"share": [10, 40, None, 90, 12, 25, 33], "height": [1.6, 1.7, 1.8, 1.9, 12.0, 1.7, 1.8]}
    assert columns.encode(pa.table(query)).notes == [
        "Perhaps in another unit: 6 of 6 numbers of 'share' lie beyond those of the fit, from 0.1 to 0.9."
    ]
    few = {name: values[:4] for name, values in query.items()}
    assert columns.encode(pa.table(few)).notes == []


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        (
            ["1", "2", "3", "x"],
            r"column 'v', must hold numbers; got 'x' in data row 4: .* empty it if it marks missing cells .`--mi",
        ),
        ([None, "?", ""], r"column 'v', must have a value in some row; got none: leave it out \(`--drop`\)\."),
        ([1.0, float("inf")], r"column 'v', must hold finite numbers; got inf in data row 2"),
        ([1.0, None, -1e200], r"column 'v', must hold numbers of at most 1e\+150; got -1e\+200 in data row 3"),
        (["$1.20", "€3", None], r"must hold amounts of one currency; got '\$1.20' and '€3'"),
        ([[1], [2]], r"column 'v', must hold numbers, text or truth values; got values of type list"),
        (["1,250", "300"], r"got '1,250' in data row 1, which may be 1250 or 1.250: write plain numbers"),
    ],
)
def test_a_column_that_is_none_of_the_kinds_is_named(values: list, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        Columns.learn(pa.table({"v": values}), where="t.csv")


@pytest.mark.parametrize(
    ("values", "form", "expected"),
    [
        (["1", "+2", " 3 "], None, [1, 2, 3]),
        (["1e3", ".5", "-2."], None, [1000, 0.5, -2]),
        (["1,250.5", "2,300", "7"], None, [1250.5, 2300, 7]),
        (["1,250,000", "300"], None, [1_250_000, 300]),
        (["1,250", "300"], Form(decimal="."), [1250, 300]),
        (["1,250", "300"], Form(decimal=","), [1.25, 300]),
        (["1,250", "300"], Form(comma=True), [1.25, 300]),
        (["1.250", "300,5"], Form(decimal=","), [1250, 300.5]),
        (["1,25", "3"], None, [1.25, 3]),
        (["1.250,5", "3"], None, [1250.5, 3]),
        (["1 250", "1\u202f250\u202f000", "30"], None, [1250, 1_250_000, 30]),
        (["12%", "3.5 %"], None, [12, 3.5]),
        (["1,00,000", "12,34,567.5", "999"], None, [100000, 1234567.5, 999]),
        (["-9", "1", "n.d."], Form(missing=("-9", "n.d.")), [NAN, 1, NAN]),
    ],
)
def test_numbers_in_the_forms_that_people_write(values: list, form: Form | None, expected: list) -> None:
    np.testing.assert_array_equal(read(values, form), expected)


def test_a_mark_is_missing_among_numbers_too() -> None:
    table = pa.table({"v": [1.5, -999.0, 3.0]})
    columns, _ = Columns.learn(table, form=Form(missing=("-999",)))
    assert columns.columns[0].low == 1.5
    np.testing.assert_array_equal(columns.encode(table).y[:, 0], [1.5, NAN, 3])
    assert Columns.from_document(columns.document()).missing == ("-999",)


@pytest.mark.parametrize(
    "day",
    [
        "Jan {} 2024",
        "Fri, 0{} Jan 2024 10:00",
        "0{}-Jan-24",
        "{}. Mai 2024",
        "12:30:15.{}",
        "2024010{}T1030",
        "2024年1月{}日",
    ],
)
def test_dates_in_words_and_times_to_the_fraction_are_left_out(day: str) -> None:
    _, notes = Columns.learn(pa.table({"day": [day.format(1 + i % 3) for i in range(30)], "v": np.arange(30) / 7}))
    assert notes == [
        "Left out: 'day', dates or times; encode them as numbers, such as a year or days since a day, to keep them."
    ]


def test_ids_beyond_the_whole_numbers_of_floats_are_noted() -> None:
    _, notes = Columns.learn(pa.table({"id": 2**53 + np.arange(30), "v": np.arange(30) / 7}))
    assert [note[:20] for note in notes] == ["Perhaps an id: 'id',"]


def test_text_that_looks_like_no_number_stays_text() -> None:
    table = pa.table({"when": ["01.02.2020", "03.04.2021", "05.06.2022"], "version": ["1.2.3", "1.2.3", "1.10.0"]})
    assert kinds(table) == {"version": "yes/no"}, "dates are left out, whatever their form"


# ---------------------------------------------------------------- tables of later months


@pytest.fixture
def learned() -> Columns:
    table = pa.table(
        {
            "age": [20, 35, 61],
            "income": [1.5, 2.25, 9.0],
            "job": pa.array(["nurse", "cook", "smith"]),
            "sex": ["f", "m", "f"],
            "smokes": [True, False, True],
            "dummy": [0, 1, 0],
        }
    )
    return Columns.learn(table).columns


def test_other_order_other_types_extra_columns_and_new_levels(learned: Columns) -> None:
    later = pa.table(
        {
            "extra": [1, 2],
            "smokes": ["True", "false"],
            "sex": pa.array(["m", "x"]).dictionary_encode(),
            "job": ["astronaut", "cook"],
            "income": ["3.5", "NA"],
            "dummy": [1.0, 2.0],
            "age": pa.array([None, None], pa.null()),
        }
    )
    y, notes = learned.encode(later, where="may.csv")
    np.testing.assert_array_equal(y, [[NAN, 3.5, NAN, 1, 1, 1], [NAN, NAN, 0, NAN, 0, NAN]])
    assert notes == [
        "Left out, as the fit did not have them: 'extra'.",
        "Counted as missing: 1 cell of 'job' whose value the fit did not have: 'astronaut'.",
        "Counted as missing: 1 cell of 'sex' whose value the fit did not have: 'x'.",
        "Counted as missing: 1 cell of 'dummy' whose value the fit did not have: 2.0.",
    ]
    with pytest.raises(
        DataError,
        match=r"may.csv must have the columns of the training; it lacks age: add what is missing, with empty",
    ):
        learned.encode(later.drop_columns(["age"]), where="may.csv")
    with pytest.raises(DataError, match=r"column 'income', must hold numbers; got 'much' in data row 1"):
        learned.encode(later.set_column(4, "income", pa.array(["much", "more"])), where="may.csv")


def test_columns_without_names_match_by_place() -> None:
    columns, _ = Columns.learn(pa.table({"column_1": [1, 2], "column_3": ["u", "v"]}), left_out=["column_2"])
    y = columns.encode(pa.table({"a": [5, 6], "b": ["p", "q"], "c": ["v", "u"]})).y
    np.testing.assert_array_equal(y, [[5, 1], [6, 0]])
    with pytest.raises(DataError, match="it lacks column_3"):
        columns.encode(pa.table({"a": [5, 6], "b": ["p", "q"]}))


def test_rows_come_back_as_they_could_have_been(learned: Columns) -> None:
    y = np.array([[-20.7, 6.123, 0.6, 0.4, 0.5, 6.1], [40.4, 99.0, 7.0, NAN, 0.2, 0.1], [NAN] * 6])
    back = learned.decode(y)
    assert back.to_pydict() == {
        "age": [20, 40, None],
        "income": [6.12, 9.0, None],
        "job": ["nurse", "smith", None],
        "sex": ["f", None, None],
        "smokes": [True, False, None],
        "dummy": [1, 0, None],
    }
    assert [str(kind) for kind in back.schema.types] == ["int64", "double", "string", "string", "bool", "int64"]


def test_codes_of_a_table_decode_to_the_table() -> None:
    frame = pd.DataFrame(
        {
            "grade": pd.Categorical(["c", None, "a"], categories=["a", "b", "c"], ordered=True),
            "n": pd.Categorical([10, 20, 10]),
            "small": np.array([1, 2, 5], np.int8),
            "half": np.array([0.5, NAN, 2], np.float32),
        }
    )
    columns, _ = Columns.learn(as_table(frame))
    back = as_frame(columns.decode(columns.encode(as_table(frame)).y), frame)
    pd.testing.assert_frame_equal(back, frame)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int32", "int64", "uint64", "float32", "float64"])
def test_the_extremes_of_a_type_come_back_within_it(dtype: str) -> None:
    ends = np.iinfo(dtype) if dtype[0] in "ui" else np.finfo(dtype)
    low, high = max(float(ends.min), -1e150), min(float(ends.max), 1e150)  # larger ones cannot be squared
    table = pa.table({"v": np.array([ends.min, 3, ends.max] if dtype != "float64" else [low, 3, high], dtype)})
    columns, _ = Columns.learn(table)
    far = np.array([[-np.inf], [3.4], [np.inf]])
    back = columns.decode(far).column("v").to_numpy()
    assert back.dtype == dtype
    assert back[1] == 3
    np.testing.assert_allclose(back[[0, 2]].astype(float), [low, high])


def test_columns_survive_json(learned: Columns) -> None:
    again = Columns.from_document(json.loads(json.dumps(learned.document())))
    assert again == learned
    assert [type(level) for level in again.columns[4].levels] == [bool, bool]
    for document in (None, {}, {"columns": []}, {**learned.document(), "columns": [{"name": "a", "kind": "odd"}]}):
        with pytest.raises(ValueError, match=r"^Columns must be those of a fit; got .*: fit again\.$"):
            Columns.from_document(document)


def test_intervals_are_categories_and_periods_dates() -> None:
    x = [1.0, 2.0, 3.0, 9.0]
    frame = pd.DataFrame(
        {"cut": pd.cut(x, [0, 2, 5, 10]), "month": pd.period_range("2020", periods=4, freq="M"), "x": x}
    )
    columns, notes = Columns.learn(as_table(frame))
    assert columns.names == ("cut", "x")
    assert columns.columns[0].levels == ("(0, 2]", "(2, 5]", "(5, 10]")
    assert columns.encode(as_table(frame)).y[:, 0].tolist() == [0, 0, 1, 2]
    assert notes[0].startswith("Left out: 'month', dates or times")


def test_frames_with_a_name_twice_are_refused() -> None:
    with pytest.raises(DataError, match=r"X must have different column names; got 'a' 2 times: rename one\."):
        as_table(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_a_column_says_only_what_is_not_usual() -> None:
    document = Columns((Column("x", "number", "double", low=-1.0, high=2.0),)).document()
    assert document["columns"] == [{"name": "x", "kind": "number", "dtype": "double", "low": -1.0, "high": 2.0}]


def test_names_sort_as_people_sort_them() -> None:
    names = ["b/10.png", "b/9.png", "a10/1.png", "a2/1.png", "a2/01.png", "c"]
    assert sorted(names, key=natural_path) == ["a2/01.png", "a2/1.png", "a10/1.png", "b/9.png", "b/10.png", "c"]
