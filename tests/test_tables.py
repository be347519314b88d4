"""Tables as people have them: separators, headers, gaps, ids, parts, and the options that say what a file does not."""

from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from pyarrow import parquet
from scipy import sparse

from gmvae.data import DataError, load
from gmvae.data.options import TableOptions
from gmvae.sparse_rows import SparseRows

NAN = np.nan


def put(folder: Path, text: str, name: str = "t.csv") -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(text.encode()) if name.endswith(".gz") else text.encode())
    return path


# ---------------------------------------------------------------- separators and decimal marks


@pytest.mark.parametrize(
    ("text", "name", "options", "expected"),
    [
        ("a;b\n1,5;2\n2,25;3\n", "t.csv", {}, [[1.5, 2], [2.25, 3]]),
        ("a\tb\n1\t2\n3\t4\n", "t.csv", {}, [[1, 2], [3, 4]]),
        ("a\tb\n1\t2\n3\t4\n", "t.tsv", {}, [[1, 2], [3, 4]]),
        ("a\tb\n1\t2\n3\t4\n", "t.tsv.gz", {}, [[1, 2], [3, 4]]),
        ("a|b\n1|2\n3|4\n", "t.csv", {}, [[1, 2], [3, 4]]),
        ("a, b\n1, 2\n 3, ?\n", "t.csv", {}, [[1, 2], [3, NAN]]),
        ("a,b\n1,red;blue\n2,red;green\n", "t.csv", {}, [[1, 0], [2, 1]]),
        ("a b\n1 2\n", "t.csv", {"separator": "space"}, [[1, 2]]),
        ("a:b\n1:2\n", "t.csv", {"separator": ":"}, [[1, 2]]),
        ('a,b\n"1,5",2\n"1,25",3\n', "t.csv", {}, [[1.5, 2], [1.25, 3]]),
        ('a,b\n"1,250",2\n"2,000",3\n', "t.csv", {"decimal": "."}, [[1250, 2], [2000, 3]]),
        ("a;b\n1.250;2\n2.000;3,5\n", "t.csv", {"decimal": ","}, [[1250, 2], [2000, 3.5]]),
        ("a,b\n1 250,12%\n300,3%\n", "t.csv", {}, [[1250, 12], [300, 3]]),
        ("a,b\n1,-9\n-9,3\n", "t.csv", {"missing": ("-9",)}, [[1, NAN], [NAN, 3]]),
        ("a,b\n1,n.d.\n, n.d.\n2,5\nNA,4\n", "t.csv", {}, None),
        ("a;b\n1,5;-9,0\n-9;3\n", "t.csv", {"missing": ("-9",)}, [[1.5, NAN], [NAN, 3]]),
        ("a,b,\n1,2,\n3,4,\n", "t.csv", {}, [[1, 2], [3, 4]]),
        ("sep=;\na;b\n1;2\n3;4\n", "t.csv", {}, [[1, 2], [3, 4]]),
        ("a,b\n$1.50,\u22122\n$3,4\n", "t.csv", {}, [[1.5, -2], [3, 4]]),
        ("a;b\n1'250,5;5,00 \u20ac\n300;12,10 \u20ac\n", "t.csv", {}, [[1250.5, 5], [300, 12.1]]),
        ('a,note\n1,"one\nline"\n2,"two\nlines"\n', "t.csv", {}, [[1, 0], [2, 1]]),
    ],
)
def test_separators_marks_and_gaps(tmp_path: Path, text: str, name: str, options: dict, expected: list | None) -> None:
    path = put(tmp_path, text, name)
    if expected is None:
        with pytest.raises(DataError, match=r"column 'b', must hold numbers; got 'n.d.' in data row 1.*`--missing`"):
            load(path)
        options, expected = {"missing": ("n.d.",)}, [[1, NAN], [NAN, NAN], [2, 5], [NAN, 4]]
    np.testing.assert_array_equal(load(path, table=TableOptions(**options)).X, expected)


