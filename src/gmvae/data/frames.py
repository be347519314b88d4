"""Frames of pandas, polars and pyarrow, and arrays of objects, as Arrow tables; and tables back as frames."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae.data.columns import UNNAMED
from gmvae.data.errors import DataError
from gmvae.foreign_errors import reason

if TYPE_CHECKING:
    import pyarrow as pa


def is_frame(X: Any) -> bool:
    """Whether X is a table with named columns, of pandas, polars, pyarrow or another library that speaks Arrow."""
    return _is_pandas(X) or (hasattr(X, "__arrow_c_stream__") and hasattr(X, "columns"))


def check_names(X: Any) -> None:
    """DataError if a pandas frame has no columns, or two of the same name; others cannot, or are found out by Arrow."""
    if not _is_pandas(X):
        return
    if not X.shape[1]:
        raise DataError("X must have columns; got a frame without any: add some.")
    check_different(X.columns)


def with_types(X: Any) -> Any:
    """Arrow columns without any value and type as numbers; other X as they are."""
    pa = sys.modules.get("pyarrow")
    if pa is None or not isinstance(X, pa.Table | pa.RecordBatch):
        return X
    fields = [field.with_type(pa.float64()) if pa.types.is_null(field.type) else field for field in X.schema]
    return X.cast(pa.schema(fields)) if any(pa.types.is_null(kind) for kind in X.schema.types) else X


def as_table(X: Any) -> pa.Table:
    """A frame, or a two-dimensional array of objects, as a table.

    The index of a pandas frame is left out. Columns of an array are named ``column_1``, ``column_2``, … A pandas column
    of objects of several types becomes text. DataError if two columns have the same name, or X cannot be a table.
    """
    import pyarrow as pa

    try:
        if isinstance(X, pa.Table):
            table = X
        elif _is_pandas(X):
            table = _from_pandas(X)
        elif is_frame(X):
            table = _with_ordered_enums(pa.table(X), X)
        else:
            array = np.asarray(X, dtype=object)
            if array.ndim != 2 or 0 in array.shape:
                raise DataError(f"X must be a table of rows and columns; got shape {array.shape}: reshape it.")
            table = pa.table({f"{UNNAMED}{i + 1}": _objects(values) for i, values in enumerate(array.T)})
    except (pa.ArrowException, TypeError, NotImplementedError) as error:
        raise DataError(f"X must be a table that Arrow can hold; got: {reason(error)}: convert its columns.") from error
    check_different(table.column_names)
    return plain(table)


def as_frame(table: pa.Table, template: Any) -> Any:
    """A table as a frame of the library that ``template``, a frame, is of; Arrow's own where it is of no other.

    Levels of a pandas ``category`` and a polars ``Enum`` come back as such.
    """
    library = type(template).__module__.partition(".")[0]
    if library == "pandas":
        return table.to_pandas().rename(columns={str(name): name for name in template.columns})
    if library == "polars":
        from pyarrow import types

        polars = sys.modules["polars"]  # that of the user

        frame = polars.from_arrow(table)
        assert isinstance(frame, polars.DataFrame)
        levels = {
            field.name: table.column(field.name).unify_dictionaries().chunk(0).dictionary.to_pylist()
            for field in table.schema
            if types.is_dictionary(field.type) and field.type.ordered
        }
        return frame.with_columns(polars.col(name).cast(polars.Enum(each)) for name, each in levels.items())
    return table


def plain(table: pa.Table) -> pa.Table:
    """A table without views of text, half floats, run-length codes or codes of lists, with which Arrow cannot compute.

    Bytes that are text, as Parquet of some writers has it, become text.
    """
    import pyarrow as pa

    def computable(kind: pa.DataType) -> pa.DataType:
        if pa.types.is_dictionary(kind):
            return pa.dictionary(pa.int32(), computable(kind.value_type), kind.ordered)
        if str(kind) == "string_view":
            return pa.large_string()
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            return pa.large_string()
        return pa.float32() if pa.types.is_float16(kind) else kind

    def made_computable(column: pa.ChunkedArray) -> pa.ChunkedArray:
        column = _without_codes(column)
        kind = computable(column.type)
        try:
            return column if kind == column.type else column.cast(kind)
        except pa.ArrowInvalid:  # bytes that are no text
            return column

    columns = [made_computable(column) for column in table.columns]
    return pa.table(columns, table.column_names).replace_schema_metadata(table.schema.metadata)


def _without_codes(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """A column of run-length codes, or of codes of lists and the like, as what these stand for."""
    import pyarrow as pa
    from pyarrow import compute

    if pa.types.is_run_end_encoded(column.type):
        return pa.chunked_array([compute.run_end_decode(chunk) for chunk in column.chunks], column.type.value_type)
    if pa.types.is_dictionary(column.type) and pa.types.is_nested(column.type.value_type):
        return pa.chunked_array([chunk.dictionary_decode() for chunk in column.chunks], column.type.value_type)
    return column


def _with_ordered_enums(table: pa.Table, X: Any) -> pa.Table:
    """The table with the levels of a polars ``Enum`` marked as ordered, which polars itself does only lately."""
    import pyarrow as pa

    schema = dict(X.schema) if type(X).__module__.startswith("polars") else {}
    for i, (name, kind) in enumerate(schema.items()):
        field = table.schema.field(i)
        if type(kind).__name__ == "Enum" and pa.types.is_dictionary(field.type) and not field.type.ordered:
            ordered = pa.dictionary(field.type.index_type, field.type.value_type, ordered=True)
            chunks = [
                pa.DictionaryArray.from_arrays(chunk.indices, chunk.dictionary, ordered=True)
                for chunk in table.column(i).chunks
            ]
            table = table.set_column(i, pa.field(name, ordered), pa.chunked_array(chunks, ordered))
    return table


def check_different(names: Iterable[Any], where: str = "X") -> None:
    """DataError if two columns have the same name."""
    name, times = next(iter(Counter(names).most_common(1)), ("", 0))
    if times > 1:
        raise DataError(f"{where} must have different column names; got {name!r} {times} times: rename one.")


def _is_pandas(X: Any) -> bool:
    pandas = sys.modules.get("pandas")
    return pandas is not None and isinstance(X, pandas.DataFrame)


def _from_pandas(X: Any) -> pa.Table:
    import pyarrow as pa

    columns = []
    for i in range(X.shape[1]):
        series = X.iloc[:, i]
        kind = str(series.dtype)
        if kind.startswith("Sparse"):
            series = series.sparse.to_dense()
        elif kind.startswith("period"):
            series = series.dt.to_timestamp()
        elif kind == "category" and str(series.cat.categories.dtype).startswith(("interval", "period")):
            series = series.cat.rename_categories(series.cat.categories.astype(str))
        try:
            columns.append(_objects(series) if series.dtype == object else pa.array(series, from_pandas=True))
        except (pa.ArrowException, NotImplementedError) as error:
            raise DataError(
                f"X, column {str(X.columns[i])!r}, must hold numbers, text or truth values; got values of type {kind} "
                f"that Arrow does not hold ({reason(error)}): convert the column."
            ) from error
    return pa.table(columns, names=[str(name) for name in X.columns])


def _objects(values: Any) -> pa.Array:
    import pyarrow as pa

    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        missing = np.array([value is None or value != value for value in values], dtype=bool)
        return pa.array([str(value) for value in values], pa.string(), mask=missing)
