"""The overview's answer to "who pays?": one line, and the classes and groups behind it."""

from __future__ import annotations

import streamlit as st

from qdebug.figures import group_course, numbers, subgroup_changes
from qdebug.figures.colours import TROUBLE_MARK
from qdebug.figures.grouped import numbered
from qdebug.figures.subgroups import is_hit, kinds, p_words, subgroups_finding, worst_first
from qdebug.figures.text import escaped, shorten
from qdebug.jobs.verbs import GetSubgroups
from qdebug.results import Metric, Subgroup, Subgroups
from qdebug.web.core import ask, chart, state, words
from qdebug.web.core.theme import is_dark

CONFIDENCE = (
    "◆ lost more than chance explains: with 95 % confidence not one of all rows is marked by chance alone (Holm). "
    "Intervals are paired, at 95 % for each row by itself."
)


def line() -> None:
    """One sentence under the verdict, once it is known; none where the data name no two classes or groups."""
    found = _known()
    if found is not None:
        st.html(line_html(found))


def section() -> None:
    """Each class and group: its change with its interval; groups that are numbers along these first."""
    found = _known()
    if found is None:
        return
    with st.container(key="card-subgroups"):
        if numbered(found.rows):
            chart.show(chart.of(group_course, found, dark=is_dark()), "group-course", "groups")
        chart.show(chart.of(subgroup_changes, found, dark=is_dark()), "subgroups", "subgroups")
        st.html(f'<p class="q-quiet">{CONFIDENCE}{_left_out(found)}</p>')


def table() -> None:
    """All numbers, in a table that opens."""
    found = _known()
    if found is None:
        return
    with st.expander(f"All {len(found.rows)} {kinds(found.rows)} in numbers", key="subgroups-table"):
        st.html(table_html(found))


def _known() -> Subgroups | None:
    found = ask.quiet(GetSubgroups(ref=state.ref(), recipe=state.recipe()))
    return found if found is not None and found.rows else None


def _left_out(found: Subgroups) -> str:
    return f" {escaped(found.left_out)}" if found.left_out else ""


def line_html(found: Subgroups) -> str:
    """The finding as a line; with the mark of trouble where a class or group lost more than chance explains."""
    bad = " q-bad" if found.worst is not None else ""
    return f'<p class="q-lead{bad}">{escaped(subgroups_finding(found.overall, found.rows))}.</p>'


def table_html(found: Subgroups) -> str:
    """Every row in numbers, the largest loss first."""
    metric = found.overall
    unit = numbers.metric_change(metric.name, 0.0)[1]
    head = ("", "", "samples", "float", "quantized", f"change{', ' if unit else ''}{unit}", "95 % interval",
            f"{metric.counted} changed", "adjusted p")  # fmt: skip
    cells = "".join(f'<th scope="col">{text}</th>' for text in head)
    rows = "".join(_row(row, metric) for row in worst_first(metric, found.rows))
    return words.scrolling(f'<table class="q-rows"><tr>{cells}</tr>{rows}</table>', tall=True)


def _row(row: Subgroup, metric: Metric) -> str:
    hit = is_hit(row, metric)
    low, high = (numbers.metric_change(metric.name, end)[0] for end in row.ci95)
    change = numbers.metric_change(metric.name, row.delta)[0]
    cells = (
        numbers.count(row.n), numbers.metric_value(metric.name, row.float_),
        numbers.metric_value(metric.name, row.quantized), f"{f'{TROUBLE_MARK} ' if hit else ''}{change}",
        f"{low} to {high}", numbers.count(row.flips), p_words(row.p),
    )  # fmt: skip
    name = f'<td>{row.key}</td><td title="{escaped(row.name)}">{escaped(shorten(row.name))}</td>'
    return f"<tr>{name}{''.join(f'<td>{cell}</td>' for cell in cells)}</tr>"
