"""Answers that grow: drawn as far as they are known, again and again, until they are whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from qdebug.errors import Cancelled, QDebugError
from qdebug.jobs.client import Running
from qdebug.web.core import ask, problem

_THEN = "growing-then"
Draw = Callable[[Any | None, Running | None], None]
"""Draws what is known (None for nothing) of an answer, and how far it is (None where it is not being worked on)."""


def show(place: str, request: Any, draw: Draw, *, every: float = ask.PATIENCE) -> None:
    """Draw the answer to a request as it comes; ``draw`` is called in a fragment, alone, until it is there.

    The place stays a fragment when the answer is whole, and has the whole page drawn then: what is clicked while the
    last part arrives is sent to that fragment, and Streamlit passes over one that is gone without drawing anything.

    What came before the work was stopped, or before it met an error, stays; whoever draws offers to go on.

    Args:
        place: names the place on the screen.
        request: the question.
        draw: draws a part, or the whole.
        every: seconds between two looks.
    """
    working = isinstance(ask.look(request), Running)
    part = st.fragment(_draw, run_every=every if working else None)
    with st.container(key=f"slot-{place}"):
        part(place, request, draw, [True], working=working)


def leave(screen: str = "") -> None:
    """Called by what a click inside the place calls: have the whole page drawn anew, or go to another screen.

    A fragment that did so itself, having drawn half of its place, would leave the other half to a page that is gone.
    """
    st.session_state[_THEN] = screen


def follow() -> None:
    """Go where a click led; called before anything of a screen is drawn."""
    screen = st.session_state.pop(_THEN, "")
    if screen:
        st.switch_page(screen)


def _draw(place: str, request: Any, draw: Draw, by_page: list[bool], *, working: bool) -> None:
    """``by_page`` holds something while the page itself is drawn, and nothing when the fragment runs alone."""
    alone = not by_page
    by_page.clear()
    if alone and (not working or _THEN in st.session_state):
        st.rerun()
    answer = ask.look(request, wait=0.0)
    running = answer if isinstance(answer, Running) else None
    if working and running is None and not ask.is_covered(place):
        st.rerun()
    with st.container(key=f"status-{place}"):
        if running:
            ask.draw_progress(place, request, running)
        elif isinstance(answer, QDebugError) and not (isinstance(answer, Cancelled) and ask.part(request)):
            problem.draw(answer, place, retry=lambda: ask.forget(request))
    draw(ask.part(request), running)
