"""The page ``reproduction.md``, made from the items' JSON files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from gmvae.atomic import write_text
from gmvae.paper.findings import FOLDER, Finding, Table, read

PAGE = "reproduction.md"

_HEAD = """# The paper, reproduced

Every figure and table of Dilokthanakul et al. 2016, [arXiv:1611.02648](https://arxiv.org/abs/1611.02648), from one
command each. `gmvae reproduce` writes this page from the JSON files in `reproduction/`; no part of it is written by
hand.

Accuracies are shares of the test set in per cent, likelihoods are in nats per observation. Labels are used for scores
only.

- `gmvae reproduce ITEM` runs an item in hours on two cores; with `--full`, with the paper's epochs and ten seeds.
- `gmvae reproduce --budget 8 -o DIR` runs fits for eight hours, the most important first: Table 1 from random starts
  with M = 1, K = 10, 16, 30 (three seeds, 20 epochs), the same from starting clusters, both with M = 10, then Figures
  6, 2 and 3, the ablation, and the rest of Table 1. At the end of the budget the current fit stops after its epoch, and
  the same command goes on from there. Table 1 and Figure 4 show the fits that are finished; other items appear when all
  their fits are.
- Finished fits are kept in `DIR/reproduction/runs`, also if the machine goes down. A fit is run anew if anything that
  decides its result has changed: data, settings, seed, or the definition of the random start.
- [From a random start](random-start.md) has the curves of the present random start.
"""


def write_page(out: Path, order: Sequence[str]) -> Path:
    """Write the page of all items that have a JSON file below ``out``, in a given order."""
    paths = [out / FOLDER / f"{item}.json" for item in order]
    findings = [read(path) for path in paths if path.is_file()]
    write_text(out / PAGE, page(findings))
    return out / PAGE


def page(findings: Sequence[Finding]) -> str:
    """Markdown of a table of verdicts and a section per item."""
    rows = [(f"[{each.item}](#{each.item})", each.title, f"**{each.verdict}**") for each in findings]
    overview = Table("", "", ("item", "what it is", "verdict"), rows)
    sections = [line for finding in findings for line in _section(finding)]
    return "\n".join([_HEAD, *_markdown(overview), "", *sections]).rstrip() + "\n"


def _section(finding: Finding) -> Iterator[str]:
    run = finding.run
    yield from (f"## {finding.item}", "", f"**{finding.title}.** Verdict: **{finding.verdict}**.", "")
    yield from (f"- The paper: {finding.paper}", f"- Here: {finding.ours}")
    yield from (f"- {note}" for note in finding.notes)
    scale = {"quick": " --quick", "laptop": "", "long": " --budget HOURS", "full": " --full"}[run["scale"]]
    seeds = f"seeds {', '.join(map(str, run['seeds']))}; " if run["seeds"] else ""
    seconds = run["seconds"]
    took = f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
    origin = f"{seeds}{took}; commit {run['commit']}; {run['versions']}; {run['machine']}"
    yield from (f"- Run: `gmvae reproduce {finding.item}{scale}`; {origin}.", "")
    for name, caption in finding.figures.items():
        yield from (f"![{caption}]({FOLDER}/{name})", "", f"*{caption}*", "")
    for table in finding.tables:
        yield from (f"{table.title} ([CSV]({FOLDER}/{table.name}.csv)):", "", *_markdown(table), "")


def _markdown(table: Table) -> Iterator[str]:
    yield f"| {' | '.join(table.columns)} |"
    yield f"|{'---|' * len(table.columns)}"
    for row in table.rows:
        yield f"| {' | '.join(_cell(value) for value in row)} |"


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value).replace("|", "\\|")
