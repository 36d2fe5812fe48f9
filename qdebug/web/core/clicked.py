"""Work that only a click starts: what is known already is shown without one."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import streamlit as st

from qdebug.web.core import ask

MOST = 64


def start(request: Any) -> None:
    """Ask for it from now on."""
    asked = _asked()
    asked[ask.key_of(request)] = None
    asked.move_to_end(ask.key_of(request))
    while len(asked) > MOST:
        asked.popitem(last=False)


def is_wanted(request: Any) -> bool:
    """Whether a request is to be drawn: it was clicked in this session, or there is nothing left to compute."""
    return ask.key_of(request) in _asked() or ask.is_known(request)


def _asked() -> OrderedDict[Any, None]:
    return st.session_state.setdefault("clicked", OrderedDict())
