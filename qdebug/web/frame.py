"""What stands around every screen: navigation, and the care that no screen is drawn without it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import streamlit as st

from qdebug.results import ModelInfo
from qdebug.web import ask


def navigation() -> Any:
    """The screens; returns the one to run."""
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
            st.Page("pages/export.py", title="Export"),
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


def model() -> ModelInfo | None:
    """The model at hand, for a screen to draw; None while the frame shows that it is being opened.

    A server's first visitor may ask for a screen by its address. Streamlit then takes a folder called ``pages`` for an
    app of its older kind and runs the screen alone, until navigation has been set up once. So it is, and starts over.
    """
    if not st.session_state.get("framed"):
        navigation()
        st.rerun()
    return ask.opened()
