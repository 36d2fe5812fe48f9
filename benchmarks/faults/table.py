"""Outcomes as a table by plant, in ``docs/diagnosis.md`` between two marks."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.faults.judge import Outcome

PAGE = Path(__file__).parents[2] / "docs" / "diagnosis.md"
BEGIN, END = "<!-- faults -->\n", "<!-- end of faults -->\n"


def table(outcomes: Sequence[Outcome], command: str) -> str:
    """A row for each plant, and all together."""
    rows = [
        "| planted | cases | layer first | kind right | fix wins back ≥ 90 % | median won back |",
        "|---|---|---|---|---|---|",
    ]
    for plant in dict.fromkeys(one.plant for one in outcomes):
        rows.append(_row(plant, [one for one in outcomes if one.plant == plant]))
    rows.append(_row("**all**", outcomes))
    return f"`{command}`:\n\n" + "\n".join(rows) + "\n"


def totals(outcomes: Sequence[Outcome]) -> dict[str, float]:
    """The shares of all cases."""
    count = max(1, len(outcomes))
    return {
        "cases": len(outcomes),
        "layer": sum(one.layer for one in outcomes) / count,
        "kind": sum(one.kind for one in outcomes) / count,
        "mended": sum(one.mended for one in outcomes) / count,
    }


def write(outcomes: Sequence[Outcome], command: str) -> None:
    """Put the table into the page."""
    text = PAGE.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    PAGE.write_text(before + BEGIN + table(outcomes, command) + END + rest.partition(END)[2], "utf-8")


def _row(name: str, some: Sequence[Outcome]) -> str:
    of = len(some)
    won = [one.recovered for one in some if one.recovered is not None]
    median = f"{100 * float(np.median(won)):.1f} %" if won else "no fix exists"
    cells = (sum(one.layer for one in some), sum(one.kind for one in some), sum(one.mended for one in some))
    return f"| {name} | {of} | " + " | ".join(f"{cell}" for cell in cells) + f" | {median} |"
