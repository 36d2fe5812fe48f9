"""Write the table of formats from their cards: ``python -m docs.formats``; ``--check`` says whether it is current."""

from __future__ import annotations

import re
import sys
from itertools import groupby
from pathlib import Path

from docs import written
from qdebug.formats import FORMATS, SpecCard, card, number

PAGE = Path(__file__).parent / "formats.md"
_BEGIN, _END = "<!-- table -->\n", "<!-- end of table -->\n"
_HEADER = (
    "format", "what it is", "bits", "per weight", "largest", "smallest", "what shares a scale", "runs on", "source",
    "proof",
)  # fmt: skip


def table() -> str:
    """All formats as a Markdown table; those that differ in their width alone share a row."""
    cards = sorted((card(form) for form in FORMATS.values()), key=lambda one: list(_families()).index(one.family))
    rows = [_row(list(group)) for _, group in groupby(cards, key=_kind)]
    return written.table(_HEADER, rows)


def page() -> str:
    """The page with the table of today."""
    return written.page_with(PAGE, _BEGIN, table(), _END)


def _families() -> dict[str, None]:
    return dict.fromkeys(("float", "integer", "block", "llama.cpp", "table", "codebook", *(
        form.family for form in FORMATS.values())))  # fmt: skip


def _kind(one: SpecCard) -> str:
    """Equal for formats that differ in their width alone."""
    same = one.family in ("integer", "codebook") and not one.name.startswith("vq")
    return re.sub(r"\d+", "N", one.name) if same else one.name


def _row(cards: list[SpecCard]) -> tuple[str, ...]:
    cards = sorted(cards, key=lambda one: one.bits)
    first, last = cards[0], cards[-1]

    def span(one: str, two: str) -> str:
        return one if one == two else f"{one} … {two}"

    runs = list(dict.fromkeys(name for one in cards for name in one.runs_on))
    return (
        span(f"`{first.name}`", f"`{last.name}`"), span(first.title, last.title),
        span(f"{first.bits:g}", f"{last.bits:g}"), span(f"{first.bits_per_weight:g}", f"{last.bits_per_weight:g}"),
        span(_size(first.largest), _size(last.largest)), span(_size(first.smallest), _size(last.smallest)),
        first.scales, ", ".join(runs) or "–", first.source, f"`{first.proof}`",
    )  # fmt: skip


def _size(value: float) -> str:
    return number(value) if value else "learned"


def main(arguments: list[str]) -> int:
    """Write the page, or say that it is out of date."""
    return written.write_or_check(PAGE, page(), arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
