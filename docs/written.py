"""What pages have in common that a command writes: a part between two marks, a table, and ``--check``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path


def page_with(page: Path, begin: str, part: str, end: str) -> str:
    """A page's text with another part between its marks."""
    before, _, rest = page.read_text("utf-8").partition(begin)
    return before + begin + part + end + rest.partition(end)[2]


def table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = ["| " + " | ".join(header) + " |", "|" + "---|" * len(header)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)]) + "\n"


def write_or_check(page: Path, wanted: str, arguments: Sequence[str]) -> int:
    """Write the page, or, with ``--check``, return 1 where it is out of date."""
    if "--check" in arguments:
        return int(page.read_text("utf-8") != wanted)
    page.write_text(wanted, "utf-8")
    return 0
