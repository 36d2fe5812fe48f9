"""The teacher's view: the code for the wall, how far everybody is, which questions are hard."""

from __future__ import annotations

import html
from urllib.parse import urlsplit

import streamlit as st

from qdebug.classroom import Classroom, Room
from qdebug.classroom.content import lessons
from qdebug.errors import FileError
from qdebug.web.core import problem, words
from qdebug.web.shell import frame
from qdebug.web.workshop import joining, progress

EVERY = 3.0
"""Seconds between two looks at the room."""


def draw() -> None:
    """The page, for the teacher alone."""
    frame.stand()
    try:
        one = joining.room()
        if one is None:
            st.html('<h1 class="q-page">Workshop</h1>')
            st.html(words.quiet("There is none: start the app with qdebug app --workshop."))
        elif not joining.is_teacher(one):
            st.html('<h1 class="q-page">Workshop</h1>')
            st.html(words.quiet("This page is the teacher's. Its address is told where the app was started."))
        else:
            st.html(wall_html(one, st.context.url or ""))
            _room(one)
            _reset(one)
    except FileError as error:
        problem.draw(error, "teacher")


def wall_html(one: Room, url: str) -> str:
    """The code, to be read from the last row, and where it is typed.

    Args:
        one: the room.
        url: where the teacher sees this page. One that leads nowhere from another machine is not shown.
    """
    found = urlsplit(url)
    host = found.hostname or "localhost"
    near = host in ("localhost", "::1") or host.startswith("127.")
    where = "the address of this app" if near else f"<b>{html.escape(f'{found.scheme}://{found.netloc}')}</b>"
    return (
        f'<h1 class="q-page">Workshop</h1><p class="q-quiet">Open {where}, and join with the code</p>'
        f'<p class="q-code" aria-label="join code">{html.escape(one.code)}</p>'
    )


@st.fragment(run_every=EVERY)
def _room(one: Room) -> None:
    here = Classroom()
    people = here.participants(one.name)
    answers = [here.answers(who.id) for who in people]
    st.html(f'<h2 class="q-found">{html.escape(progress.finding(lessons(), answers))}.</h2>')
    if people:
        st.html(words.scrolling(progress.people_html(lessons(), people, answers), tall=True))
    if rows := progress.hardness(lessons(), answers):
        st.html(f'<h3 class="q-below">Questions</h3>{progress.hardness_html(rows)}')


def _reset(one: Room) -> None:
    with st.popover("Reset the room"):
        st.html(
            words.quiet("Forgets all participants of this room and their answers. The code stays; all may join again.")
        )
        st.button("Forget them", key="room-reset", type="primary", on_click=_forget, args=(one,))


def _forget(one: Room) -> None:
    try:
        Classroom().reset(one.name)
    except FileError as error:
        problem.draw(error, "room-reset")
