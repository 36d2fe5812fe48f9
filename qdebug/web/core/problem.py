"""An error as people see it: what is wrong, where, and what to do. The recipe is always kept."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from qdebug.errors import Cancelled, QDebugError
from qdebug.figures.text import escaped
from qdebug.web.core.unplaced import named, unplaced


def draw(error: QDebugError, place: str, retry: Callable[[], None] | None = None) -> None:
    """One clear box; ``retry`` gives it a button to try again."""
    calm = isinstance(error, Cancelled)
    with st.container(key=f"problem-{place}", gap=None):
        st.html(problem_html(error))
        if retry:
            st.button("Measure again" if calm else "Try again", key=f"retry-{place}", on_click=retry, type="tertiary")


def problem_html(error: QDebugError) -> str:
    """The box's text, escaped. Files are told by their names: where they lie on the server is nobody else's to know."""
    calm = isinstance(error, Cancelled)
    do = f"<p>{escaped(unplaced(error.do))}</p>" if error.do else ""
    return (
        f'<div class="q-problem{" q-calm" if calm else ""}" role="{"status" if calm else "alert"}">'
        f'<p class="q-what">{escaped(unplaced(error.what))}</p>{_where(error)}{do}</div>'
    )


def _where(error: QDebugError) -> str:
    if not error.where:
        return ""
    rows = "".join(
        f"<dt>{escaped(key)}</dt><dd>{escaped(named(key, value))}</dd>" for key, value in error.where.items()
    )
    return f"<dl>{rows}</dl>"
