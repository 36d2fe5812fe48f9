"""What the page shows of a model that is not open: it lacks data, or it cannot be run."""

from __future__ import annotations

import streamlit as st

from qdebug.errors import Cancelled
from qdebug.jobs.verbs import Inspect, Open
from qdebug.results import ModelInfo, ModelRef
from qdebug.web import ask, opening, wanted


def draw(ref: ModelRef) -> None:
    """Layers and what was not understood, below the error where opening failed; the way to data where they lack."""
    if not opening.is_looked_into(ref):
        return
    request = Inspect(ref=ModelRef(model=ref.model))
    if opening.lacks_data(ref):
        info, fresh = ask.latest("model", request)
        if not fresh or not isinstance(info, ModelInfo):
            return
        st.html(wanted.headline_html(info))
        if info.runs:
            st.html(wanted.wanted_html(info))
            st.button("Give data …", key="give-data", type="primary", on_click=opening.start, args=(ref.model,))
    else:
        error = ask.failure(Open(ref=ref))
        info = None if error is None or isinstance(error, Cancelled) else ask.quiet(request)
    if info is not None:
        st.html(wanted.inside_html(info))
