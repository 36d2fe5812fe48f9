"""Values that show themselves: a view as text for a terminal, and as HTML for a notebook."""

from __future__ import annotations

import textwrap
from collections.abc import Callable
from typing import Any

from qdebug.errors import written_out
from qdebug.figures.text import escaped, shorten
from qdebug.report import views
from qdebug.report.views import View
from qdebug.results import Comparison, Diagnosis, Evaluation, ModelInfo, Sensitivity
from qdebug.results.base import Result, show_as
from qdebug.results.report import DiffReport, Report

WIDTH = 100
"""Columns of a terminal that a text keeps within."""
_NAME = 36
_CELL = 24
_SHOWN: dict[type[Result], Callable[[Any], View]] = {
    ModelInfo: views.of_model, Evaluation: views.of_evaluation, Sensitivity: views.of_sensitivity,
    Diagnosis: views.of_diagnosis, Comparison: views.of_comparison, Report: views.of_report,
    DiffReport: views.of_difference,
}  # fmt: skip
_STYLE = "font-variant-numeric:tabular-nums;border-collapse:collapse;margin:4px 0"


def install() -> None:
    """Have results show themselves."""
    for kind, view in _SHOWN.items():
        show_as(kind, lambda value, view=view: as_text(view(value)), lambda value, view=view: as_html(view(value)))


def as_text(view: View) -> str:
    """A view within the width of a terminal: no line is longer, characters that cannot be seen are written out."""
    parts = textwrap.wrap(written_out(view.title) + ".", WIDTH)
    width = max((len(name) for name, _ in view.facts), default=0)
    for name, words in view.facts:
        parts += textwrap.wrap(written_out(words), WIDTH - width - 4, initial_indent=f"  {name:<{width}}  ",
                               subsequent_indent=" " * (width + 4)) or []  # fmt: skip
    if view.head:
        parts += ["", *_table(view)]
    if view.left:
        parts.append(f"… and {view.left} more")
    return "\n".join(parts)


def _table(view: View) -> list[str]:
    lines = [view.head, *view.rows]
    cells = [[shorten(written_out(cell), _CELL if at else _NAME) for at, cell in enumerate(line)] for line in lines]
    most = [max(map(len, column)) for column in zip(*cells, strict=True)]
    while sum(most) + 2 * (len(most) - 1) > WIDTH:  # many formats: the last columns do not fit
        most.pop()
    right = _numeric(view)
    rows = ["  ".join(cell.rjust(width) if at in right else cell.ljust(width)
                      for at, (cell, width) in enumerate(zip(line, most, strict=False))) for line in cells]  # fmt: skip
    return [rows[0].rstrip(), "  ".join("-" * width for width in most), *(row.rstrip() for row in rows[1:])]


def _numeric(view: View) -> frozenset[int]:
    """The columns that hold numbers, in whatever row; these are set to the right."""
    places = range(1, len(view.head))
    return frozenset(at for at in places if any(row[at][:1].isdigit() or row[at][:1] in "−<+∞" for row in view.rows))


def as_html(view: View) -> str:
    """A view as HTML: escaped, without a script, in the colours of whatever page it stands in."""
    parts = [f"<div><p><strong>{_text(view.title)}.</strong></p>"]
    if view.facts:
        rows = (f"<tr>{_cell('th', name, scope='row')}{_cell('td', words)}</tr>" for name, words in view.facts)
        parts.append(f'<table style="{_STYLE}"><tbody>{"".join(rows)}</tbody></table>')
    if view.head:
        right = _numeric(view)
        head = "".join(_cell("th", one, right=at in right, scope="col") for at, one in enumerate(view.head))
        lines = ("".join(_cell("td", one, right=at in right) for at, one in enumerate(row)) for row in view.rows)
        body = "".join(f"<tr>{line}</tr>" for line in lines)
        parts.append(f'<table style="{_STYLE}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>')
    if view.left:
        parts.append(f"<p>… and {view.left} more</p>")
    return "".join([*parts, "</div>"])


def _cell(tag: str, text: str, *, right: bool = False, scope: str = "") -> str:
    side = f"text-align:{'right' if right else 'left'};padding:2px 8px"
    more = f' scope="{scope}"' if scope else ""
    return f'<{tag}{more} style="{side}">{_text(text)}</{tag}>'


def _text(text: str) -> str:
    return escaped(text)
