"""The site: `make docs`. The Markdown of this folder is its source; scripts of ../examples are run for the gallery."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import gmvae

HERE = Path(__file__).resolve().parent
GENERATED = HERE / "generated"
"""What the build makes of the code: the command line's page and the gallery."""

project = "gmvae"
author = "The gmvae authors"
copyright = author
version = release = gmvae.__version__

extensions = [
    "myst_parser",
    "numpydoc",
    "sphinx.ext.autodoc",
    "sphinx_copybutton",
    "sphinx_design",
    "sphinx_gallery.gen_gallery",
]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
exclude_patterns = ["reproduction/**", "random-start/**"]
default_role = "code"
suppress_warnings = ["config.cache"]  # the gallery is set up with a function
myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 4
numpydoc_show_class_members = False
autodoc_typehints = "none"
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "pydata_sphinx_theme"
html_title = "gmvae"
html_show_sourcelink = False
html_static_path = ["site.css"]
html_extra_path = ["example-report.html"]
html_css_files = ["site.css"]
html_sidebars = {"**": ["globaltoc.html"]}  # all pages, by part of the site
smartquotes = False
html_theme_options = {
    "navbar_center": [],
    "secondary_sidebar_items": ["page-toc"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "show_prev_next": True,
}

sphinx_gallery_conf = {
    "examples_dirs": str(HERE.parent / "examples"),
    "gallery_dirs": "generated/gallery",
    "filename_pattern": r"/\d\d_",
    "ignore_pattern": r"(^|/)(?!\d\d_)[^/]*\.py$",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_signature": False,
    "capture_repr": ("_repr_html_",),  # frames are shown; what else a script says it prints
    "min_reported_time": 0,
    "write_computation_times": False,  # pages that a search would find
    "abort_on_example_error": True,
    "reset_modules": ("matplotlib", lambda *_: warnings.simplefilter("ignore")),
}


def command_line() -> None:
    """Write the page of the command line, by Typer itself."""
    GENERATED.mkdir(exist_ok=True)
    page = GENERATED / "command-line.md"
    words = ["utils", "docs", "--name", "gmvae", "--title", "Command line", "--output", str(page)]
    subprocess.run([sys.executable, "-m", "typer", "gmvae.cli", *words], check=True, stdout=subprocess.DEVNULL)
    text = page.read_text(encoding="utf-8")
    # Lists of commands cut short what a command does: they get the beginning of its section, and a link to it.
    for command, sentence in re.findall(r"^##+ `gmvae ([\w -]+)`\n\n(.+?)[.:;](?:\s|$)", text, re.MULTILINE):
        name, place = command.split()[-1], f"gmvae-{command.replace(' ', '-')}"
        text = re.sub(rf"^\* `{name}`: .*$", f"* [`{name}`](#{place}): {sentence}.", text, flags=re.MULTILINE)
    text = re.sub(r"^Example: (.+)$", r"Example: `\1`", text, flags=re.MULTILINE)
    page.write_text(text, encoding="utf-8")


def links(app: Any, page: str, source: list[str]) -> None:
    """Lead to pages of the site; what lies outside of it, as folders of tests, is named without a link."""
    text = source[0].replace("](../CONTRIBUTING.md)", "](contributing.md)").replace("](#tableA)", "](#tablea)")
    text = re.sub(r"\[([^\]]+)\]\((example-report\.html)\)", r'<a href="\2">\1</a>', text)  # opened, not downloaded
    text = re.sub(r"\]\(\.\./examples/(\d\d_\w+)\.py\)", r"](generated/gallery/\1.rst)", text)
    source[0] = re.sub(r"\[([^\]]+)\]\(\.\./[^)]*\)", r"\1", text)


def docstrings(app: Any, what: str, name: str, found: Any, options: Any, lines: list[str]) -> None:
    """Shapes such as (n, *event) are no emphasis, and versions of scikit-learn none of this library."""
    of_sklearn = (getattr(found, "__module__", None) or "").startswith("sklearn.")
    kept = (line for line in lines if not (of_sklearn and ".. versionadded::" in line))
    lines[:] = [re.sub(r"(?<!\*)\*event(?!_)", r"\*event", line) for line in kept]


def setup(app: Any) -> None:
    command_line()
    app.connect("autodoc-process-docstring", docstrings)
    app.connect("source-read", links)
