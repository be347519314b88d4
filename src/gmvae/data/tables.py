"""Tables of numbers with named columns: CSV and Parquet, read by pyarrow."""

from __future__ import annotations

import reprlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from gmvae import formats
from gmvae.data.record import DataError, Dataset, as_labels, refusing
from gmvae.data.zipped import check_growth, unzipped

if TYPE_CHECKING:
    import pyarrow as pa

_OTHER_SEPARATORS = ";\t|"
_ENCODE = "encode the column as numbers or drop it"


def read_table(path: Path, labels: str | Path | None = None) -> Dataset:
    """Read a table of numbers, one observation per row; a column that ``labels`` names is taken out as labels.

    DataError if the file cannot be read, lacks column names, or has a cell that is missing or not a number.
    """
    table = open_table(path)
    y = None
    if isinstance(labels, str) and labels in table.column_names:
        y = label_column(table, labels, path.name)
        table = table.drop_columns([labels])
    if not table.column_names:
        raise DataError(f"{path.name} must have at least one column of numbers; got none beside the labels.")
    only = table.column_names[0] if table.num_columns == 1 else ""
    separator = next((each for each in _OTHER_SEPARATORS if each in only), None)
    remedy = _ENCODE if separator is None else f"separate columns by commas in place of {separator!r}"
    columns = [_numbers(table.column(name), f"{path.name}, column {name!r}", remedy) for name in table.column_names]
    return Dataset(path.name, np.column_stack(columns), y, tuple(table.column_names))


def open_table(path: Path) -> pa.Table:
    """Read the file as it is; DataError if it cannot be read or its header cannot be one."""
    is_csv = path.name.lower().endswith(formats.CSV)
    with refusing(f"{path.name} must be a table that can be read"):
        if is_csv:
            from pyarrow import csv

            if path.suffix.lower() == ".gz":
                for _ in unzipped(path):
                    pass
            # With one thread, a parse error names its row.
            one_thread = csv.ReadOptions(use_threads=False)
            table = csv.read_csv(path, read_options=one_thread)
            if table.num_columns == 1:  # where an empty line is a missing cell
                table = csv.read_csv(path, one_thread, csv.ParseOptions(ignore_empty_lines=False))
        else:
            from pyarrow import parquet

            with parquet.ParquetFile(path) as file:
                check_growth(path, 8 * file.metadata.num_rows * file.metadata.num_columns)
                table = file.read()
        # Row numbers that pandas stores with the data are no feature.
        table = table.drop_columns([name for name in table.column_names if name.startswith("__index_level_")])
    _check_names(table.column_names, path.name, typed=not is_csv)
    if table.num_rows == 0:
        raise DataError(f"{path.name} must have at least one row below its header; got none.")
    return table


def label_column(table: pa.Table, name: str, where: str) -> np.ndarray:
    """One column as labels (n,); DataError if one is missing, or neither a whole number nor text."""
    from pyarrow import types

    column = table.column(name)
    kinds = (types.is_integer, types.is_floating, types.is_boolean, types.is_null, _is_text)
    if not any(is_kind(_value_type(column)) for is_kind in kinds):
        raise DataError(
            f"Labels in {where}, column {name!r}, must be whole numbers or text in UTF-8; got values of type "
            f"{column.type}."
        )
    if column.null_count:
        row = column.is_null().index(True).as_py() + 1
        raise DataError(f"Labels in {where}, column {name!r}, must not be missing; got none in data row {row}.")
    return as_labels(np.asarray(column.to_pylist()), f"{where}, column {name!r}")


def _check_names(names: list[str], where: str, typed: bool) -> None:
    if "" in names:
        raise DataError(
            f"{where} must name every column; got no name for number {names.index('') + 1}: drop or name it."
        )
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise DataError(f"{where} must have different column names in its first row; got {name!r} {times} times.")
    # Rising numbers can be names (0, 1, 2, … from pandas, wavelengths); others are a first row without a header.
    if not typed and all(_is_number(name) for name in names) and names != sorted(names, key=float):
        raise DataError(f"{where} must start with a header row; got the numbers {', '.join(names[:4])}: add names.")


def _numbers(column: pa.ChunkedArray, where: str, remedy: str) -> np.ndarray:
    """One column as numbers, or an error that names the first other cell."""
    import pyarrow as pa
    from pyarrow import types

    numeric = (types.is_integer, types.is_floating, types.is_boolean, types.is_null)  # null: every cell is missing
    if types.is_decimal(column.type):
        column = column.cast(pa.float64())
    elif not any(is_kind(column.type) for is_kind in numeric):
        if not _is_text(_value_type(column)):
            raise DataError(f"{where} must be numeric; got values of type {column.type}: {remedy}.")
        row, value = _first_odd(column.to_pylist())
        raise DataError(f"{where} must be numeric; got {reprlib.repr(value)} in data row {row + 1}: {remedy}.")
    if column.null_count:
        row = column.is_null().index(True).as_py()
    else:
        values: np.ndarray = column.to_numpy()
        if values.dtype == bool:
            return values.astype(np.uint8)
        odd = np.flatnonzero(~np.isfinite(values))
        if not len(odd):
            return values
        row = odd[0]
        if np.isinf(values[row]):
            raise DataError(f"{where} must hold finite numbers; got {values[row]} in data row {row + 1}: replace it.")
    raise DataError(f"{where} must not have missing cells; got one in data row {row + 1}: fill it or drop the row.")


def _value_type(column: pa.ChunkedArray) -> pa.DataType:
    from pyarrow import types

    return column.type.value_type if types.is_dictionary(column.type) else column.type


def _is_text(kind: pa.DataType) -> bool:
    from pyarrow import types

    return types.is_string(kind) or types.is_large_string(kind)


def _first_odd(values: list[Any]) -> tuple[int, Any]:
    """The first cell that is not a number, with its place; missing cells count only where there is no other."""
    from pyarrow.csv import ConvertOptions

    missing = ConvertOptions().null_values
    odd = ((i, value) for i, value in enumerate(values) if value is not None and value not in missing)
    return next((cell for cell in odd if not _is_number(cell[1])), (0, values[0]))


def _is_number(value: object) -> bool:
    try:
        float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return False
    return True