def test_excels_unicode_text_is_read(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes("a\tgröße\n1,5\t2\n3,5\t4\n".encode("utf-16"))
    data = load(path)
    assert data.feature_names == ("a", "größe")
    np.testing.assert_array_equal(data.X, [[1.5, 2], [3.5, 4]])


def test_digits_behind_leading_zeros_are_text(tmp_path: Path) -> None:
    """A postal code is no number, and an id comes back as it was."""
    rows = "".join(f"{id},{zip},{i}\n" for i, (id, zip) in enumerate([("007", "01234"), ("010", "10115")] * 10))
    data = load(put(tmp_path, "id,zip,v\n" + rows), table=TableOptions(id="id"))
    assert data.columns is not None
    assert data.ids is not None
    assert data.ids.values[:2].tolist() == ["007", "010"]
    assert data.columns.columns[0].levels == ("01234", "10115")
    assert any(note.startswith("Taken as text: 'zip', whose cells begin with zeros") for note in data.notes)
    later = load(put(tmp_path, "zip,v\n10115,1\n,2\n", "later.csv"), known=data.columns)
    np.testing.assert_array_equal(later.X, [[1, 1], [NAN, 2]])
    numbers = load(put(tmp_path, "v,w\n1,2\n3,4\n")).columns
    np.testing.assert_array_equal(load(put(tmp_path, "v,w\n01,2\n", "n.csv"), known=numbers).X, [[1, 2]])


def test_what_may_be_numbers_or_the_same_level_is_noted(tmp_path: Path) -> None:
    text = "a,size,answer,when\n" + "1,5 kg,yes,01/02/2024\n2,12 kg,Yes,13/02/2024\n" * 9 + "3,7 kg,no,14/02/2024\n"
    data = load(put(tmp_path, text))
    assert data.feature_names == ("a", "size", "answer")
    for said in ("numbers with a unit or sign", "upper and lower case: in 'answer'", "Left out: 'when', dates"):
        assert sum(said in note for note in data.notes) == 1, data.notes


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a b\n1 2\n3 4\n", "commas, semicolons, tabs .* `--separator space`"),
        ("a:b\n1:2\n3:4\n", "`--separator :`"),
        ('a,b\n1,"x\n2,x\n3,y\n', "must close every quote"),
        ("a;b\n1.250;3,5\n900;2,5\n", "got '1.250' beside decimal commas .* `--decimal`"),
        ("2024-01-01,a\n2024-01-02,b\n", "may be data: `--no-header`"),
        ("a b c\n1 2 u\n3 4 v\n", "commas, semicolons, tabs .* `--separator space`"),
        ("a,b\n1,'x,y'\n2,'z,y'\n", "put cells in double quotes, not single ones"),
        ("height\n1,72\n1,81\n", "`--separator ';'`, if its commas are decimal marks"),
    ],
)
def test_tables_that_would_be_cut_wrongly_are_refused(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(put(tmp_path, text))


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"separator": ";;"}, r"`--separator` must be one character or 'tab'; got ';;'\."),
        ({"decimal": "x"}, r"`--decimal` must be . or ,; got 'x'\."),
        (
            {"drop": ("agee",)},
            r"`--drop` must name columns of t.csv, 'age', 'b'; got 'agee' \(did you mean 'age'\?\): name one",
        ),
        ({"columns": ("c",)}, r"`--columns` must name columns of t.csv, 'age', 'b'; got 'c': name one of these\."),
        ({"id": "c"}, r"`--id` must name columns of t.csv, 'age', 'b'; got 'c': name one of these\."),
        ({"drop": ("age", "b")}, r"t.csv must have at least one column to learn from"),
    ],
)
def test_options_that_do_not_fit_are_named(tmp_path: Path, options: dict, sentence: str) -> None:
    with pytest.raises(DataError, match=sentence):
        load(put(tmp_path, "age,b\n1,2\n"), table=TableOptions(**options))


# ---------------------------------------------------------------- headers


@pytest.mark.parametrize(
    "text",
    [
        "5.1,3.5,1.4\n4.9,3,1.4\n",
        "1,2,3\n4,5,6\n",
        "7\n8\n9\n",
        "0,1,2\n7,8,9\n",
        "400.5,410,450\n7,8,9\n",
        "39, State-gov, 77516\n50, Private, 83311\n",
        "country,1990,1991\nChad,1,2\n",
        "x,?,1\nx,z,2\nw,u,3\n",
        "p,x,s\ne,x,y\np,b,w\n",
        "0%,u\n5%,v\n,w\n",
        "$0.50,u\n$7,v\n",
        '"1,234.50",u\n"2,345.60",v\n',
        "5 kg,u\n7 kg,v\n",
        "true,u\nFALSE,v\n",
        "u,2024-01-01\nv,\nw,2024-01-03\n",
    ],
)
def test_a_first_row_that_may_be_data_is_never_eaten(tmp_path: Path, text: str) -> None:
    path = put(tmp_path, text)
    with pytest.raises(
        DataError, match=r"^t.csv must start with the names of its columns; got .*, which may be data: `--no-header`"
    ):
        load(path)
    bare = load(path, table=TableOptions(header=False))
    assert len(bare.X) == text.count("\n")
    assert bare.feature_names is not None
    assert bare.feature_names[0] == "column_1"
    if text[0].isdigit() and len(bare.feature_names) == 3:
        assert len(load(path, table=TableOptions(header=True)).X) == text.count("\n") - 1


