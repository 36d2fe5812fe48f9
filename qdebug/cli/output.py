"""What goes to standard output: one JSON object, or aligned text. No colours; names and numbers are enough."""

from __future__ import annotations

import sys
import unicodedata
from collections.abc import Sequence

import msgspec


def print_json(value: object) -> None:
    """Print plain values and results as one JSON object; NaN and Inf, which JSON lacks, become null."""
    text = msgspec.json.format(msgspec.json.encode(value), indent=2).decode()
    try:
        print(text)
    except UnicodeEncodeError:  # a terminal that is not UTF-8: JSON can be said in ASCII
        sys.stdout.buffer.write(text.encode("ascii", "backslashreplace") + b"\n")


def table(header: Sequence[str], rows: Sequence[Sequence[str]], *, align: str, groups: Sequence[str] = ()) -> str:
    """Columns of text under a header and a thin rule.

    Args:
        header: a title per column.
        rows: as many cells each.
        align: ``<`` or ``>`` per column.
        groups: a title above each column, or empty to go on with the one before; none at all by default.
    """
    lines = [header, *rows]
    widths = [max(map(_width, column)) for column in zip(*lines, strict=True)]
    text = ["  ".join(map(_pad, line, widths, align)).rstrip() for line in lines]
    rule = "  ".join("-" * width for width in widths)
    above = [_group_line(groups, widths)] if groups else []
    return "\n".join([*above, text[0], rule, *text[1:]])


def _group_line(groups: Sequence[str], widths: Sequence[int]) -> str:
    """Each group's title at the left edge of its first column."""
    line = ""
    start = 0
    for title, width in zip(groups, widths, strict=True):
        if title:
            line = line.ljust(start) + title
        start += width + 2
    return line


def _pad(cell: str, width: int, side: str) -> str:
    space = " " * (width - _width(cell))
    return cell + space if side == "<" else space + cell


def _width(text: str) -> int:
    """Columns of a terminal that the text takes."""
    return sum(
        0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1 for char in text
    )
