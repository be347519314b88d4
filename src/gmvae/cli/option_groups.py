"""Groups of options that a command takes as one argument."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

Command = Callable[..., None]


def takes(keyword: str, options: Mapping[str, Any], gather: Callable[..., object]) -> Callable[[Command], Command]:
    """Give a command ``options`` in the place of its argument ``keyword``, which gets what ``gather`` makes of them.

    ``options`` are annotations of Typer by name; all are None where they are left out.
    """

    def decorate(command: Command) -> Command:
        own = inspect.signature(command, eval_str=True)
        parameters: list[inspect.Parameter] = []
        for parameter in own.parameters.values():
            if parameter.name != keyword:
                parameters.append(parameter)
                continue
            parameters += [
                inspect.Parameter(name, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=None, annotation=kind)
                for name, kind in options.items()
            ]

        @functools.wraps(command)
        def run(**arguments: Any) -> None:
            group = gather(**{name: arguments.pop(name) for name in options})
            command(**arguments, **{keyword: group})

        shown: Any = run
        shown.__signature__ = own.replace(parameters=parameters)
        shown.__annotations__ = {each.name: each.annotation for each in parameters}
        del shown.__wrapped__
        return run

    return decorate
