"""Answers that grow: drawn as far as they are known, again and again, until they are whole."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import streamlit as st

from qdebug.errors import Cancelled, QDebugError
from qdebug.jobs.client import Running
from qdebug.web import ask, problem

_THEN = "growing-then"
Draw = Callable[[Any | None, Running | None], None]
"""Draws what is known (None for nothing) of an answer, and how far it is (None where it is not being worked on)."""


def show(
    place: str, request: Any, draw: Draw, *, every: float = ask.PATIENCE, left: Callable[[Running], str] | None = None
) -> None:
    """Draw the answer to a request as it comes; ``draw`` is called in a fragment, alone, until it is there.

    What came before the work was stopped, or before it met an error, stays; whoever draws offers to go on.

    Args:
        place: names the place on the screen.
        request: the question.
        draw: draws a part, or the whole.
        every: seconds between two looks.
        left: says how long it will take still, to be written behind the progress.
    """
    working = isinstance(ask.look(request), Running)
    part = st.fragment(_draw, run_every=every) if working else _draw
    with st.container(key=f"slot-{place}"):
        part(place, request, draw, left, working=working)


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


def _draw(place: str, request: Any, draw: Draw, left: Callable[[Running], str] | None, *, working: bool) -> None:
    if working and _THEN in st.session_state:
        st.rerun()
    answer = ask.look(request, wait=0.0)
    running = answer if isinstance(answer, Running) else None
    if working and running is None and not ask.is_covered(place):
        st.rerun()
    with st.container(key=f"status-{place}"):
        if running:
            ask.draw_progress(place, request, running, left(running) if left else "")
        elif isinstance(answer, QDebugError) and not (isinstance(answer, Cancelled) and ask.part(request)):
            problem.draw(answer, place, retry=lambda: ask.forget(request))
    draw(ask.part(request), running)
