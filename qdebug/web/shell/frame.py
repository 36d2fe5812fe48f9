"""What stands around every screen: navigation, and the care that no screen is drawn without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal

import streamlit as st

from qdebug.classroom.content import lessons
from qdebug.results import ModelInfo
from qdebug.web.core import ask, state

ALONE = "lesson"
"""What the addresses of lessons begin with. They need no model at hand: they have models of their own."""
TEACHER, SCAN = "teacher", "scan"


def navigation() -> Any:
    """The screens, and the lessons; returns the one to run."""
    return st.navigation(
        [
            st.Page("pages/overview.py", title="Overview", default=True),
            st.Page("pages/diagnosis.py", title="Diagnose"),
            st.Page("pages/layers.py", title="Layers"),
            st.Page("pages/sensitivity.py", title="Sensitivity"),
            st.Page("pages/formats.py", title="Formats"),
            st.Page("pages/calibration.py", title="Calibration"),
            st.Page("pages/fixes.py", title="Fixes"),
            st.Page("pages/mixture.py", title="Mixed precision"),
            st.Page("pages/compare.py", title="Compare"),
            st.Page("pages/export.py", title="Export"),
            st.Page("pages/scan.py", title="Scan", url_path=SCAN),
            st.Page("pages/lessons.py", title="Lessons"),
            *(
                st.Page(
                    f"pages/lessons/{one.slug}.py", title=one.title, url_path=f"{ALONE}-{one.slug}", visibility="hidden"
                )
                for one in lessons()
            ),
            st.Page("pages/teacher.py", title="Workshop", url_path=TEACHER, visibility=_if_teaching()),
        ]
    )


@contextmanager
def around() -> Iterator[None]:
    """Marks that a screen runs inside the frame."""
    st.session_state.framed = True
    try:
        yield
    finally:
        st.session_state.framed = False


def _if_teaching() -> Literal["visible", "hidden"]:
    return "visible" if st.session_state.get("teaching") else "hidden"


def is_alone(page: Any) -> bool:
    """Whether a page needs no model at hand."""
    return str(page.url_path).startswith((ALONE, TEACHER, SCAN))


def follow() -> None:
    """Go where a callback has asked to go."""
    if screen := state.going():
        st.switch_page(f"pages/{screen}.py")


def stand() -> None:
    """See to it that a page is drawn in the frame.

    A server's first visitor may ask for a screen by its address. Streamlit then takes a folder called ``pages`` for an
    app of its older kind and runs the screen alone, until navigation has been set up once. So it is, and starts over.
    """
    if not st.session_state.get("framed"):
        navigation()
        st.rerun()


def model() -> ModelInfo | None:
    """The model at hand, for a screen to draw; None while the frame shows that it is being opened."""
    stand()
    return ask.opened()
