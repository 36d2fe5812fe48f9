"""A diff report as one HTML file."""

from __future__ import annotations

import plotly.graph_objects as go

from qdebug.figures import group_differences, numbers
from qdebug.figures.comparison import (
    change_words,
    comparison_finding,
    direction_words,
    flips_finding,
    furthest_first,
    interval_words,
    is_worse,
    layers_finding,
    margin_words,
)
from qdebug.figures.layer_differences import layer_differences
from qdebug.figures.picture import data_uri
from qdebug.figures.subgroups import p_words
from qdebug.recipes.text import write_yaml
from qdebug.report.render import whole
from qdebug.results.report import DiffReport, ReportSide


def diff_page(report: DiffReport) -> str:
    """The report as HTML, with its charts and what draws them inside, and the whole of it as JSON."""
    found = report.comparison
    finding, _, more = comparison_finding(found).partition("; ")
    return whole(
        "diff.html", report, diff_charts(report),
        report=report,
        found=found,
        gap=found.difference,
        finding=finding,
        more=f"{more[:1].upper()}{more[1:]}." if more else "",
        bad=is_worse(found),
        flips_finding=_flips_finding(report),
        groups=furthest_first(found.groups),
        layers_finding=layers_finding(found),
        words=side_by_side(report.a, report.b),
        parts_a={row.name: row.share for row in report.a.shares.rows},
        parts_b={row.name: row.share for row in report.b.shares.rows},
        yaml={"A": write_yaml(report.a.recipe), "B": write_yaml(report.b.recipe)},
        change_words=change_words, interval_words=interval_words, p_words=p_words, margin_words=margin_words,
        direction_words=direction_words, data_uri=data_uri, answer=answer, token=token,
    )  # fmt: skip


def diff_charts(report: DiffReport) -> dict[str, go.Figure]:
    """All charts, on light ground."""
    found = report.comparison
    drawn: dict[str, go.Figure] = {}
    if any(None not in (layer.a.output_sqnr_db, layer.b.output_sqnr_db) for layer in found.layers):
        drawn["layers"] = layer_differences(found, dark=False)
    if found.groups:
        drawn["groups"] = group_differences(found, dark=False)
    return drawn


def side_by_side(a: ReportSide, b: ReportSide) -> list[tuple[str, str, str]]:
    """What is spoken of in either recipe's words, and what each says of it; a dash where it says nothing."""
    one, two = dict(a.recipe_words), dict(b.recipe_words)
    names = dict.fromkeys([*one, *two])
    return [(name, one.get(name, numbers.NONE), two.get(name, numbers.NONE)) for name in names]


def answer(value: int | None) -> str:
    """A class, as a number; NaN where a score was none."""
    return numbers.NONE if value is None else "NaN" if value < 0 else str(value)


def token(text: str) -> str:
    """A token's text; a space has to be seen."""
    return "␣" if text == " " else text


def _flips_finding(report: DiffReport) -> str:
    flips = report.flips
    return flips_finding(flips.counts, flips.unit, flips.reference, flips.predictions)
