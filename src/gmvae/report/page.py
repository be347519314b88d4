"""A report: one self-contained HTML page, and the same numbers as JSON."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any, final

import jinja2
from numpy.typing import NDArray

from gmvae.atomic import write_text
from gmvae.data import Dataset
from gmvae.figures.palette import colour
from gmvae.fitted.fitted import Fitted
from gmvae.report.answered_rows import answered_rows
from gmvae.report.contents import Provenance, cluster_names, contents
from gmvae.report.curves import calibration_panel, n_at_border, still_map, training_panels
from gmvae.report.notation import SCORE_WORDS, on_dark, shown_cell, shown_number, shown_share
from gmvae.report.page_data import as_script, page_data
from gmvae.report.pictures import pictures
from gmvae.report.records import Contents, as_json
from gmvae.report.style import describe_style, style_grid

_UNKNOWN = Provenance()


@final
class Report:
    """What a fit found, as one page to look at and to send.

    In a notebook it shows itself. `report` makes it.

    Attributes
    ----------
    contents : Contents
        Everything the page says in numbers, as typed records.
    html : str
        The page: one file that needs no network.
    """

    def __init__(self, contents: Contents, page: str) -> None:
        self.contents = contents
        self.html = page

    def __repr__(self) -> str:
        card = self.contents.card
        return f"Report({card.data!r}, {card.n:,} rows, {card.n_components} clusters)"

    def json(self) -> str:
        """Everything the page says in numbers, as JSON text; NaN is null."""
        return json.dumps(as_json(self.contents), indent=1, ensure_ascii=False) + "\n"

    def write_html(self, path: str | Path) -> Path:
        """Write the page, and `json` beside it with the ending ``.json``; files of these names are replaced.

        Raises
        ------
        ValueError
            If the name does not end in ``.html`` or ``.htm``.
        """
        path = Path(path)
        if path.suffix.lower() not in (".html", ".htm"):
            raise ValueError(f"`path` must end in .html; got {str(path)!r}: `json()` gives the numbers alone.")
        write_text(path.with_suffix(".json"), self.json())
        write_text(path, self.html)
        return path

    def _repr_html_(self) -> str:
        """The page within a frame of its own, so that neither it nor the notebook touches the other."""
        title = html.escape(f"Report on {self.contents.card.data}")
        # Without a base of its own, links within the page would lead to the notebook.
        page = html.escape(self.html.replace("<head>", '<head><base href="about:srcdoc">', 1))
        return (
            f'<iframe title="{title}" sandbox="allow-scripts" srcdoc="{page}" '
            'style="width:100%;height:85vh;border:1px solid #8886"></iframe>'
        )


def report(
    fitted: Fitted,
    data: Dataset,
    *,
    proba: NDArray[Any] | None = None,
    provenance: Provenance = _UNKNOWN,
    names: Sequence[str] | None = None,
    with_rows: bool = True,
    umap: bool = True,
) -> Report:
    """Report on a fit and the rows of a source.

    ValueError if the data are not like those of the fit, or the names are not K different ones.

    Parameters
    ----------
    data : Dataset
        Encoded by the columns of the fit. Labels are compared with the clusters.
    proba : ndarray of shape (n, K), optional
        Probabilities of all rows, where they are known.
    provenance : Provenance
        How the fit came about.
    names : sequence of K str, optional
        Names of the clusters.
    with_rows : bool
        False leaves out every single row: the map, typical and ambiguous rows, and means of very few rows.
    umap : bool
        Whether UMAP may draw the map if it is installed.
    """
    shown_names = cluster_names(names, fitted.classes, fitted.config.K)
    seen = answered_rows(fitted, data, proba, umap=umap)
    grid = style_grid(seen)
    found = contents(seen, provenance, describe_style(seen, grid), shown_names, with_rows=with_rows)
    drawn = pictures(seen, found, grid, with_rows=with_rows) if seen.of_images else None
    script = _file("map.js") + _file("page.js")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode("ascii")
    page = _template().render(
        found=found,
        drawn=drawn,
        with_rows=with_rows,
        named=names is not None,
        colours=[colour(k) for k in range(fitted.config.K)],
        dark_colours=[on_dark(colour(k)) for k in range(fitted.config.K)],
        panels=training_panels(found.training),
        still=None if found.map is None else still_map(found.map, fitted.config.K),
        n_at_border=0 if found.map is None else n_at_border(found.map),
        calibration=None if found.agreement is None else calibration_panel(found.agreement),
        score_words=SCORE_WORDS,
        style_sheet=_file("page.css"),
        script=script,
        script_hash=f"sha256-{digest}",
        data=as_script(page_data(seen, found, drawn)),
    )
    return Report(found, page)


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_file),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    filters: dict[str, Any] = {"number": shown_number, "share": shown_share, "cell": shown_cell}
    environment.filters.update(filters)
    return environment.get_template("page.html")


def _file(name: str) -> str:
    return (resources.files("gmvae.report") / "template" / name).read_text(encoding="utf-8")
