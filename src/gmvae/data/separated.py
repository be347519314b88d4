"""Text files with a separator between columns as tables, and whether names stand in their first row."""

from __future__ import annotations

import re
import reprlib
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gmvae.arrow import holds_text
from gmvae.data.columns import UNNAMED, Columns
from gmvae.data.errors import DataError
from gmvae.data.first_rows import TextRows, check_separated, escape_in, head_of, opener, rows_of, separator_of
from gmvae.data.numerals import are_codes, are_dates, dots_in_doubt, have_units, is_number
from gmvae.data.options import TableOptions
from gmvae.data.table_cells import MARKS, Form, cleaned
from gmvae.data.zipped import unzipped

if TYPE_CHECKING:
    import pyarrow as pa

_QUOTED = r'^\s+"([^"]*)"\s*$'  # a cell in quotes behind a blank, of which pyarrow makes a part of it
_CODE = re.compile(r"(?<![\w.:/+-])0\d|\d{20}")
_NO_ROWS = "Empty CSV"
_UNEQUAL = re.compile(r"Row #(\d+): Expected (\d+) columns, got (\d+): (.*)", re.DOTALL)


def read_separated(path: Path, options: TableOptions, known: Columns | None) -> tuple[pa.Table, Form]:
    """Read a file as it is: names without blanks around them, cells that pyarrow cannot read as numbers as text.

    Digits behind leading zeros, as in postal codes, and columns that held text in the fit, are text; ids stay as they
    are. Columns without a name and without a value, as separators at the end of rows make them, are left out. DataError
    if it is in doubt whether the first row holds names, or two are the same, or where columns end, or rows are none.

    Parameters
    ----------
    known : Columns or None
        Columns of a fit; a first row that has the names of all is a header.
    """
    import pyarrow as pa
    from pyarrow import compute
    from pyarrow import csv as arrow

    if path.suffix.lower() == ".gz":
        for _ in unzipped(path):
            pass
    head, encoding = head_of(path)
    if "\0" in head:
        raise DataError(
            f"{path.name} must be text in UTF-8; got bytes of another encoding or kind of file: save it as UTF-8, or "
            "give it the suffix of its kind."
        )
    told = head[4] if head[:4].lower() == "sep=" and head[5:6] in ("\r", "\n") else None  # Excel's own first row
    head = head.partition("\n")[2] if told else head
    separator = options.separator or told or ("\t" if ".tsv" in path.name.lower() else separator_of(head))
    rows = rows_of(head, separator)
    if options.separator is None:
        check_separated(rows, head, separator, path.name)
    header = options.header
    if header is None:
        header = known is not None and bool(rows) and {*known.names} <= {cell.strip() for cell in rows[0]}
        if not header and rows:
            _check_header(rows, path.name)
            header = True
    # With one thread, a parse error names its row.
    reading = arrow.ReadOptions(
        use_threads=False, autogenerate_column_names=not header, encoding=encoding, skip_rows=int(told is not None)
    )
    parsing = arrow.ParseOptions(
        delimiter=separator, ignore_empty_lines=not rows or len(rows[0]) > 1, escape_char=escape_in(head) or False
    )
    converting = arrow.ConvertOptions(
        null_values=[*MARKS, *options.missing], strings_can_be_null=True, decimal_point=options.decimal or "."
    )
    try:
        table = arrow.read_csv(path, reading, parsing, converting)
    except ValueError as error:
        if _NO_ROWS in str(error) and rows and not header:  # the only row lacks the end of its line
            reading.autogenerate_column_names, reading.column_names = False, [str(i) for i in range(len(rows[0]))]
        elif '"' in head:
            parsing.newlines_in_values = True
        else:
            raise _unequal(error, path.name) from error
        try:
            table = arrow.read_csv(path, reading, parsing, converting)
        except ValueError:
            raise _unequal(error, path.name) from error
    try:
        names = [re.sub(_QUOTED, r"\1", name).strip() for name in table.column_names]
    except UnicodeDecodeError as error:
        raise DataError(f"{path.name} must be text in UTF-8; its first row is not: save it as UTF-8.") from error
    _check_quotes(table, path)
    if not header:
        names = [f"{UNNAMED}{i + 1}" for i in range(table.num_columns)]
    kept = [i for i, name in enumerate(names) if name or table.column(i).null_count < table.num_rows]
    names, table = [names[i] for i in kept], table.select(kept)
    _check_names(names, path.name)
    of_text = {column.name.strip() for column in known or () if column.levels and isinstance(column.levels[0], str)}
    may_be_codes = known is None and _has_codes(path, encoding)
    for i, raw in enumerate(table.column_names):
        if (may_be_codes or names[i] in of_text) and not holds_text(table.schema.field(i).type):
            converting.include_columns, converting.column_types = [raw], {raw: pa.string()}
            cells = arrow.read_csv(path, reading, parsing, converting).column(0)
            if names[i] in of_text or are_codes(cleaned(cells, Form(options.missing)).unique().drop_null().to_pylist()):
                table = table.set_column(i, raw, cells)
    identifying = {"", (options.id or "").strip(), f"{UNNAMED}{options.id}"}
    for i, raw in enumerate(table.column_names):
        if names[i] in identifying:
            table = table.set_column(i, raw, _ids(path, reading, parsing, raw))
        elif f'{separator} "' in head and holds_text(table.schema.field(i).type):
            table = table.set_column(i, raw, compute.replace_substring_regex(table.column(i), _QUOTED, r"\1"))
    if separator != "," and options.decimal is None:
        _check_dots(rows[header:], path.name)
    form = Form(options.missing, options.decimal, comma=separator == ";")
    return table.rename_columns(names), form


