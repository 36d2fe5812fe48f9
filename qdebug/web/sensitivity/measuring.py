"""What of a sensitivity to measure, what that costs, and the button that starts it."""

from __future__ import annotations

from typing import NamedTuple

import streamlit as st
from msgspec.structs import replace

from qdebug.figures.sensitivity import Part, cost, sure
from qdebug.figures.text import plural
from qdebug.jobs.verbs import GetOutlook, GetSensitivity
from qdebug.results import ModelInfo, Sensitivity
from qdebug.web.core import ask, problem, state, words
from qdebug.web.sensitivity import measured

WORST = (3, 10, 30)
"""Numbers of layers of each format that may be measured, where there are more."""


class Asked(NamedTuple):
    """What may be measured, as it is chosen now, and what is known of it."""

    sweep: GetSensitivity
    """What the button starts."""
    outlook: GetOutlook
    """The question what that costs, and what of it the journal has."""
    known: Sensitivity | None
    """The answer to that question, if it is there by now."""


def ask_ahead(info: ModelInfo, request: GetSensitivity, part: Part) -> Asked:
    """Look up what the journal has of what is chosen: before anything is drawn, so that a page agrees with itself."""
    sweep = asked_sweep(request, _extent(extents(len(info.layers))), part)
    outlook = measured.outlook_for(sweep)
    known = ask.quiet(outlook)
    measured.note(outlook)
    return Asked(sweep, outlook, known if isinstance(known, Sensitivity) else None)


def draw(info: ModelInfo, request: GetSensitivity, asked: Asked) -> None:
    """The choice, its cost after what the journal has, and the button."""
    offered = extents(len(info.layers))
    st.selectbox(
        "How much is measured", list(offered), key=state.put("sensitivity-extent", _extent(offered)),
        format_func=offered.__getitem__, on_change=_keep_extent, label_visibility="collapsed", width=230,
        help="The most harmful come first, on an eighth of the samples at first",
    )  # fmt: skip
    if failed := ask.failure(asked.outlook):
        problem.draw(failed, "sensitivity-outlook", retry=lambda: ask.forget(asked.outlook))
        return
    known = asked.known
    plan = known.plan if known else None
    if plan is not None and not plan.passes:
        order = f" The order of layers is {sure(known.order)}." if known and known.order else ""
        st.html(words.quiet(f"All of it is measured.{order}"), width="content")
        return
    began = plan is not None and plan.kept > 0
    st.button(
        "Measure the others" if began else "Measure exactly", key="sensitivity-measure-start",
        on_click=measured.start, args=(request, asked.sweep), disabled=plan is None,
    )  # fmt: skip
    said = f"{plural(plan.items, 'recipe')}: {cost(plan)}" if plan else "Looking up what was measured before"
    st.html(words.quiet(f"{said}."), width="content")


def _extent(offered: dict[str, str]) -> str:
    kept = st.session_state.kept.get("sensitivity-extent", "all")
    return kept if kept in offered else "all"


def asked_sweep(request: GetSensitivity, choice: str, part: Part) -> GetSensitivity:
    """The request that measures what was chosen: ``all``, ``order``, or a number of the worst layers."""
    return replace(
        request, mode="exact", until="order" if choice == "order" else "all",
        worst=int(choice) if choice.isdigit() else 0, leave_one_out=part == "without",
    )  # fmt: skip


def extents(layers: int) -> dict[str, str]:
    """How much may be measured of so many layers, by choice."""
    worst = {str(many): f"the worst {many} of each format" for many in WORST if many < layers}
    return {"all": "all layers", **worst, "order": "until the order is settled"}


def _keep_extent() -> None:
    st.session_state.kept["sensitivity-extent"] = st.session_state["sensitivity-extent"]
