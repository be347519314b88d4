"""The code in README and docs runs as it stands, only with fewer epochs."""

from __future__ import annotations

import re
import shlex
import tomllib
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator

import gmvae

ROOT = Path(__file__).resolve().parents[1]
PAGES = ["README.md", "docs/extending.md"]


def python_blocks(page: str) -> str:
    return "\n".join(
        re.findall(r"^```python\n(.*?)^```", (ROOT / page).read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)
    )


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.filterwarnings("ignore::gmvae.CollapseWarning", "ignore::sklearn.exceptions.ConvergenceWarning")
def test_python_of_the_docs_runs(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, n_fits = re.subn(r"random_state=0\)\.fit", "random_state=0, max_iter=1).fit", python_blocks(page))
    assert n_fits == 1
    names: dict[str, object] = {}
    exec(compile(code, page, "exec"), names)
    assert (tmp_path / "digits.safetensors").stat().st_size > 0


@pytest.mark.parametrize(
    "page", sorted(str(path.relative_to(ROOT)) for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
)
def test_links_lead_to_files(page: str) -> None:
    targets = re.findall(r"\]\((?!https?://|#)([^)#]+)", (ROOT / page).read_text(encoding="utf-8"))
    missing = [target for target in targets if not ((ROOT / page).parent / target).exists()]
    if not (ROOT / ".git").exists():  # a source distribution has no pictures and results
        missing = [target for target in missing if target.endswith(".md")]
    assert not missing


def test_the_version_is_everywhere_the_same() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert gmvae.__version__ == project["version"]
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    section = re.search(r"^## \[(\d.*)\] - (\d{4}-\d\d-\d\d)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert section is not None
    assert section[1] == gmvae.__version__
    assert f"\nversion: {gmvae.__version__}\ndate-released: {section[2]}\n" in citation
    bibtex = (ROOT / "docs" / "citing.md").read_text(encoding="utf-8")
    assert f"version = {{{gmvae.__version__}}},\n  year    = {{{section[2][:4]}}}\n" in bibtex


@pytest.mark.parametrize("page", ["README.md", *sorted(f"docs/{path.name}" for path in ROOT.glob("docs/*.md"))])
def test_shell_of_the_docs_is_understood(page: str) -> None:
    """Every command and option exists, and takes such values; nothing is run."""
    from typer.main import get_command

    from gmvae.cli import app

    group = get_command(app)
    lines = re.findall(r"^\$ gmvae (.*)$", (ROOT / page).read_text(encoding="utf-8"), re.MULTILINE)
    assert lines or page != "README.md"
    for line in lines:
        name, *words = shlex.split(line, comments=True)
        command = group.commands[name]  # type: ignore[attr-defined]
        while hasattr(command, "commands"):
            name, *words = words
            command = command.commands[name]
        command.make_context(name, words)


def test_every_public_name_has_its_place_in_the_reference() -> None:
    import gmvae.metrics

    page = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
    methods = {name for name in dir(gmvae.GMVAE) if not name.startswith("_")} - {
        *dir(BaseEstimator),
        "get_feature_names_out",
        "set_output",
    }
    attributes = {name for name in methods if name.endswith("_")}
    requests = {name for name in methods if name.startswith("set_") and name.endswith("_request")}
    named = set(re.findall(r"(?:^|\s|`)(\w+)(?=$|`)", page, re.MULTILINE))
    assert {*gmvae.__all__, *gmvae.metrics.__all__, *(methods - attributes - requests)} <= named
