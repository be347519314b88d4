"""The paper's figures and tables by name, run and written as files and as a page."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from gmvae.paper import ablation, figure1, figure2, figure3, figure4, figure5, figure6, table1, tables_a
from gmvae.paper.findings import Finding
from gmvae.paper.page import write_page
from gmvae.paper.scope import Scope, UnfinishedError

ITEMS: Mapping[str, Callable[[Scope], Finding]] = {
    "fig1": figure1.run,
    "fig2": figure2.run,
    "fig3": figure3.run,
    "fig4": figure4.run,
    "table1": table1.run,
    "ablation": ablation.run,
    "fig5": figure5.run,
    "fig6": figure6.run,
    "tableA": tables_a.run,
}


def reproduce(items: Collection[str], scope: Scope) -> list[Finding]:
    """Run some of `ITEMS` in the paper's order, and write each one's files and the page as soon as it is done."""
    findings = []
    for name, run in ITEMS.items():
        if name in items:
            scope.note(f"{name} …")
            try:
                finding = run(scope)
            except UnfinishedError as error:
                scope.note(f"{name} is left as it is: {error}.")
                continue
            finding.write(scope.out)
            write_page(scope.out, list(ITEMS))
            findings.append(finding)
    return findings