def _ids(path: Path, reading: Any, parsing: Any, name: str) -> pa.ChunkedArray:
    """A column as it is written: whole numbers where all are written as such, else text."""
    from pyarrow import compute, int64, string
    from pyarrow import csv as arrow

    converting = arrow.ConvertOptions(include_columns=[name], column_types={name: string()})
    cells = compute.utf8_trim_whitespace(arrow.read_csv(path, reading, parsing, converting).column(0))
    are_whole = compute.all(compute.match_substring_regex(cells, r"^(0|-?[1-9]\d{0,17})$")).as_py()
    return cells.cast(int64()) if are_whole else cells


def _has_codes(path: Path, encoding: str) -> bool:
    """Whether some cell may be a code of digits, of which a number keeps too little."""
    with opener(path)(path, "rt", encoding=encoding, errors="replace") as file:
        return any(_CODE.search(line) for line in file)


def _cells(rows: TextRows, place: int) -> list[str]:
    """The cells of a column that are not missing."""
    cells = (row[place].strip() for row in rows if place < len(row))
    return [cell for cell in cells if cell not in MARKS]


def _check_header(rows: TextRows, where: str) -> None:
    """Raise DataError if the first row may be data."""
    first = [cell.strip() for cell in rows[0]]
    below = [[cell.strip() for cell in row] for row in rows[1:] if len(row) == len(first)]
    # pandas numbers columns from 0, behind an index without a name. No data are 0, 1, 2, … where all hold fractions.
    n_unnamed = int(first[0] == "")
    numbered = len(first) > 2 and first[n_unnamed:] == [str(i) for i in range(len(first) - n_unnamed)]
    if numbered and all(any("." in row[i] for row in below) for i in range(n_unnamed, len(first))):
        return
    seen = [{row[i] for row in below} - {*MARKS} for i in range(len(first))]
    doubtful = [
        cell
        for cell, cells in zip(first, seen, strict=True)
        if is_number(cell)
        or (cell in MARKS and cell)
        or (cell and cell in cells)
        or (cells and (are_dates([cell, *cells]) or have_units([cell, *cells])))
        or (cells and {each.lower() for each in [cell, *cells]} <= {"true", "false"})
    ]
    if doubtful:
        few = (" ".join(cell.split()) for cell in first[:6])
        shown = ", ".join(cell if len(cell) <= 24 else f"{cell[:24]}…" for cell in few)
        raise DataError(
            f"{where} must start with the names of its columns; got {shown}{', …' * (len(first) > 6)}, which may be "
            "data: `--no-header` reads the first row as data, `--header` as names."
        )


def _unequal(error: ValueError, where: str) -> ValueError:
    """What is to be done about a row of another length than the first, or no row at all; other errors as they are."""
    if _NO_ROWS in str(error):
        return DataError(f"{where} must have at least one row below its header; got none: add rows.")
    found = _UNEQUAL.search(str(error))
    if found is None:
        return error
    row, first, here, text = found.groups()
    remedy = "correct that row"
    if first == "1" and is_number(text):
        remedy = "name what stands between columns, as by `--separator ';'`, if its commas are decimal marks"
    elif first == "1":
        remedy = "take out titles and comments above the names of the columns"
    elif re.search(r'\W "', text):
        remedy = "take out blanks before quotes"
    elif re.search(r"(^|\W)'[^']*,[^']*'", text):
        remedy = "put cells in double quotes, not single ones"
    elif int(row) == 2 and abs(int(here) - int(first)) == 1:
        remedy = "name every column, that of row names, too, and end all rows alike"
    return DataError(
        f"{where} must have as many cells in every row as in its first, which has {first}; got {here} in row {row}, "
        f"{reprlib.repr(text)}: {remedy}."
    )


def _check_quotes(table: pa.Table, path: Path) -> None:
    """Raise DataError if a quote that is never closed may have joined rows."""
    from pyarrow import compute

    texts = [column for column in table.columns if holds_text(column.type)]
    if not any(compute.any(compute.match_substring(column, "\n")).as_py() for column in texts):
        return
    with opener(path)(path, "rb") as file:
        n_quotes = sum(line.count(b'"') for line in file)
    if n_quotes % 2:
        raise DataError(
            f"{path.name} must close every quote that begins a cell; got an odd number of quotes, so that rows would "
            "be joined: correct the file."
        )


def _check_dots(rows: TextRows, where: str) -> None:
    """Raise DataError where dots may cut thousands, as other columns have decimal commas."""
    columns = [_cells(rows, place) for place in range(len(rows[0]))] if rows else []
    if not any(cell.count(",") == 1 and is_number(cell) for column in columns for cell in column):
        return
    for i, column in enumerate(columns):
        if dots_in_doubt(column):
            cell = next(cell for cell in column if "." in cell)
            raise DataError(
                f"{where}, column {i + 1}, must hold numbers of one meaning; got {cell!r} beside decimal commas in "
                f"other columns, which may be {cell.replace('.', '')} or {cell}: name the decimal mark by `--decimal`."
            )


def _check_names(names: list[str], where: str) -> None:
    # The first may lack a name: pandas and R write the names of rows so.
    if "" in names[1:] or names == [""]:
        raise DataError(
            f"{where} must name every column; got no name for number {names.index('', len(names) > 1) + 1}: name it, "
            "or drop the column."
        )
    name, times = Counter(names).most_common(1)[0] if names else ("", 0)
    if times > 1:
        raise DataError(
            f"{where} must have different column names in its first row; got {name!r} {times} times: rename one, or "
            "read a file without a header by `--no-header`."
        )
