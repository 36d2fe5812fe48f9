"""Who sits before the browser: a random name in a cookie, by which answers are found again after a reload."""

from __future__ import annotations

import re
import secrets
from functools import cache
from typing import Any

import streamlit as st
from streamlit.components.v2 import component

from qdebug.classroom import Answered, Classroom
from qdebug.classroom.content import Lesson
from qdebug.errors import FileError
from qdebug.web.core.theme import ASSETS

COOKIE = "qdebug_participant"
Known = dict[tuple[str, str], Answered]
_NAME = re.compile(r"[0-9a-f]{32}")
_ID = "participant"
_FAILED = "participant-failed"
_NEW = "participant-new"


def identify() -> None:
    """Find the participant's random name: in the cookie, or a new one, which the browser is given to keep.

    Called once in every run, by the frame.
    """
    here = st.session_state
    if _ID not in here:
        told = st.context.cookies.get(COOKIE, "")
        here[_NEW] = told == ""
        here[_ID] = told if isinstance(told, str) and _NAME.fullmatch(told) else secrets.token_hex(16)
    with st.container(key="hidden-participant"):
        _keeper()(key="participant-cookie", data={"name": COOKIE, "value": here[_ID]})


def is_new() -> bool:
    """Whether this browser has not been here before, as far as its cookies tell."""
    return bool(st.session_state[_NEW])


def me() -> str:
    """The participant's random name."""
    return str(st.session_state[_ID])


@cache
def _keeper() -> Any:
    return component("qdebug_participant", html="<span></span>", js=(ASSETS / "participant.js").read_text("utf-8"))


def answers() -> Known:
    """What this participant has answered, by lesson and question; nothing where the file cannot be read."""
    try:
        return Classroom().answers(me())
    except FileError as error:
        st.session_state[_FAILED] = error
        return {}


def record(lesson: str, question: str, given: str, *, right: bool) -> None:
    """Keep an answer; what goes wrong is told by :func:`failure`."""
    try:
        Classroom().record(me(), lesson, question, given, right=right)
    except FileError as error:
        st.session_state[_FAILED] = error


def failure() -> FileError | None:
    """What went wrong since it was asked last."""
    return st.session_state.pop(_FAILED, None)


def right_of(lesson: Lesson, known: Known) -> int:
    """How many of a lesson's questions were answered right."""
    return sum((one := known.get((lesson.slug, ask.name))) is not None and one.right for ask in lesson.questions)
