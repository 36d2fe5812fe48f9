"""The door of a workshop: a code, a name, and samples alone from there on."""

from __future__ import annotations

import hmac
import html
import math

import streamlit as st

from qdebug.classroom import TRIES, Classroom, Room, workshop
from qdebug.errors import FileError
from qdebug.places import sample_names
from qdebug.results import ModelRef
from qdebug.web.core import participant, problem, state
from qdebug.web.core.unplaced import unplaced

_WRONG = "join-wrong"


def room() -> Room | None:
    """The workshop's room, or None where there is none."""
    name = workshop()
    return Classroom().room(name) if name else None


def is_in() -> bool:
    """Whether whoever sits here may see the app; draws the door where not."""
    try:
        one = room()
        if one is None or is_teacher(one) or Classroom().who(participant.me(), one.name):
            return True
        _door(one)
    except FileError as error:
        problem.draw(error, "workshop")
    return False


def is_teacher(one: Room) -> bool:
    """Whether this is the teacher: by the secret in the address, which then vanishes from it, or as seen before."""
    me, here = participant.me(), Classroom()
    if hmac.compare_digest(st.query_params.get("teacher", "").encode(), one.teacher.encode()):
        here.teach(me, one.name)
        del st.query_params["teacher"]  # the address stands on the projector
    known = st.session_state.get("teaching", False)
    st.session_state.teaching = here.teaches(me, one.name)
    if st.session_state.teaching and not known:
        st.rerun()  # the sidebar was drawn before it was known whose it is, and lacks the teacher's page
    return st.session_state.teaching


def _door(one: Room) -> None:
    with st.container(key="workshop-door"), st.form("join", border=False):
        st.html('<h1 class="q-lesson">Workshop</h1><p class="q-lead">Your teacher tells the code.</p>')
        st.text_input("Code", key="join-code", max_chars=24, width=220)
        st.text_input("Your name, as the teacher is to see it", key="join-name", max_chars=40, width=320)
        st.form_submit_button("Join", type="primary", on_click=_join, args=(one,))
        if said := st.session_state.pop(_WRONG, ""):
            st.html(f'<p class="q-not-yet" role="status">{html.escape(said)}</p>')


def _join(one: Room) -> None:
    code = "".join(st.session_state["join-code"].split()).upper()  # the wall shows it with wide gaps
    name = st.session_state["join-name"].strip()
    if wait := TRIES.wait(address()):
        st.session_state[_WRONG] = f"Too many wrong codes were tried. Try again in {math.ceil(wait)} s."
    elif not hmac.compare_digest(code.encode(), one.code.encode()):
        TRIES.wrong(address())
        st.session_state[_WRONG] = "There is no such code. It is letters and digits."
    elif not name:
        st.session_state[_WRONG] = "Give a name, so that the teacher can tell who needs help."
    else:
        try:
            Classroom().join(participant.me(), one.name, name)
        except FileError as error:
            st.session_state[_WRONG] = f"{unplaced(error.what)}. Tell your teacher."


def address() -> str:
    """Where whoever sits here connects from, as far as the server sees it."""
    return st.context.ip_address or "this machine"


def keep_to_samples() -> None:
    """In a workshop, whatever asks for another model gets the first sample."""
    if workshop() and not is_sample(state.ref()):
        state.open_model(ModelRef(model=state.FIRST_MODEL))


def is_sample(ref: ModelRef) -> bool:
    """Whether a model is a sample on its own data."""
    return ref == ModelRef(model=ref.model) and ref.model in sample_names()
