"""What the page shows of a model that is not open: it lacks data, or it cannot be run."""

from __future__ import annotations

from pathlib import Path

import streamlit as st

from qdebug.errors import Cancelled
from qdebug.figures.text import escaped
from qdebug.jobs.verbs import Inspect, Open
from qdebug.results import ModelInfo, ModelRef
from qdebug.web.core import ask, words
from qdebug.web.opening import dialog, wanted


def opening_html(ref: ModelRef) -> str:
    """What happens before the first screen."""
    name = escaped(Path(ref.model).name)
    return (
        f'<h1 class="q-page">Opening {name}</h1>'
        + words.quiet("It is read, run once in float on its samples, and calibrated. What that finds is kept.")
        + words.quiet("The first model after a start takes some seconds longer.")
    )


def draw(ref: ModelRef) -> None:
    """Layers and what was not understood, below the error where opening failed; the way to data where they lack.

    While it is opened: what is done for that, which the first time takes some seconds.
    """
    if ask.failure(Open(ref=ref)) is None and not dialog.lacks_data(ref):
        st.html(opening_html(ref))
    if not dialog.is_looked_into(ref):
        return
    request = Inspect(ref=ModelRef(model=ref.model))
    if dialog.lacks_data(ref):
        info, fresh = ask.latest("model", request)
        if not fresh or not isinstance(info, ModelInfo):
            return
        st.html(wanted.headline_html(info))
        if info.runs:
            st.html(wanted.wanted_html(info))
            st.button("Give data …", key="give-data", type="primary", on_click=dialog.start, args=(ref.model,))
    else:
        error = ask.failure(Open(ref=ref))
        info = None if error is None or isinstance(error, Cancelled) else ask.quiet(request)
    if info is not None:
        st.html(wanted.inside_html(info))
