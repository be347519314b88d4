"""Files of tables as they are: CSV and Parquet, and folders of their parts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from gmvae import formats
from gmvae.arrow import holds_text, numbers_as_categories
from gmvae.data.columns import Columns
from gmvae.data.errors import DataError, refusing
from gmvae.data.frames import check_different, plain
from gmvae.data.options import NO_OPTIONS, TableOptions
from gmvae.data.separated import read_separated
from gmvae.data.table_cells import Form
from gmvae.data.table_folders import join, parts_of
from gmvae.data.zipped import check_growth

if TYPE_CHECKING:
    import pyarrow as pa


class Opened(NamedTuple):
    """A table as its file has it, how its cells are written, and which columns identify rows."""

    table: pa.Table
    form: Form
    row_names: tuple[str, ...] = ()


def open_table(path: Path, options: TableOptions = NO_OPTIONS, known: Columns | None = None) -> Opened:
    """Read a file, or a folder of parts, as it is; DataError if it cannot be read or its header cannot be one."""
    from pyarrow import types

    options = options.checked()
    if path.is_dir():
        files = parts_of(path)
        parts = [_open(file, options, known) for file in files]
        forms = {part.form: file.name for file, part in zip(files, parts, strict=True) if _is_of_text(file)}
        if len(forms) > 1:
            raise DataError(
                f"All tables in {path.name} must have the same separator; got different ones in "
                f"{' and '.join([*forms.values()][:2])}: write them alike, or name separator and decimal mark."
            )
        table = join([part.table for part in parts], path, [part.row_names for part in parts])
        row_names = dict.fromkeys(name for part in parts for name in part.row_names if name in table.column_names)
        opened = Opened(table, next(iter(forms), parts[0].form), tuple(row_names))
    else:
        opened = _open(path, options, known)
    with refusing(f"{path.name} must be a table that can be read"):
        opened = opened._replace(table=plain(opened.table))
        for column in opened.table.columns:
            if holds_text(column.type) or types.is_dictionary(column.type):
                column.validate(full=True)  # damaged files hold text that is none, and codes of no level
    if opened.table.num_rows == 0:
        raise DataError(f"{path.name} must have at least one row below its header; got none: add rows.")
    return opened


def _open(path: Path, options: TableOptions, known: Columns | None) -> Opened:
    with refusing(f"{path.name} must be a table that can be read"):
        return _read(path, options, known)


def _read(path: Path, options: TableOptions, known: Columns | None) -> Opened:
    if _is_of_text(path):
        table, form = read_separated(path, options, known)
        if table.column_names[:1] == [""]:
            table = table.rename_columns(["index", *table.column_names[1:]])
            return Opened(table, form, ("index",))
        return Opened(table, form)
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        check_growth(path, 8 * file.metadata.num_rows * file.metadata.num_columns)
        table = file.read()
    check_different(table.column_names, path.name)
    table, row_names = _with_row_names(_with_categories(table))
    return Opened(table, Form(options.missing, options.decimal), tuple(row_names))


def _is_of_text(path: Path) -> bool:
    return path.name.lower().endswith(formats.CSV)


def _with_categories(table: pa.Table) -> pa.Table:
    """The table with the numbers and truth values that are categories in pandas as such."""
    import pyarrow as pa
    from pyarrow import compute

    for name in numbers_as_categories(table.schema):
        column = table.column(name)
        levels = compute.unique(column.drop_null())
        levels = levels.take(compute.sort_indices(levels))
        codes = compute.index_in(column, value_set=levels).combine_chunks()
        place = table.column_names.index(name)
        table = table.set_column(place, name, pa.DictionaryArray.from_arrays(codes, levels))
    return table


def _with_row_names(table: pa.Table) -> tuple[pa.Table, list[str]]:
    """The table with its pandas index as columns, and their names."""
    import pyarrow as pa

    stored = (table.schema.pandas_metadata or {}).get("index_columns", [])
    names = [name for name in stored if isinstance(name, str) and name in table.column_names]
    # Indices without a name are stored under one that no column has by chance.
    names += [name for name in table.column_names if name.startswith(formats.PANDAS_INDEX) and name not in names]
    for entry in stored:
        if isinstance(entry, dict) and entry.get("kind") == "range":
            values = range(entry["start"], entry["stop"], entry["step"])
            name = entry["name"] or f"{formats.PANDAS_INDEX}0__"
            plain_numbers = entry["name"] is None and values[:1] == range(1) and entry["step"] == 1
            if len(values) == table.num_rows and name not in table.column_names and not plain_numbers:
                table = table.append_column(name, pa.array(values, pa.int64()))
                names.append(name)
    return table, names
