"""A lesson on the page: words, pictures, questions, and the way to the next."""

from __future__ import annotations

import html
from collections.abc import Callable, Mapping
from pathlib import Path

import streamlit as st

from qdebug.classroom.answer import Answer
from qdebug.classroom.content import ORDER, Ask, Draw, Lesson, Words, lesson
from qdebug.errors import QDebugError
from qdebug.web.core import participant, problem, words
from qdebug.web.lessons import question
from qdebug.web.lessons.place import NotYet, Place, place
from qdebug.web.shell import frame

Pictures = Mapping[str, Callable[[Place], None]]
Answers = Mapping[str, Callable[[Place], Answer]]


def show(script: str, pictures: Pictures, answers: Answers) -> None:
    """Draw the lesson whose code this is.

    Args:
        script: the code's file; the words are in a file of the same name that ends in ``.md``.
        pictures: what draws each picture, by its name in the words.
        answers: what computes the answer to each question, by its name in the words.
    """
    frame.stand()
    one = lesson(Path(script).stem)
    at = place(one)
    known = participant.answers()
    with st.container(key="lesson"):
        st.html(head_html(one))
        for index, part in enumerate(one.parts):
            if isinstance(part, Words):
                with st.container(key=f"lesson-words-{index}"):
                    st.markdown(part.text)
            elif isinstance(part, Draw):
                _picture(at, part.name, pictures[part.name])
            else:
                _question(at, part, answers[part.name], known)
        if failed := participant.failure():
            problem.draw(failed, "lesson-answers")
        _onward(one)


def head_html(one: Lesson) -> str:
    """Which lesson it is, how long it takes, what it is for."""
    return (
        f'<p class="q-quiet">Lesson {one.number} of {len(ORDER)} · {one.minutes} minutes · on '
        f'<code class="q-name">{html.escape(one.model)}</code></p><h1 class="q-lesson">{html.escape(one.title)}</h1>'
        f'<p class="q-lead">After it you can: {html.escape(one.goal[:1].lower() + one.goal[1:])}</p>'
    )


def _picture(at: Place, name: str, draw: Callable[[Place], None]) -> None:
    with st.container(key=f"lesson-picture-{name}"):
        try:
            draw(at)
        except NotYet as waiting:
            _wait(waiting)
        except QDebugError as error:
            problem.draw(error, f"lesson-{name}")


def _question(at: Place, part: Ask, answer: Callable[[Place], Answer], known: participant.Known) -> None:
    with st.container(key=f"lesson-question-{part.name}"):
        try:
            question.draw(at, part, answer(at), known.get((at.slug, part.name)))
        except NotYet as waiting:
            _wait(waiting)
        except QDebugError as error:
            problem.draw(error, f"lesson-{part.name}")


def _wait(waiting: NotYet) -> None:
    done = waiting.running.progress
    st.html(words.quiet(f"{done.text[:1].upper()}{done.text[1:]} …" if done.text else "Being measured …"))


def _onward(one: Lesson) -> None:
    at = ORDER.index(one.slug)
    with st.container(key="lesson-onward", horizontal=True, horizontal_alignment="distribute"):
        if at:
            st.page_link(f"pages/lessons/{ORDER[at - 1]}.py", label=f"← {lesson(ORDER[at - 1]).title}")
        else:
            st.page_link("pages/lessons.py", label="← All lessons")
        if at + 1 < len(ORDER):
            st.page_link(f"pages/lessons/{ORDER[at + 1]}.py", label=f"{lesson(ORDER[at + 1]).title} →")
        else:
            st.page_link("pages/lessons.py", label="All lessons →")