def test_a_hundred_random_tables_without_a_header_lose_no_row(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for n_columns in (1, 2, 3, 5):
        for _ in range(25):
            rows = np.sort(random.normal(size=(6, n_columns)).round(2), axis=1)
            path = put(tmp_path, "\n".join(",".join(map(str, row)) for row in rows.tolist()) + "\n")
            with pytest.raises(DataError, match="`--no-header`"):
                load(path)
            np.testing.assert_array_equal(load(path, table=TableOptions(header=False)).X, rows)


def test_numbers_that_pandas_gives_to_columns_are_names(tmp_path: Path) -> None:
    X = np.random.default_rng(0).normal(size=(5, 4)).round(3)
    pd.DataFrame(X).to_csv(tmp_path / "t.csv", index=False)
    data = load(tmp_path / "t.csv")
    assert data.feature_names == ("0", "1", "2", "3")
    np.testing.assert_array_equal(data.X, X)
    pd.DataFrame(X, index=[f"r{i}" for i in range(5)]).to_csv(tmp_path / "t.csv")
    data = load(tmp_path / "t.csv", table=TableOptions(header=True))
    np.testing.assert_array_equal(data.X, X)
    assert data.ids is not None
    assert (data.ids.name, data.ids.values.tolist()) == ("index", ["r0", "r1", "r2", "r3", "r4"])


def test_columns_of_a_file_without_a_header_are_named_by_number(tmp_path: Path) -> None:
    path = put(tmp_path, "7,1,a,2\n8,3,b,4\n9,5,a,6\n")
    data = load(path, labels="3", table=TableOptions(header=False, id="1", drop=("column_4",)))
    assert data.feature_names == ("column_2",)
    assert data.X.tolist() == [[1], [3], [5]]
    assert data.labels is not None
    assert data.labels.tolist() == ["a", "b", "a"]
    assert data.ids is not None
    assert (data.ids.name, data.ids.values.tolist()) == ("column_1", [7, 8, 9])


# ---------------------------------------------------------------- ids and chosen columns


def test_what_pandas_names_as_an_index_identifies_rows(tmp_path: Path) -> None:
    frame = pd.DataFrame({"customer": [101, 205, 309], "shop": ["x", "y", "x"], "a": [1.5, 2, 3], "b": [4, 5, 6]})
    frame.set_index("customer")[["a", "b"]].to_parquet(tmp_path / "one.parquet")
    data = load(tmp_path / "one.parquet")
    assert data.feature_names == ("a", "b")
    np.testing.assert_array_equal(data.X, frame[["a", "b"]])
    assert data.ids is not None
    assert (data.ids.name, data.ids.values.tolist()) == ("customer", [101, 205, 309])
    frame.set_index(["customer", "shop"]).to_parquet(tmp_path / "two.parquet")
    ids = load(tmp_path / "two.parquet").ids
    assert ids is not None
    assert (ids.name, ids.values.tolist()) == ("customer, shop", ["101, x", "205, y", "309, x"])
    frame[["a", "b"]].to_parquet(tmp_path / "none.parquet")
    assert load(tmp_path / "none.parquet").ids is None
    frame[["a", "b"]][frame.b > 4].to_parquet(tmp_path / "some.parquet")
    ids = load(tmp_path / "some.parquet").ids
    assert ids is not None
    assert (ids.name, ids.values.tolist()) == ("index", [1, 2])
    assert load(tmp_path / "one.parquet", table=TableOptions(columns=("customer", "a"))).X.tolist() == [
        [101, 1.5],
        [205, 2],
        [309, 3],
    ]


def test_columns_are_chosen_and_ids_named(tmp_path: Path) -> None:
    path = put(tmp_path, "who,a,b,c\nann,1,2,3\nbob,4,5,6\ncid,7,8,9\n")
    data = load(path, table=TableOptions(columns=("c", "a"), id="who"))
    assert data.feature_names == ("c", "a")
    assert data.X.tolist() == [[3, 1], [6, 4], [9, 7]]
    assert data.ids is not None
    assert data.ids.values.tolist() == ["ann", "bob", "cid"]
    assert data.columns is not None
    later = put(tmp_path, "a,c,new\n1,3,9\n", "later.csv")
    again = load(later, table=TableOptions(id="who"), known=data.columns)
    assert again.X.tolist() == [[3, 1]]
    assert again.notes == (
        "later.csv has no column 'who': its rows are numbered.",
        "Left out, as the fit did not have them: 'new'.",
    )


def test_codes_are_seen_in_late_rows_and_beyond_64_bits(tmp_path: Path) -> None:
    late = "".join(f"{10000 + i % 50},1\n" for i in range(3000))
    data = load(put(tmp_path, f"zip,b\n{late}01234,2\n"))
    assert data.columns is not None
    assert data.columns.columns[0].levels[:2] == ("01234", "10000")
    long = "".join(f"{12345678901234567890 + i % 3},{i}.5\n" for i in range(9))
    data = load(put(tmp_path, f"account,b\n{long}"))
    assert data.columns is not None
    assert data.columns.columns[0].levels == tuple(str(12345678901234567890 + i) for i in range(3))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b\n1,u\n2,v\n3,-\n", "Perhaps marks of missing cells: '-' in 'b'; name them (`--missing`)"),
        ("a,b\n1,None\n2,v\n3,w\n", "'None' in 'b'"),
        ("a,b\n1,u\n2,v\n3,#VALUE!\n", "'#VALUE!' in 'b'"),
        ("b,a\nu,1\nv,2\nu,3\nTotal,6\n", "The last row of t.csv may be no observation, with 'Total' in 'b'"),
        ("a,b\n20240131,1\n20240201,2\n20240201,7\n", "Perhaps dates: 'a', whole numbers such as 20201231"),
    ],
)
def test_what_may_be_no_observation_is_noted(tmp_path: Path, text: str, said: str) -> None:
    assert any(said in note for note in load(put(tmp_path, text)).notes)


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("t.csv.zip", "unpack it"), ("t.txt", "let its name end in .csv"), ("t.xlsx", "save it as one of these")],
)
def test_other_files_are_refused_with_what_to_do(tmp_path: Path, name: str, remedy: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"a,b\n1,2\n")
    with pytest.raises(DataError, match=remedy):
        load(path)


