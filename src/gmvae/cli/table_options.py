"""Options that say how a table is read, for every command that reads one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae.cli.option_groups import takes
from gmvae.cli.options import names_in

if TYPE_CHECKING:
    from gmvae.data.options import TableOptions


def _option(*names: str, **about: Any) -> Any:
    return typer.Option(*names, rich_help_panel="Tables", **about)


_OPTIONS: dict[str, Any] = {
    "columns": Annotated[
        str | None,
        _option(metavar="A,B", help="Columns to learn from, in this order; all others are left out."),
    ],
    "drop": Annotated[str | None, _option(metavar="A,B", help="Columns to leave out.")],
    "id": Annotated[
        str | None,
        _option(metavar="COLUMN", help="The column that identifies rows: it begins the results, and is no feature."),
    ],
    "header": Annotated[
        bool | None,
        _option(
            "--header/--no-header",
            help="Whether the first row of a text file holds names; columns without names are called by their number.",
            show_default="by its content",
        ),
    ],
    "separator": Annotated[
        str | None,
        _option(metavar="CHARACTER", help="What stands between columns, or 'tab'.", show_default="by its content"),
    ],
    "decimal": Annotated[str | None, _option(metavar=".|,", help="The decimal mark.", show_default="by its content")],
    "missing": Annotated[
        list[str] | None,
        _option(metavar="MARK", help="A mark of missing cells beside empty, NA, nan, null and ?; may be repeated."),
    ],
    "layer": Annotated[
        str | None, _option(metavar="NAME", help="The layer of .h5ad that holds raw counts.", show_default="X")
    ],
}


def _table_options(**said: Any) -> TableOptions:
    from gmvae.data.options import TableOptions

    columns, drop = _names(said.pop("columns"), "--columns"), _names(said.pop("drop"), "--drop")
    missing = tuple(said.pop("missing") or ())
    return TableOptions(columns=columns, drop=drop, missing=missing, **said).checked()


reads_table = takes("table", _OPTIONS, _table_options)
"""A command with these options in the place of its argument ``table``, which receives `TableOptions`."""


def _names(text: str | None, option: str) -> tuple[str, ...]:
    if text is None:
        return ()
    names = names_in(text)
    if not names or "" in names:
        raise ValueError(f"`{option}` must be names of columns with commas between; got {text!r}.")
    return tuple(names)
