"""The tour: five steps on the broken sample, from what is wrong to a network that is mended and taken home."""

from __future__ import annotations

import html
from typing import Any

import streamlit as st

from qdebug.figures.numbers import metric_title, metric_value
from qdebug.jobs.verbs import GetScore, GetVerdict
from qdebug.recipes import preset
from qdebug.results import Metric, ModelRef, Score, Verdict
from qdebug.web.core import ask, participant, state

_AT = "tour"
_START, _SCREENS = 0, ("overview", "layers", "diagnosis", "diagnosis", "export")
APPLY, MENDED = 2, 3
NEXT = ("Next: the worst layer", "Next: why", "", "Next: take it home", "End of the tour")


def begin(page: Any) -> None:
    """Start it for whoever opens the app for the first time, on the first page and the first sample."""
    if participant.is_new() and _AT not in st.session_state:
        fresh = state.ref() == ModelRef(model=state.FIRST_MODEL) and not page.url_path
        st.session_state[_AT] = _START if fresh else None


def again() -> None:
    """Start it anew, on the sample as it was at first. Undo leads back to the recipe that was at hand there."""
    state.open_model(ModelRef(model=state.FIRST_MODEL))
    state.change(preset(state.FIRST_PRESET))
    st.session_state[_AT] = _START
    state.go(_SCREENS[_START])


def draw() -> None:
    """The step at hand, above the screen."""
    here = st.session_state
    at = here.get(_AT)
    if at is None or state.ref() != ModelRef(model=state.FIRST_MODEL):
        return
    if at <= APPLY and state.recipe() != state.first_recipe():
        at = here[_AT] = MENDED
    verdict = ask.quiet(GetVerdict(state.ref(), state.first_recipe()))
    before = ask.quiet(GetScore(state.ref(), state.first_recipe()))
    after = ask.quiet(GetScore(state.ref(), state.recipe()))
    if not (isinstance(verdict, Verdict) and isinstance(before, Score) and isinstance(after, Score)):
        return  # it comes with the answers, which the screen waits for as well
    with st.container(key="tour", horizontal=True, vertical_alignment="center", gap="small"):
        worst = verdict.worst[0] if verdict.worst else ""
        st.html(step_html(at, worst, before.metric, after.metric))
        if NEXT[at]:
            st.button(NEXT[at], key="tour-next", type="primary", on_click=_next, args=(at, worst))
        if at + 1 < len(NEXT):
            st.button("Skip", key="tour-skip", type="tertiary", on_click=_end)


def step_html(at: int, worst: str, before: Metric, after: Metric) -> str:
    """What a step says. Names are escaped."""
    title = metric_title(before.name)
    float_, broken, now = (metric_value(before.name, value) for value in (
        before.float_, before.quantized, after.quantized,
    ))  # fmt: skip
    layer = f'<code class="q-name">{html.escape(worst)}</code>'
    said = (
        f"In 8 bits the {title} of this network falls from {float_} to {broken}. The sentence below says which layers "
        "do it, the bars how much each does.",
        f"{layer} does most of it. Beside the table are its values, the codes that stand for them, and what becomes of "
        "each channel. Every format in the table can be changed.",
        "Causes stand here with their evidence, the worst first. The fix beside each was tried on this very network. "
        "Press <b>Apply</b> beside the first.",
        f"The {title} was {broken} and is {now}: the strip above has moved. Nothing is lost; Undo in the sidebar leads "
        "back.",
        "Here the recipe becomes a file for your runtime, and a real runtime is asked whether it computes the same. "
        "<b>Make the report</b> writes down what was found, to be sent. The lessons, last in the sidebar, teach why it "
        "worked.",
    )[at]  # fmt: skip
    return f'<p class="q-tour" role="status"><span>{at + 1} of {len(NEXT)}</span> {said}</p>'


def _next(at: int, worst: str) -> None:
    if at + 1 == len(NEXT):
        _end()
        return
    if at == _START and worst:
        state.choose(worst)
    st.session_state[_AT] = at + 1
    state.go(_SCREENS[at + 1])


def _end() -> None:
    st.session_state[_AT] = None
