"""``gmvae sample``: new observations from the model."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from gmvae import formats
from gmvae.cli.app import app
from gmvae.cli.options import Device, RunArgument, named_file, output
from gmvae.cli.speech import note

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Draw = Callable[[int, Any], tuple[NDArray[Any], NDArray[Any]]]


@app.command(
    help="Draw new observations: tables as CSV to standard output unless -o names a file, images to a file. Rows of a "
    "table have its types and levels: numbers within their range in the fit, and whole where all of them were.",
    epilog="Example: gmvae sample runs/digits -n 100 --mean -o samples.png",
)
def sample(
    run: RunArgument,
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="How many.")] = 100,
    component: Annotated[
        str | None,
        typer.Option(
            metavar="K|NAME",
            help="Draw from this cluster only: its number, from 0, or the name that it was given.",
            show_default="by their weights; all alike in a .png",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        output(
            "FILE",
            "An .npy array; for tables also .csv or .parquet; for images also a .png sheet, whose rows are the "
            "clusters and share the N images. - is standard output.",
            "CSV to standard output",
        ),
    ] = None,
    mean: Annotated[
        bool | None,
        typer.Option(
            "--mean/--no-mean",
            help="The mean in place of a draw from p(y|x): smooth images.",
            show_default="the mean for images whose pixels a draw would make black or white",
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Everything random follows from it.")] = 0,
    device: Device = "auto",
) -> None:
    """Draw new observations."""
    import numpy as np

    from gmvae.cli.opened_model import open_fitted, written_columns
    from gmvae.data.writers import check_target, write_array, write_table
    from gmvae.seeds import draw_seed

    opened = open_fitted(run, device)
    fitted = opened.fitted
    chosen = None if component is None else _number(component, opened.names or [])
    images = len(fitted.event_shape) == 3
    smooth = mean is None and images and fitted.model.likelihood.binary
    draw = partial(fitted.draw, mean=smooth or bool(mean), seed=draw_seed(seed))
    out = named_file(out)
    if out is None and images:
        raise ValueError("`-o` must be given for images; got none: name a .npy or .png file.")
    allowed = (formats.ARRAY, ".png") if images else (formats.ARRAY, *formats.WRITTEN_TABLES)
    suffix = None if out is None else check_target(out, allowed)
    if smooth:
        note("These are means, for a draw would make every pixel black or white: `--no-mean` draws.")
    if out is not None and suffix == ".png":
        _draw(draw, n, chosen, opened.names or [str(k) for k in range(fitted.config.K)], out)
        return
    observations, clusters = draw(n, chosen)
    if out is not None and suffix == formats.ARRAY:
        write_array(out, n, [observations])
        return
    columns = written_columns(opened, observations)
    drawn: dict[str, Any] = {"cluster" if "cluster" not in columns else "cluster (number)": clusters}
    if opened.names is not None:
        drawn["name" if "name" not in columns else "name (cluster)"] = np.array(opened.names)[clusters]
    write_table(out, [*drawn, *columns], [[*drawn.values(), *columns.values()]])


def _number(component: str, names: list[str]) -> int:
    """The number of a cluster that is given by its number or its name; a name that is a number names none."""
    try:
        return int(component)
    except ValueError:
        if component in names:
            return names.index(component)
    known = f"one of the names {', '.join(names)}" if names else "a name that `gmvae report --names` gave"
    raise ValueError(f"`--component` must be the number of a cluster, from 0, or {known}; got {component!r}.")


def _draw(draw: Draw, n: int, component: int | None, names: list[str], out: Path) -> None:
    """Draw a sheet with a row per cluster, or a square of one cluster."""
    import numpy as np

    from gmvae import figures
    from gmvae.figures import shades

    if component is None:
        height, width = len(names), math.ceil(n / len(names))
        images = shades(draw(height * width, np.repeat(np.arange(height), width))[0])
    else:
        width = math.ceil(math.sqrt(n))
        height = math.ceil(n / width)
        images = shades(draw(n, component)[0])
        images = np.concatenate([images, np.ones((height * width - n, *images.shape[1:]))])
    panel = figures.component_samples(
        images.reshape(height, width, *images.shape[1:]), names=names if component is None else None
    )
    if component is not None:
        panel.set(title=f"Samples of component {names[component]}", ylabel="", yticks=[])
    figures.save(panel, out)