def test_a_row_without_any_value_is_noted(tmp_path: Path) -> None:
    path = put(tmp_path, "who,a,b\nann,1,2\nbob,,?\ncid,3,4\n")
    options = TableOptions(id="who")
    known = load(put(tmp_path, "a,b\n1,2\n3,4\n", "fit.csv")).columns
    data = load(path, table=options, known=known)
    np.testing.assert_array_equal(data.X, [[1, 2], [NAN, NAN], [3, 4]])
    assert data.notes[-1].startswith("Data row 2 (who bob) has no value at all in t.csv: ")


def test_options_are_remembered_and_overridden() -> None:
    then = TableOptions(drop=("a",), header=False, missing=("?", "x"))
    assert TableOptions.from_document(then.document()) == then
    assert then.document() == {"drop": ["a"], "header": False, "missing": ["?", "x"]}
    assert TableOptions(header=True).or_else(then) == then._replace(header=True)
    for document in ({"odd": 1}, {"drop": [1]}, [], {"id": 3}):
        with pytest.raises(ValueError, match="Options of a table must be those of a fit"):
            TableOptions.from_document(document)


# ---------------------------------------------------------------- parts, decimals, sparse


def test_folders_of_parts_are_read_in_their_natural_order(tmp_path: Path) -> None:
    for i in (10, 9, 1):
        table = pa.table({"a": [float(i), i + 0.5], "b": [i, None if i == 9 else i]})
        (tmp_path / "p").mkdir(exist_ok=True)
        parquet.write_table(table if i != 9 else table.select(["b", "a"]), tmp_path / "p" / f"part-{i}.parquet")
    put(tmp_path, "", "p/_SUCCESS")
    data = load(tmp_path / "p")
    np.testing.assert_array_equal(data.X, [[1, 1], [1.5, 1], [9, 9], [9.5, NAN], [10, 10], [10.5, 10]])
    put(tmp_path, "a,b,d\n1,x,1\n2,y,2\n", "c/1.csv")
    put(tmp_path, "a,b,d\n2.5,x,3\n", "c/2.csv")
    put(tmp_path, "b,a,d\n7,?,4\nx,4,5\n", "c/10.csv")
    data = load(tmp_path / "c", labels="b")
    np.testing.assert_array_equal(data.X, [[1, 1], [2, 2], [2.5, 3], [NAN, 4], [4, 5]])
    assert data.labels is not None
    assert data.labels.tolist() == ["x", "y", "x", "7", "x"]
    put(tmp_path, "a,c,d\n1,2,3\n", "c/3.csv")
    with pytest.raises(DataError, match=r"All tables in c must have the same columns; got 'b' in some of them only"):
        load(tmp_path / "c")


