"""Options that say how a table is read, for every command that reads one."""

from __future__ import annotations

import csv
import functools
import inspect
from collections.abc import Callable
from typing import Annotated, Any

import typer

_PANEL = "Tables"
_OPTIONS: dict[str, Any] = {
    "columns": Annotated[
        str | None,
        typer.Option(metavar="A,B", help="Columns to learn from, in this order; all others are left out."),
    ],
    "drop": Annotated[str | None, typer.Option(metavar="A,B", help="Columns to leave out.")],
    "id": Annotated[
        str | None,
        typer.Option(
            metavar="COLUMN", help="The column that identifies rows: it begins the results, and is no feature."
        ),
    ],
    "header": Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first row of a text file holds names; columns without names are called by their number.",
            show_default="by its content",
        ),
    ],
    "separator": Annotated[
        str | None,
        typer.Option(metavar="CHARACTER", help="What stands between columns, or 'tab'.", show_default="by its content"),
    ],
    "decimal": Annotated[
        str | None, typer.Option(metavar=".|,", help="The decimal mark.", show_default="by its content")
    ],
    "missing": Annotated[
        list[str] | None,
        typer.Option(
            metavar="MARK", help="A mark of missing cells beside empty, NA, nan, null and ?; may be repeated."
        ),
    ],
    "layer": Annotated[
        str | None, typer.Option(metavar="NAME", help="The layer of .h5ad that holds raw counts.", show_default="X")
    ],
}


def reads_table(command: Callable[..., None]) -> Callable[..., None]:
    """A command with the options of tables in the place of its keyword ``table``, which receives `TableOptions`."""
    own = inspect.signature(command, eval_str=True)
    parameters: list[inspect.Parameter] = []
    for parameter in own.parameters.values():
        if parameter.name != "table":
            parameters.append(parameter)
            continue
        for name, kind in _OPTIONS.items():
            option = kind.__metadata__[0]
            option.rich_help_panel = _PANEL
            parameters.append(
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
            )

    @functools.wraps(command)
    def run(**given: Any) -> None:
        from gmvae.data.options import TableOptions

        said = {name: given.pop(name) for name in _OPTIONS}
        table = TableOptions(
            columns=_names(said["columns"], "--columns"),
            drop=_names(said["drop"], "--drop"),
            id=said["id"],
            header=said["header"],
            separator=said["separator"],
            decimal=said["decimal"],
            missing=tuple(said["missing"] or ()),
            layer=said["layer"],
        )
        command(**given, table=table.checked())

    shown: Any = run
    shown.__signature__ = own.replace(parameters=parameters)
    shown.__annotations__ = {each.name: each.annotation for each in parameters}
    del shown.__wrapped__
    return shown


def _names(text: str | None, option: str) -> tuple[str, ...]:
    """Names with commas between; one that holds a comma stands in double quotes."""
    if text is None:
        return ()
    names = tuple(name.strip() for name in next(csv.reader([text], skipinitialspace=True), []))
    if not names or "" in names:
        raise ValueError(f"`{option}` must be names of columns with commas between; got {text!r}.")
    return names
