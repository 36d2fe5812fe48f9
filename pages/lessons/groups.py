"""Lesson: what a mean hides, by classes and groups of the evaluation data, and the answers that changed."""

import html

import streamlit as st

from qdebug.classroom.answer import Choice
from qdebug.figures import numbers, subgroup_changes
from qdebug.figures.comparison import flips_finding
from qdebug.figures.subgroups import is_hit, subgroups_finding
from qdebug.jobs.verbs import GetFlips, GetSubgroups
from qdebug.recipes import preset
from qdebug.results import Subgroup, worst_group
from qdebug.web.core import chart, words
from qdebug.web.core.flip_cards import flips_html
from qdebug.web.core.theme import is_dark
from qdebug.web.lessons import screen
from qdebug.web.lessons.place import Place

FIRST = "w4a8"
RECIPES = {FIRST: "w4a8, per tensor", "w4a8-pc": "w4a8-pc, per channel", "w8a8": "w8a8, per tensor"}
FLOAT = "w32a32"
MOST = 24  # changed answers that are shown


def chosen(at: Place) -> str:
    """The recipe that was chosen."""
    name: str = st.session_state.get(at.key("recipe")) or FIRST
    return name


def groups(at: Place) -> None:
    """The change of each class and group with its interval."""
    at.need_all(*(GetSubgroups(at.ref, preset(name)) for name in RECIPES))
    st.segmented_control(
        "Recipe", list(RECIPES), default=FIRST, format_func=RECIPES.__getitem__, key=at.key("recipe"), required=True
    )
    found = at.need(GetSubgroups(at.ref, preset(chosen(at))))
    st.html(f'<p class="q-lead">{html.escape(subgroups_finding(found.overall, found.rows))}.</p>')
    chart.show(chart.of(subgroup_changes, found, dark=is_dark()), at.key("groups"))
    st.html(words.quiet("◆ lost more than chance explains among all rows."))


def flips(at: Place) -> None:
    """The samples whose answer is another one than the float network's."""
    a, b = preset(FLOAT), preset(chosen(at))
    found = at.need(GetFlips(at.ref, a, b, None, 0, MOST))
    total = at.need(GetSubgroups(at.ref, b)).overall.predictions
    st.html(f'<h3 class="q-chart-title">{html.escape(flips_finding(found.counts, found.unit, found.reference, total))}'
            f"</h3>{flips_html(found)}")  # fmt: skip
    st.html(words.quiet(
        f"A is float, B is {chosen(at)}. Beside each answer its margin: how far it is scored above the other one."
    ))  # fmt: skip


def worst(at: Place) -> Choice:
    """The class that lost most."""
    found = at.need(GetSubgroups(at.ref, preset(FIRST)))
    metric, rows = found.overall, [row for row in found.rows if row.key == "class"]
    hit: Subgroup | None = worst_group(rows, metric.higher_is_better)
    assert hit is not None
    least = "That is more than chance explains." if is_hit(hit, metric) else "Chance alone may explain it."
    return Choice(tuple(row.called for row in rows), (hit.called,), said={
        "recipe": FIRST, "answer": hit.called.capitalize(), "lost": numbers.points(-hit.delta, signed=False),
        "mean": numbers.points(-metric.delta, signed=False), "chance": least,
    })  # fmt: skip


screen.show(__file__, {"groups": groups, "flips": flips}, {"worst": worst})
