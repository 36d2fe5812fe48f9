"""What a lesson's code is given: the model it looks at, and answers of the compute process when they are there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeVar

import streamlit as st

from qdebug.classroom.content import Lesson
from qdebug.errors import QDebugError
from qdebug.jobs.client import Running
from qdebug.jobs.verbs import Verb
from qdebug.recipes import Recipe, preset
from qdebug.results import ModelRef
from qdebug.web.core import ask

A = TypeVar("A")


class NotYet(Exception):  # noqa: N818 - it is no error
    """An answer is not there yet: what needs it is drawn when it is."""

    def __init__(self, running: Running) -> None:
        super().__init__()
        self.running = running


@dataclass(frozen=True, slots=True)
class Place:
    """A lesson's own model and recipe. The participant's own recipe is never touched.

    Attributes:
        slug: the lesson's.
        ref: the sample it looks at.
        recipe: what it starts from.
    """

    slug: str
    ref: ModelRef
    recipe: Recipe

    def key(self, name: str) -> str:
        """The key of a widget or a chart of this lesson."""
        return f"lesson-{self.slug}-{name}"

    def need(self, request: Verb[A]) -> A:
        """An answer of the compute process.

        Raises:
            NotYet: it is not there; the page is drawn again when it is.
            QDebugError: what it ended with.
        """
        return self.need_all(request)[0]

    def need_all(self, *requests: Verb[Any]) -> tuple[Any, ...]:
        """Several answers, which are worked out at the same time.

        Raises:
            NotYet: one is not there.
            QDebugError: what one ended with.
        """
        answers = [ask.look(request) for request in requests]
        for answer in answers:
            if isinstance(answer, QDebugError):
                raise answer
        waiting = [request for request, answer in zip(requests, answers, strict=True) if isinstance(answer, Running)]
        st.session_state.waiting.extend(waiting)
        for answer in answers:
            if isinstance(answer, Running):
                raise NotYet(answer)
        return tuple(answers)


def place(lesson: Lesson) -> Place:
    """The place of a lesson."""
    return Place(lesson.slug, ModelRef(model=lesson.model), preset(lesson.recipe))
