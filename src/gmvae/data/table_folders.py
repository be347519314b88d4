"""Folders of tables: parts of one table, in the natural order of their names."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from gmvae import formats
from gmvae.data.errors import DataError
from gmvae.data.order import natural_path
from gmvae.data.table_cells import listed

if TYPE_CHECKING:
    import pyarrow as pa


def parts_of(folder: Path) -> list[Path]:
    """The tables below a folder, in the natural order of their names."""
    found = [name for name in visible_files(folder) if name.lower().endswith(formats.TABLES)]
    return [folder / name for name in sorted(found, key=natural_path)]


def visible_files(folder: Path) -> list[str]:
    """The files below a folder but for hidden ones and those that begin with ``_``, as Spark writes them."""
    names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    return [name for name in names if not any(part.startswith((".", "_")) for part in name.split("/"))]


def columns_of_folders(files: Sequence[Path], names: Collection[str | None]) -> list[str]:
    """A note on columns that names of folders have, as ``year=2024``, and the files, with columns ``names``, lack."""
    found = defaultdict[str, set[str]](set)
    for file in files:
        for part in file.parent.parts:
            name, sign, value = part.partition("=")
            found[name].update([value] if sign else [])
    lacking = [name for name, values in found.items() if len(values) > 1 and name not in names]
    if not lacking:
        return []
    return [f"Left out: {listed(lacking)}, in names of folders alone; write them into the files to keep them."]


def join(tables: list[pa.Table], folder: Path, row_names: Sequence[Sequence[str]]) -> pa.Table:
    """Tables with the same columns, in any order, one below the other; two types of a column become the wider, or text.

    Names of rows without a name of their own go where some tables lack them, as pandas stores none that count from 0.
    DataError if one has other columns than the first.
    """
    import pyarrow as pa

    unnamed = {
        name for names in row_names for name in names if name == "index" or name.startswith(formats.PANDAS_INDEX)
    }
    lacked = {name for name in unnamed if any(name not in table.column_names for table in tables)}
    tables = [
        table.drop_columns([name for name in own if name in lacked])
        for table, own in zip(tables, row_names, strict=True)
    ]
    names = tables[0].column_names
    for table in tables[1:]:
        if {*table.column_names} != {*names}:
            other = min({*names} ^ {*table.column_names})
            raise DataError(
                f"All tables in {folder.name} must have the same columns; got {other!r} in some of them only: take out "
                "the others."
            )
    tables = [table.select(names) for table in tables]
    columns = []
    for name in names:
        chunks = [table.column(name) for table in tables]
        kinds = {chunk.type for chunk in chunks}
        if len(kinds) > 1:
            chunks = [chunk.cast(_shared(kinds)) for chunk in chunks]
        columns.append(pa.chunked_array([piece for chunk in chunks for piece in chunk.chunks], chunks[0].type))
    schema = pa.schema([pa.field(name, column.type) for name, column in zip(names, columns, strict=True)])
    return pa.table(columns, schema=schema)


def _shared(kinds: set[pa.DataType]) -> pa.DataType:
    import pyarrow as pa
    from pyarrow import types

    plain = {kind.value_type if types.is_dictionary(kind) else kind for kind in kinds} - {pa.null()}
    if len(plain) == 1:
        return plain.pop()
    if all(types.is_integer(kind) for kind in plain):
        return pa.int64()
    if all(types.is_integer(kind) or types.is_floating(kind) or types.is_decimal(kind) for kind in plain):
        return pa.float64()
    return pa.large_string()
