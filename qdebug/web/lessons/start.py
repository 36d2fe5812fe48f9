"""Work that a lesson starts on a click."""

from __future__ import annotations

from typing import Any

import streamlit as st

from qdebug.web.core import clicked
from qdebug.web.lessons.place import Place


def asked(at: Place, name: str, label: str, request: Any, *, hint: str | None = None, primary: bool = False) -> bool:
    """Whether a request is to be drawn: it was clicked, or is known already. Else draws the button that starts it.

    Args:
        at: the lesson.
        name: of the button on its page.
        label: what the button says, as Markdown.
        request: what is asked for.
        hint: what the button says on hover.
        primary: whether it is what the page is about.
    """
    if clicked.is_wanted(request):
        return True
    kind = "primary" if primary else "secondary"
    st.button(label, key=at.key(name), type=kind, on_click=clicked.start, args=(request,), help=hint)
    return False
