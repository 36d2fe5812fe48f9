"""A question of a lesson: the field, whether what was given is right, and why."""

from __future__ import annotations

import streamlit as st

from qdebug.classroom import Answered
from qdebug.classroom.answer import Answer, Choice, read
from qdebug.classroom.content import Ask, filled
from qdebug.figures.text import escaped
from qdebug.web.core import participant
from qdebug.web.lessons.place import Place

ENOUGH = 3
"""Wrong answers after which the right one may be looked at."""


def draw(at: Place, part: Ask, answer: Answer, known: Answered | None) -> None:
    """Draw it.

    Args:
        at: the lesson.
        part: its words.
        answer: what was computed.
        known: what the participant has answered, if anything.
    """
    st.html('<h2 class="q-group">Question</h2>')
    st.markdown(filled(part.question, answer.said))
    key = at.key(f"answer-{part.name}")
    with st.form(at.key(f"form-{part.name}"), border=False):
        given = known.given if known else None
        if isinstance(answer, Choice):
            st.radio(
                "Your answer", answer.options, key=key,
                index=answer.options.index(given) if given in answer.options else None,
            )  # fmt: skip
        else:
            unit = f", {answer.unit}" if answer.unit else ""
            st.text_input(f"Your answer{unit}", value=given or "", key=key, max_chars=40, width=220)
        st.form_submit_button("Check", on_click=_check, args=(at.slug, part.name, key, answer))
    shown = st.session_state.kept.get(at.key(f"shown-{part.name}"), False)
    said = feedback_html(answer, known, shown=shown)
    if said:
        st.html(said)
    if (known and known.right) or shown:
        st.markdown(filled(part.why, answer.said))
    elif known:
        st.markdown(f"Hint: {filled(part.hint, answer.said)}")
        if known.tries >= ENOUGH:
            st.button("Show the answer", key=at.key(f"show-{part.name}"), on_click=_show, args=(at, part.name))


def feedback_html(answer: Answer, known: Answered | None, *, shown: bool) -> str:
    """What becomes of the answer that was given last; nothing before the first."""
    if known is None:
        return ""
    if known.right:
        return '<p class="q-right" role="status">Right.</p>'
    if shown:
        return '<p class="q-quiet" role="status">This is how it comes out:</p>'
    if not isinstance(answer, Choice) and read(known.given) is None:
        return f'<p class="q-not-yet" role="status">“{escaped(known.given)}” is no number.</p>'
    return f'<p class="q-not-yet" role="status">Not yet: {escaped(known.given)} is not it.</p>'


def _check(lesson: str, name: str, key: str, answer: Answer) -> None:
    given = st.session_state[key]
    if given is not None and given.strip():
        participant.record(lesson, name, given.strip(), right=answer.is_right(given))


def _show(at: Place, name: str) -> None:
    st.session_state.kept[at.key(f"shown-{name}")] = True