def test_sparse_matrices_are_read(tmp_path: Path) -> None:
    X = np.array([[0, 1.5, 0], [2, 0, 0], [0, 0, 0], [0, 0, 3]])
    for i, make in enumerate((sparse.csr_matrix, sparse.csc_matrix, sparse.coo_matrix, sparse.csr_array)):
        sparse.save_npz(tmp_path / f"{i}.npz", make(X))
        read = load(tmp_path / f"{i}.npz").X
        assert isinstance(read, SparseRows)
        np.testing.assert_array_equal(np.asarray(read), X)
    rows = sparse.csr_matrix(X)
    np.savez(
        tmp_path / "parts.npz",
        data=rows.data,
        indices=rows.indices,
        indptr=rows.indptr,
        shape=rows.shape,
        y=np.arange(4),
    )
    data = load(tmp_path / "parts.npz", labels="y")
    np.testing.assert_array_equal(np.asarray(data.X), X)
    assert data.labels is not None
    assert data.labels.tolist() == [0, 1, 2, 3]
    np.savez(tmp_path / "bad.npz", data=rows.data, indices=rows.indices + 9, indptr=rows.indptr, shape=rows.shape)
    with pytest.raises(DataError, match=r"^bad.npz must be arrays saved by numpy.savez"):
        load(tmp_path / "bad.npz")
    np.savez(tmp_path / "big.npz", data=rows.data, indices=rows.indices, indptr=rows.indptr, shape=(4, 10**7))
    with pytest.raises(DataError, match=r"^big.npz must hold a matrix of at most 1,048,576 columns; got 10,000,000: "):
        load(tmp_path / "big.npz")


# ---------------------------------------------------------------- real tables


def test_adult_and_horse_colic_are_read_as_they_are(data_home: Path) -> None:
    data = load(data_home / "tabular" / "adult-train.csv.gz", table=TableOptions(header=False))
    assert data.columns is not None
    assert Counter(column.kind for column in data.columns) == {"number": 6, "yes/no": 2, "category": 7}
    assert data.X.shape == (32561, 15)
    rows_with_gaps = np.isnan(data.X).any(axis=1).sum()
    assert rows_with_gaps == 2399
    first = data.columns.decode(data.X[:1]).to_pylist()[0]
    assert list(first.values())[:4] == [39, "State-gov", 77516, "Bachelors"]
    with pytest.raises(DataError, match=r"got 39, State-gov, 77516, .*`--no-header`"):
        load(data_home / "tabular" / "adult-train.csv.gz")
    path = data_home / "tabular" / "horse-colic.csv"
    data = load(
        path, table=TableOptions(header=False, missing=("?",), id="3", drop=("25", "26", "27", "28")), labels="24"
    )
    assert data.X.shape == (300, 22)
    marks = sum(line.count("?") for line in path.read_text().splitlines())
    assert np.isnan(data.X).sum() == marks


def test_text_that_is_none_in_a_parquet_file_is_refused(tmp_path: Path) -> None:
    broken = pa.StringArray.from_buffers(2, pa.py_buffer(np.array([0, 1, 2], np.int32)), pa.py_buffer(b"\xff\xfe"))
    parquet.write_table(pa.table({"a": [1.0, 2.0], "b": broken}), tmp_path / "t.parquet")
    with pytest.raises(DataError, match=r"^t.parquet must be a table that can be read; got: .*UTF8"):
        load(tmp_path / "t.parquet")


def test_options_of_tables_are_for_tables(tmp_path: Path) -> None:
    np.save(tmp_path / "x.npy", np.ones((3, 2)))
    for source in ("digits", tmp_path / "x.npy"):
        with pytest.raises(DataError, match=r"`--drop` must be for a table; got (digits|x.npy): leave it out\."):
            load(source, table=TableOptions(drop=("a",)))
    path = put(tmp_path, "a,b\n1,2\n3,4\n")
    with pytest.raises(DataError, match=r"`--columns` and `--drop` must name different columns; got 'a' in both"):
        load(path, table=TableOptions(columns=("a",), drop=("a",)))
