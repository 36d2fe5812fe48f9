"""All lessons: what each is about, and how far the participant is."""

from __future__ import annotations

import html

import streamlit as st

from qdebug.classroom.content import Lesson, lessons
from qdebug.figures.glossary import list_html
from qdebug.figures.text import plural
from qdebug.web.core import participant, problem, words
from qdebug.web.shell import frame


def draw() -> None:
    """The list, as a page."""
    frame.stand()
    known, all_ = participant.answers(), lessons()
    done = sum(is_done(one, known) for one in all_)
    st.html(f'<h1 class="q-page">Lessons</h1><p class="q-lead">{html.escape(lead(done, len(all_)))}</p>')
    with st.container(key="lesson-list", gap=None):
        for one in all_:
            with st.container(key=f"lesson-row-{one.slug}", gap=None):
                st.page_link(f"pages/lessons/{one.slug}.py", label=f"{one.number}  {one.title}")
                st.html(words.quiet(f"{one.goal} {one.minutes} minutes{', done' if is_done(one, known) else ''}."))
    with st.expander("Terms", key="lesson-terms"):
        st.html(list_html())
    if failed := participant.failure():
        problem.draw(failed, "lesson-answers")


def aside() -> None:
    """The list beside a lesson."""
    known = participant.answers()
    st.html('<h2 class="q-side">Lessons</h2>')
    with st.container(key="lesson-aside", gap=None):
        for one in lessons():
            mark = "  ✓" if is_done(one, known) else ""
            st.page_link(f"pages/lessons/{one.slug}.py", label=f"{one.number}  {one.title}{mark}")


def is_done(one: Lesson, known: participant.Known) -> bool:
    """Whether all questions of a lesson were answered right."""
    return participant.right_of(one, known) == len(one.questions)


def lead(done: int, many: int) -> str:
    """How far somebody is, in a sentence."""
    if not done:
        return "Each takes five to ten minutes on real networks, and ends with a question whose answer is computed."
    if done == many:
        return f"All {many} are done."
    return f"{plural(done, 'lesson')} of {many} done. Answers are kept in this browser's name."
